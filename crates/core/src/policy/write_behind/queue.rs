use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use super::options::WriteBehind;
use crate::clock::Tick;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Values that wait to be written: of each key the latest alone, and never two of one key on their
/// way at once, so that they arrive in the order in which they were accepted.
///
/// A value that an invalidation names is *withdrawn*, or *unlisted*: it is still to be written, but
/// nothing is to be read from it any more.
#[derive(Debug)]
pub struct WriteQueue<K, V> {
    options: WriteBehind,
    keys: HashMap<K, Slot<V>, foldhash::fast::RandomState>,
    /// The keys of values that may be written when their time has come: none of them is on its way.
    due: BTreeMap<(Tick, u64), K>,
    len: usize,
    next_id: u64,
}

#[derive(Debug)]
struct Slot<V> {
    waiting: Option<Queued<V>>,
    writing: Option<Queued<V>>,
}

#[derive(Clone, Debug)]
struct Queued<V> {
    /// Its place: that of the oldest value which it stands for.
    id: u64,
    value: V,
    accepted: Tick,
    due: Tick,
    attempts: u32,
    is_listed: bool,
    /// Nobody wants it written any more; only of one that is on its way.
    is_withdrawn: bool,
}

/// What became of a value that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Added,
    /// It took the place of an older value of its key.
    Coalesced,
    /// There is no room for it.
    Full,
}

/// A value that is to be written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job<K, V> {
    /// Its key.
    pub key: K,
    /// By which it is told whether it has landed.
    pub id: u64,
    /// The value.
    pub value: V,
}

/// How a value came to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// It was withdrawn while it was on its way.
    pub was_withdrawn: bool,
    /// A newer value of the key waits.
    pub is_outdated: bool,
}

/// What becomes of a value that could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It is tried again.
    Retried,
    /// A newer one of its key takes its place.
    Superseded,
    /// It was withdrawn while it was on its way.
    Withdrawn,
    /// It has been tried for long enough, or in vain.
    GivenUp,
}

impl<K: Hash + Eq + Clone, V: Clone> WriteQueue<K, V> {
    /// An empty queue.
    pub fn new(options: WriteBehind) -> Self {
        Self { options, keys: HashMap::default(), due: BTreeMap::new(), len: 0, next_id: 0 }
    }

    /// How many values wait or are on their way.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The keys of all values that wait or are on their way, but those that were withdrawn there.
    pub fn left(&self) -> impl Iterator<Item = &K> {
        self.keys.iter().flat_map(|(key, slot)| {
            let left = slot.waiting.iter().chain(&slot.writing).filter(|one| !one.is_withdrawn);
            left.map(move |_| key)
        })
    }

    /// Whether a value of this key would be taken.
    pub fn has_room_for(&self, key: &K) -> bool {
        self.len < self.options.queued_max || self.has_waiting(key)
    }

    /// Whether a value of this key waits, beside the one that may be on its way.
    pub fn has_waiting(&self, key: &K) -> bool {
        self.keys.get(key).is_some_and(|slot| slot.waiting.is_some())
    }

    /// Queues a value that was accepted at `now`.
    pub fn push(&mut self, key: K, value: V, now: Tick) -> Pushed {
        let waiting = self.keys.get_mut(&key).and_then(|slot| slot.waiting.as_mut());
        if let Some(waiting) = waiting {
            if !cfg!(mutant = "queue_keeps_first") {
                waiting.value = value;
            }
            waiting.accepted = now;
            waiting.is_listed = true;
            return Pushed::Coalesced;
        }
        if self.len >= self.options.queued_max {
            return Pushed::Full;
        }
        self.next_id += 1;
        let queued = Queued {
            id: self.next_id,
            value,
            accepted: now,
            due: now.after(self.options.delay),
            attempts: 0,
            is_listed: true,
            is_withdrawn: false,
        };
        let slot = self.keys.entry(key.clone()).or_insert(Slot { waiting: None, writing: None });
        if slot.writing.is_none() {
            self.due.insert((queued.due, queued.id), key);
        }
        slot.waiting = Some(queued);
        self.len += 1;
        Pushed::Added
    }

