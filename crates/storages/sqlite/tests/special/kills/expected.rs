//! What may stand in a file: one state of each key, or a few where a call was not answered.

use std::collections::{BTreeMap, BTreeSet};

use cache_core::clock::Timestamp;
use cache_core::entry::Entry;
use cache_core::storage::InvalidationMode;

use super::plan::{Content, NAMES, Operation, TASKS, key, payload, tag};

/// An entry that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    value: u64,
    tags: Vec<u64>,
    fresh_until: Timestamp,
}

/// The states that a key may be in; `None`: it is absent.
type States = BTreeSet<Option<Held>>;

#[derive(Debug)]
pub(super) struct Expected {
    keys: BTreeMap<(u64, u64), States>,
    /// Keys and tags that were written to or invalidated since the last stamp was taken.
    pub(super) raised_keys: BTreeSet<(u64, u64)>,
    pub(super) raised_tags: BTreeSet<(u64, u64)>,
}

impl Expected {
    pub(super) fn nothing() -> Self {
        let names = (0..TASKS).flat_map(|task| (0..NAMES).map(move |name| (task, name)));
        Self {
            keys: names.map(|name| (name, BTreeSet::from([None]))).collect(),
            raised_keys: BTreeSet::new(),
            raised_tags: BTreeSet::new(),
        }
    }

    /// Takes note of an answer, a letter for each write behind a `-`.
    pub(super) fn answered(&mut self, task: u64, operation: &Operation, answer: &str) {
        let letters = answer.strip_prefix('-').unwrap();
        match operation {
            Operation::Set(contents) => {
                assert!(letters.len() == contents.len() && letters.bytes().all(|at| at == b'S'));
                for content in contents {
                    self.now(task, content.name, Some(Held::of(content)));
                }
            }
            Operation::Update(content) => {
                let stored = letters == "S";
                self.now(task, content.name, stored.then(|| Held::of(content)));
            }
            Operation::Touch { name, until } if letters == "S" => {
                self.change(task, *name, |held| Some(Held { fresh_until: *until, ..held }));
            }
            Operation::Touch { .. } | Operation::Flush | Operation::Maintain => {}
            Operation::Keys { names, mode } => {
                for name in names {
                    self.change(task, *name, |held| held.invalidated(*mode));
                    self.raised_keys.insert((task, *name));
                }
            }
            Operation::AnyTag { tag, mode } => {
                for name in 0..NAMES {
                    self.change(task, name, |held| held.invalidated_by_tag(*tag, *mode));
                }
                self.raised_tags.insert((task, *tag));
            }
        }
    }

    /// Takes note of what was begun and never answered: it has happened or it has not.
    pub(super) fn unanswered(&mut self, task: u64, operation: &Operation) {
        match operation {
            Operation::Set(contents) => {
                for content in contents {
                    self.maybe(task, content.name, Some(Held::of(content)));
                }
            }
            Operation::Update(content) => {
                self.maybe(task, content.name, Some(Held::of(content)));
                self.maybe(task, content.name, None);
            }
            Operation::Touch { name, until } => {
                self.maybe_change(task, *name, |held| Some(Held { fresh_until: *until, ..held }));
            }
            Operation::Flush | Operation::Maintain => {}
            Operation::Keys { names, mode } => {
                for name in names {
                    self.maybe_change(task, *name, |held| held.invalidated(*mode));
                }
            }
            Operation::AnyTag { tag, mode } => {
                for name in 0..NAMES {
                    self.maybe_change(task, name, |held| held.invalidated_by_tag(*tag, *mode));
                }
            }
        }
    }

    /// Compares a key with what was found, which from now on is what it is.
    pub(super) fn found(
        &mut self,
        (task, name): (u64, u64),
        entry: Option<&Entry>,
        may_be_evicted: bool,
    ) -> Result<(), String> {
        let states = self.state(task, name);
        let found = match entry {
            None if may_be_evicted || states.contains(&None) => None,
            None => return Err(format!("it is lost: {states:?}")),
            Some(entry) => {
                let found = states.iter().flatten().find(|held| held.is(task, entry));
                Some(found.cloned().ok_or_else(|| format!("{entry:?} is none of {states:?}"))?)
            }
        };
        if let Some(entry) = entry {
            entry.verify(&key(task, name)).map_err(|damage| damage.to_string())?;
        }
        *states = BTreeSet::from([found]);
        Ok(())
    }

    pub(super) fn names(&self) -> Vec<(u64, u64)> {
        self.keys.keys().copied().collect()
    }

    fn state(&mut self, task: u64, name: u64) -> &mut States {
        self.keys.get_mut(&(task, name)).unwrap()
    }

    fn now(&mut self, task: u64, name: u64, held: Option<Held>) {
        *self.state(task, name) = BTreeSet::from([held]);
        self.raised_keys.insert((task, name));
    }

    fn maybe(&mut self, task: u64, name: u64, held: Option<Held>) {
        self.state(task, name).insert(held);
    }

    fn change(&mut self, task: u64, name: u64, change: impl Fn(Held) -> Option<Held>) {
        let states = self.state(task, name);
        *states = states.iter().cloned().map(|held| held.and_then(&change)).collect();
    }

    fn maybe_change(&mut self, task: u64, name: u64, change: impl Fn(Held) -> Option<Held>) {
        let states = self.state(task, name);
        let changed: States = states.iter().cloned().map(|held| held.and_then(&change)).collect();
        states.extend(changed);
    }
}

impl Held {
    fn of(content: &Content) -> Self {
        let Content { value, tags, .. } = content.clone();
        Self { value, tags, fresh_until: Timestamp::NEVER }
    }

    fn invalidated(self, mode: InvalidationMode) -> Option<Self> {
        match mode {
            InvalidationMode::Remove => None,
            InvalidationMode::Expire => {
                Some(Self { fresh_until: Timestamp::from_unix_ms(0), ..self })
            }
        }
    }

    fn invalidated_by_tag(self, tag: u64, mode: InvalidationMode) -> Option<Self> {
        if self.tags.contains(&tag) { self.invalidated(mode) } else { Some(self) }
    }

    fn is(&self, task: u64, entry: &Entry) -> bool {
        let tags: Vec<_> = self.tags.iter().map(|number| tag(task, *number)).collect();
        self.fresh_until == entry.fresh_until
            && entry.tags.as_slice() == tags
            && entry.payload == payload(self.value)
    }
}
