use std::collections::HashMap;

use super::invalidate::KeyTest;
use crate::clock::Tick;
use crate::key::{Key, Tags};
use crate::storage::{InvalidationMode, Selector};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How many keys, tags and patterns are kept apart; beyond it one invalidation of the whole
/// namespace takes the place of all.
const PENDING_MAX: usize = 1024;
/// How many keys are sent at once.
const BATCH_MAX: usize = 256;

/// Invalidations that a storage could not be told yet. Until they land, this process neither reads
/// nor fills there what they name.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    count: AtomicUsize,
    /// How many have landed so far.
    landings: AtomicUsize,
    /// For how many reasons the storage is not asked at all.
    holds: AtomicUsize,
    /// How many were dropped, since all that they named had expired.
    expired: std::sync::atomic::AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of each key the latest alone.
    keys: HashMap<Key, One>,
    /// What names no keys: tags, patterns, the namespace.
    others: Vec<Other>,
    next_id: u64,
    /// A task is replaying them.
    replaying: bool,
}

/// What is known of one invalidation that waits.
#[derive(Clone, Copy, Debug)]
struct One {
    id: u64,
    mode: InvalidationMode,
    /// Then whatever it names has expired.
    ends: Tick,
    /// Where the fence of the process stood when it came.
    mark: u64,
}

#[derive(Clone, Debug)]
struct Other {
    one: One,
    selector: Selector,
    key_test: Option<KeyTest>,
    /// How many tags or patterns it holds.
    weight: usize,
}

/// Invalidations that are sent together.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Each under its number; one that came again meanwhile has another.
    ids: Vec<u64>,
    pub(super) selector: Selector,
    pub(super) mode: InvalidationMode,
    pub(super) key_test: Option<KeyTest>,
    /// Where the fence of the process stood when the last of them came.
    pub(super) mark: u64,
}

/// A storage that is not asked for as long as this lives.
pub(crate) struct Held<'a>(&'a Pending);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Pending {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// How many were dropped, since all that they named had expired.
    pub(super) fn expired(&self) -> u64 {
        self.expired.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether an entry with this key and these tags is waiting to be invalidated. Costs one load
    /// where nothing waits.
    pub(crate) fn covers(&self, key: &Key, tags: &Tags) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
            || (!cfg!(mutant = "pending_read") && self.awaits(key, tags))
    }

    /// As [`covers`](Self::covers), but for whether the storage is [held](Self::hold): what an
    /// invalidation waits for here is surely refused where its stamp is from before it lands.
    pub(crate) fn awaits(&self, key: &Key, tags: &Tags) -> bool {
        self.len() > 0 && self.state.lock().covers(key, tags)
    }

    /// From now on the storage counts as holding nothing, until this is [taken
    /// back](Self::release): it may not have heard of what others have invalidated.
    pub(crate) fn hold(&self) {
        self.holds.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes back one [`hold`](Self::hold). What was read before is not believed.
    pub(crate) fn release(&self) {
        self.landings.fetch_add(1, Ordering::SeqCst);
        self.holds.fetch_sub(1, Ordering::SeqCst);
    }

    /// A [`hold`](Self::hold) that is taken back with the value that this gives.
    pub(crate) fn held(&self) -> Held<'_> {
        self.hold();
        Held(self)
    }

    /// How many have landed so far: noted before the storage is read.
    pub(crate) fn landings(&self) -> usize {
        self.landings.load(Ordering::SeqCst)
    }

    /// Whether what was read, after this many had landed, may be older than an invalidation of it:
    /// one that waits, or one that has landed since and may have come to the storage after the read.
    pub(crate) fn hides(&self, landings: usize, key: &Key, tags: &Tags) -> bool {
        self.covers(key, tags) || (self.landings() != landings && !cfg!(mutant = "landings_unseen"))
    }

    /// Adds one; `true` if the caller has to start the task that replays them. `ends` is when all
    /// that it may name has expired, `mark` where the fence of the process stands.
    pub(super) fn add(
        &self,
        selector: Selector,
        mode: InvalidationMode,
        key_test: Option<KeyTest>,
        prefix: &str,
        (ends, mark): (Tick, u64),
    ) -> bool {
        let mut state = self.state.lock();
        let one = One { id: 0, mode, ends, mark };
        match selector {
            // It is told once more in any case, and stands for this one, too.
            _ if state.awaits_all(prefix, mark) => {}
            Selector::Keys(keys) => {
                for key in keys {
                    state.add_key(key, one);
                    if state.widen(prefix, mark) {
                        break;
                    }
                }
            }
            selector => {
                // Tags may be borne by what other processes store, for as long as they like.
                let one = One { ends: Tick::NEVER, ..one };
                state.add_other(selector, one, key_test);
                state.widen(prefix, mark);
            }
        }
        self.count.store(state.len(), Ordering::SeqCst);
        !std::mem::replace(&mut state.replaying, true)
    }

