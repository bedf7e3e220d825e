//! A pool of connections that adds nothing to a call: no test before, no round trip after it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection is replaced after this long, so that those behind a changed address get there, and
/// what a server has gathered for it is given back.
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
    idle: Mutex<Vec<Idle<C::Connection>>>,
    idle_timeout: Duration,
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
    connection: Option<C::Connection>,
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
        let places = Arc::new(Semaphore::new(size));
        Arc::new(Self { connector, places, idle: Mutex::default(), idle_timeout })
    }

    /// Lends a connection; waits its turn if all are in use.
    ///
    /// # Errors
    /// [`NoLease`] if the pool is closed, or one could not be made.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease<C>, NoLease<C::Error>> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| NoLease::Closed)?;
        // The one used last: the others grow old and go.
        let idle = self.idle.lock().pop();
        let (connection, made) = match idle {
            Some(idle) => (idle.connection, idle.made),
            None => {
                let connection = self.connector.connect().await.map_err(NoLease::Connect)?;
                (connection, Instant::now())
            }
        };
        Ok(Lease { connection: Some(connection), made, pool: Arc::clone(self), _place: place })
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
                    || now.duration_since(idle.made) >= LIFETIME_MAX
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

async fn close_all<C: Connect>(idle: Vec<Idle<C::Connection>>) {
    for idle in idle {
        C::close(idle.connection).await;
    }
}

impl<C: Connect> Lease<C> {
    /// Gives back a connection on which nothing is under way.
    pub fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            let idle = Idle { connection, made: self.made, since: Instant::now() };
            let mut kept = self.pool.idle.lock();
            // Under the lock, so that whoever closes the pool meanwhile finds it.
            if !self.pool.is_closed() {
                kept.push(idle);
            }
        }
    }
}

// The connection is there until it is given back, which takes the lease.
#[allow(clippy::expect_used)]
impl<C: Connect> Deref for Lease<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        self.connection.as_ref().expect("a lease that was given back is gone")
    }
}

#[allow(clippy::expect_used)]
impl<C: Connect> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        self.connection.as_mut().expect("a lease that was given back is gone")
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
