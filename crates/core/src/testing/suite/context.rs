use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::client::Client;
use super::factory::{Setup, StorageFactory};
use super::failure::CaseResult;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::entry::Entry;
use crate::fence::{cell_of_key, cell_of_tag};
use crate::key::{KEY_BYTES_MAX, Key, Tag};
use crate::storage::Storage;

/// What a case runs with: a client on a fresh store, keys and tags of its own, and its time.
pub struct Context {
    room: Arc<dyn Opener>,
    client: Client,
    prefix: String,
    cells: Cells,
    reserved: Mutex<Vec<usize>>,
}

type Cells = Arc<Mutex<HashSet<usize>>>;

/// What the cases of one run share.
#[derive(Default)]
pub(super) struct Ground {
    turns: Arc<RwLock<()>>,
    cells: Cells,
}

/// Held while a case runs.
pub(super) enum Turn {
    Alone { _guard: OwnedRwLockWriteGuard<()> },
    Beside { _guard: OwnedRwLockReadGuard<()> },
}

impl Ground {
    /// Waits until the case may run: beside others, or `alone`.
    pub(super) async fn turn(&self, alone: bool) -> Turn {
        let turns = Arc::clone(&self.turns);
        if alone {
            Turn::Alone { _guard: turns.write_owned().await }
        } else {
            Turn::Beside { _guard: turns.read_owned().await }
        }
    }

    /// The cells in use: those of all cases where they share a fence, otherwise of one.
    pub(super) fn cells(&self, shared: bool) -> Cells {
        if shared { Arc::clone(&self.cells) } else { Cells::default() }
    }
}

/// A store with all clients that were opened on it.
pub(super) struct Room<F: StorageFactory> {
    factory: Arc<F>,
    store: F::Store,
    setup: Setup,
    manual: Option<ManualClock>,
    opened: Mutex<Vec<Arc<dyn Storage>>>,
}

pub(super) trait Opener: Send + Sync {
    fn open(&self) -> BoxFuture<'_, CaseResult<Arc<dyn Storage>>>;
    fn clock(&self) -> &dyn Clock;
    fn manual(&self) -> Option<&ManualClock>;
}

impl<F: StorageFactory> Room<F> {
    pub(super) fn new(
        factory: Arc<F>,
        store: F::Store,
        setup: Setup,
        manual: Option<ManualClock>,
    ) -> Self {
        Self { factory, store, setup, manual, opened: Mutex::default() }
    }

    /// Closes every client; closing one again is allowed.
    pub(super) async fn close(&self) -> CaseResult {
        let opened = std::mem::take(&mut *self.opened.lock());
        for storage in opened {
            storage.close().await?;
        }
        Ok(())
    }
}

impl<F: StorageFactory> Opener for Room<F> {
    fn open(&self) -> BoxFuture<'_, CaseResult<Arc<dyn Storage>>> {
        Box::pin(async {
            let storage = self.factory.open(&self.store, &self.setup).await?;
            self.opened.lock().push(Arc::clone(&storage));
            Ok(storage)
        })
    }

    fn clock(&self) -> &dyn Clock {
        &*self.setup.clock
    }

    fn manual(&self) -> Option<&ManualClock> {
        self.manual.as_ref()
    }
}

impl Context {
    pub(super) async fn open(room: Arc<dyn Opener>, cells: Cells) -> CaseResult<Self> {
        let client = Client::new(room.open().await?);
        // Random, so that what an earlier run left on a server is not met.
        let prefix = format!("s{:012x}", fastrand::u64(..) >> 16);
        Ok(Self { room, client, prefix, cells, reserved: Mutex::default() })
    }