    /// The values whose time has come, as many as make a batch. Each is on its way until it
    /// [landed](Self::landed) or [failed](Self::failed).
    pub fn take(&mut self, now: Tick) -> Vec<Job<K, V>> {
        let mut jobs = Vec::new();
        while jobs.len() < self.options.batch_max
            && let Some(first) = self.due.first_entry()
            && first.key().0 <= now
        {
            let key = first.remove();
            if let Some(slot) = self.keys.get_mut(&key)
                && let Some(queued) = slot.waiting.take()
            {
                jobs.push(Job { key, id: queued.id, value: queued.value.clone() });
                slot.writing = Some(queued);
            }
        }
        jobs
    }

    /// When the next value is to be written, of those whose keys have none on its way.
    pub fn next_due(&self) -> Option<Tick> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    /// A value has come to its destination.
    pub fn landed(&mut self, key: &K, id: u64) -> Landed {
        let written = self.take_writing(key, id);
        let is_outdated = self.schedule(key);
        let was_withdrawn = written.is_none_or(|written| written.is_withdrawn);
        Landed { was_withdrawn, is_outdated }
    }

    /// A value could not be written. `permanent`: it never can be. `draw` in 0..1 spreads the pause
    /// before it is tried again.
    pub fn failed(&mut self, key: &K, id: u64, now: Tick, permanent: bool, draw: f64) -> Failed {
        let Some(mut written) = self.take_writing(key, id) else {
            self.schedule(key);
            return Failed::Withdrawn;
        };
        written.attempts = written.attempts.saturating_add(1);
        written.due = now.after(pause(written.attempts, draw));
        let newer = self.keys.get_mut(key).and_then(|slot| slot.waiting.as_mut());
        if let Some(newer) = newer
            && !cfg!(mutant = "queue_retries_over")
        {
            // It stands for what it takes the place of, and comes no sooner.
            newer.id = written.id;
            newer.attempts = written.attempts;
            newer.due = newer.due.max(written.due);
            let was_withdrawn = written.is_withdrawn;
            self.schedule(key);
            return if was_withdrawn { Failed::Withdrawn } else { Failed::Superseded };
        }
        if written.is_withdrawn {
            self.schedule(key);
            return Failed::Withdrawn;
        }
        if permanent || now.since(written.accepted) >= self.options.retry_for {
            self.schedule(key);
            return Failed::GivenUp;
        }
        if let Some(slot) = self.keys.get_mut(key) {
            // Of the mutant: the newer one is dropped for it.
            if slot.waiting.replace(written).is_none() {
                self.len += 1;
            }
        }
        self.schedule(key);
        Failed::Retried
    }

    /// Takes back what waits of these, and what is on its way is not tried again. Gives how many
    /// wait no more.
    pub fn withdraw(&mut self, mut selects: impl FnMut(&K, &V) -> bool) -> usize {
        let (due, mut count) = (&mut self.due, 0);
        self.keys.retain(|key, slot| {
            if let Some(writing) = slot.writing.as_mut().filter(|one| selects(key, &one.value)) {
                writing.is_listed = false;
                writing.is_withdrawn = true;
            }
            if let Some(waiting) = slot.waiting.take_if(|one| selects(key, &one.value)) {
                due.remove(&(waiting.due, waiting.id));
                count += 1;
            }
            slot.waiting.is_some() || slot.writing.is_some()
        });
        self.len -= count;
        count
    }

    /// As [`withdraw`](Self::withdraw), of one key; costs one look.
    pub fn withdraw_key(&mut self, key: &K, selects: impl Fn(&V) -> bool) -> usize {
        let Some(slot) = self.keys.get_mut(key) else { return 0 };
        if let Some(writing) = slot.writing.as_mut().filter(|one| selects(&one.value)) {
            writing.is_listed = false;
            writing.is_withdrawn = true;
        }
        let Some(waiting) = slot.waiting.take_if(|one| selects(&one.value)) else { return 0 };
        self.due.remove(&(waiting.due, waiting.id));
        self.len -= 1;
        if slot.writing.is_none() {
            self.keys.remove(key);
        }
        1
    }

    /// From now on nothing is read from these; they are written all the same.
    pub fn unlist(&mut self, mut selects: impl FnMut(&K, &V) -> bool) {
        for (key, slot) in &mut self.keys {
            for one in slot.waiting.iter_mut().chain(&mut slot.writing) {
                one.is_listed = one.is_listed && !selects(key, &one.value);
            }
        }
    }

