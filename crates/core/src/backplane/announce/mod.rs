//! Appending: what this cache invalidates, and that it is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, Notify, oneshot};

use super::event::{Cause, Event, Message, Operation, Told};
use super::log::{EventLog, Position};
use super::options::{Backplane, Silence};
use super::stats::BackplaneStats;
use crate::cache::Registered;
use crate::clock::Clock;
use crate::observe;
use crate::storage::{InvalidationMode, Selector, StorageError, StorageErrorKind};

/// How many events wait for a log that does not take them; one for the whole namespace takes the
/// place of more.
const UNSENT_MAX: usize = 1024;

/// How many events go into the log at once.
const APPENDED_AT_ONCE: usize = 256;

/// How many keys or tags one event names.
const NAMES_MAX: usize = 512;

/// The log of a cache.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    /// That of a storage which is known to have one.
    Storage(Arc<Registered>),
    Own(Arc<dyn EventLog>),
}

/// What appends for a cache.
#[derive(Debug)]
pub(crate) struct Announcer {
    pub(super) log: Log,
    /// Tells this cache from all others.
    pub(super) instance: u64,
    pub(super) prefix: String,
    pub(super) options: Backplane,
    pub(super) clock: Arc<dyn Clock>,
    next: AtomicU64,
    /// Held by whoever appends. What comes meanwhile goes into the log with the next append.
    turn: Turn<()>,
    queue: Mutex<Vec<Queued>>,
    unsent: Mutex<VecDeque<Bytes>>,
    is_down: AtomicBool,
    sent: AtomicU64,
    send_failures: AtomicU64,
    /// Wakes the task that says that the cache is there, and appends what could not be.
    pub(super) wake: Notify,
    pub(super) greets: AtomicBool,
    /// Memory and the storages of this host are not asked, for nothing was heard for too long.
    pub(super) is_distrusted: AtomicBool,
    /// The storages of this host are held since the start.
    pub(super) holds: AtomicBool,
    /// What the task that reads knows.
    pub(super) followed: Mutex<BackplaneStats>,
    pub(super) joined: tokio::sync::watch::Sender<bool>,
}

#[derive(Debug)]
struct Queued {
    event: Bytes,
    done: oneshot::Sender<Result<(), StorageError>>,
}

/// One invalidation on its way through the tiers, as it is told to others.
#[derive(Debug)]
pub(crate) struct Announcement<'a> {
    announcer: Option<&'a Announcer>,
    told: Vec<Told>,
}

impl Log {
    pub(super) fn get(&self) -> Option<&dyn EventLog> {
        match self {
            Self::Storage(storage) => storage.events(),
            Self::Own(log) => Some(&**log),
        }
    }
}

fn unavailable(operation: &'static str, message: &str) -> StorageError {
    StorageError::new("backplane", operation, StorageErrorKind::Unavailable, message)
}

