use std::collections::BTreeMap;
use std::pin::pin;

use tokio::sync::Notify;

use crate::sync::Mutex;

/// The loads that fill storages now, by generations: a batch that is to be written begins a new one
/// and waits for those of the earlier, while loads of the new one go on.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    generations: Mutex<Generations>,
    /// The last of a generation is done.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Generations {
    current: u64,
    /// How many of each fill; none of those that have ended.
    running: BTreeMap<u64, usize>,
}

/// A load that fills, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Fill<'a> {
    filling: &'a Filling,
    generation: u64,
}

impl Filling {
    /// Counts a load among those that fill.
    pub(crate) fn begin(&self) -> Fill<'_> {
        let mut generations = self.generations.lock();
        let generation = generations.current;
        *generations.running.entry(generation).or_default() += 1;
        Fill { filling: self, generation }
    }

    /// Waits for the loads that have begun to fill before this was called, and for no others.
    pub(super) async fn earlier(&self) {
        let next = {
            let mut generations = self.generations.lock();
            if !cfg!(mutant = "queue_waits_for_none") {
                generations.current += 1;
            }
            generations.current
        };
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            let oldest = self.generations.lock().running.first_key_value().map(|(at, _)| *at);
            if oldest.is_none_or(|oldest| oldest >= next) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Fill<'_> {
    fn drop(&mut self) {
        let mut generations = self.filling.generations.lock();
        if let Some(left) = generations.running.get_mut(&self.generation) {
            *left -= 1;
            if *left == 0 {
                generations.running.remove(&self.generation);
                self.filling.ended.notify_waiters();
            }
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_batch_waits_for_those_before_it_and_for_no_others() {
        let filling = Filling::default();
        assert!(filling.earlier().now_or_never().is_some(), "there are none");
        let (first, second) = (filling.begin(), filling.begin());
        let mut earlier = Box::pin(filling.earlier());
        assert!(earlier.as_mut().now_or_never().is_none());
        let later = filling.begin();
        drop(first);
        assert!(earlier.as_mut().now_or_never().is_none(), "one is left");
        drop(second);
        assert!(earlier.as_mut().now_or_never().is_some(), "one that came later is none of them");
        drop(later);
        assert!(filling.generations.lock().running.is_empty());
    }

    #[test]
    fn who_waits_after_one_that_gave_up_waits_for_all_before_it() {
        let filling = Filling::default();
        let first = filling.begin();
        assert!(filling.earlier().now_or_never().is_none());
        let second = filling.begin();
        let mut earlier = Box::pin(filling.earlier());
        drop(second);
        assert!(earlier.as_mut().now_or_never().is_none(), "the first still fills");
        drop(first);
        assert!(earlier.as_mut().now_or_never().is_some());
    }
}