    /// The oldest, after those are dropped that name nothing any more; `None` ends the task.
    pub(super) fn next(&self, now: Tick) -> Option<Waiting> {
        let mut state = self.state.lock();
        let before = state.len();
        state.keys.retain(|_, one| now < one.ends);
        let dropped = before - state.len();
        if dropped > 0 {
            // As where they land: what was read before is not to be believed.
            self.landings.fetch_add(1, Ordering::SeqCst);
            self.expired.fetch_add(dropped as u64, std::sync::atomic::Ordering::Relaxed);
            self.count.store(state.len(), Ordering::SeqCst);
        }
        let next = state.oldest();
        state.replaying = next.is_some();
        next
    }

    /// They could not be told once more: others come before they are tried again.
    pub(super) fn failed(&self, failed: &Waiting) {
        self.state.lock().put_last(&failed.ids);
    }

    /// They have landed, here and in every nearer tier.
    pub(super) fn landed(&self, landed: &Waiting) {
        let mut state = self.state.lock();
        // Before they wait no more, so that a reader sees the one or the other.
        self.landings.fetch_add(1, Ordering::SeqCst);
        state.keys.retain(|_, one| !landed.ids.contains(&one.id));
        state.others.retain(|other| !landed.ids.contains(&other.one.id));
        self.count.store(state.len(), Ordering::SeqCst);
    }
}

impl State {
    fn len(&self) -> usize {
        self.keys.len() + self.others.len()
    }

    fn covers(&self, key: &Key, tags: &Tags) -> bool {
        self.keys.contains_key(key)
            || self.others.iter().any(|other| other.selector.selects(key, tags))
    }

