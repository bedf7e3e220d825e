use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// Work that is under way, by what it is for: whoever wants the same joins it.
///
/// The work runs as a task of its own, so that it does not end with whoever began it, and can see
/// when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Flights<K, T> {
    under_way: Arc<Mutex<Running<K, T>>>,
}

type Running<K, T> = HashMap<K, UnderWay<T>>;

#[derive(Debug)]
struct UnderWay<T> {
    result: Arc<watch::Sender<Option<T>>>,
    mark: Arc<Mark>,
}

/// The task's own view of its flight; without it the flight is over.
#[derive(Debug)]
pub(super) struct Flight<K: Hash + Eq, T> {
    key: K,
    result: Arc<watch::Sender<Option<T>>>,
    mark: Arc<Mark>,
    under_way: Arc<Mutex<Running<K, T>>>,
}

/// A flight that somebody waits for; without it they do not any more.
#[derive(Debug)]
pub(super) struct Joined<T> {
    result: watch::Receiver<Option<T>>,
    mark: Arc<Mark>,
    begun: bool,
}

/// What a flight bears from when somebody has set it, be it the flight itself or one who waits for it.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicBool);

impl Mark {
    /// Sets it; answers whether it was not set before.
    pub(super) fn set(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

impl<K, T> Flights<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the work that is under way for `key`; if there is none, `begin` is.
    pub(super) fn join<F>(&self, key: K, begin: impl FnOnce(Arc<Flight<K, T>>) -> F) -> Joined<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (joined, begun) = {
            let mut under_way = self.under_way.lock();
            match under_way.get(&key) {
                Some(UnderWay { result, mark }) => {
                    let (result, mark) = (result.subscribe(), Arc::clone(mark));
                    (Joined { result, mark, begun: false }, None)
                }
                None => {
                    let (result, receiver) = watch::channel(None);
                    let (result, mark) = (Arc::new(result), Arc::<Mark>::default());
                    let joined = Joined { result: receiver, mark: Arc::clone(&mark), begun: true };
                    let own = UnderWay { result: Arc::clone(&result), mark: Arc::clone(&mark) };
                    under_way.insert(key.clone(), own);
                    let under_way = Arc::clone(&self.under_way);
                    (joined, Some(Arc::new(Flight { key, result, mark, under_way })))
                }
            }
        };
        if let Some(flight) = begun {
            let work = begin(Arc::clone(&flight));
            tokio::spawn(async move {
                let result = work.await;
                flight.land(result);
            });
        }
        joined
    }

    /// Whether work is under way for `key`.
    pub(super) fn is_under_way(&self, key: &K) -> bool {
        self.under_way.lock().contains_key(key)
    }
}

impl<T: Clone> Joined<T> {
    /// Whether the work was begun by this.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn mark(&self) -> &Arc<Mark> {
        &self.mark
    }

    /// What came of the work. `None` if its task was stopped from outside, or has panicked.
    pub(super) async fn landed(mut self) -> Option<T> {
        let landed = self.result.wait_for(Option::is_some).await;
        landed.ok().and_then(|result| result.clone())
    }
}

impl<K: Hash + Eq, T> Flight<K, T> {
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Completes once nobody waits for the flight, which is then over: whoever comes later begins
    /// another.
    pub(super) async fn abandoned(&self) {
        loop {
            self.result.closed().await;
            let mut under_way = self.under_way.lock();
            // Somebody may have joined since.
            if self.result.receiver_count() == 0 {
                self.leave(&mut under_way);
                return;
            }
        }
    }

    fn land(&self, result: T) {
        let mut under_way = self.under_way.lock();
        self.leave(&mut under_way);
        drop(under_way);
        self.result.send_replace(Some(result));
    }

    fn leave(&self, under_way: &mut Running<K, T>) {
        if under_way.get(&self.key).is_some_and(|other| Arc::ptr_eq(&other.result, &self.result)) {
            under_way.remove(&self.key);
        }
    }
}

impl<K: Hash + Eq, T> Drop for Flight<K, T> {
    /// A task that was stopped or panicked lands nowhere; who waits for it learns so, because the
    /// last sender goes.
    fn drop(&mut self) {
        let under_way = Arc::clone(&self.under_way);
        self.leave(&mut under_way.lock());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_who_come_meanwhile_share_one() {
        let flights: Arc<Flights<u8, usize>> = Arc::default();
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let mut waiting = Vec::new();
        for _ in 0..10 {
            let (flights, begun, go) = (flights.clone(), begun.clone(), go.clone());
            waiting.push(tokio::spawn(async move {
                let begin = |_| async move {
                    go.notified().await;
                    begun.fetch_add(1, Ordering::Relaxed) + 1
                };
                let joined = flights.join(7, begin);
                (joined.is_begun(), joined.landed().await)
            }));
        }
        tokio::task::yield_now().await;
        go.notify_one();
        let mut begins = 0;
        for waiter in waiting {
            let (began, result) = waiter.await.unwrap();
            assert_eq!(result, Some(1));
            begins += usize::from(began);
        }
        assert_eq!(begins, 1);
        assert!(flights.under_way.lock().is_empty());
        let again = flights.join(7, |_| async { 5 });
        assert!(again.is_begun(), "what has landed is not joined");
        assert_eq!(again.landed().await, Some(5));
    }

    #[tokio::test]
    async fn nobody_waiting_is_seen_and_the_next_begins_anew() {
        let flights: Arc<Flights<u8, u8>> = Arc::default();
        let seen = Arc::new(Notify::new());
        let waiter = tokio::spawn({
            let (flights, seen) = (flights.clone(), seen.clone());
            async move {
                let begin = |flight: Arc<Flight<u8, u8>>| async move {
                    flight.abandoned().await;
                    seen.notify_one();
                    1
                };
                flights.join(7, begin).landed().await
            }
        });
        tokio::task::yield_now().await;
        waiter.abort();
        seen.notified().await;
        assert_eq!(flights.join(7, |_| async { 2 }).landed().await, Some(2));
    }

    #[tokio::test]
    async fn a_task_that_panics_keeps_nobody_waiting() {
        let flights: Flights<u8, u8> = Flights::default();
        let panics = flights.join(1, |_| async { panic!("on purpose") });
        assert_eq!(panics.landed().await, None);
        assert_eq!(flights.join(1, |_| async { 2 }).landed().await, Some(2));
    }

    #[tokio::test]
    async fn a_mark_is_set_once_for_all_who_share_a_flight() {
        let (flights, go) = (Flights::<u8, bool>::default(), Arc::new(Notify::new()));
        let begin = |flight: Arc<Flight<u8, bool>>| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                flight.mark().set()
            }
        };
        let (one, other) = (flights.join(1, begin), flights.join(1, begin));
        assert!(!one.mark().is_set() && flights.is_under_way(&1));
        assert!(other.mark().set() && one.mark().is_set() && !one.mark().set());
        go.notify_one();
        assert_eq!(one.landed().await, Some(false));
        assert!(!flights.is_under_way(&1));
        assert!(!flights.join(1, begin).mark().is_set(), "another flight has its own");
    }
}
