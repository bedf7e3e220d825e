//! The fence in the tables: counter and floor in the row of the meta table, cells in one of their
//! own. It is read and changed inside of write transactions only, and nothing of it is remembered
//! from one to the next, for another process may have raised it.

use std::collections::HashMap;

use cache_core::clock::Timestamp;
use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tags};
use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

use crate::schema::Statements;

/// The fence as one transaction sees and changes it.
#[derive(Debug)]
pub(crate) struct Fence {
    /// Not below any cell, nor the floor.
    pub(crate) counter: u64,
    pub(crate) floor: u64,
    pub(crate) origin: u64,
    now: Timestamp,
    /// Cells read or raised in this transaction.
    cells: HashMap<usize, u64, RandomState>,
}

/// Microseconds since the Unix epoch, as the counter has them.
pub(crate) fn micros(now: Timestamp) -> i64 {
    i64::try_from(now.unix_ms().saturating_mul(1000)).unwrap_or(i64::MAX)
}

impl Fence {
    pub(crate) fn new(counter: u64, floor: u64, origin: u64, now: Timestamp) -> Self {
        Self { counter, floor, origin, now, cells: HashMap::default() }
    }

    /// Whether a value whose load began at `stamp` may be stored.
    pub(crate) fn admits(
        &mut self,
        connection: &Connection,
        statements: &Statements,
        stamp: Stamp,
        key: &Key,
        tags: &Tags,
    ) -> rusqlite::Result<bool> {
        if cfg!(fencing_off) {
            return Ok(true);
        }
        // A mark above the counter was given out in another life of the file, before a restore.
        if stamp.origin != self.origin || stamp.mark < self.floor || stamp.mark > self.counter {
            return Ok(false);
        }
        if stamp.mark == self.counter {
            return Ok(true);
        }
        for cell in tags.into_iter().map(cell_of_tag).chain([cell_of_key(key)]) {
            if self.cell(connection, statements, cell)? > stamp.mark {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The mark of a cell.
    pub(crate) fn cell(
        &mut self,
        connection: &Connection,
        statements: &Statements,
        cell: usize,
    ) -> rusqlite::Result<u64> {
        if let Some(mark) = self.cells.get(&cell) {
            return Ok(*mark);
        }
        let mut statement = connection.prepare_cached(&statements.cell)?;
        let mark: Option<i64> = statement.query_row([cell as i64], |row| row.get(0)).optional()?;
        let mark = mark.unwrap_or(0) as u64;
        self.cells.insert(cell, mark);
        Ok(mark)
    }

    /// Raises the counter past every stamp handed out so far.
    pub(crate) fn advance(&mut self) -> u64 {
        // Time in it passes the stamps of a counter that fell back with its file.
        self.counter = (self.counter + 1).max(micros(self.now) as u64);
        self.counter
    }

    /// Raises cells to a mark that [`advance`](Self::advance) gave.
    pub(crate) fn raise(
        &mut self,
        connection: &Connection,
        statements: &Statements,
        cells: impl IntoIterator<Item = usize>,
        mark: u64,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&statements.cell_raise)?;
        for cell in cells {
            statement.execute([cell as i64, mark as i64])?;
            self.cells.insert(cell, mark);
        }
        Ok(())
    }

    /// Forgets what was read and raised, where some of that was undone.
    pub(crate) fn forget_cells(&mut self) {
        self.cells.clear();
    }

    /// Raises the floor to a mark that [`advance`](Self::advance) gave.
    pub(crate) fn raise_floor(&mut self, mark: u64) {
        self.floor = self.floor.max(mark);
    }
}
