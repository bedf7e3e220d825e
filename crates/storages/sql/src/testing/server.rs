//! Servers that tests start.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// A server that nobody hurts, for all tests that want no other; it ends with the last of them.
#[derive(Debug)]
pub struct SharedServer<S>(Mutex<Weak<S>>);

impl<S: Send + Sync + 'static> SharedServer<S> {
    /// One that does not run yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The server, which `start` starts if it does not run.
    pub async fn get(&'static self, start: fn() -> S) -> Arc<S> {
        blocking(move || {
            let mut server = self.0.lock();
            server.upgrade().unwrap_or_else(|| {
                let started = Arc::new(start());
                *server = Arc::downgrade(&started);
                started
            })
        })
        .await
    }
}

impl<S: Send + Sync + 'static> Default for SharedServer<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs what blocks where it may.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
