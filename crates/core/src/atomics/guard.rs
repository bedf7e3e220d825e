use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::lease::{Lease, Step};
use super::name::AtomicName;
use super::operation::{Answer, Operation, Owner};
use super::store::AtomicStore;
use crate::clock::Tick;
use crate::error::Error;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{AbortHandle, Mutex};

/// A lock that is held. It extends itself until it is released or dropped, and tells when it was
/// lost: where the storage could not be reached until its end, or its end came while this process
/// stood still.
///
/// Dropping it gives the lock back by a task of the cache's runtime; [`release`](Self::release)
/// waits for that. Where neither comes to pass, the lock ends after its TTL.
///
/// A lock alone does not keep a process that stood still from writing after its end. What is
/// written under the lock is to be fenced by the [`token`](Self::token): whoever takes the write
/// refuses a token smaller than one that it has seen.
pub struct LockGuard {
    held: Arc<Held>,
    keeper: AbortHandle,
}

/// A lock that is held, without what extends it. Dropping it gives the lock back.
pub(crate) struct Held {
    store: AtomicStore,
    name: AtomicName,
    owner: Owner,
    token: u64,
    ttl: Duration,
    retention: Duration,
    lease: Mutex<Lease>,
    lost: CancellationToken,
    released: AtomicBool,
}

impl Held {
    /// Taken by a call that was sent at `asked`.
    pub(super) fn new(
        store: AtomicStore,
        name: AtomicName,
        owner: Owner,
        token: u64,
        (ttl, retention): (Duration, Duration),
        asked: Tick,
    ) -> Self {
        let lease = Lease::new(asked, ttl, store.cache.clock.resolution());
        Self {
            store,
            name,
            owner,
            token,
            ttl,
            retention,
            lease: Mutex::new(lease),
            lost: CancellationToken::new(),
            released: AtomicBool::new(false),
        }
    }

    fn now(&self) -> Tick {
        self.store.cache.clock.monotonic()
    }

    /// For how long it is certainly held.
    fn left(&self) -> Option<Duration> {
        let now = self.now();
        self.lease.lock().left(now)
    }

    /// Extends it again and again; ends when it is lost.
    pub(crate) async fn keep(&self) {
        loop {
            let now = self.now();
            let step = self.lease.lock().step(now);
            match step {
                Step::Wait(pause) => self.store.cache.clock.sleep(pause).await,
                Step::Extend(left) => self.extend(now, left).await,
                Step::Lost => {
                    self.lost.cancel();
                    return;
                }
            }
        }
    }

    async fn extend(&self, asked: Tick, left: Duration) {
        let (owner, ttl, retention) = (self.owner, self.ttl, self.retention);
        let operation = Operation::Extend { owner, ttl, retention };
        let call = std::pin::pin!(self.store.apply_to_the_end(&self.name, &operation));
        let answer = match select(call, self.store.cache.clock.sleep(left)).await {
            Either::Left((answer, _)) => answer,
            // Its end has come while the storage was asked.
            Either::Right(_) => return,
        };
        let now = self.now();
        let mut lease = self.lease.lock();
        match answer {
            Ok(Answer::Extended(true)) => lease.extended(asked, now),
            Ok(_) => lease.refused(),
            Err(_) => lease.failed(now),
        }
    }

    /// Completes when it is no longer held, extended or not.
    pub(crate) async fn lost(&self) {
        while let Some(left) = self.left() {
            let lost = std::pin::pin!(self.lost.cancelled());
            select(lost, self.store.cache.clock.sleep(left)).await;
        }
    }

    async fn release(&self) -> Result<bool, Error> {
        let operation = Operation::Release { owner: self.owner, retention: self.retention };
        let answer = self.store.apply_to_the_end(&self.name, &operation).await?;
        self.released.store(true, Ordering::SeqCst);
        self.lease.lock().refused();
        match answer {
            Answer::Released(released) => Ok(released),
            _ => Err(self.store.unexpected(&operation)),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.released.load(Ordering::SeqCst) {
            give_back(&self.store, &self.name, self.owner, self.retention);
        }
    }
}

/// Gives a lock back by a task of its own. Where that fails, it ends after its TTL.
pub(super) fn give_back(store: &AtomicStore, name: &AtomicName, owner: Owner, retention: Duration) {
    if cfg!(mutant = "lock_left_held") {
        return;
    }
    let (given, name) = (store.clone(), name.clone());
    store.cache.spawn(async move {
        let operation = Operation::Release { owner, retention };
        let _ = given.apply_to_the_end(&name, &operation).await;
    });
}

impl LockGuard {
    pub(super) fn new(held: Held) -> Self {
        let held = Arc::new(held);
        let kept = Arc::clone(&held);
        // It does not keep the lock by itself: when the guard goes, it is aborted.
        let keeper = held.store.cache.spawn_until_closing(async move { kept.keep().await });
        Self { held, keeper }
    }

    /// Larger than the token of everybody who held the lock before; also after it was released or
    /// its end had come. By it, what the lock guards can refuse a holder that was late.
    pub fn token(&self) -> u64 {
        self.held.token
    }

    /// Whether the lock is certainly still held, by this process' own monotonic clock. It may be
    /// lost right after.
    pub fn is_held(&self) -> bool {
        self.held.left().is_some()
    }

    /// Completes when the lock is lost: at its end, if it could not be extended.
    ///
    /// ```
    /// # use cache_core::atomics::LockGuard;
    /// # async fn work() {}
    /// # async fn example(guard: LockGuard) {
    /// tokio::select! {
    ///     () = work() => {}
    ///     () = guard.lost() => eprintln!("another may work now"),
    /// }
    /// # }
    /// ```
    pub async fn lost(&self) {
        self.held.lost().await;
    }

    /// Gives the lock back, and waits for that; whether it was still held.
    ///
    /// # Errors
    /// [`Error::Storage`] if the storage could not be asked; it is then tried once more in the
    /// background.
    pub async fn release(self) -> Result<bool, Error> {
        self.keeper.abort();
        self.held.release().await
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.keeper.abort();
        // The task that is aborted may be dropped later than this.
        if !self.held.released.swap(true, Ordering::SeqCst) {
            let held = &self.held;
            give_back(&held.store, &held.name, held.owner, held.retention);
        }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.fmt(f)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("name", &self.name)
            .field("token", &self.token)
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}
