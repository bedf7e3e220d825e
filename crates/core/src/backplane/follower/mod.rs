//! What a cache makes of what it reads: a pure machine, time passed in.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use super::event::{Cause, Event, Message, Operation, Told};
use super::log::Page;
use super::options::{Backplane, Silence};
use crate::clock::Tick;
use crate::key::{Key, Tag};
use crate::storage::{InvalidationMode, Selector};

/// How many intents are remembered; the oldest of more is finished at once.
const INTENTS_MAX: usize = 4096;

/// How many finished operations are remembered, by which what comes twice or late is known.
const FINISHED_MAX: usize = 8192;

/// How many others are remembered.
const PEERS_MAX: usize = 4096;

/// After so many heartbeats without a word another cache is taken for gone.
const HEARTBEATS_MISSED_MAX: u32 = 5;

/// Pairs of shared storages, the nearer one first.
pub(super) type Order = Vec<(String, String)>;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Invalidate in memory and in the storages of this host.
    Apply(Change),
    /// Something was missed: forget all that memory and the storages of this host hold.
    Forget,
    /// Who began this has died: invalidate everywhere, and tell the others that it is done.
    Finish(Told),
    /// Ask memory and the storages of this host no more.
    Distrust,
    /// Ask them again.
    Trust,
    /// The others go through shared storages in these orders.
    Order(Order),
    /// Somebody is new here, and is to hear of this cache.
    Greet,
}

/// Invalidations that are alike, in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) selector: Selector,
    pub(super) mode: InvalidationMode,
    pub(super) cause: Cause,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) applied: u64,
    pub(super) unreadable: u64,
    pub(super) gaps: u64,
    pub(super) finished: u64,
    pub(super) silences: u64,
}

pub(super) struct Follower {
    instance: u64,
    prefix: String,
    silent_after: Duration,
    silence: Silence,
    finish_after: Duration,
    /// When the last read that succeeded had begun.
    heard: Tick,
    is_trusted: bool,
    intents: BTreeMap<Operation, Intent>,
    finished: Finished,
    peers: BTreeMap<u64, Peer>,
    counts: Counts,
}

struct Intent {
    told: Told,
    due: Tick,
}

struct Peer {
    heard: Tick,
    heartbeat: Duration,
    order: Order,
}

#[derive(Default)]
struct Finished {
    known: HashSet<Operation>,
    in_order: VecDeque<Operation>,
}