    /// As [`unlist`](Self::unlist), of one key; whether there is any.
    pub fn unlist_key(&mut self, key: &K, selects: impl Fn(&V) -> bool) -> bool {
        let Some(slot) = self.keys.get_mut(key) else { return false };
        let mut is_any = false;
        for one in slot.waiting.iter_mut().chain(&mut slot.writing) {
            if selects(&one.value) {
                one.is_listed = false;
                is_any = true;
            }
        }
        is_any
    }

    /// The newest value of a key, if it may be read.
    pub fn listed(&self, key: &K) -> Option<&V> {
        let slot = self.keys.get(key)?;
        let newest = slot.waiting.as_ref().or(slot.writing.as_ref())?;
        newest.is_listed.then_some(&newest.value)
    }

    /// The value of a key that is on its way.
    pub fn writing(&self, key: &K) -> Option<&V> {
        let writing = self.keys.get(key)?.writing.as_ref()?;
        Some(&writing.value)
    }

    /// Whether a value that is on its way may still be read.
    pub fn is_listed(&self, key: &K, id: u64) -> bool {
        let writing = self.keys.get(key).and_then(|slot| slot.writing.as_ref());
        writing.is_some_and(|writing| writing.id == id && writing.is_listed)
    }

    /// Lets all that waits, or what waits of one key, be written now. Gives the place up to which
    /// it [has to be settled](Self::is_settled).
    pub fn hasten(&mut self, key: Option<&K>, now: Tick) -> u64 {
        let hasten = |key: &K, slot: &mut Slot<V>, due: &mut BTreeMap<(Tick, u64), K>| {
            if let Some(waiting) = &mut slot.waiting {
                let was = due.remove(&(waiting.due, waiting.id)).is_some();
                waiting.due = waiting.due.min(now);
                if was {
                    due.insert((waiting.due, waiting.id), key.clone());
                }
            }
        };
        match key {
            Some(key) => {
                if let Some(slot) = self.keys.get_mut(key) {
                    hasten(key, slot, &mut self.due);
                }
            }
            None => self.keys.iter_mut().for_each(|(key, slot)| hasten(key, slot, &mut self.due)),
        }
        self.next_id
    }

    /// Whether nothing up to this place is left, in all or of one key.
    pub fn is_settled(&self, key: Option<&K>, up_to: u64) -> bool {
        let is_later = |slot: &Slot<V>| {
            slot.waiting.iter().chain(&slot.writing).all(|queued| queued.id > up_to)
        };
        match key {
            Some(key) => self.keys.get(key).is_none_or(is_later),
            None => self.keys.values().all(is_later),
        }
    }

    /// How many values up to this place are left, if all of them were accepted after `since` and only
    /// stand for older ones, which have failed for longer than they are tried again; else `None`.
    pub fn overdue(&self, key: Option<&K>, up_to: u64, since: Tick, now: Tick) -> Option<u64> {
        let is_over = |queued: &&Queued<V>| queued.accepted > since && queued.attempts > 0;
        let slots: Vec<&Slot<V>> = match key {
            Some(key) => self.keys.get(key).into_iter().collect(),
            None => self.keys.values().collect(),
        };
        let left = slots.iter().flat_map(|slot| slot.waiting.iter().chain(&slot.writing));
        let left: Vec<_> = left.filter(|queued| queued.id <= up_to).collect();
        let are_over = now.since(since) >= self.options.retry_for && left.iter().all(is_over);
        are_over.then_some(left.len() as u64)
    }

    fn take_writing(&mut self, key: &K, id: u64) -> Option<Queued<V>> {
        let writing = self.keys.get_mut(key)?.writing.take_if(|writing| writing.id == id)?;
        self.len -= 1;
        Some(writing)
    }

    /// Lets what waits of a key be written in its time; whether there is any.
    fn schedule(&mut self, key: &K) -> bool {
        let Some(slot) = self.keys.get(key) else { return false };
        match (&slot.waiting, &slot.writing) {
            (Some(waiting), None) => {
                self.due.insert((waiting.due, waiting.id), key.clone());
                true
            }
            (None, None) => {
                self.keys.remove(key);
                false
            }
            (waiting, Some(_)) => waiting.is_some(),
        }
    }
}

/// Doubles with each failure, up to a bound; between half of it and all of it by `draw`.
fn pause(attempts: u32, draw: f64) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    doubled.min(PAUSE_MAX).mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0))
}
