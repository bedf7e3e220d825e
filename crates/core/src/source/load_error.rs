use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An error of a source. Any error becomes one by `?`; every waiter of the load gets a clone.
///
/// It does not implement [`Error`] itself, so that `?` can take every error there is; its
/// [`shared`](Self::shared) form does.
#[derive(Clone)]
pub struct LoadError {
    source: SharedError,
    permanent: bool,
}

/// An error that can be cloned; transparent: it shows, and leads on to, the error inside.
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl LoadError {
    /// An error told in words.
    pub fn message(message: impl Into<String>) -> Self {
        Self::from(Message(message.into()))
    }

    /// Says that the same load will fail again, so that retrying is of no use.
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// Whether retrying is of no use.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The error inside.
    pub fn shared(&self) -> SharedError {
        self.source.clone()
    }
}

impl SharedError {
    /// The error inside, to be looked at or downcast.
    pub fn inner(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for LoadError {
    fn from(error: E) -> Self {
        Self { source: SharedError(Arc::new(error)), permanent: false }
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);
