use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::drain::drain;
use super::filling::Filling;
use super::queues::ErasedQueue;
use crate::cache::Binding;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::fence::{Fence, Stamp, cell_of_key};
use crate::handle::{Change, fill, is_pending};
use crate::key::Key;
use crate::node::Node;
use crate::policy::write_behind::{Destination, Pushed, WriteBehind, WriteQueue};
use crate::stats::{WriteBehindRecorder, WriteBehindStats};
use crate::storage::Selector;
use crate::sync::Mutex;

/// The queue of a node type.
pub(crate) struct Queue<N: Node> {
    pub(crate) options: WriteBehind,
    pub(crate) recorder: WriteBehindRecorder,
    node: String,
    /// For how long after its acceptance a value is read from here at most; only where it goes to
    /// the storages.
    read_for: Option<Duration>,
    pub(super) state: Mutex<State<N>>,
    /// Loads that fill the storages, so that a batch can wait for those that began to before its
    /// values were accepted; only where these go to the storages.
    pub(crate) filling: Filling,
    /// Raised when the storages have been told of something that keeps out what bears a stamp from
    /// before, so that a value which is accepted afterwards bears a later one. Apart from the fence of
    /// the process, which every acceptance raises, too. Only where values go to the storages.
    passing: Option<Fence>,
    /// One value fewer is queued.
    pub(super) room: Notify,
    /// There may be something to write sooner than the task thinks.
    pub(super) work: Notify,
    /// A batch has come to its end.
    pub(super) settled: Notify,
}

type Values<N> = WriteQueue<Key, Arc<Accepted<N>>>;

pub(super) struct State<N: Node> {
    pub(super) values: Values<N>,
    /// A task writes.
    pub(super) is_running: bool,
    pub(super) is_closed: bool,
}

/// What became of a value that was offered.
pub(super) enum Offered {
    Pushed(Pushed),
    /// Not accepted: its stamp was asked for before something that has told the storages since.
    Passed,
    /// Not accepted: an older value of its key is on its way to another tier, and has this one forget
    /// the node, under whose stamp the new one would be refused then.
    Crossing,
}

/// A value that was accepted.
pub(crate) struct Accepted<N: Node> {
    pub(super) change: Arc<Change<N>>,
    /// The tier that takes it, and its stamp of the time at which the value was accepted; only
    /// where it goes to the storages.
    pub(super) into: Option<(usize, Stamp)>,
    /// From here on its time runs.
    pub(super) accepted: Timestamp,
    /// The mark of the process' fence under which it was accepted.
    mark: u64,
}

impl<N: Node> Queue<N> {
    /// `read_for`: for how long a value that goes to the storages is read from here at most.
    pub(crate) fn new(node: &str, options: WriteBehind, read_for: Option<Duration>) -> Self {
        let values = WriteQueue::new(options);
        Self {
            options,
            recorder: WriteBehindRecorder::default(),
            node: node.to_owned(),
            read_for: read_for.filter(|_| options.to == Destination::Storages),
            state: Mutex::new(State { values, is_running: false, is_closed: false }),
            filling: Filling::default(),
            passing: (options.to == Destination::Storages).then(Fence::new),
            room: Notify::new(),
            work: Notify::new(),
            settled: Notify::new(),
        }
    }

    /// What was counted; all counting is done under the same lock, so that it adds up.
    pub(crate) fn stats(&self) -> WriteBehindStats {
        let state = self.state.lock();
        WriteBehindStats { queued: state.values.len() as u64, ..self.recorder.snapshot() }
    }

    /// Where it stands now: a stamp that is asked for from here on is later than what has been told
    /// to the storages so far.
    pub(super) fn mark(&self) -> u64 {
        self.passing.as_ref().map_or(0, Fence::stamp)
    }

    /// The storages have been told of a change of these cells.
    pub(crate) fn passed(&self, cells: impl IntoIterator<Item = usize>) {
        if let Some(passing) = &self.passing {
            passing.raise(cells);
        }
    }

