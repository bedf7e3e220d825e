use std::sync::Arc;
use std::time::Duration;

use super::guard::{Held, LockGuard, give_back};
use super::name::AtomicName;
use super::operation::{Answer, Operation, Owner};
use super::store::AtomicStore;
use crate::clock::Tick;
use crate::error::Error;
use crate::storage::StorageErrorKind;

/// What one owner at a time holds, over all processes; made by
/// [`Cache::lock`](crate::cache::Cache::lock).
///
/// ```
/// # use cache_core::cache::Cache;
/// # async fn example(cache: Cache) -> Result<(), Box<dyn std::error::Error>> {
/// let lock = cache.lock("redis", "nightly-report")?;
/// if let Some(guard) = lock.try_acquire().await? {
///     println!("working under token {}", guard.token());
///     guard.release().await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    store: AtomicStore,
    name: AtomicName,
    ttl: Duration,
    retention: Duration,
}

/// A TTL below which no network lets a lock be extended in time.
const TTL_MIN: Duration = Duration::from_millis(50);
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

impl Lock {
    pub(crate) fn new(store: AtomicStore, name: AtomicName) -> Self {
        let (ttl, retention) = (Duration::from_secs(30), Duration::from_secs(86_400));
        Self { store, name, ttl, retention }
    }

    /// Sets for how long it stays held where its holder has died or cannot reach the storage; 30
    /// seconds by default, 50 milliseconds at least. A holder that lives extends it each third of
    /// this.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.max(TTL_MIN);
        self
    }

    /// Sets for how long after its end the last token is remembered; a day by default. After that,
    /// tokens grow by the server's clock alone, and would shrink if it fell back by more.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Takes it if nobody holds it. One round trip. A caller that goes away half-way leaves it
    /// free.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        match self.take().await? {
            Taken::Held(held) => Ok(Some(LockGuard::new(held))),
            Taken::ByAnother(_) => Ok(None),
        }
    }

    /// Takes it as soon as nobody holds it, asking again and again with pauses drawn at random of
    /// up to a quarter of a second. Nobody's turn is kept.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn acquire(&self) -> Result<LockGuard, Error> {
        let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            match self.take().await? {
                Taken::Held(held) => return Ok(LockGuard::new(held)),
                Taken::ByAnother(remaining) => {
                    let pause = pauses.next().min(remaining.max(PAUSE_MIN));
                    self.store.cache.clock.sleep(pause).await;
                }
            }
        }
    }

    /// As [`acquire`](Self::acquire); `None` if that takes longer than `wait_max`.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn acquire_within(&self, wait_max: Duration) -> Result<Option<LockGuard>, Error> {
        use futures_util::future::{Either, select};
        let sleep = self.store.cache.clock.sleep(wait_max);
        match select(std::pin::pin!(self.acquire()), sleep).await {
            Either::Left((guard, _)) => guard.map(Some),
            Either::Right(_) => Ok(None),
        }
    }

    async fn take(&self) -> Result<Taken, Error> {
        take_to_the_end(&self.store, &self.name, (self.ttl, self.retention)).await
    }
}

/// What an attempt to take a lock came to.
pub(crate) enum Taken {
    Held(Held),
    /// Another holds it, for so long unless it is extended.
    ByAnother(Duration),
}

/// Asks for a lock once, for a TTL and a retention. Runs to its end even if the caller goes away:
/// what was taken for nobody is given back.
pub(crate) async fn take_to_the_end(
    store: &AtomicStore,
    name: &AtomicName,
    times: (Duration, Duration),
) -> Result<Taken, Error> {
    let cache = Arc::clone(&store.cache);
    let (store, name) = (store.clone(), name.clone());
    cache.run(async move { take(&store, &name, times).await }).await
}

async fn take(
    store: &AtomicStore,
    name: &AtomicName,
    times: (Duration, Duration),
) -> Result<Taken, Error> {
    let (ttl, retention) = times;
    let mut attempt = Attempt { store, name, owner: Owner::random(), retention, is_open: true };
    let asked: Tick = store.cache.clock.monotonic();
    let operation = Operation::Acquire { owner: attempt.owner, ttl, retention };
    let answer = store.apply(name, &operation).await;
    // What was not asked for at all was not taken either.
    attempt.is_open = answer.as_ref().is_err_and(|error| {
        !matches!(error, Error::Storage { source, .. } if source.kind() == StorageErrorKind::BreakerOpen)
    });
    let answer = answer?;
    match answer {
        Answer::Acquired { token } => {
            let held = Held::new(store.clone(), name.clone(), attempt.owner, token, times, asked);
            Ok(Taken::Held(held))
        }
        Answer::Held { remaining } => Ok(Taken::ByAnother(remaining)),
        _ => Err(store.unexpected(&operation)),
    }
}

/// A call of which it is not known whether it has taken the lock: dropped so, it gives it back.
struct Attempt<'a> {
    store: &'a AtomicStore,
    name: &'a AtomicName,
    owner: Owner,
    retention: Duration,
    is_open: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open {
            give_back(self.store, self.name, self.owner, self.retention);
        }
    }
}

/// Pauses that grow, each drawn at random from half of itself to the whole, so that those who wait
/// for the same do not come together.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { next: shortest, longest }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 3 / 2).min(self.longest);
        // A clock counts whole milliseconds.
        pause.max(Duration::from_millis(1))
    }
}
