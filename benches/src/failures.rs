//! What failed while it was measured: work that is timed cannot answer with an error.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

/// The first failure of what was measured. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    first: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Failures {
    /// Keeps an error if it is the first, and gives back what there is otherwise.
    pub fn kept<T>(&self, result: Result<T, impl Into<anyhow::Error>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.into());
                None
            }
        }
    }

    /// Answers with what has failed since the last check: that was not what was to be measured.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn check(&self) -> anyhow::Result<()> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), Err).context("what was measured failed")
    }
}

/// A figure that the measurement must have brought.
///
/// # Errors
///
/// When its contestant took no part.
pub fn figure(measured: Option<f64>) -> anyhow::Result<f64> {
    measured.context("a contestant has no figure")
}
