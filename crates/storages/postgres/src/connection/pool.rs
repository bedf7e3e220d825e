//! A pool of connections that adds nothing to a call: no test before, no round trip after it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ConnectError, Connector};

/// A connection is replaced after this long, so that those behind a changed address get there, and
/// what a server's process has gathered is given back.
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

pub(crate) struct Pool {
    connector: Connector,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    idle_timeout: Duration,
}

struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection that somebody uses. Dropped without [`give_back`](Self::give_back), because of an
/// error or a caller that went away in the middle of a call, it is closed.
pub(crate) struct Lease {
    connection: Option<PgConnection>,
    made: Instant,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

/// Why no connection was lent.
#[derive(Debug)]
pub(crate) enum NoLease {
    Closed,
    Connect(ConnectError),
}

impl Pool {
    pub(crate) fn new(connector: Connector, size: usize, idle_timeout: Duration) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(size));
        Arc::new(Self { connector, places, idle: Mutex::default(), idle_timeout })
    }

    /// Lends a connection; waits its turn if all are in use.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease, NoLease> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| NoLease::Closed)?;
        let (connection, made) = match self.take_idle() {
            Some(idle) => (idle.connection, idle.made),
            None => {
                let connection = self.connector.connect().await.map_err(NoLease::Connect)?;
                (connection, Instant::now())
            }
        };
        Ok(Lease { connection: Some(connection), made, pool: Arc::clone(self), _place: place })
    }

    fn take_idle(&self) -> Option<Idle> {
        // The one used last: the others grow old and go.
        self.idle.lock().pop()
    }

    /// Forgets all that nobody uses: after one was lost, the others most likely are, too.
    pub(crate) fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle.lock());
        drop(forgotten);
    }

    /// Closes connections that nobody has used for long, or that are old.
    pub(crate) async fn close_old(&self) {
        let now = Instant::now();
        let old: Vec<Idle> = {
            let mut idle = self.idle.lock();
            let is_old = |idle: &mut Idle| {
                now.duration_since(idle.since) >= self.idle_timeout
                    || now.duration_since(idle.made) >= LIFETIME_MAX
            };
            idle.extract_if(.., is_old).collect()
        };
        close_all(old).await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Lends no more, and closes what nobody uses; the rest is closed when it is given back.
    pub(crate) async fn close(&self) {
        self.stop();
        let idle = std::mem::take(&mut *self.idle.lock());
        close_all(idle).await;
    }

    /// Lends no more.
    pub(crate) fn stop(&self) {
        self.places.close();
    }
}

async fn close_all(idle: Vec<Idle>) {
    for idle in idle {
        // One that is lost already is closed, too.
        let _ = idle.connection.close().await;
    }
}

impl Lease {
    /// Gives back a connection on which nothing is under way.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take()
            && !self.pool.is_closed()
        {
            let idle = Idle { connection, made: self.made, since: Instant::now() };
            self.pool.idle.lock().push(idle);
        }
    }
}

// The connection is there until it is given back, which takes the lease.
#[allow(clippy::expect_used)]
impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("a lease that was given back is gone")
    }
}

#[allow(clippy::expect_used)]
impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a lease that was given back is gone")
    }
}
