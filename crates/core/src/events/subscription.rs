use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use parking_lot::Mutex;

use super::event::{CacheEvent, EventKind};
use super::hub::Hub;

/// Which events are wanted, and how many may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventOptions {
    /// The kinds; all by default.
    pub kinds: Vec<EventKind>,
    /// How many wait for a slow subscriber before the oldest are lost; 1,024 by default, one at
    /// least.
    pub waiting_max: usize,
}

/// Events as they happen, from [`Cache::events`](crate::cache::Cache::events); also a
/// [`Stream`].
///
/// Who does not read them in time loses the oldest, and is told how many by
/// [`CacheEvent::Lost`] before the next one. Ends when the cache is closed, after what still waits.
#[derive(Debug)]
pub struct Events {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) wants: u32,
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<CacheEvent>,
    lost: u64,
    is_closed: bool,
    reader: Option<Waker>,
}

impl EventOptions {
    /// All kinds.
    pub fn new() -> Self {
        Self { kinds: EventKind::ALL.to_vec(), waiting_max: 1024 }
    }

    /// Sets which kinds are wanted.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Sets how many may wait.
    pub fn waiting_max(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }
}

impl Default for EventOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue {
    pub(super) fn new(options: &EventOptions) -> Self {
        Self {
            wants: options.kinds.iter().fold(0, |wants, kind| wants | kind.bit()),
            waiting_max: options.waiting_max.max(1),
            state: Mutex::default(),
        }
    }

    pub(super) fn push(&self, event: CacheEvent) {
        self.change(|state| {
            if state.waiting.len() >= self.waiting_max {
                state.waiting.pop_front();
                state.lost += 1;
            }
            state.waiting.push_back(event);
        });
    }

    pub(super) fn lose(&self, count: u64) {
        self.change(|state| state.lost += count);
    }

    pub(super) fn close(&self) {
        self.change(|state| state.is_closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let reader = {
            let mut state = self.state.lock();
            change(&mut state);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        let mut state = self.state.lock();
        if let Some(next) = state.next() {
            return Poll::Ready(Some(next));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl State {
    fn next(&mut self) -> Option<CacheEvent> {
        match std::mem::take(&mut self.lost) {
            0 => self.waiting.pop_front(),
            count => Some(CacheEvent::Lost { count }),
        }
    }
}

/// Tells one subscriber, as long as it is there.
#[derive(Debug)]
pub(crate) struct EventSender {
    queue: Weak<Queue>,
}

impl EventSender {
    /// Tells an event; `false` if the subscriber has gone.
    pub(crate) fn send(&self, event: CacheEvent) -> bool {
        self.queue.upgrade().map(|queue| queue.push(event)).is_some()
    }

    /// Tells that so many were lost on the way; `false` if the subscriber has gone.
    pub(crate) fn lose(&self, count: u64) -> bool {
        self.queue.upgrade().map(|queue| queue.lose(count)).is_some()
    }
}

impl Events {
    pub(super) fn new(hub: Arc<Hub>, queue: Arc<Queue>) -> Self {
        Self { hub, queue }
    }

    /// Where more can be told to this subscriber alone.
    pub(crate) fn sender(&self) -> EventSender {
        EventSender { queue: Arc::downgrade(&self.queue) }
    }

    /// Waits for the next one; `None` once the cache is closed. Nothing is lost when the future is
    /// dropped.
    pub async fn recv(&mut self) -> Option<CacheEvent> {
        poll_fn(|context| self.queue.poll(context)).await
    }

    /// The next one, if it has happened already.
    pub fn try_recv(&mut self) -> Option<CacheEvent> {
        self.queue.state.lock().next()
    }
}

impl Stream for Events {
    type Item = CacheEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        self.queue.poll(context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.hub.forget(&self.queue);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::breaker::BreakerState;

    fn breaker(state: BreakerState) -> CacheEvent {
        CacheEvent::Breaker { tier: "far".into(), state }
    }

    #[test]
    fn who_is_slow_loses_the_oldest_and_is_told_how_many() {
        let hub = Arc::new(Hub::default());
        let mut slow = hub.subscribe(&EventOptions::new().waiting_max(2));
        let mut quick = hub.subscribe(&EventOptions::new());
        for _ in 0..3 {
            hub.tell(EventKind::Breaker, || breaker(BreakerState::Open));
        }
        hub.tell(EventKind::Breaker, || breaker(BreakerState::Closed));
        assert_eq!(slow.try_recv(), Some(CacheEvent::Lost { count: 2 }));
        assert_eq!(slow.try_recv(), Some(breaker(BreakerState::Open)));
        assert_eq!(slow.try_recv(), Some(breaker(BreakerState::Closed)));
        assert_eq!(slow.try_recv(), None);
        let told: Vec<_> = std::iter::from_fn(|| quick.try_recv()).collect();
        assert_eq!(told.len(), 4, "others lose nothing");
    }

    #[test]
    fn nothing_is_made_that_nobody_wants() {
        let hub = Arc::new(Hub::default());
        let refuse = || panic!("nobody wants it");
        hub.tell(EventKind::Hit, refuse);
        let only = hub.subscribe(&EventOptions::new().kinds([EventKind::Breaker]));
        hub.tell(EventKind::Hit, refuse);
        assert!(hub.wants(EventKind::Breaker));
        let all = hub.subscribe(&EventOptions::new());
        assert!(hub.wants(EventKind::Hit));
        drop(all);
        assert!(!hub.wants(EventKind::Hit) && hub.wants(EventKind::Breaker));
        drop(only);
        assert!(!hub.wants(EventKind::Breaker));
    }

    #[tokio::test]
    async fn it_ends_with_the_cache_after_what_waits() {
        let hub = Arc::new(Hub::default());
        let mut events = hub.subscribe(&EventOptions::new());
        let waits = tokio::spawn({
            let mut events = hub.subscribe(&EventOptions::new());
            async move { (events.recv().await, events.recv().await) }
        });
        tokio::task::yield_now().await;
        hub.tell(EventKind::Breaker, || breaker(BreakerState::Open));
        hub.close();
        assert_eq!(waits.await.expect("no panic"), (Some(breaker(BreakerState::Open)), None));
        assert_eq!(events.recv().await, Some(breaker(BreakerState::Open)));
        assert_eq!(events.recv().await, None);
        assert_eq!(hub.subscribe(&EventOptions::new()).recv().await, None, "too late");
    }
}
