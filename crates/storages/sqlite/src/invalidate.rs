//! Invalidations: the fence is raised and the first entries go in one transaction, the rest in
//! further ones, so that a large one stops nobody for long.

use std::time::Instant;

use cache_core::clock::Timestamp;
use cache_core::storage::{Invalidated, InvalidationMode, Selector, StorageError};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use crate::maintain::Operation;
use crate::read::{Cursor, Details, page};
use crate::storage::Shared;
use crate::write::{Job, Left, Transaction};

/// What an invalidated entry that is kept is fresh until. A touch tells by it that the entry was
/// invalidated since it was read, and leaves it alone.
pub(crate) const EXPIRED: Timestamp = Timestamp::from_unix_ms(0);

/// Rows that one step looks at.
const STEP_ROWS: usize = 1000;

/// How far an invalidation has come.
#[derive(Clone, Debug)]
pub(crate) struct Invalidation {
    /// To what the fence was raised; `None` before it was.
    mark: Option<u64>,
    next: Cursor,
    /// Whether more than one step was taken since the raise.
    in_steps: bool,
    /// Set while what was made stale in steps is gone through once more: the mark of the first time.
    again: Option<u64>,
    pub(crate) entries: u64,
}

impl Invalidation {
    pub(crate) fn new() -> Self {
        Self { mark: None, next: Cursor::Start, in_steps: false, again: None, entries: 0 }
    }
}

impl Shared {
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        const OPERATION: &str = "invalidate";
        consume_budget().await;
        let begun = Instant::now();
        let weight = match selector {
            Selector::Keys(keys) => keys.len(),
            Selector::AnyTag(tags) | Selector::AllTags(tags) => tags.len(),
            _ => 1,
        };
        let (answer, answered) = oneshot::channel();
        let selector = selector.clone();
        let job = Job::Invalidate { selector, mode, progress: Invalidation::new(), answer };
        let answer = self.long_job(OPERATION, job, weight, answered).await;
        let entries = answer.as_ref().ok().map(|invalidated| invalidated.entries);
        self.tallies.lock().add(Operation::Invalidate, begun, entries.unwrap_or(0), entries);
        answer
    }
}

/// Raises the fence in the first step; removes or expires one page in each.
pub(crate) fn step(
    txn: &mut Transaction<'_>,
    selector: &Selector,
    mode: InvalidationMode,
    progress: &mut Invalidation,
) -> rusqlite::Result<Left> {
    let (connection, statements) = (txn.connection, txn.statements());
    // Entries stored after the fence was raised are new: later steps leave them alone.
    let newer = progress.again.or(progress.mark);
    if progress.mark.is_none() {
        let mark = txn.fence.advance();
        match selector.cells() {
            Some(cells) => txn.fence.raise(connection, statements, cells, mark)?,
            None => txn.fence.raise_floor(mark),
        }
        progress.mark = Some(mark);
    }
    let page = page(connection, statements, selector, &progress.next, STEP_ROWS)?;
    let ending = if progress.again.is_some() { InvalidationMode::Remove } else { mode };
    for row in page.rows {
        let is_older = newer.is_none_or(|mark| row.stamp < mark);
        if is_older && !(progress.again.is_some() && row.fresh_until == EXPIRED) {
            progress.entries += invalidate(txn, &row, ending)?;
        }
    }
    match page.next {
        Some(next) => {
            progress.next = next;
            progress.in_steps = true;
            Ok(Left::More)
        }
        // What is only made stale keeps its token, and between two steps can be replaced by what
        // was made of it while it was fresh and the fence already raised. After a second raise that
        // is refused; what came before it is fresh now, under the mark of what it replaced, and goes.
        None if mode == InvalidationMode::Expire
            && progress.in_steps
            && progress.again.is_none() =>
        {
            let (again, entries) = (progress.mark, progress.entries);
            *progress = Invalidation { again, entries, ..Invalidation::new() };
            Ok(Left::More)
        }
        None => Ok(Left::Nothing),
    }
}

fn invalidate(
    txn: &mut Transaction<'_>,
    row: &Details,
    mode: InvalidationMode,
) -> rusqlite::Result<u64> {
    let there = u64::from(txn.now < row.kept_until);
    match mode {
        InvalidationMode::Remove => txn.remove(row.id, row.size_bytes, row.tags.as_deref())?,
        InvalidationMode::Expire => {
            let mut statement = txn.connection.prepare_cached(&txn.statements().expire)?;
            statement.execute([row.id, EXPIRED.unix_ms() as i64])?;
        }
    }
    Ok(there)
}
