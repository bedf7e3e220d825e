//! A pool of connections that adds nothing to a call: no test before, no round trip after it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A connection is lent no more after this long, so that those behind a changed address get there,
/// and what a server has gathered for it is given back. One that is in use is closed when it is given
/// back; one that nobody uses, when it is its turn or in the next round of [`Pool::close_old`].
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

/// How connections are made and closed in order.
pub trait Connect: Send + Sync + 'static {
    /// A connection; dropped, it is closed without a word.
    type Connection: Send + 'static;
    /// Why there is none.
    type Error: Send;

    /// Makes a connection that is ready for use.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Says good-bye; one that is lost already is closed, too.
    fn close(connection: Self::Connection) -> impl Future<Output = ()> + Send;
}

/// Connections, at most so many at once, each made as it is needed.
#[derive(Debug)]
pub struct Pool<C: Connect> {
    connector: C,
    places: Arc<Semaphore>,
    size: usize,
    idle: Mutex<Vec<Idle<C::Connection>>>,
    idle_timeout: Duration,
    lifetime: Duration,
}

/// How long a call has waited for others to give back a connection, for whoever gives the call up: a
/// server that does not answer is another matter.
#[derive(Debug, Default)]
pub struct Turn(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    made: Instant,
    since: Instant,
}

/// A connection that somebody uses. Dropped without [`give_back`](Self::give_back), because of an
/// error or a caller that went away in the middle of a call, it is closed.
#[derive(Debug)]
pub struct Lease<C: Connect> {
    connection: C::Connection,
    made: Instant,
    pool: Arc<Pool<C>>,
    _place: OwnedSemaphorePermit,
}

/// Why no connection was lent.
#[derive(Debug)]
pub enum NoLease<E> {
    /// The pool lends no more.
    Closed,
    /// A new one could not be made.
    Connect(E),
}

impl<C: Connect> Pool<C> {
    /// A pool of at most `size` connections, which are closed after `idle_timeout` without use.
    pub fn new(connector: C, size: usize, idle_timeout: Duration) -> Arc<Self> {
        Self::with_lifetime(connector, size, idle_timeout, LIFETIME_MAX)
    }

    fn with_lifetime(
        connector: C,
        size: usize,
        idle_timeout: Duration,
        lifetime: Duration,
    ) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(size));
        Arc::new(Self { connector, places, size, idle: Mutex::default(), idle_timeout, lifetime })
    }

    /// How many connections it lends at once.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Lends a connection; waits its turn if all are in use.
    ///
    /// # Errors
    /// [`NoLease`] if the pool is closed, or one could not be made.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease<C>, NoLease<C::Error>> {
        self.lease_in_turn(&Turn::default()).await
    }

    /// As [`lease`](Self::lease); `turn` tells how long others have had all the connections.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    pub async fn lease_in_turn(
        self: &Arc<Self>,
        turn: &Turn,
    ) -> Result<Lease<C>, NoLease<C::Error>> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::Closed) => return Err(NoLease::Closed),
            Err(TryAcquireError::NoPermits) => {
                turn.begin(Instant::now());
                let place = Arc::clone(&self.places).acquire_owned().await;
                turn.end(Instant::now());
                place.map_err(|_| NoLease::Closed)?
            }
        };
        let (connection, made) = match self.used_last() {
            Some(idle) => (idle.connection, idle.made),
            None => {
                let connection = self.connector.connect().await.map_err(NoLease::Connect)?;
                (connection, Instant::now())
            }
        };
        Ok(Lease { connection, made, pool: Arc::clone(self), _place: place })
    }

    /// The one that was used last, so that the others grow old and go.
    fn used_last(&self) -> Option<Idle<C::Connection>> {
        loop {
            let idle = self.idle.lock().pop()?;
            if idle.made.elapsed() < self.lifetime {
                return Some(idle);
            }
            close_apart::<C>(idle.connection);
        }
    }

    /// Forgets all that nobody uses: after one was lost, the others most likely are, too.
    pub fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle.lock());
        drop(forgotten);
    }

    /// Closes connections that nobody has used for long, or that are old.
    pub async fn close_old(&self) {
        let now = Instant::now();
        let old: Vec<_> = {
            let mut idle = self.idle.lock();
            let is_old = |idle: &mut Idle<C::Connection>| {
                now.duration_since(idle.since) >= self.idle_timeout
                    || now.duration_since(idle.made) >= self.lifetime
            };
            idle.extract_if(.., is_old).collect()
        };
        close_all::<C>(old).await;
    }

    /// Whether it lends no more.
    pub fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Lends no more, and closes what nobody uses; the rest is closed when it is given back.
    pub async fn close(&self) {
        self.stop();
        let idle = std::mem::take(&mut *self.idle.lock());
        close_all::<C>(idle).await;
    }

    /// Lends no more.
    pub fn stop(&self) {
        self.places.close();
    }
}

impl Turn {
    fn begin(&self, now: Instant) {
        self.0.lock().since = Some(now);
    }

    fn end(&self, now: Instant) {
        let mut waited = self.0.lock();
        if let Some(since) = waited.since.take() {
            waited.before += now.duration_since(since);
        }
    }

    /// How long the call has waited for a connection until `now`, if that was most of the time
    /// `limit` that it had: not the server is to blame, which was given too little of it.
    pub fn took_most(&self, limit: Duration, now: Instant) -> Option<Duration> {
        let waited = self.0.lock();
        let until_now = waited.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        Some(waited.before + until_now).filter(|waited| *waited > limit / 2)
    }
}