    /// The storage itself.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        self.client.storage()
    }

    /// Short calls to the storage.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Another client on the same store, as another process would have.
    ///
    /// # Errors
    /// Whatever the factory answers.
    pub async fn second_client(&self) -> CaseResult<Client> {
        Ok(Client::new(self.room.open().await?))
    }

    /// Closes the first client and opens the store again, as a process that was restarted does.
    ///
    /// # Errors
    /// Whatever the storage or the factory answers.
    pub async fn reopened(&self) -> CaseResult<Client> {
        self.storage().close().await?;
        Ok(Client::new(self.room.open().await?))
    }

    /// The prefix of the case's keys and tags.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key whose name begins with `label`, in a cell that no other key or tag of the case has.
    ///
    /// # Errors
    /// If the label makes no valid key.
    pub fn key(&self, label: &str) -> CaseResult<Key> {
        let mut name = label.to_owned();
        let mut attempt = 0;
        loop {
            let key = Key::from_parts(&self.prefix, &name, "v1")?;
            if self.reserve(cell_of_key(&key)) {
                return Ok(key);
            }
            attempt += 1;
            name = format!("{label}~{attempt}");
        }
    }

    /// So many keys.
    ///
    /// # Errors
    /// If the label makes no valid key.
    pub fn keys(&self, label: &str, count: usize) -> CaseResult<Vec<Key>> {
        (0..count).map(|number| self.key(&format!("{label}{number}"))).collect()
    }

    /// A key with exactly this name and version; it may share a cell with another.
    ///
    /// # Errors
    /// If the parts make no valid key.
    pub fn exact_key(&self, name: &str, version: &str) -> CaseResult<Key> {
        Ok(Key::from_parts(&self.prefix, name, version)?)
    }

    /// A key of the greatest length allowed.
    ///
    /// # Errors
    /// Never, unless the limit has become too small.
    pub fn longest_key(&self, fill: char) -> CaseResult<Key> {
        let room = KEY_BYTES_MAX - self.prefix.len() - "::v1".len();
        let width = fill.len_utf8();
        let name = fill.to_string().repeat(room / width) + &"x".repeat(room % width);
        self.exact_key(&name, "v1")
    }

    /// A tag whose label begins with `label`, in a cell that no other key or tag of the case has.
    ///
    /// # Errors
    /// If the label makes no valid tag.
    pub fn tag(&self, label: &str) -> CaseResult<Tag> {
        let mut name = label.to_owned();
        let mut attempt = 0;
        loop {
            let tag = Tag::new(&self.prefix, &name)?;
            if self.reserve(cell_of_tag(&tag)) {
                return Ok(tag);
            }
            attempt += 1;
            name = format!("{label}~{attempt}");
        }
    }

    fn reserve(&self, cell: usize) -> bool {
        let free = self.cells.lock().insert(cell);
        if free {
            self.reserved.lock().push(cell);
        }
        free
    }

    /// What time it is for entries.
    pub fn now(&self) -> Timestamp {
        self.room.clock().wall()
    }

    /// The clock, where the case moves it by hand.
    pub fn manual_clock(&self) -> Option<&ManualClock> {
        self.room.manual()
    }

    /// A short life of an entry, long enough to write it and short enough to wait for its end.
    pub fn short(&self) -> Duration {
        match self.room.manual() {
            Some(_) => Duration::from_secs(10),
            None => Duration::from_millis(500),
        }
    }

    /// Lets `duration` pass: at once by hand, in real time (and a little more) on a server.
    pub async fn pass(&self, duration: Duration) {
        match self.room.manual() {
            Some(clock) => clock.advance(duration),
            None => tokio::time::sleep(duration + Duration::from_millis(200)).await,
        }
    }

    /// A value for `key` that is fresh for an hour and kept for two.
    pub fn value(&self, key: &Key, payload: impl AsRef<[u8]>) -> Entry {
        self.tagged(key, payload, &[])
    }

    /// A value for `key` with tags, fresh for an hour and kept for two.
    pub fn tagged(&self, key: &Key, payload: impl AsRef<[u8]>, tags: &[&Tag]) -> Entry {
        super::client::value(key, payload.as_ref(), tags, self.now())
    }

    /// A value for `key` that is fresh and kept for [`short`](Self::short).
    pub fn short_lived(&self, key: &Key, payload: impl AsRef<[u8]>, tags: &[&Tag]) -> Entry {
        let mut entry = self.tagged(key, payload, tags);
        entry.fresh_until = self.now().after(self.short());
        entry.kept_until = entry.fresh_until;
        entry
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut cells = self.cells.lock();
        for cell in self.reserved.lock().drain(..) {
            cells.remove(&cell);
        }
    }
}
