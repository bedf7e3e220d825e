//! Listing entries, a page at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use cache_core::storage::{EntryDetails, Selector, StorageError};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::oneshot;

use super::Read;
use super::select::{Cursor, Page};
use crate::storage::Shared;

const OPERATION: &str = "scan";

/// What is left of a scan.
struct Scan<'a> {
    shared: &'a Shared,
    selector: Arc<Selector>,
    read: VecDeque<Result<EntryDetails, StorageError>>,
    next: Option<Cursor>,
}

impl Shared {
    pub(crate) fn scan<'a>(
        &'a self,
        selector: &Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let scan = Scan {
            shared: self,
            selector: Arc::new(selector.clone()),
            read: VecDeque::new(),
            next: Some(Cursor::Start),
        };
        stream::unfold(scan, |mut scan| async {
            let item = scan.item().await?;
            Some((item, scan))
        })
        .boxed()
    }
}

impl Scan<'_> {
    async fn item(&mut self) -> Option<Result<EntryDetails, StorageError>> {
        while self.read.is_empty() {
            let cursor = self.next.take()?;
            let (answer, answered) = oneshot::channel();
            let read = Read::Page { selector: Arc::clone(&self.selector), cursor, answer };
            match self.shared.read(OPERATION, read, 1, answered).await {
                Ok(page) => self.take(page),
                // Where the rest begins is not known: it ends here.
                Err(error) => return Some(Err(error)),
            }
        }
        self.read.pop_front()
    }

    fn take(&mut self, page: Page) {
        let now = self.shared.clock.wall();
        self.next = page.next;
        let kept = page.rows.iter().filter(|row| now < row.kept_until);
        self.read.extend(kept.map(|row| row.public(OPERATION)));
    }
}
