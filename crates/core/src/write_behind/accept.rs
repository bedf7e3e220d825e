use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::queue::{Offered, Queue, may_land};
use crate::cache::{Binding, within};
use crate::error::Error;
use crate::fence::Stamp;
use crate::handle::Change;
use crate::key::Key;
use crate::node::Node;
use crate::policy::write_behind::{Destination, Pushed, WhenFull};

/// How many stamps are asked for at once where earlier ones have grown old.
const AHEAD_MAX: usize = 64;
/// How often a value's stamp is asked for anew before it is accepted under the one it has.
const RENEWALS_MAX: usize = 8;

/// Accepts values, in their order; each has a result of its own. What a caller that goes away has
/// not seen accepted may be so or not.
pub(crate) async fn accept<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    changes: Vec<Result<Change<N>, Error>>,
) -> Vec<Result<(), Error>> {
    let changes: Vec<Result<Arc<Change<N>>, Error>> =
        changes.into_iter().map(|change| change.map(Arc::new)).collect();
    let good: Vec<&Arc<Change<N>>> = changes.iter().filter_map(|one| one.as_ref().ok()).collect();
    let mut ahead = Ahead::of(binding, queue, &good).await;
    let mut left = &good[..];
    let mut results = Vec::with_capacity(changes.len());
    for change in &changes {
        results.push(match change {
            Ok(change) => {
                let result = accept_one(binding, queue, change, left, &mut ahead).await;
                left = left.get(1..).unwrap_or_default();
                result
            }
            Err(error) => Err(error.clone()),
        });
    }
    results
}

/// Accepts a change, the first of those that are left.
async fn accept_one<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    change: &Arc<Change<N>>,
    left: &[&Arc<Change<N>>],
    ahead: &mut Ahead,
) -> Result<(), Error> {
    let clock = &binding.cache.clock;
    let begun = clock.monotonic();
    let mut woken = Woken { room: &queue.room, is_due: false };
    let patience = || match queue.options.when_full {
        WhenFull::Wait(limit) => limit.saturating_sub(clock.monotonic().since(begun)),
        WhenFull::Refuse => Duration::ZERO,
    };
    let mut into = ahead.take(binding, queue, left).await?;
    let mut renewals = 0;
    loop {
        let mut room = pin!(queue.room.notified());
        // From here on no room is missed that there comes to be.
        room.as_mut().enable();
        let settled = queue.settled.notified();
        let asked = (renewals < RENEWALS_MAX).then_some(ahead.asked);
        match queue.offer(binding, change, into, asked)? {
            // It took the room that it was woken for.
            Offered::Pushed(Pushed::Added) => {
                woken.is_due = false;
                return Ok(());
            }
            Offered::Pushed(Pushed::Coalesced) => return Ok(()),
            Offered::Pushed(Pushed::Full) => {
                let patience = patience();
                if patience.is_zero() || within(&**clock, patience, room).await.is_none() {
                    queue.recorder.turned_away(1);
                    let waited = clock.monotonic().since(begun);
                    return Err(Error::QueueFull { key: change.key.clone(), waited });
                }
                woken.is_due = true;
            }
            Offered::Passed => renewals += 1,
            Offered::Crossing => {
                if within(&**clock, patience(), pin!(settled)).await.is_none() {
                    renewals = RENEWALS_MAX;
                }
            }
        }
        // Those from before are as safe, but would be refused for what happened since.
        ahead.forget();
        into = ahead.take(binding, queue, left).await?;
    }
}

/// Stamps of values that are accepted one after the other, in their order.
struct Ahead {
    /// The [mark](Queue::mark) from before they were asked for.
    asked: u64,
    stamps: VecDeque<Result<Option<(usize, Stamp)>, Error>>,
}

impl Ahead {
    async fn of<N: Node>(
        binding: &Binding<N>,
        queue: &Queue<N>,
        changes: &[&Arc<Change<N>>],
    ) -> Self {
        let asked = queue.mark();
        Self { asked, stamps: stamps(binding, queue, changes).await.into() }
    }

    /// That of the first of those that are left.
    async fn take<N: Node>(
        &mut self,
        binding: &Binding<N>,
        queue: &Queue<N>,
        left: &[&Arc<Change<N>>],
    ) -> Result<Option<(usize, Stamp)>, Error> {
        if self.stamps.is_empty() {
            *self = Self::of(binding, queue, &left[..left.len().min(AHEAD_MAX)]).await;
        }
        self.stamps.pop_front().unwrap_or(Err(Error::Closed))
    }

    fn forget(&mut self) {
        self.stamps.clear();
    }
}

/// Somebody who was woken for a room and does not take it wakes the next.
struct Woken<'a> {
    room: &'a Notify,
    is_due: bool,
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        if self.is_due {
            self.room.notify_one();
        }
    }
}

/// Which tier takes each of these, and its stamp of now: what is invalidated from here on keeps the
/// value out. One call for each tier.
async fn stamps<N: Node>(
    binding: &Binding<N>,
    queue: &Queue<N>,
    changes: &[&Arc<Change<N>>],
) -> Vec<Result<Option<(usize, Stamp)>, Error>> {
    let mut results = vec![Ok(None); changes.len()];
    if queue.options.to == Destination::Source {
        // It is given one when the source has got it.
        return results;
    }
    let takes = |at: usize, change: &Change<N>| {
        let entry = change.entry.as_ref();
        entry.is_some_and(|entry| binding.tiers[at].size.takes(u64::from(entry.decoded_bytes)))
    };
    let mut left: Vec<usize> = (0..changes.len()).collect();
    for at in &binding.far_first {
        let (mut here, others): (Vec<usize>, _) =
            left.into_iter().partition(|place| takes(*at, changes[*place]));
        left = others;
        // What would be refused later is told so at once, whether the storage can be asked or not.
        here.retain(|place| match may_land(binding, changes[*place], Some(*at)) {
            Ok(()) => true,
            Err(error) => {
                results[*place] = Err(error);
                false
            }
        });
        if here.is_empty() {
            continue;
        }
        let storage = &binding.tiers[*at].storage;
        let keys: Vec<Key> = here.iter().map(|place| changes[*place].key.clone()).collect();
        match storage.stamps(&keys).await {
            Ok(stamps) => {
                for (place, stamp) in here.into_iter().zip(stamps) {
                    results[place] = Ok(Some((*at, stamp)));
                }
            }
            Err(error) => {
                binding.tiers[*at].failed(1, &error);
                let error = storage.error(error);
                here.into_iter().for_each(|place| results[place] = Err(error.clone()));
            }
        }
    }
    results
}
