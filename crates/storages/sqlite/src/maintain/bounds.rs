//! The bounds: entries that were not used for long are evicted in the transaction that would go
//! over.

use rusqlite::Connection;

use super::candidates::next_candidate;
use crate::outside::Place;
use crate::write::Transaction;

/// Entries evicted before the bounds are looked at again.
const BATCH: u64 = 500;
/// What one transaction evicts at least if there is so much to evict; more if it wrote more.
const EVICTED_MAX: u64 = 2000;
/// Once over, a bound is kept with this share of it to spare, so that not every write evicts. Of
/// entries no more than a few, or one write would wait for many evictions.
const SPARE_ENTRIES: u64 = 128;
const SPARE_ENTRIES_MAX: u64 = 64;
const SPARE_BYTES: u64 = 64;
/// Few enough to be done in a moment.
pub(super) const VACUUM_PAGES: u64 = 256;

/// How many pages a file has, and how many of them hold nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub(super) all: u64,
    pub(super) free: u64,
    pub(super) page_bytes: u64,
}

impl Pages {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            let number: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(number as u64)
        };
        Ok(Self {
            all: number("PRAGMA page_count")?,
            free: number("PRAGMA freelist_count")?,
            page_bytes: number("PRAGMA page_size")?,
        })
    }

    fn used_bytes(self) -> u64 {
        (self.all - self.free.min(self.all)) * self.page_bytes
    }
}

/// Evicts until the store is within its bounds, within what one transaction may do.
pub(crate) fn enforce_bounds(txn: &mut Transaction<'_>) -> rusqlite::Result<()> {
    let limit = EVICTED_MAX + 2 * txn.writes as u64;
    evict(txn, limit)?;
    let bytes_max = txn.shared.options.max_bytes;
    let pages = Pages::of(txn.connection)?;
    if pages.all * pages.page_bytes > bytes_max && txn.shared.incremental {
        let over = pages.all - bytes_max / pages.page_bytes;
        vacuum(txn.connection, over.min(pages.free))?;
    }
    Ok(())
}

/// Evicts at most so many entries; how many, and whether the store is within its bounds now.
pub(super) fn evict(txn: &mut Transaction<'_>, limit: u64) -> rusqlite::Result<(u64, bool)> {
    let (mut evicted, mut over) = (0, false);
    loop {
        let excess = excess(txn, over)?;
        if excess == 0 {
            return Ok((evicted, true));
        }
        if !over {
            over = true;
            txn.accesses.collect(&txn.shared.pool);
        }
        let count = excess.min(BATCH).min(limit - evicted);
        if count == 0 {
            return Ok((evicted, false));
        }
        for _ in 0..count {
            let Some(candidate) = next_candidate(txn)? else { return Ok((evicted, false)) };
            txn.remove(candidate.id, candidate.size_bytes, candidate.tags.as_deref())?;
            txn.evicted += 1;
            evicted += 1;
        }
    }
}

/// How many entries are over the bounds, or, with `spare`, over where eviction stops.
fn excess(txn: &Transaction<'_>, spare: bool) -> rusqlite::Result<u64> {
    let options = &txn.shared.options;
    let (mut entries_max, mut bytes_max) = (options.max_entries, options.max_bytes);
    if spare {
        entries_max -= (entries_max / SPARE_ENTRIES).min(SPARE_ENTRIES_MAX);
        bytes_max -= bytes_max / SPARE_BYTES;
    }
    let entries = u64::try_from(txn.entries).unwrap_or(0);
    let over_entries = entries.saturating_sub(entries_max);
    let mut used_bytes = Pages::of(txn.connection)?.used_bytes();
    if txn.statements().place == Place::Outside {
        used_bytes = used_bytes.saturating_add(u64::try_from(txn.payload_bytes).unwrap_or(0));
    }
    if used_bytes <= bytes_max {
        return Ok(over_entries);
    }
    // As many as would do if they were of the mean length; what is asked again is exact.
    let mean_bytes = (used_bytes / entries.max(1)).max(1);
    let over_bytes = (used_bytes - bytes_max).div_ceil(mean_bytes);
    Ok(over_entries.max(over_bytes).min(entries))
}

/// Gives up to `pages` empty pages back at the next checkpoint.
pub(super) fn vacuum(connection: &Connection, pages: u64) -> rusqlite::Result<()> {
    if pages == 0 {
        // Of SQLite, nothing would mean everything.
        return Ok(());
    }
    let sql = format!("PRAGMA incremental_vacuum({pages})");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
