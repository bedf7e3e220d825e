//! Listing, page by page in the order of keys, so that a change in between moves nothing.

use std::sync::Arc;

use cache_core::storage::{EntryDetails, Selector, StorageError, StorageErrorKind};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::mysql::MySqlRow;

use super::{column, row, text};
use crate::error::{closed, damaged, error};
use crate::invalidate::Target;
use crate::storage::Shared;

const OPERATION: &str = "scan";
/// Rows that one statement looks at.
const PAGE_ROWS: usize = 1000;

impl Shared {
    pub(crate) fn scan<'a>(
        self: &'a Arc<Self>,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let targets = match Target::of(selector) {
            Some(targets) => targets,
            None => {
                let message = "this release does not know how to find what the selector names";
                let error = error(OPERATION, StorageErrorKind::Invalid, message);
                return stream::once(async { Err(error) }).boxed();
            }
        };
        if targets.is_empty() && self.pool.is_closed() {
            return stream::once(async { Err(closed(OPERATION)) }).boxed();
        }
        let pages = stream::iter(targets).flat_map(move |target| self.pages(target));
        pages
            .map_ok(|rows: Vec<MySqlRow>| {
                let is_meant = |row: &MySqlRow| column::<i64>(row, 7, "meant").unwrap_or(1) != 0;
                let rows = rows.into_iter().filter(is_meant);
                stream::iter(rows).map(|row| row::details(&row, OPERATION))
            })
            .try_flatten()
            .boxed()
    }

    fn pages<'a>(
        self: &'a Arc<Self>,
        target: Target<'a>,
    ) -> BoxStream<'a, Result<Vec<MySqlRow>, StorageError>> {
        let columns =
            "e.`key`, e.expire_at, e.fresh_until, e.created_at, e.kind, e.size_bytes, e.tags";
        let sql = target.find(&self.statements, columns, &self.statements.kept, PAGE_ROWS);
        // The key that the next page begins behind; `None` when there is none.
        let state = (target, Some(String::new()));
        stream::try_unfold(state, move |(target, after)| {
            let sql = Arc::clone(&sql);
            async move {
                let Some(after) = after else { return Ok(None) };
                let rows = self.rows(OPERATION, &sql, &target.arguments(&after)).await?;
                let next = match rows.last() {
                    Some(last) if rows.len() == PAGE_ROWS => {
                        let key = text(last, 0, "key");
                        Some(key.map_err(|source| damaged(OPERATION, source))?.to_owned())
                    }
                    _ => None,
                };
                Ok(Some((rows, (target, next))))
            }
        })
        .boxed()
    }
}
