use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::error::SeriesError;
use super::feed::{FeedStatus, Following};
use super::handle::Series;
use super::reading::Reading;
use crate::live::{Cursor, Delivery, Update};
use crate::request::{Request, Window};
use crate::row::Row;
use crate::time::{Slots, Time};

/// A history, and then what happens, with no gap and no repeat between them.
///
/// The series' feed is followed for as long as there is a subscription to it.
#[derive(Debug)]
pub struct Subscription<R: Row> {
    series: Series<R>,
    history: Reading<R>,
    request: Request,
    cursor: Cursor,
    updates: broadcast::Receiver<Update<R>>,
    /// Rows that were read and not delivered yet.
    queue: VecDeque<LiveRow<R>>,
    /// An update before which something has to be read.
    waiting: Option<Update<R>>,
    following: Arc<Following>,
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
        let (queue, waiting) = (VecDeque::new(), None);
        Ok(Self { series, history, request, cursor, updates, queue, waiting, following })
    }

    /// The history, up to which the subscription was made.
    pub fn history(&self) -> &Reading<R> {
        &self.history
    }

    /// How the connection to the feed stands.
    pub fn status(&self) -> FeedStatus {
        self.following.status.borrow().clone()
    }

    /// The next row: every row that closes after the history, once and in order, and between them
    /// how the newest one grows. Rows of which the feed did not tell are read.
    ///
    /// It may be dropped and called again; nothing is lost. After an error it goes on where it was.
    ///
    /// # Errors
    /// [`SeriesError`] if rows of which the feed did not tell could not be read.
    pub async fn next(&mut self) -> Result<LiveRow<R>, SeriesError> {
        loop {
            if let Some(row) = self.queue.pop_front() {
                return Ok(row);
            }
            if self.waiting.is_none() {
                self.waiting = match self.updates.recv().await {
                    Ok(update) => Some(update),
                    // What was missed is found out by the update after it.
                    Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return Err(SeriesError::stopped(self.series.key())),
                };
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

    /// Its rows as a stream. It does not end; an error is an item like others.
    pub fn into_stream(self) -> impl Stream<Item = Result<LiveRow<R>, SeriesError>> + Send {
        stream::unfold(self, |mut subscription| async move {
            Some((subscription.next().await, subscription))
        })
    }

    /// Reads rows of which the feed did not tell, as soon as their slots are over.
    async fn read(&mut self, span: Slots) -> Result<(), SeriesError> {
        let series = &self.series;
        series.wait_until_over(span.end).await;
        let grid = series.grid();
        let window = Window::Range { from: grid.start_of(span.start), to: grid.start_of(span.end) };
        let reading = series.read(Request { window, ..self.request }).await?;
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