impl Announcer {
    pub(crate) fn new(
        log: Log,
        prefix: &str,
        options: Backplane,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            instance: fastrand::u64(..),
            prefix: prefix.to_owned(),
            options,
            clock,
            next: AtomicU64::new(1),
            turn: Turn::default(),
            queue: Mutex::default(),
            unsent: Mutex::default(),
            is_down: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            send_failures: AtomicU64::new(0),
            wake: Notify::new(),
            greets: AtomicBool::new(false),
            is_distrusted: AtomicBool::new(false),
            holds: AtomicBool::new(false),
            followed: Mutex::default(),
            joined: tokio::sync::watch::Sender::new(false),
        })
    }

    /// Whether the process reads nothing of its own while it cannot hear of others.
    pub(crate) fn misses_in_silence(&self) -> bool {
        self.options.silence == Silence::Miss
    }

    pub(crate) fn stats(&self) -> BackplaneStats {
        BackplaneStats {
            appends: !self.is_down.load(Ordering::SeqCst),
            sent: self.sent.load(Ordering::Relaxed),
            send_failures: self.send_failures.load(Ordering::Relaxed),
            unsent: self.unsent.lock().len() as u64,
            ..self.followed.lock().clone()
        }
    }

    /// How many events wait to be appended.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.lock().len()
    }

    /// Waits until the log is being read.
    pub(crate) async fn joined(&self) {
        // The sender is this value's own.
        let _ = self.joined.subscribe().wait_for(|joined| *joined).await;
    }

    pub(super) fn follows(&self, position: &Position) {
        self.followed.lock().position = Some(position.clone());
    }

    fn bytes(&self, message: Message) -> Bytes {
        Event { sender: self.instance, prefix: self.prefix.clone(), message }.to_bytes()
    }

    fn told(&self, selector: Selector, mode: InvalidationMode, cause: Cause) -> Told {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let operation = Operation { origin: self.instance, number };
        Told { operation, selector, mode, cause }
    }

    /// Appends what says that this cache is there.
    pub(super) async fn hello(&self, order: Vec<(String, String)>) -> bool {
        let message = Message::Hello { heartbeat: self.options.heartbeat, order };
        let appended = self.append_now(vec![self.bytes(message)]).await;
        match appended {
            Ok(()) if self.unsent.lock().is_empty() => self.is_up(),
            Ok(()) => {}
            Err(error) => self.failed(&error),
        }
        !self.is_down.load(Ordering::SeqCst)
    }

    pub(super) async fn goodbye(&self) {
        // Others notice without it, later.
        let _ = self.append_now(vec![self.bytes(Message::Goodbye)]).await;
    }

    /// Appends events; with them goes what others want appended at the same time. Those that the log
    /// does not take wait until it does, where they are of use `later`.
    async fn append(&self, events: Vec<Bytes>, later: bool) -> Result<(), StorageError> {
        if self.is_down.load(Ordering::SeqCst) {
            if later {
                self.leave_unsent(events);
            }
            return Err(unavailable("append", "the log does not take events at the moment"));
        }
        let mut answers = Vec::with_capacity(events.len());
        {
            let mut queue = self.queue.lock();
            for event in &events {
                let (done, answer) = oneshot::channel();
                queue.push(Queued { event: event.clone(), done });
                answers.push(answer);
            }
        }
        {
            let _turn = self.turn.lock().await;
            // What comes later is for whoever comes later.
            let mut left = self.queue.lock().len();
            while left > 0 {
                let batch: Vec<Queued> = {
                    let mut queue = self.queue.lock();
                    let count = queue.len().min(APPENDED_AT_ONCE);
                    queue.drain(..count).collect()
                };
                left = left.saturating_sub(batch.len());
                let events = batch.iter().map(|queued| queued.event.clone()).collect();
                let appended = self.append_now(events).await;
                if let Err(error) = &appended {
                    self.failed(error);
                }
                for queued in batch {
                    // Who was to hear of it may have gone away.
                    let _ = queued.done.send(appended.clone());
                }
            }
        }
        let mut done = Ok(());
        for (event, answer) in events.into_iter().zip(answers) {
            // Who had the turn may have been given up in the middle.
            let lost = || Err(unavailable("append", "the append was given up"));
            if let Err(error) = answer.await.unwrap_or_else(|_| lost()) {
                if later {
                    self.leave_unsent(vec![event]);
                }
                done = Err(error);
            }
        }
        done
    }

    async fn append_now(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        let count = events.len() as u64;
        let Some(log) = self.log.get() else {
            return Err(unavailable("append", "the storage has no log of events"));
        };
        let limit = self.clock.sleep(self.options.append_timeout);
        match select(log.append(events), limit).await {
            Either::Left((appended, _)) => appended?,
            Either::Right(_) => {
                let message = format!("no answer within {:?}", self.options.append_timeout);
                return Err(unavailable("append", &message));
            }
        }
        self.sent.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn failed(&self, error: &StorageError) {
        self.send_failures.fetch_add(1, Ordering::Relaxed);
        if !self.is_down.swap(true, Ordering::SeqCst) {
            observe::backplane_failed("append", error);
        }
    }

    fn is_up(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    fn leave_unsent(&self, events: Vec<Bytes>) {
        let mut unsent = self.unsent.lock();
        unsent.extend(events);
        if unsent.len() > UNSENT_MAX {
            unsent.clear();
            let all = Selector::Namespace(self.prefix.clone());
            let told = self.told(all, InvalidationMode::Remove, Cause::Invalidated);
            unsent.push_back(self.bytes(Message::Final(told)));
        }
        drop(unsent);
        self.wake.notify_one();
    }

    /// Appends what could not be appended before; whether nothing is left of it.
    pub(crate) async fn append_unsent(&self) -> bool {
        loop {
            let events: Vec<Bytes> =
                self.unsent.lock().iter().take(APPENDED_AT_ONCE).cloned().collect();
            if events.is_empty() {
                return true;
            }
            if let Err(error) = self.append_now(events.clone()).await {
                self.failed(&error);
                return false;
            }
            // What overflowed meanwhile has taken their place.
            self.unsent.lock().retain(|event| !events.contains(event));
            if self.unsent.lock().is_empty() {
                self.is_up();
            }
        }
    }
}

impl<'a> Announcement<'a> {
    /// Nothing is told to anybody.
    pub(crate) const fn silent() -> Self {
        Self { announcer: None, told: Vec::new() }
    }

    /// What is to be told of an invalidation.
    pub(crate) fn new(
        announcer: Option<&'a Announcer>,
        selector: &Selector,
        mode: InvalidationMode,
        cause: Cause,
    ) -> Self {
        let Some(announcer) = announcer else { return Self::silent() };
        let one = |selector| announcer.told(selector, mode, cause);
        let told = match selector {
            Selector::Keys(keys) => {
                keys.chunks(NAMES_MAX).map(|keys| one(Selector::Keys(keys.to_vec()))).collect()
            }
            Selector::AnyTag(tags) => {
                tags.chunks(NAMES_MAX).map(|tags| one(Selector::AnyTag(tags.to_vec()))).collect()
            }
            selector => vec![one(selector.clone())],
        };
        Self { announcer: Some(announcer), told }
    }

    /// What another cache has begun to tell.
    pub(super) fn resumed(announcer: &'a Announcer, told: Told) -> Self {
        Self { announcer: Some(announcer), told: vec![told] }
    }

    /// Tells that it has begun; joined with the farthest storage.
    pub(crate) async fn intent(&self) {
        let message =
            if cfg!(mutant = "event_with_far_only") { Message::Final } else { Message::Intent };
        // Where the log is down, the end will not be told either, and says so. It is left to be told;
        // this is of no use then.
        let _ = self.append(message, false).await;
    }

    /// Tells that it has been through all shared storages; why not, if it could not be told.
    pub(crate) async fn finish(&self) -> Option<StorageError> {
        if cfg!(mutant = "event_with_far_only") {
            return None;
        }
        self.append(Message::Final, true).await.err()
    }

    /// Leaves the end to be told by whoever appends what could not be, for an operation that is
    /// given up and cannot wait.
    pub(crate) fn leave(&self) {
        let Some(announcer) = self.announcer else { return };
        let finals = self.told.iter().map(|told| announcer.bytes(Message::Final(told.clone())));
        announcer.leave_unsent(finals.collect());
    }

    async fn append(&self, message: fn(Told) -> Message, later: bool) -> Result<(), StorageError> {
        let Some(announcer) = self.announcer else { return Ok(()) };
        let events = self.told.iter().map(|told| announcer.bytes(message(told.clone()))).collect();
        announcer.append(events, later).await
    }
}

#[cfg(test)]
mod tests;