impl Finished {
    /// Whether it is new.
    fn add(&mut self, operation: Operation) -> bool {
        if !self.known.insert(operation) {
            return false;
        }
        self.in_order.push_back(operation);
        if self.in_order.len() > FINISHED_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Follower {
    pub(super) fn new(instance: u64, prefix: &str, options: &Backplane, now: Tick) -> Self {
        Self {
            instance,
            prefix: prefix.to_owned(),
            silent_after: options.silent_after,
            silence: options.silence,
            finish_after: options.finish_after,
            heard: now,
            is_trusted: true,
            intents: BTreeMap::new(),
            finished: Finished::default(),
            peers: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    pub(super) fn peers(&self) -> usize {
        self.peers.len()
    }

    /// The end of the log was asked for at `begun` and found.
    pub(super) fn joined(&mut self, begun: Tick) -> Vec<Action> {
        let mut actions = Vec::new();
        self.hear(begun, &mut actions);
        actions
    }

    /// A read that had begun at `begun` gave this page. `luck` lies between 0 and 1, and spreads
    /// over time what several would do at once.
    pub(super) fn page(&mut self, begun: Tick, now: Tick, page: &Page, luck: f64) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut is_lost = page.gap && !cfg!(mutant = "gap_unseen");
        let mut changes = Changes::default();
        for bytes in &page.events {
            self.counts.received += 1;
            match Event::from_bytes(bytes) {
                Ok(event) => self.event(event, now, luck, &mut changes, &mut actions),
                // It may have been an invalidation.
                Err(_) => {
                    self.counts.unreadable += 1;
                    is_lost = true;
                }
            }
        }
        if is_lost {
            self.counts.gaps += 1;
            actions.insert(0, Action::Forget);
        }
        actions.extend(changes.into_actions());
        if !page.more {
            self.hear(begun, &mut actions);
        }
        actions
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Tick) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_trusted && now.since(self.heard) > self.silent_after {
            self.is_trusted = false;
            self.counts.silences += 1;
            if self.silence == Silence::Miss {
                actions.push(Action::Distrust);
            }
        }
        // While nothing is heard, ends may have been told that were not read.
        if self.is_trusted {
            let due = self.intents.iter().filter(|(_, intent)| intent.due <= now);
            let due: Vec<Operation> = due.map(|(operation, _)| *operation).collect();
            for operation in due {
                self.finish(operation, &mut actions);
            }
            let gone = |peer: &Peer| {
                let patience = peer.heartbeat.saturating_mul(HEARTBEATS_MISSED_MAX);
                now.since(peer.heard) > patience.max(self.silent_after)
            };
            let before = self.peers.len();
            self.peers.retain(|_, peer| !gone(peer));
            if self.peers.len() != before {
                actions.push(Action::Order(self.order()));
            }
        }
        actions
    }

    fn hear(&mut self, begun: Tick, actions: &mut Vec<Action>) {
        self.heard = self.heard.max(begun);
        if !self.is_trusted {
            self.is_trusted = true;
            if self.silence == Silence::Miss {
                actions.push(Action::Trust);
            }
        }
    }

    fn event(
        &mut self,
        event: Event,
        now: Tick,
        luck: f64,
        changes: &mut Changes,
        actions: &mut Vec<Action>,
    ) {
        if event.sender == self.instance || event.prefix != self.prefix {
            return;
        }
        match event.message {
            Message::Hello { heartbeat, order } => {
                let peer = Peer { heard: now, heartbeat, order };
                let known = self.peers.get(&event.sender).map(|peer| peer.order.clone());
                if known.is_none() {
                    if self.peers.len() >= PEERS_MAX {
                        return;
                    }
                    actions.push(Action::Greet);
                }
                let is_same = known.unwrap_or_default() == peer.order;
                self.peers.insert(event.sender, peer);
                if !is_same {
                    actions.push(Action::Order(self.order()));
                }
            }
            Message::Goodbye => {
                if self.peers.remove(&event.sender).is_some_and(|peer| !peer.order.is_empty()) {
                    actions.push(Action::Order(self.order()));
                }
            }
            Message::Intent(told) => {
                let operation = told.operation;
                if operation.origin == self.instance || self.finished.known.contains(&operation) {
                    return;
                }
                let due = now.after(self.finish_after.mul_f64(1.0 + luck / 2.0));
                self.intents.entry(operation).or_insert(Intent { told, due });
                if self.intents.len() > INTENTS_MAX {
                    let oldest = self.intents.iter().min_by_key(|(_, intent)| intent.due);
                    if let Some(oldest) = oldest.map(|(operation, _)| *operation) {
                        self.finish(oldest, actions);
                    }
                }
            }
            Message::Final(told) => {
                self.intents.remove(&told.operation);
                if self.finished.add(told.operation) {
                    self.counts.applied += 1;
                    changes.add(told);
                }
            }
        }
    }

    fn finish(&mut self, operation: Operation, actions: &mut Vec<Action>) {
        if let Some(intent) = self.intents.remove(&operation)
            && self.finished.add(operation)
        {
            self.counts.finished += 1;
            actions.push(Action::Finish(intent.told));
        }
    }

    /// The pairs that any of the others announces, each once.
    fn order(&self) -> Order {
        let mut pairs: Order = self.peers.values().flat_map(|peer| peer.order.clone()).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

/// All that a page tells the caches of this prefix, their own events and intents included, for a
/// storage that nobody followed for: the end of an intent may not have been told to anybody. `None`
/// if not all of it is there, or can be read.
pub(super) fn changes_of(page: &Page, prefix: &str) -> Option<Vec<Change>> {
    if page.gap {
        return None;
    }
    let mut changes = Changes::default();
    for bytes in &page.events {
        let event = Event::from_bytes(bytes).ok()?;
        if let (true, Message::Intent(told) | Message::Final(told)) =
            (event.prefix == prefix, event.message)
        {
            changes.add(told);
        }
    }
    let actions = changes.into_actions();
    Some(
        actions
            .filter_map(|action| match action {
                Action::Apply(change) => Some(change),
                _ => None,
            })
            .collect(),
    )
}

/// The changes of one page: as few as they can be, since order does not matter.
#[derive(Default)]
struct Changes {
    keys: BTreeMap<(bool, Cause), HashSet<Key>>,
    tags: BTreeMap<bool, HashSet<Tag>>,
    others: Vec<Change>,
}

impl Changes {
    fn add(&mut self, told: Told) {
        let expires = told.mode == InvalidationMode::Expire;
        match told.selector {
            Selector::Keys(keys) => {
                self.keys.entry((expires, told.cause)).or_default().extend(keys);
            }
            Selector::AnyTag(tags) => self.tags.entry(expires).or_default().extend(tags),
            selector => {
                let change = Change { selector, mode: told.mode, cause: told.cause };
                if !self.others.contains(&change) {
                    self.others.push(change);
                }
            }
        }
    }

    fn into_actions(self) -> impl Iterator<Item = Action> {
        let mode = |expires| match expires {
            true => InvalidationMode::Expire,
            false => InvalidationMode::Remove,
        };
        let keys = self.keys.into_iter().map(move |((expires, cause), keys)| {
            let mut keys: Vec<Key> = keys.into_iter().collect();
            keys.sort_unstable();
            Change { selector: Selector::Keys(keys), mode: mode(expires), cause }
        });
        let tags = self.tags.into_iter().map(move |(expires, tags)| {
            let mut tags: Vec<Tag> = tags.into_iter().collect();
            tags.sort_unstable();
            let selector = Selector::AnyTag(tags);
            Change { selector, mode: mode(expires), cause: Cause::Invalidated }
        });
        keys.chain(tags).chain(self.others).map(Action::Apply)
    }
}

#[cfg(test)]
mod tests;
