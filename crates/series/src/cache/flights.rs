use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

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

type Running<K, T> = HashMap<K, Arc<watch::Sender<Option<T>>>>;

/// The task's own view of its flight; without it the flight is over.
#[derive(Debug)]
pub(super) struct Flight<K: Hash + Eq, T> {
    key: K,
    result: Arc<watch::Sender<Option<T>>>,
    under_way: Arc<Mutex<Running<K, T>>>,
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
    /// Waits for the work that is under way for `key`; if there is none, `begin` is. Whether it was
    /// begun here is told besides. `None` if its task was stopped from outside, or has panicked.
    pub(super) async fn join<F>(
        &self,
        key: K,
        begin: impl FnOnce(Arc<Flight<K, T>>) -> F,
    ) -> (Option<T>, bool)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (mut receiver, begun) = {
            let mut under_way = self.under_way.lock();
            match under_way.get(&key) {
                Some(result) => (result.subscribe(), None),
                None => {
                    let (result, receiver) = watch::channel(None);
                    let result = Arc::new(result);
                    under_way.insert(key.clone(), Arc::clone(&result));
                    let under_way = Arc::clone(&self.under_way);
                    (receiver, Some(Arc::new(Flight { key, result, under_way })))
                }
            }
        };
        let begins = begun.is_some();
        if let Some(flight) = begun {
            let work = begin(Arc::clone(&flight));
            tokio::spawn(async move {
                let result = work.await;
                flight.land(result);
            });
        }
        let landed = receiver.wait_for(Option::is_some).await;
        (landed.ok().and_then(|result| result.clone()), begins)
    }
}

impl<K: Hash + Eq, T> Flight<K, T> {
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
        if under_way.get(&self.key).is_some_and(|other| Arc::ptr_eq(other, &self.result)) {
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
                flights.join(7, begin).await
            }));
        }
        tokio::task::yield_now().await;
        go.notify_one();
        let mut begins = 0;
        for waiter in waiting {
            let (result, began) = waiter.await.unwrap();
            assert_eq!(result, Some(1));
            begins += usize::from(began);
        }
        assert_eq!(begins, 1);
        assert!(flights.under_way.lock().is_empty());
        let (again, began) = flights.join(7, |_| async { 5 }).await;
        assert_eq!((again, began), (Some(5), true), "what has landed is not joined");
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
                flights.join(7, begin).await
            }
        });
        tokio::task::yield_now().await;
        waiter.abort();
        seen.notified().await;
        assert_eq!(flights.join(7, |_| async { 2 }).await.0, Some(2));
    }

    #[tokio::test]
    async fn a_task_that_panics_keeps_nobody_waiting() {
        let flights: Flights<u8, u8> = Flights::default();
        let (landed, _) = flights.join(1, |_| async { panic!("on purpose") }).await;
        assert_eq!(landed, None);
        assert_eq!(flights.join(1, |_| async { 2 }).await.0, Some(2));
    }
}