    fn passed_by(&self, selector: &Selector) {
        if let Some(passing) = &self.passing {
            match selector.cells() {
                Some(cells) => passing.raise(cells),
                None => passing.raise_floor(),
            };
        }
    }

    /// Queues a value, and puts it into memory, in one step: an invalidation finds both or neither.
    /// `asked`: the [mark](Self::mark) from before its stamp was asked for, if it is to be no older.
    pub(super) fn offer(
        &self,
        binding: &Arc<Binding<N>>,
        change: &Arc<Change<N>>,
        into: Option<(usize, Stamp)>,
        asked: Option<u64>,
    ) -> Result<Offered, Error> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        // Looked at after the stamp was asked for: one that has landed in between has raised the mark
        // before it ceased to wait.
        may_land(binding, change, into.map(|(at, _)| at))?;
        if !state.values.has_room_for(&change.key) {
            return Ok(Offered::Pushed(Pushed::Full));
        }
        if let (Some(passing), Some(asked)) = (&self.passing, asked)
            && passing.mark(change.key.digest(), &change.tags) > asked
        {
            return Ok(Offered::Passed);
        }
        let goes_elsewhere = |writing: &Arc<Accepted<N>>| {
            let other = writing.into.map(|(at, _)| at);
            into.is_some_and(|(at, _)| other != Some(at))
        };
        if asked.is_some() && state.values.writing(&change.key).is_some_and(goes_elsewhere) {
            return Ok(Offered::Crossing);
        }
        // What is being loaded is older.
        let mark = binding.cache.fence.raise([cell_of_key(&change.key)]);
        let clock = &binding.cache.clock;
        let queued = Accepted {
            change: Arc::clone(change),
            into,
            // The caller may have waited for room.
            accepted: clock.wall(),
            mark,
        };
        let (accepted, now) = (Arc::new(queued), clock.monotonic());
        let pushed = state.values.push(change.key.clone(), accepted, now);
        self.recorder.accepted(1);
        if pushed == Pushed::Coalesced {
            self.recorder.coalesced(1);
        }
        if std::mem::replace(&mut state.is_running, true) {
            self.work.notify_one();
        } else {
            binding.cache.spawn(drain(Arc::clone(binding)));
        }
        // Last, for the node's own weighing runs here, and may panic.
        binding.remove_from_memory(&change.node);
        fill(binding, change, mark);
        Ok(Offered::Pushed(pushed))
    }

    /// What a reader of a node is given in the place of its tiers.
    pub(crate) fn newest(&self, binding: &Binding<N>, key: &Key) -> Option<Arc<Accepted<N>>> {
        let state = self.state.lock();
        let newest = state.values.listed(key)?;
        let is_good = match self.options.to {
            // The source is yet to get it, and has what is older.
            Destination::Source => true,
            Destination::Storages => !binding.cache.fence.is_shut() && newest.is_fresh(binding),
        };
        (is_good && self.is_in_time(newest, binding)).then(|| Arc::clone(newest))
    }

    /// Whether it was accepted so lately that it may be read from here.
    pub(super) fn is_in_time(&self, accepted: &Accepted<N>, binding: &Binding<N>) -> bool {
        self.read_for.is_none_or(|span| accepted.is_within(span, binding))
    }

    /// Somebody else changes the node, in this process: what is queued of it is older.
    pub(crate) fn outdate(&self, key: &Key) {
        match self.options.to {
            Destination::Storages => self.withdraw_key(key, |_| true),
            Destination::Source => {
                self.state.lock().values.unlist_key(key, |_| true);
            }
        }
    }

    /// A load that had begun under this mark of the process' fence, and asked the source alone, has
    /// brought a value: what had been accepted before is older.
    pub(crate) fn outdate_before(&self, key: &Key, begun: u64) {
        if self.options.to == Destination::Storages {
            self.withdraw_key(key, |accepted| accepted.mark <= begun);
        }
    }

    /// As [`outdate_before`](Self::outdate_before) of a load that asked the tiers first, past what is
    /// queued: nothing is read from that any more, and the storages are to keep it out. Whether there
    /// is any.
    pub(crate) fn unlist_before(&self, key: &Key, begun: u64) -> bool {
        self.options.to == Destination::Storages
            && self.state.lock().values.unlist_key(key, |accepted| accepted.mark <= begun)
    }

    fn withdraw_key(&self, key: &Key, selects: impl Fn(&Accepted<N>) -> bool) {
        self.withdraw(|values| values.withdraw_key(key, |accepted| selects(accepted)));
    }

    fn withdraw(&self, withdraw: impl FnOnce(&mut Values<N>) -> usize) {
        let count = {
            let mut state = self.state.lock();
            let count = withdraw(&mut state.values);
            self.recorder.withdrawn(count as u64);
            count
        };
        self.freed(count);
        if count > 0 {
            self.settled.notify_waiters();
        }
    }

    /// So many values fewer are queued.
    pub(super) fn freed(&self, count: usize) {
        (0..count).for_each(|_| self.room.notify_one());
    }
}

