use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::SeriesError;
use super::reading::Reading;
use crate::row::Row;

/// How far a long read has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Pages of the venue that have come.
    pub pages_done: u64,
    /// How many there are to come in all, as far as that is known: it grows where an answer was cut
    /// off, or rows are counted.
    pub pages: u64,
    /// Chunks that were read from the database.
    pub chunks_loaded: u64,
}

/// A read that goes on by itself, shows how far it has come, and can be cancelled; awaiting it gives
/// its answer.
///
/// Dropping it cancels it. Every page that has come, or was asked for already, is kept: the same
/// request made again goes on from there and asks for no page twice.
#[derive(Debug)]
pub struct Fetch<R: Row> {
    pub(super) task: JoinHandle<Result<Reading<R>, SeriesError>>,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) series: String,
}

/// Tells how far a read has come, to whoever looks.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) now: Progress,
    pub(super) to: Option<watch::Sender<Progress>>,
}

impl Told {
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.now);
        if let Some(to) = &self.to {
            to.send_replace(self.now);
        }
    }
}

impl<R: Row> Fetch<R> {
    /// How far it has come. The receiver wakes with every page.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Stops it; awaiting it then gives [`SeriesError::Cancelled`], unless it had ended before.
    pub fn cancel(&self) {
        self.task.abort();
    }
}

impl<R: Row> Future for Fetch<R> {
    type Output = Result<Reading<R>, SeriesError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map(|joined| match joined {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => {
                Err(SeriesError::Cancelled { series: self.series.clone() })
            }
            Err(_) => Err(SeriesError::Stopped { series: self.series.clone() }),
        })
    }
}

impl<R: Row> Drop for Fetch<R> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
