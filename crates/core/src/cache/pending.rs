use super::invalidate::KeyTest;
use crate::key::{Key, Tags};
use crate::storage::{InvalidationMode, Selector};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How many invalidations are kept apart; beyond it one for the whole namespace takes their place.
const PENDING_MAX: usize = 1024;

/// Invalidations that a storage could not be told yet. Until they land, this process neither reads
/// nor fills there what they name.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    count: AtomicUsize,
    /// How many have landed so far.
    landings: AtomicUsize,
    /// For how many reasons the storage is not asked at all.
    holds: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    next_id: u64,
    /// A task is replaying them.
    replaying: bool,
}

/// One invalidation that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    id: u64,
    pub(super) selector: Selector,
    pub(super) mode: InvalidationMode,
    pub(super) key_test: Option<KeyTest>,
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

    /// Whether an entry with this key and these tags is waiting to be invalidated. Costs one load
    /// where nothing waits.
    pub(crate) fn covers(&self, key: &Key, tags: &Tags) -> bool {
        if self.holds.load(Ordering::SeqCst) > 0 {
            return true;
        }
        self.len() > 0
            && !cfg!(mutant = "pending_read")
            && self.state.lock().waiting.iter().any(|one| one.selector.selects(key, tags))
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

    /// Adds one; `true` if the caller has to start the task that replays them.
    pub(super) fn add(
        &self,
        selector: Selector,
        mode: InvalidationMode,
        key_test: Option<KeyTest>,
        prefix: &str,
    ) -> bool {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        let known = |one: &Waiting| one.selector == selector && one.mode == mode;
        match state.waiting.iter().position(known) {
            // It may have reached the storage already, before what this one is about; under
            // another id it is not taken for landed.
            Some(at) if !cfg!(mutant = "pending_merged") => {
                state.waiting[at].id = id;
                // The two may mean the entries of different node types: all of memory, then.
                state.waiting[at].key_test = None;
            }
            Some(_) => {}
            None if state.waiting.len() >= PENDING_MAX => {
                state.waiting.clear();
                let selector = Selector::Namespace(prefix.to_owned());
                let mode = InvalidationMode::Remove;
                state.waiting.push(Waiting { id, selector, mode, key_test: None });
            }
            None => state.waiting.push(Waiting { id, selector, mode, key_test }),
        }
        self.count.store(state.waiting.len(), Ordering::SeqCst);
        !std::mem::replace(&mut state.replaying, true)
    }

    /// The oldest; `None` ends the task.
    pub(super) fn next(&self) -> Option<Waiting> {
        let mut state = self.state.lock();
        let next = state.waiting.first().cloned();
        state.replaying = next.is_some();
        next
    }

    /// It has landed, here and in every nearer tier.
    pub(super) fn landed(&self, landed: &Waiting) {
        let mut state = self.state.lock();
        // Before it waits no more, so that a reader sees the one or the other.
        self.landings.fetch_add(1, Ordering::SeqCst);
        state.waiting.retain(|one| one.id != landed.id);
        self.count.store(state.waiting.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::parse(&format!("p:{name}:v1")).expect("a valid key")
    }

    #[test]
    fn what_waits_is_covered_until_it_has_landed() {
        let pending = Pending::default();
        assert!(!pending.covers(&key("a"), &Tags::NONE));
        assert!(pending.add(Selector::Keys(vec![key("a")]), InvalidationMode::Remove, None, "p"));
        assert!(!pending.add(Selector::Keys(vec![key("b")]), InvalidationMode::Remove, None, "p"));
        assert!(pending.covers(&key("a"), &Tags::NONE) && !pending.covers(&key("c"), &Tags::NONE));
        let first = pending.next().expect("two wait");
        pending.landed(&first);
        assert!(!pending.covers(&key("a"), &Tags::NONE) && pending.covers(&key("b"), &Tags::NONE));
        pending.landed(&pending.next().expect("one waits"));
        assert!(pending.next().is_none());
        assert!(pending.add(Selector::Keys(vec![key("a")]), InvalidationMode::Remove, None, "p"));
    }

    #[test]
    fn what_was_read_before_a_landing_is_hidden_after_it() {
        let pending = Pending::default();
        pending.add(Selector::Keys(vec![key("a")]), InvalidationMode::Remove, None, "p");
        let before = pending.landings();
        assert!(pending.hides(before, &key("a"), &Tags::NONE));
        pending.landed(&pending.next().expect("one waits"));
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
        assert!(pending.covers(&key("a"), &Tags::NONE));
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
        let add = || {
            pending.add(Selector::Keys(vec![key("a")]), InvalidationMode::Remove, None, "p");
        };
        add();
        let landing = pending.next().expect("one waits");
        add();
        assert_eq!(pending.len(), 1);
        pending.landed(&landing);
        assert!(pending.covers(&key("a"), &Tags::NONE), "the second has not landed");
        pending.landed(&pending.next().expect("the second waits"));
        assert!(pending.next().is_none());
    }

    #[test]
    fn too_many_become_one_for_the_namespace() {
        let pending = Pending::default();
        for at in 0..=PENDING_MAX {
            let selector = Selector::Keys(vec![key(&at.to_string())]);
            pending.add(selector, InvalidationMode::Expire, None, "p");
            assert!(pending.len() <= PENDING_MAX);
        }
        assert_eq!(pending.len(), 1);
        assert!(pending.covers(&key("anything"), &Tags::NONE));
    }
}