/// Fails where the value would surely be refused later: an invalidation of it is yet to land where it
/// goes, after which a stamp of now is too old.
pub(super) fn may_land<N: Node>(
    binding: &Binding<N>,
    change: &Change<N>,
    into: Option<usize>,
) -> Result<(), Error> {
    let into = into.filter(|_| !cfg!(mutant = "queue_unaware"));
    let awaiting = into.and_then(|at| binding.awaiting(at, &change.key, &change.tags));
    awaiting.map_or(Ok(()), |storage| Err(is_pending(storage, &change.key)))
}

impl<N: Node> Accepted<N> {
    /// Its change.
    pub(crate) fn change(&self) -> &Change<N> {
        &self.change
    }

    /// Whether a tier would still give it, had it been stored when it was accepted.
    pub(super) fn is_fresh(&self, binding: &Binding<N>) -> bool {
        let tier = self.into.map(|(at, _)| &binding.tiers[at]);
        let ttl = [tier.and_then(|tier| tier.ttl), self.change.options.ttl];
        ttl.into_iter().flatten().min().is_none_or(|ttl| self.is_within(ttl, binding))
    }

    fn is_within(&self, span: Duration, binding: &Binding<N>) -> bool {
        let ends = self.accepted.after(span);
        ends.remaining(binding.cache.clock.wall()) != Some(Duration::ZERO)
    }
}

impl<N: Node> ErasedQueue for Queue<N> {
    fn node(&self) -> &str {
        &self.node
    }

    fn left(&self) -> Vec<Key> {
        self.state.lock().values.left().cloned().collect()
    }

    fn invalidated(&self, selector: &Selector) {
        match (selector, self.options.to) {
            (Selector::Keys(keys), _) => keys.iter().for_each(|key| self.outdate(key)),
            (_, Destination::Storages) => {
                self.withdraw(|values| {
                    values.withdraw(|key, accepted| selector.selects(key, &accepted.change.tags))
                });
            }
            (_, Destination::Source) => self.heard(selector, u64::MAX),
        }
    }

    fn heard(&self, selector: &Selector, mark: u64) {
        self.passed_by(selector);
        let mut state = self.state.lock();
        match selector {
            Selector::Keys(keys) => keys.iter().for_each(|key| {
                state.values.unlist_key(key, |accepted| accepted.mark <= mark);
            }),
            _ => state.values.unlist(|key, accepted| {
                accepted.mark <= mark && selector.selects(key, &accepted.change.tags)
            }),
        }
    }

    fn distrust(&self) {
        // What goes to the source is newer than whatever others may have said of the cache.
        if let Some(passing) = &self.passing {
            passing.raise_floor();
            self.state.lock().values.unlist(|_, _| true);
        }
    }

    fn close(&self) {
        {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.values.hasten(None, crate::clock::Tick::from_ms(0));
        }
        self.work.notify_one();
        self.room.notify_waiters();
    }
}
