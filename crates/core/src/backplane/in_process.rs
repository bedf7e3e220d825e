use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::select;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::log::{EventLog, Page, Position};
use crate::clock::{Clock, SystemClock};
use crate::storage::{StorageError, StorageErrorKind};

/// A log in this process: for several caches in one program, and for tests. Clones are one log.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use cache_core::backplane::{EventLog, InProcessLog};
///
/// let log = InProcessLog::new();
/// let end = log.end().await.unwrap();
/// log.append(vec!["one".into(), "two".into()]).await.unwrap();
/// let page = log.read(&end, Duration::ZERO, 10).await.unwrap();
/// assert_eq!(page.events, ["one", "two"]);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct InProcessLog {
    clock: Arc<dyn Clock>,
    events_max: usize,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    appended: Notify,
}

#[derive(Debug)]
struct State {
    origin: u64,
    /// The number of the last event.
    last: u64,
    events: VecDeque<Bytes>,
    /// The next calls fail.
    is_down: bool,
}

/// How many events are kept, unless another number is asked for.
const EVENTS_MAX: usize = 16_384;

impl Default for InProcessLog {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcessLog {
    /// An empty log that keeps its last 16,384 events.
    pub fn new() -> Self {
        let state =
            State { origin: fastrand::u64(..), last: 0, events: VecDeque::new(), is_down: false };
        Self {
            clock: Arc::new(SystemClock),
            events_max: EVENTS_MAX,
            inner: Arc::new(Inner { state: Mutex::new(state), appended: Notify::new() }),
        }
    }

    /// Keeps so many events, one at least.
    pub fn with_events_max(mut self, events_max: usize) -> Self {
        self.events_max = events_max.max(1);
        self
    }

    /// Waits by this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// From now on every call fails, until this is taken back: for tests.
    pub fn set_down(&self, is_down: bool) {
        self.inner.state.lock().is_down = is_down;
        self.inner.appended.notify_waiters();
    }

    /// Loses all events, and its identity, as a log does that is flushed: for tests.
    pub fn lose_everything(&self) {
        let mut state = self.inner.state.lock();
        state.origin = fastrand::u64(..);
        state.events.clear();
        drop(state);
        self.inner.appended.notify_waiters();
    }

    fn state(
        &self,
        operation: &'static str,
    ) -> Result<parking_lot::MutexGuard<'_, State>, StorageError> {
        let state = self.inner.state.lock();
        if state.is_down {
            let message = "the log was told to fail";
            return Err(StorageError::new(
                "in-process",
                operation,
                StorageErrorKind::Unavailable,
                message,
            ));
        }
        Ok(state)
    }

    fn page(&self, after: &Position, limit: usize) -> Result<Page, StorageError> {
        let state = self.state("read")?;
        let first = state.last + 1 - state.events.len() as u64;
        let from = after
            .as_numbered()
            .map_or(0, |(_, number)| number.saturating_add(1).saturating_sub(first));
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rows = state.events.iter().enumerate().skip(from).take(limit);
        let rows = rows.map(|(at, event)| (first + at as u64, event.clone()));
        Ok(Page::of_table(after, (state.origin, state.last), rows, limit))
    }
}

#[async_trait]
impl EventLog for InProcessLog {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        let mut state = self.state("append")?;
        for event in events {
            state.last += 1;
            state.events.push_back(event);
        }
        let excess = state.events.len().saturating_sub(self.events_max);
        state.events.drain(..excess);
        drop(state);
        self.inner.appended.notify_waiters();
        Ok(())
    }

    async fn end(&self) -> Result<Position, StorageError> {
        let state = self.state("end")?;
        Ok(Position::numbered(state.origin, state.last))
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        // Registered before the look: what is appended after it wakes.
        let mut appended = std::pin::pin!(self.inner.appended.notified());
        appended.as_mut().enable();
        let page = self.page(after, limit)?;
        if !page.events.is_empty() || page.gap || wait.is_zero() {
            return Ok(page);
        }
        let _woken = select(appended, self.clock.sleep(wait)).await;
        self.page(after, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn bytes(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    #[tokio::test]
    async fn a_reader_is_woken_by_an_append_and_by_its_time() {
        let clock = ManualClock::new();
        let log = InProcessLog::new().with_clock(Arc::new(clock.clone()));
        let end = log.end().await.expect("an end");
        let wait = Duration::from_secs(9);
        let read = |after: Position| {
            let log = log.clone();
            tokio::spawn(async move { log.read(&after, wait, 10).await.expect("a page") })
        };
        let first = read(end);
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        log.append(bytes(&["a"])).await.expect("appended");
        let page = first.await.expect("no panic");
        assert_eq!(page.events, ["a"]);
        let second = read(page.next.clone());
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(wait);
        assert_eq!(second.await.expect("no panic"), Page::new(Vec::new(), page.next));
    }

    #[tokio::test]
    async fn what_was_trimmed_or_lost_is_a_gap() {
        let log = InProcessLog::new().with_events_max(2);
        let start = log.end().await.expect("an end");
        log.append(bytes(&["a", "b", "c"])).await.expect("appended");
        let page = log.read(&start, Duration::ZERO, 10).await.expect("a page");
        assert!(page.gap);
        assert_eq!(page.events, ["b", "c"]);
        let again = log.read(&page.next, Duration::ZERO, 10).await.expect("a page");
        assert_eq!(again, Page::new(Vec::new(), page.next.clone()));
        log.lose_everything();
        assert!(log.read(&page.next, Duration::ZERO, 10).await.expect("a page").gap);
        log.set_down(true);
        assert!(log.end().await.is_err() && log.append(bytes(&["d"])).await.is_err());
    }
}
