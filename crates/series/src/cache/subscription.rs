use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use super::error::SeriesError;
use super::feed::{FeedStatus, Following};
use super::handle::Series;
use super::reading::Reading;
use crate::live::{Cursor, Delivery, Update};
use crate::request::Request;
use crate::row::Row;
use crate::time::{Slots, Time};

/// A history, and then what happens, with no gap and no repeat between them.
///
/// The series' feed is followed for as long as there is a subscription to it.
#[derive(Debug)]
pub struct Subscription<R: Row> {
    series: Series<R>,
    history: Option<Reading<R>>,
    cursor: Cursor,
    updates: broadcast::Receiver<Update<R>>,
    /// Rows that were read and not delivered yet.
    queue: VecDeque<LiveRow<R>>,
    /// An update before which something has to be read.
    waiting: Option<Update<R>>,
    /// Before then what could not be read is not read again.
    retry_at: Option<Time>,
    status: watch::Receiver<FeedStatus>,
    _following: Arc<Following>,
}

/// A row of a subscription.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LiveRow<R> {
    /// Its slot.
    pub slot: i64,
    /// When its slot begins.
    pub time: Time,
    /// The row.
    pub row: R,
    /// Whether it is closed; otherwise it grows, and more of it follows.
    pub closed: bool,
}

impl<R: Row> Subscription<R> {
    pub(super) async fn begin(series: Series<R>, request: Request) -> Result<Self, SeriesError> {
        let following = series.follow()?;
        // Before the history is read, so that nothing is lost between the two.
        let updates = series.updates();
        if let Some(error) = following.refusal().await {
            return Err(SeriesError::venue(series.key(), error));
        }
        let history = series.read(request).await?;
        let cursor = Cursor::after(history.slots().end);
        Ok(Self {
            series,
            history: Some(history),
            cursor,
            updates,
            queue: VecDeque::new(),
            waiting: None,
            retry_at: None,
            status: following.status.clone(),
            _following: following,
        })
    }

    /// The history, up to which the subscription was made. It is let go, and what it holds in memory
    /// with it, once the [next](Self::next) row is asked for.
    pub fn history(&self) -> Option<&Reading<R>> {
        self.history.as_ref()
    }

    /// How the connection to the feed stands.
    pub fn status(&self) -> FeedStatus {
        self.status.borrow().clone()
    }

    /// The next row: every row that closes after the history, once and in order, and between them
    /// how the newest one grows. Rows of which the feed did not tell are read.
    ///
    /// It may be dropped and called again; nothing is lost. After an error it goes on where it was.
    ///
    /// # Errors
    /// [`SeriesError`] if rows of which the feed did not tell could not be read; they are read again
    /// when the venue may be asked again. [`SeriesError::Venue`] or [`SeriesError::Stopped`] once
    /// the feed has ended and all that it told is delivered: there is nothing after that.
    pub async fn next(&mut self) -> Result<LiveRow<R>, SeriesError> {
        self.history = None;
        loop {
            if let Some(row) = self.queue.pop_front() {
                return Ok(row);
            }
            if self.waiting.is_none() {
                self.waiting = self.hear().await?;
            }
            let Some(update) = &self.waiting else { continue };
            match self.cursor.offer(update) {
                Delivery::Repeat => self.waiting = None,
                Delivery::ReadFirst(span) => self.read(span).await?,
                Delivery::Deliver => {
                    let (slot, closed) = (update.slot(), matches!(update, Update::Closed { .. }));
                    let row = self.live(slot, update.row().clone(), closed);
                    self.waiting = None;
                    return Ok(row);
                }
            }
        }
    }

    /// What the feed tells next, or nothing where something was missed: that is found out by the
    /// update after it.
    async fn hear(&mut self) -> Result<Option<Update<R>>, SeriesError> {
        loop {
            let is_over = tokio::select! {
                biased;
                update = self.updates.recv() => return match update {
                    Ok(update) => Ok(Some(update)),
                    Err(RecvError::Lagged(_)) => Ok(None),
                    Err(RecvError::Closed) => Err(SeriesError::stopped(self.series.key())),
                },
                changed = self.status.changed() => {
                    changed.is_err() || matches!(*self.status.borrow(), FeedStatus::Ended { .. })
                }
            };
            if is_over {
                return match self.updates.try_recv() {
                    Ok(update) => Ok(Some(update)),
                    Err(TryRecvError::Lagged(_)) => Ok(None),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => Err(self.end()),
                };
            }
        }
    }

    /// Why the feed has ended.
    fn end(&self) -> SeriesError {
        match self.status() {
            FeedStatus::Ended { error } => SeriesError::venue(self.series.key(), error),
            // Its task was stopped, or has panicked.
            _ => SeriesError::stopped(self.series.key()),
        }
    }

    /// Whether the feed has ended.
    fn has_ended(&self) -> bool {
        self.status.has_changed().is_err() || matches!(self.status(), FeedStatus::Ended { .. })
    }

    /// Its rows as a stream. An error is an item like others; the stream ends after the one that tells
    /// of the feed's end.
    pub fn into_stream(self) -> impl Stream<Item = Result<LiveRow<R>, SeriesError>> + Send {
        stream::unfold(Some(self), |subscription| async move {
            let mut subscription = subscription?;
            let next = subscription.next().await;
            let is_last =
                next.is_err() && subscription.waiting.is_none() && subscription.has_ended();
            Some((next, (!is_last).then_some(subscription)))
        })
    }

    /// Reads rows of which the feed did not tell, as soon as their slots are over. All of them are
    /// wanted, whatever was asked of the history.
    async fn read(&mut self, span: Slots) -> Result<(), SeriesError> {
        let series = &self.series;
        if let Some(retry_at) = self.retry_at {
            series.wait_until(retry_at).await;
            self.retry_at = None;
        }
        series.wait_until_over(span.end).await;
        let grid = series.grid();
        let request = Request::range(grid.start_of(span.start), grid.start_of(span.end))
            .with_slots_max(u64::MAX);
        let reading = match series.read(request).await {
            Ok(reading) => reading,
            Err(error) => {
                self.retry_at = Some(series.retry_at(span));
                return Err(error);
            }
        };
        let rows: Vec<LiveRow<R>> =
            reading.view().iter().map(|(slot, row)| self.live(slot, row, true)).collect();
        // From here on nothing is awaited.
        self.queue.extend(rows);
        self.cursor.read_up_to(reading.slots().end);
        Ok(())
    }

    fn live(&self, slot: i64, row: R, closed: bool) -> LiveRow<R> {
        LiveRow { slot, time: self.series.grid().start_of(slot), row, closed }
    }
}