async fn close_all<C: Connect>(idle: Vec<Idle<C::Connection>>) {
    for idle in idle {
        C::close(idle.connection).await;
    }
}

impl<C: Connect> Lease<C> {
    /// Gives back a connection on which nothing is under way. One that is old is closed: under a
    /// steady load it would never be among those that nobody uses.
    pub fn give_back(self) {
        let Self { connection, made, pool, _place: place } = self;
        let since = Instant::now();
        if since.duration_since(made) >= pool.lifetime {
            close_apart::<C>(connection);
            return;
        }
        {
            let mut kept = pool.idle.lock();
            // Under the lock, so that whoever closes the pool meanwhile finds it.
            if !pool.is_closed() {
                kept.push(Idle { connection, made, since });
            }
        }
        // Who gets the place finds the connection.
        drop(place);
    }
}

/// Says good-bye without keeping the caller; without a word where no runtime is left to do so.
fn close_apart<C: Connect>(connection: C::Connection) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(C::close(connection));
    }
}

impl<C: Connect> Deref for Lease<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.connection
    }
}

impl<C: Connect> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Numbers its connections; refuses the third.
    #[derive(Debug, Default)]
    struct Numbers(AtomicU32);

    impl Connect for Numbers {
        type Connection = u32;
        type Error = &'static str;

        async fn connect(&self) -> Result<u32, &'static str> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                2 => Err("refused"),
                number => Ok(number),
            }
        }

        async fn close(_: u32) {}
    }

    #[tokio::test]
    async fn what_was_given_back_is_lent_again_and_what_was_dropped_is_not() {
        let pool = Pool::new(Numbers::default(), 2, Duration::MAX);
        let (first, second) = (pool.lease().await.unwrap(), pool.lease().await.unwrap());
        assert_eq!((*first, *second), (0, 1));
        second.give_back();
        drop(first);
        let again = pool.lease().await.unwrap();
        assert_eq!(*again, 1);
        assert!(matches!(pool.lease().await, Err(NoLease::Connect("refused"))));
        assert_eq!(*pool.lease().await.unwrap(), 3, "a refusal gives its place back");
        again.give_back();
        pool.forget_idle();
        assert_eq!(*pool.lease().await.unwrap(), 4);
    }

    #[tokio::test]
    async fn what_is_old_is_closed_when_it_is_given_back_and_lent_no_more() {
        let pool = Pool::with_lifetime(Numbers::default(), 1, Duration::MAX, Duration::ZERO);
        for expected in [0, 1] {
            let lease = pool.lease().await.unwrap();
            assert_eq!(*lease, expected, "one that was old already");
            lease.give_back();
            assert!(pool.idle.lock().is_empty());
        }
        // One that has grown old among those that nobody uses.
        let now = Instant::now();
        pool.idle.lock().push(Idle { connection: 9, made: now, since: now });
        assert!(matches!(pool.lease().await, Err(NoLease::Connect("refused"))), "it is not lent");
    }

    #[test]
    fn a_turn_tells_what_took_most_of_a_calls_time() {
        let turn = Turn::default();
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(turn.took_most(second, begun), None);
        turn.begin(begun);
        assert_eq!(turn.took_most(second, begun + second / 2), None);
        assert_eq!(turn.took_most(second, begun + second), Some(second));
        turn.end(begun + second / 4);
        assert_eq!(turn.took_most(second, begun + second), None, "the rest was the server's");
        // Tried again, and waited again.
        turn.begin(begun + second / 2);
        assert_eq!(turn.took_most(second, begun + second), Some(second * 3 / 4));
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_only_while_others_have_all_connections() {
        let pool = Pool::new(Numbers::default(), 1, Duration::MAX);
        assert_eq!(pool.size(), 1);
        let turn = Arc::new(Turn::default());
        let lease = pool.lease_in_turn(&turn).await.unwrap();
        assert!(turn.0.lock().since.is_none() && turn.0.lock().before.is_zero());
        let waiting = tokio::spawn({
            let (pool, turn) = (Arc::clone(&pool), Arc::clone(&turn));
            async move { pool.lease_in_turn(&turn).await.map(Lease::give_back).ok() }
        });
        while turn.0.lock().since.is_none() {
            tokio::task::yield_now().await;
        }
        lease.give_back();
        waiting.await.unwrap().unwrap();
        assert!(turn.0.lock().since.is_none() && !turn.0.lock().before.is_zero());
    }

    #[tokio::test]
    async fn a_pool_that_is_used_up_lends_when_something_comes_back() {
        let pool = Pool::new(Numbers::default(), 1, Duration::MAX);
        let lease = pool.lease().await.unwrap();
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.lease().await.map(|lease| *lease).ok() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        lease.give_back();
        assert_eq!(waiting.await.unwrap(), Some(0));
    }

    #[tokio::test]
    async fn a_closed_pool_lends_and_keeps_nothing() {
        let pool = Pool::new(Numbers::default(), 2, Duration::MAX);
        let lease = pool.lease().await.unwrap();
        pool.close().await;
        lease.give_back();
        assert!(pool.is_closed() && pool.idle.lock().is_empty());
        assert!(matches!(pool.lease().await, Err(NoLease::Closed)));
    }

    #[tokio::test]
    async fn what_nobody_uses_is_closed_in_time() {
        let pool = Pool::new(Numbers::default(), 2, Duration::ZERO);
        pool.lease().await.unwrap().give_back();
        pool.close_old().await;
        assert!(pool.idle.lock().is_empty());
    }
}
