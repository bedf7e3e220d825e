//! Listing, page by page in the order of keys, so that a change in between moves nothing.

use std::sync::Arc;

use cache_core::storage::{EntryDetails, Selector, StorageError, StorageErrorKind};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::PgRow;

use super::{column, row};
use crate::error::{closed, damaged, error};
use crate::invalidate::Target;
use crate::storage::{Arguments, Shared};

const OPERATION: &str = "scan";
/// Rows that one statement looks at.
const PAGE_ROWS: i64 = 2000;

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
            .map_ok(|rows: Vec<PgRow>| {
                // The last row that was looked at is there for its key, if it is not meant.
                let meant = |row: &PgRow| column::<bool>(row, 7, "meant").unwrap_or(true);
                let rows = rows.into_iter().filter(meant);
                stream::iter(rows).map(|row| row::details(&row, OPERATION))
            })
            .try_flatten()
            .boxed()
    }

    fn pages<'a>(
        self: &'a Arc<Self>,
        target: Target<'a>,
    ) -> BoxStream<'a, Result<Vec<PgRow>, StorageError>> {
        // The key that the next page begins behind; `None` when there is none.
        let state = (target, Some(String::new()));
        stream::try_unfold(state, move |(target, after)| async move {
            let Some(after) = after else { return Ok(None) };
            let arguments =
                || target.arguments(Arguments::default().with(after.as_str()).with(PAGE_ROWS));
            let sql = self.statements.scan(target.condition());
            let rows = self.rows(OPERATION, sql, arguments).await?;
            let next = match rows.last() {
                Some(last) => {
                    let key = column::<String>(last, 0, "key");
                    Some(key.map_err(|source| damaged(OPERATION, source))?)
                }
                None => None,
            };
            Ok(Some((rows, (target, next))))
        })
        .boxed()
    }
}
