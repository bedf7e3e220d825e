//! Which entries are evicted next: the least recently used of a sample.
//!
//! An index by last use would be written with every set, and is most of what a set costs. Ids are
//! hashes, so that neighbouring rows are a random sample that lies on few pages. Each sample goes on
//! where the one before ended, and its oldest eighth is evicted before the next is taken. A store of
//! no more entries than a sample has evicts exactly the least recently used. In a larger one, what
//! goes is older than seven eighths of a random sample: that an entry of the more recently used
//! three quarters goes has a probability below 10^-20.

use std::collections::VecDeque;

use rusqlite::OptionalExtension;

use crate::write::Transaction;

/// Rows of a sample.
const SAMPLE_ROWS: usize = 1024;
/// The share of a sample that is evicted.
const EVICTED_SHARE: usize = 8;

/// What the last sample found.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// Oldest first.
    found: VecDeque<Seen>,
    /// Where the next sample begins.
    next_id: i64,
}

/// An entry as a sample saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    last_used: i64,
    id: i64,
}

/// A row that is to go.
pub(super) struct Candidate {
    pub(super) id: i64,
    pub(super) size_bytes: i64,
    pub(super) tags: Option<String>,
}

impl Default for Candidates {
    fn default() -> Self {
        // Several processes on one file look in different places.
        Self { found: VecDeque::new(), next_id: fastrand::i64(..) }
    }
}

/// The entry to be evicted next; `None` if there is none. The accesses have been collected.
pub(super) fn next_candidate(txn: &mut Transaction<'_>) -> rusqlite::Result<Option<Candidate>> {
    loop {
        let Some(seen) = txn.accesses.candidates.found.pop_front() else {
            sample(txn)?;
            if txn.accesses.candidates.found.is_empty() {
                return Ok(None);
            }
            continue;
        };
        let mut statement = txn.connection.prepare_cached(&txn.statements().candidate)?;
        let row = statement.query_row([seen.id], |row| {
            let candidate = Candidate { id: seen.id, size_bytes: row.get(0)?, tags: row.get(1)? };
            Ok((candidate, row.get::<_, i64>(2)?))
        });
        let Some((candidate, last_accessed)) = row.optional()? else { continue };
        // Used since, whether that was written down or not: it is not the one.
        if txn.accesses.last_use(seen.id, last_accessed) == seen.last_used {
            txn.accesses.forget(seen.id);
            return Ok(Some(candidate));
        }
    }
}

/// Looks at the next rows, from the first again after the last, and keeps the oldest.
fn sample(txn: &mut Transaction<'_>) -> rusqlite::Result<()> {
    let mut seen = Vec::with_capacity(SAMPLE_ROWS);
    let start = txn.accesses.candidates.next_id;
    let mut next_id = start;
    let ranges = [Some((start, i64::MAX)), start.checked_sub(1).map(|end| (i64::MIN, end))];
    for (first, last) in ranges.into_iter().flatten() {
        let room = SAMPLE_ROWS - seen.len();
        if room == 0 {
            break;
        }
        let mut statement = txn.connection.prepare_cached(&txn.statements().recency)?;
        let mut rows = statement.query([first, last, room as i64])?;
        while let Some(row) = rows.next()? {
            let (id, last_accessed) = (row.get(0)?, row.get(1)?);
            seen.push(Seen { last_used: txn.accesses.last_use(id, last_accessed), id });
            next_id = id.wrapping_add(1);
        }
    }
    seen.sort_unstable();
    seen.truncate((seen.len() / EVICTED_SHARE).max(1));
    txn.accesses.candidates = Candidates { found: seen.into(), next_id };
    Ok(())
}