    /// Whether one for the whole namespace waits, which then counts as having come now.
    fn awaits_all(&mut self, prefix: &str, mark: u64) -> bool {
        let id = self.next_id();
        let is_all = |other: &&mut Other| {
            matches!(&other.selector, Selector::Namespace(all) if all == prefix)
                && other.one.mode == InvalidationMode::Remove
        };
        let all = self.others.iter_mut().find(is_all);
        all.map(|all| (all.one.id, all.one.mark, all.key_test) = (id, mark, None)).is_some()
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn add_key(&mut self, key: Key, one: One) {
        let id = self.next_id();
        match self.keys.get_mut(&key) {
            Some(_) if cfg!(mutant = "pending_merged") => {}
            // It may have reached the storage already, before what this one is about; under another
            // id it is not taken for landed.
            Some(known) => {
                let mode = stronger(known.mode, one.mode);
                *known = One { id, mode, ends: known.ends.max(one.ends), ..one };
            }
            None => {
                self.keys.insert(key, One { id, ..one });
            }
        }
    }

    fn add_other(&mut self, selector: Selector, one: One, key_test: Option<KeyTest>) {
        let id = self.next_id();
        match self.others.iter_mut().find(|other| other.selector == selector) {
            Some(_) if cfg!(mutant = "pending_merged") => {}
            Some(known) => {
                known.one = One { id, mode: stronger(known.one.mode, one.mode), ..one };
                // The two may mean the entries of different node types: all of memory, then.
                known.key_test = None;
            }
            None => {
                let weight = match &selector {
                    Selector::AnyTag(tags) | Selector::AllTags(tags) => tags.len().max(1),
                    _ => 1,
                };
                let one = One { id, ..one };
                self.others.push(Other { one, selector, key_test, weight });
            }
        }
    }

    /// Takes one for the whole namespace where there are too many; whether it did.
    fn widen(&mut self, prefix: &str, mark: u64) -> bool {
        let others: usize = self.others.iter().map(|other| other.weight).sum();
        if self.keys.len() + others <= PENDING_MAX {
            return false;
        }
        self.keys = HashMap::new();
        self.others.clear();
        let one = One { id: 0, mode: InvalidationMode::Remove, ends: Tick::NEVER, mark };
        self.add_other(Selector::Namespace(prefix.to_owned()), one, None);
        true
    }

    /// The oldest of all, and where that is a key, others of its kind with it.
    fn oldest(&self) -> Option<Waiting> {
        let key = self.keys.values().min_by_key(|one| one.id);
        let other = self.others.iter().min_by_key(|other| other.one.id);
        match (key, other) {
            (Some(first), other) if other.is_none_or(|other| first.id < other.one.id) => {
                let mut alike: Vec<(&Key, &One)> =
                    self.keys.iter().filter(|(_, one)| one.mode == first.mode).collect();
                alike.sort_unstable_by_key(|(_, one)| one.id);
                alike.truncate(BATCH_MAX);
                let ids = alike.iter().map(|(_, one)| one.id).collect();
                let mark = alike.iter().map(|(_, one)| one.mark).max().unwrap_or_default();
                let keys = alike.into_iter().map(|(key, _)| key.clone()).collect();
                let selector = Selector::Keys(keys);
                Some(Waiting { ids, selector, mode: first.mode, key_test: None, mark })
            }
            (_, Some(other)) => Some(Waiting {
                ids: vec![other.one.id],
                selector: other.selector.clone(),
                mode: other.one.mode,
                key_test: other.key_test.clone(),
                mark: other.one.mark,
            }),
            (_, None) => None,
        }
    }

    fn put_last(&mut self, ids: &[u64]) {
        let mut next_id = self.next_id;
        let ones = self.keys.values_mut().chain(self.others.iter_mut().map(|other| &mut other.one));
        for one in ones.filter(|one| ids.contains(&one.id)) {
            next_id += 1;
            one.id = next_id;
        }
        self.next_id = next_id;
    }
}

/// What stands for both: what was to be removed is not kept for bad times.
fn stronger(one: InvalidationMode, other: InvalidationMode) -> InvalidationMode {
    match (one, other) {
        (InvalidationMode::Expire, InvalidationMode::Expire) => InvalidationMode::Expire,
        _ => InvalidationMode::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Tag;

    const REMOVE: InvalidationMode = InvalidationMode::Remove;
    const NOW: Tick = Tick::from_ms(1_000);

    fn key(name: &str) -> Key {
        Key::parse(&format!("p:{name}:v1")).expect("a valid key")
    }

    fn tags(labels: &[&str]) -> Vec<Tag> {
        labels.iter().map(|label| Tag::new("p", label).expect("a valid tag")).collect()
    }

    fn add(pending: &Pending, names: &[&str], mode: InvalidationMode) -> bool {
        let keys = names.iter().map(|name| key(name)).collect();
        pending.add(Selector::Keys(keys), mode, None, "p", (Tick::NEVER, 0))
    }

    fn next(pending: &Pending) -> Waiting {
        pending.next(NOW).expect("something waits")
    }

    #[test]
    fn what_waits_is_covered_until_it_has_landed() {
        let pending = Pending::default();
        assert!(!pending.covers(&key("a"), &Tags::NONE));
        assert!(add(&pending, &["a"], REMOVE));
        let tag = Selector::AnyTag(tags(&["red"]));
        assert!(!pending.add(tag, REMOVE, None, "p", (Tick::NEVER, 0)));
        assert!(pending.covers(&key("a"), &Tags::NONE) && !pending.covers(&key("c"), &Tags::NONE));
        assert!(pending.covers(&key("c"), &Tags::new(tags(&["red"]))));
        pending.landed(&next(&pending));
        assert!(!pending.covers(&key("a"), &Tags::NONE));
        assert!(pending.covers(&key("c"), &Tags::new(tags(&["red"]))));
        pending.landed(&next(&pending));
        assert!(pending.next(NOW).is_none());
        assert!(add(&pending, &["a"], REMOVE), "the task has ended");
    }

    #[test]
    fn what_was_read_before_a_landing_is_hidden_after_it() {
        let pending = Pending::default();
        add(&pending, &["a"], REMOVE);
        let before = pending.landings();
        assert!(pending.hides(before, &key("a"), &Tags::NONE));
        pending.landed(&next(&pending));
        assert!(!pending.covers(&key("a"), &Tags::NONE));
        assert!(pending.hides(before, &key("a"), &Tags::NONE));
        assert!(!pending.hides(pending.landings(), &key("a"), &Tags::NONE));
    }

    #[test]
    fn a_held_storage_hides_everything_until_all_have_let_go() {
        let pending = Pending::default();
        let before = pending.landings();
        pending.hold();
        pending.hold();
        pending.release();
        assert!(pending.covers(&key("a"), &Tags::NONE) && !pending.awaits(&key("a"), &Tags::NONE));
        let meanwhile = pending.landings();
        pending.release();
        assert!(!pending.covers(&key("a"), &Tags::NONE));
        assert!(pending.hides(before, &key("a"), &Tags::NONE));
        assert!(pending.hides(meanwhile, &key("a"), &Tags::NONE));
        assert!(!pending.hides(pending.landings(), &key("a"), &Tags::NONE));
    }

    #[test]
    fn one_that_comes_again_while_it_lands_waits_on() {
        let pending = Pending::default();
        add(&pending, &["a", "b"], REMOVE);
        let landing = next(&pending);
        add(&pending, &["a"], REMOVE);
        assert_eq!(pending.len(), 2);
        pending.landed(&landing);
        assert!(pending.covers(&key("a"), &Tags::NONE), "the second has not landed");
        assert!(!pending.covers(&key("b"), &Tags::NONE));
        pending.landed(&next(&pending));
        assert!(pending.next(NOW).is_none());
    }

    #[test]
    fn of_a_key_the_latest_waits_alone_and_the_stronger_mode_stays() {
        let pending = Pending::default();
        add(&pending, &["a"], InvalidationMode::Expire);
        add(&pending, &["b"], InvalidationMode::Expire);
        add(&pending, &["a"], REMOVE);
        add(&pending, &["a"], InvalidationMode::Expire);
        assert_eq!(pending.len(), 2);
        let first = next(&pending);
        assert_eq!(first.selector, Selector::Keys(vec![key("b")]), "those of a kind, oldest first");
        pending.landed(&first);
        let second = next(&pending);
        assert_eq!((second.selector, second.mode), (Selector::Keys(vec![key("a")]), REMOVE));
    }

    #[test]
    fn keys_are_sent_together_and_what_fails_lets_others_go_first() {
        let pending = Pending::default();
        let names: Vec<String> = (0..BATCH_MAX + 10).map(|at| format!("k{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        add(&pending, &names, REMOVE);
        pending.add(Selector::AnyTag(tags(&["red"])), REMOVE, None, "p", (Tick::NEVER, 0));
        let batch = next(&pending);
        assert!(matches!(&batch.selector, Selector::Keys(keys) if keys.len() == BATCH_MAX));
        pending.failed(&batch);
        let rest = next(&pending);
        // The ten that were left out are older now, and take others of their kind along.
        let Selector::Keys(keys) = &rest.selector else { panic!("keys first: {rest:?}") };
        assert!(names[BATCH_MAX..].iter().all(|name| keys.contains(&key(name))));
        pending.failed(&rest);
        assert_eq!(next(&pending).selector, Selector::AnyTag(tags(&["red"])));
    }

    #[test]
    fn what_names_nothing_any_more_is_dropped() {
        let pending = Pending::default();
        let ends = NOW.after(std::time::Duration::from_secs(1));
        pending.add(Selector::Keys(vec![key("a")]), REMOVE, None, "p", (ends, 0));
        pending.add(Selector::AnyTag(tags(&["red"])), REMOVE, None, "p", (ends, 0));
        add(&pending, &["b"], REMOVE);
        let before = pending.landings();
        assert!(
            matches!(next(&pending).selector, Selector::Keys(keys) if keys.contains(&key("a")))
        );
        assert_eq!((pending.expired(), pending.landings()), (0, before));
        assert!(pending.next(ends).is_some());
        assert_eq!((pending.len(), pending.expired()), (2, 1), "the tag has no end");
        assert!(pending.hides(before, &key("a"), &Tags::NONE));
    }

    #[test]
    fn what_is_sent_together_bears_the_mark_of_the_last_that_came() {
        let pending = Pending::default();
        let add = |names: &[&str], mark| {
            let keys = names.iter().map(|name| key(name)).collect();
            pending.add(Selector::Keys(keys), REMOVE, None, "p", (Tick::NEVER, mark));
        };
        add(&["a", "b"], 3);
        assert_eq!(next(&pending).mark, 3);
        add(&["a"], 5);
        assert_eq!(next(&pending).mark, 5);
        let many: Vec<String> = (0..=PENDING_MAX).map(|at| at.to_string()).collect();
        add(&many.iter().map(String::as_str).collect::<Vec<_>>(), 7);
        assert_eq!(next(&pending).mark, 7, "one for the namespace");
        add(&["a"], 9);
        assert_eq!(next(&pending).mark, 9);
    }

    #[test]
    fn too_many_become_one_for_the_namespace() {
        for at_once in [1, 7, 2 * PENDING_MAX] {
            let pending = Pending::default();
            for first in (0..=PENDING_MAX).step_by(at_once) {
                let keys = (first..first + at_once).map(|at| key(&at.to_string())).collect();
                let selector = Selector::Keys(keys);
                pending.add(selector, InvalidationMode::Expire, None, "p", (NOW, 0));
                assert!(pending.len() <= PENDING_MAX);
            }
            assert!(pending.covers(&key("anything"), &Tags::NONE), "{at_once} at once");
            let waits: Vec<_> = std::iter::from_fn(|| {
                let next = pending.next(NOW)?;
                pending.landed(&next);
                Some(next.selector)
            })
            .collect();
            assert!(waits.contains(&Selector::Namespace("p".to_owned())), "{waits:?}");
        }
        let pending = Pending::default();
        let labels: Vec<String> = (0..=PENDING_MAX).map(|at| at.to_string()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        pending.add(Selector::AnyTag(tags(&labels)), REMOVE, None, "p", (Tick::NEVER, 0));
        assert!(matches!(next(&pending).selector, Selector::Namespace(_)), "tags count, too");
    }
}
