use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::event::{CacheEvent, EventKind};
use super::subscription::{EventOptions, Events, Queue};

/// Tells events to those who have subscribed.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    /// The kinds that anybody wants.
    wanted: AtomicU32,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    live: Vec<Weak<Queue>>,
    is_closed: bool,
}

impl Hub {
    /// Whether anybody wants events of this kind: one relaxed load.
    #[inline]
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.wanted.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// Tells an event that is made only where somebody wants it.
    #[inline]
    pub(crate) fn tell(&self, kind: EventKind, event: impl FnOnce() -> CacheEvent) {
        if self.wants(kind) {
            self.send(kind, event());
        }
    }

    #[cold]
    fn send(&self, kind: EventKind, event: CacheEvent) {
        for queue in self.live() {
            if queue.wants & kind.bit() != 0 {
                queue.push(event.clone());
            }
        }
    }

    pub(crate) fn subscribe(self: &Arc<Self>, options: &EventOptions) -> Events {
        let queue = Arc::new(Queue::new(options));
        let mut queues = self.queues.lock();
        if queues.is_closed {
            queue.close();
        } else {
            queues.live.push(Arc::downgrade(&queue));
            self.wanted.fetch_or(queue.wants, Ordering::Relaxed);
        }
        Events::new(Arc::clone(self), queue)
    }

    /// A subscriber has gone.
    pub(super) fn forget(&self, gone: &Arc<Queue>) {
        let mut queues = self.queues.lock();
        queues.live.retain(|queue| !Weak::ptr_eq(queue, &Arc::downgrade(gone)));
        let wants = queues.live.iter().filter_map(Weak::upgrade);
        let wanted = wants.fold(0, |wanted, queue| wanted | queue.wants);
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Nothing will happen any more.
    pub(crate) fn close(&self) {
        self.queues.lock().is_closed = true;
        self.live().iter().for_each(|queue| queue.close());
        self.wanted.store(0, Ordering::Relaxed);
    }

    fn live(&self) -> Vec<Arc<Queue>> {
        self.queues.lock().live.iter().filter_map(Weak::upgrade).collect()
    }
}
