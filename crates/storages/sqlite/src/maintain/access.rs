//! Access counts and times: noted beside each connection, written in batches.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::Connection;

use super::candidates::Candidates;
use crate::read::Pool;
use crate::schema::Statements;

/// Entries whose accesses are noted at most, over all connections. Those beyond are not counted
/// until the next batch has been written.
const NOTED_MAX: usize = 16_384;

/// How often an entry was used, and when last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    count: u32,
    /// Unix microseconds, told from every other use in this process.
    last: i64,
}

/// The accesses made through one connection.
#[derive(Debug)]
pub(crate) struct AccessLog {
    noted: HashMap<i64, Access, RandomState>,
    noted_max: usize,
}

impl AccessLog {
    /// A log with its share of the bound.
    pub(crate) fn new(share: usize) -> Self {
        Self { noted: HashMap::default(), noted_max: (NOTED_MAX / share.max(1)).max(64) }
    }

    pub(crate) fn add(&mut self, id: i64, last: i64) {
        add(&mut self.noted, self.noted_max, id, Access { count: 1, last });
    }
}

/// The accesses that the writer has collected and not yet written.
#[derive(Debug, Default)]
pub(crate) struct Accesses {
    noted: HashMap<i64, Access, RandomState>,
    /// What is evicted next.
    pub(super) candidates: Candidates,
}

impl Accesses {
    /// Takes over what the connections have noted, of those that nobody uses at the moment.
    pub(crate) fn collect(&mut self, pool: &Pool) {
        for mut slot in pool.idle_slots() {
            for (id, access) in slot.accesses.noted.drain() {
                add(&mut self.noted, NOTED_MAX, id, access);
            }
        }
    }

    /// Forgets the accesses of an entry that goes.
    pub(super) fn forget(&mut self, id: i64) {
        self.noted.remove(&id);
    }

    /// When an entry was used last, given what its row says.
    pub(super) fn last_use(&self, id: i64, written: i64) -> i64 {
        self.noted.get(&id).map_or(written, |access| written.max(access.last))
    }

    /// Writes those of up to `limit` entries; how many.
    pub(crate) fn write_some(
        &mut self,
        connection: &Connection,
        statements: &Statements,
        limit: usize,
    ) -> rusqlite::Result<usize> {
        let mut some: Vec<(i64, Access)> =
            self.noted.iter().take(limit).map(|(id, access)| (*id, *access)).collect();
        some.sort_unstable_by_key(|(id, _)| *id);
        for (id, access) in &some {
            write(connection, statements, *id, *access)?;
        }
        for (id, _) in &some {
            self.noted.remove(id);
        }
        Ok(some.len())
    }
}

/// Writes the accesses of one entry; nothing if it has gone.
fn write(
    connection: &Connection,
    statements: &Statements,
    id: i64,
    access: Access,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&statements.accessed)?;
    statement.execute([id, i64::from(access.count), access.last]).map(drop)
}

fn add(noted: &mut HashMap<i64, Access, RandomState>, noted_max: usize, id: i64, access: Access) {
    if let Some(known) = noted.get_mut(&id) {
        known.count = known.count.saturating_add(access.count);
        known.last = known.last.max(access.last);
    } else if noted.len() < noted_max {
        noted.insert(id, access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_goes_on_counting_what_it_knows() {
        let mut log = AccessLog::new(NOTED_MAX / 64);
        for id in 0..100 {
            log.add(id, id);
        }
        log.add(0, 200);
        assert_eq!(log.noted.len(), 64);
        assert_eq!(log.noted[&0], Access { count: 2, last: 200 });
    }
}
