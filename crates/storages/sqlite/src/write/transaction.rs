//! One write transaction, with what it knows of the fence and the totals.

use cache_core::clock::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::connection::create_meta;
use crate::fence::Fence;
use crate::maintain::{Accesses, enforce_bounds};
use crate::outside::Place;
use crate::read::{execute, tags_from};
use crate::schema::Statements;
use crate::storage::Shared;

/// Writes and bytes that one transaction takes before the next begins, so that nobody waits long.
const WRITES_MAX: usize = 2048;
const BYTES_MAX: usize = 16 << 20;

/// A write transaction; rolled back unless it is committed.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) shared: &'a Shared,
    pub(crate) accesses: &'a mut Accesses,
    pub(crate) fence: Fence,
    /// Read once the lock was held.
    pub(crate) now: Timestamp,
    pub(crate) entries: i64,
    pub(crate) payload_bytes: i64,
    /// Told to the counters of the storage if it is committed.
    pub(crate) evicted: u64,
    pub(crate) expired: u64,
    pub(crate) writes: usize,
    pub(crate) bytes: usize,
    /// Whether a value was removed or replaced.
    pub(crate) replaced: bool,
    was: (u64, u64, i64, i64),
}

/// What a savepoint goes back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint {
    entries: i64,
    payload_bytes: i64,
}

impl<'a> Transaction<'a> {
    /// Takes the write lock, waiting for it as long as the connection's timeout says.
    pub(crate) fn begin(
        connection: &'a Connection,
        shared: &'a Shared,
        accesses: &'a mut Accesses,
    ) -> rusqlite::Result<Self> {
        execute(connection, "BEGIN IMMEDIATE")?;
        Self::begun(connection, shared, accesses).inspect_err(|_| roll_back(connection))
    }

    fn begun(
        connection: &'a Connection,
        shared: &'a Shared,
        accesses: &'a mut Accesses,
    ) -> rusqlite::Result<Self> {
        let now = shared.clock.wall();
        let meta = match read_meta(connection, &shared.statements)? {
            Some(meta) => meta,
            None => {
                create_meta(connection, &shared.statements, shared.clock.as_ref())?;
                read_meta(connection, &shared.statements)?
                    .ok_or(rusqlite::Error::QueryReturnedNoRows)?
            }
        };
        let [counter, floor, origin] = [meta[0], meta[1], meta[2]].map(|number| number as u64);
        let (entries, payload_bytes) = (meta[3], meta[4]);
        Ok(Self {
            connection,
            shared,
            accesses,
            fence: Fence::new(counter, floor, origin, now),
            now,
            entries,
            payload_bytes,
            evicted: 0,
            expired: 0,
            writes: 0,
            bytes: 0,
            replaced: false,
            was: (counter, floor, entries, payload_bytes),
        })
    }

    pub(crate) fn statements(&self) -> &'a Statements {
        &self.shared.statements
    }

    /// Whether it has done so much that what follows is for the next.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full_for(0)
    }

    /// Whether a write with a value of so many bytes is for the next.
    pub(crate) fn is_full_for(&self, value_bytes: usize) -> bool {
        let bytes = self.bytes + value_bytes;
        self.writes > 0
            && (self.writes >= WRITES_MAX
                || bytes >= BYTES_MAX
                || self.shared.log.fills_transaction(self.writes, bytes))
    }

    /// Removes an entry with its tags; `tags` is the text of its column.
    pub(crate) fn remove(
        &mut self,
        id: i64,
        size_bytes: i64,
        tags: Option<&str>,
    ) -> rusqlite::Result<()> {
        let removed = self.connection.prepare_cached(&self.statements().delete)?.execute([id])?;
        self.removed(removed, id, size_bytes, tags)
    }

    /// Removes an entry with its tags if it is past its time; how many that were.
    pub(crate) fn remove_expired(
        &mut self,
        id: i64,
        size_bytes: i64,
        tags: Option<&str>,
        moment: i64,
    ) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached(&self.statements().delete_expired)?;
        let removed = statement.execute([id, moment])?;
        self.removed(removed, id, size_bytes, tags)?;
        Ok(removed as u64)
    }

    fn removed(
        &mut self,
        rows: usize,
        id: i64,
        size_bytes: i64,
        tags: Option<&str>,
    ) -> rusqlite::Result<()> {
        if rows > 0 {
            self.entries -= 1;
            self.replaced = true;
            self.payload_bytes -= size_bytes;
            self.remove_tags(id, tags)?;
        }
        Ok(())
    }

    /// Takes an entry out of the tags that its column names.
    pub(crate) fn remove_tags(&self, id: i64, tags: Option<&str>) -> rusqlite::Result<()> {
        let Some(text) = tags else { return Ok(()) };
        let Some(tags) = tags_from(text.as_bytes()) else {
            // The column is damaged: they have to be searched for.
            let mut statement =
                self.connection.prepare_cached(&self.statements().tags_delete_id)?;
            return statement.execute([id]).map(drop);
        };
        let mut statement = self.connection.prepare_cached(&self.statements().tag_delete)?;
        for tag in &tags {
            statement.execute(params![tag.as_str(), id])?;
        }
        Ok(())
    }

    pub(crate) fn savepoint(&self) -> rusqlite::Result<Savepoint> {
        execute(self.connection, "SAVEPOINT item")?;
        Ok(Savepoint { entries: self.entries, payload_bytes: self.payload_bytes })
    }

    pub(crate) fn release(&self) -> rusqlite::Result<()> {
        execute(self.connection, "RELEASE item")
    }

    /// Undoes what was done since the savepoint.
    pub(crate) fn undo(&mut self, savepoint: Savepoint) -> rusqlite::Result<()> {
        execute(self.connection, "ROLLBACK TO item")?;
        execute(self.connection, "RELEASE item")?;
        self.entries = savepoint.entries;
        self.payload_bytes = savepoint.payload_bytes;
        self.fence.forget_cells();
        Ok(())
    }

    /// Brings the store within its bounds and commits.
    pub(crate) fn commit(mut self) -> rusqlite::Result<()> {
        if self.writes > 0 {
            enforce_bounds(&mut self)?;
        }
        let is = (self.fence.counter, self.fence.floor, self.entries, self.payload_bytes);
        if is != self.was {
            let mut statement = self.connection.prepare_cached(&self.statements().meta_update)?;
            statement.execute([is.0 as i64, is.1 as i64, is.2, is.3])?;
        }
        execute(self.connection, "COMMIT")?;
        self.shared.counters.add(self.evicted, self.expired);
        if self.replaced && self.shared.statements.place == Place::Outside {
            self.shared.calls.collections.ring();
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        roll_back(self.connection);
    }
}

fn roll_back(connection: &Connection) {
    // After some failures SQLite has rolled back by itself; if it cannot be done, the next
    // transaction fails to begin and says so.
    if !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK");
    }
}

fn read_meta(
    connection: &Connection,
    statements: &Statements,
) -> rusqlite::Result<Option<[i64; 5]>> {
    let mut statement = connection.prepare_cached(&statements.meta)?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
    };
    statement.query_row([], row).optional()
}
