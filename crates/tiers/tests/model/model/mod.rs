//! The plain model: tiers are maps with a clock. It says exactly what a single operation answers,
//! what stands in every tier after it, and what was counted.

mod change;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::*;

/// Later than every other time.
pub(crate) const NEVER: u64 = u64::MAX;

/// One entry in one tier; times by the tier's clock, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Which value; `None` where it is known that there is none.
    pub number: Option<u64>,
    pub bytes: u64,
    pub created: u64,
    pub fresh_until: u64,
    pub kept_until: u64,
    pub idle: Option<u64>,
    pub tags: BTreeSet<String>,
    /// Tells this write from others; equal in all tiers that hold a copy of it.
    pub token: u64,
}

/// What one tier holds.
pub(crate) type Contents = BTreeMap<NodeId, Held>;

/// What was counted of one tier of one binding in one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TierCounts {
    pub hits: u64,
    pub misses: u64,
    pub stale: u64,
    pub fills: u64,
    pub fills_refused: u64,
    pub fills_skipped: u64,
    pub errors: u64,
    pub damaged: u64,
}

/// What was counted of one binding in one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub hits: u64,
    pub misses: u64,
    pub coalesced: u64,
    pub loads_succeeded: u64,
    pub loads_failed: u64,
    pub abandoned: u64,
    pub encode_failures: u64,
    /// Memory first, where there is one.
    pub tiers: Vec<TierCounts>,
}

/// How an operation may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Absent,
    Load,
    LoadPanicked,
    LoadTimeout,
    LoadCancelled,
    Storage,
    Closed,
    Other(String),
}

pub(crate) type Read = Result<u64, Failure>;

/// What an operation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Read(Vec<(NodeId, Read)>),
    Seen(NodeId, Option<Seen>),
    Contains(bool),
    Keys(BTreeSet<String>),
    Done(Vec<Result<(), Failure>>),
    Updated(Result<Option<u64>, Failure>),
    Touched(Result<bool, Failure>),
    Warmed {
        warmed: u64,
        absent: u64,
        failed: u64,
    },
    /// Whether it reached everything, and how many entries it found.
    Invalidated {
        done: bool,
        entries: u64,
    },
    Failed(Failure),
    /// The panic of the caller's own closure.
    Panicked,
    /// The future was dropped before it was done.
    Dropped,
}

/// What is known about an entry without loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Memory is 0, the storages follow.
    pub tier: usize,
    pub number: Option<u64>,
    pub created: u64,
    pub remaining: Option<u64>,
    pub tags: BTreeSet<String>,
}

/// All state that operations can see.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub setup: Setup,
    pub wall: u64,
    pub mono: u64,
    pub plans: Vec<Plan>,
    pub memories: Vec<Contents>,
    pub storages: Vec<Contents>,
    /// By process and binding.
    pub counts: Vec<[Counts; BINDINGS]>,
    /// The number of the next value that is made.
    pub next: u64,
    next_token: u64,
}

/// What has a say in how long an entry lives.
#[derive(Clone, Copy, Default)]
struct Life {
    asked: Option<u64>,
    remaining: Option<u64>,
}

/// A value on its way into the tiers.
struct Answer {
    number: Option<u64>,
    bytes: u64,
    created: u64,
    tags: BTreeSet<String>,
    asked: Option<u64>,
    token: u64,
}

/// What the source says of one node.
enum Loaded {
    Answer(Answer),
    /// Not kept anywhere.
    NotKept,
    Failed,
}

impl Model {
    pub(crate) fn new(setup: &Setup, wall: u64, mono: u64) -> Self {
        let counts = |process: usize| {
            let memory = usize::from(setup.memories[process] != MemoryKind::None);
            std::array::from_fn(|_| Counts {
                tiers: vec![TierCounts::default(); memory + setup.storages.count()],
                ..Counts::default()
            })
        };
        let processes = setup.memories.len();
        Self {
            wall,
            mono,
            plans: vec![Plan { kind: PlanKind::Short, ttl: None, tag: None }; NODES],
            memories: vec![Contents::new(); processes],
            storages: vec![Contents::new(); setup.storages.count()],
            counts: (0..processes).map(counts).collect(),
            next: 0,
            next_token: 0,
            setup: setup.clone(),
        }
    }

    pub(crate) fn has_memory(&self, process: usize) -> bool {
        self.setup.memories[process] != MemoryKind::None
    }

    /// The processes' storages are far first in the order of changes: the last one is shared.
    fn far_first(&self) -> Vec<usize> {
        (0..self.storages.len()).rev().collect()
    }

    fn definition(&self, node: NodeId) -> &Definition {
        &self.setup.bindings[binding_of(node)]
    }

    fn counts(&mut self, process: usize, node: NodeId) -> &mut Counts {
        &mut self.counts[process][binding_of(node)]
    }

    fn memory_counts(&mut self, process: usize, node: NodeId) -> &mut TierCounts {
        &mut self.counts(process, node).tiers[0]
    }

    fn storage_counts(&mut self, process: usize, node: NodeId, storage: usize) -> &mut TierCounts {
        let memory = usize::from(self.has_memory(process));
        &mut self.counts(process, node).tiers[memory + storage]
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        // Apart from real tokens in all but one of 2^32 cases.
        self.next_token
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A fresh entry of a process' memory.
    fn in_memory(&self, process: usize, node: NodeId) -> Option<&Held> {
        self.memories[process].get(&node).filter(|held| self.mono < held.fresh_until)
    }

    /// An entry that a storage still keeps.
    fn kept(&self, storage: usize, node: NodeId) -> Option<&Held> {
        self.storages[storage].get(&node).filter(|held| self.wall < held.kept_until)
    }

    fn fresh(&self, storage: usize, node: NodeId) -> Option<&Held> {
        self.kept(storage, node).filter(|held| self.wall < held.fresh_until)
    }

    pub(crate) fn apply(&mut self, process: usize, operation: &Operation) -> Reply {
        match operation {
            Operation::Get(node) | Operation::GetOptional(node) => {
                let read = self.get(process, *node, None);
                Reply::Read(vec![(*node, read)])
            }
            Operation::GetWith(node, plan) => {
                let read = self.get(process, *node, Some(plan));
                Reply::Read(vec![(*node, read)])
            }
            Operation::GetMany(nodes) => {
                let reads = self.get_many(process, nodes);
                Reply::Read(nodes.iter().copied().zip(reads).collect())
            }
            Operation::Warm(nodes) => {
                let reads = self.get_many(process, nodes);
                let is = |wanted: fn(&&Read) -> bool| reads.iter().filter(wanted).count() as u64;
                let warmed = is(|read| read.is_ok());
                let absent = is(|read| **read == Err(Failure::Absent));
                Reply::Warmed { warmed, absent, failed: reads.len() as u64 - warmed - absent }
            }
            Operation::Peek(node) | Operation::Entry(node) => {
                Reply::Seen(*node, self.look(process, *node))
            }
            Operation::Contains(node) => Reply::Contains(self.look(process, *node).is_some()),
            Operation::Keys(binding, pattern) => {
                Reply::Keys(self.keys(process, *binding, *pattern))
            }
            // Written at once, by one who is alone, it is a set.
            Operation::Set(node, new) | Operation::WriteBehind(node, new) => {
                let number = self.number();
                self.set(process, &[(*node, new.long, number)], new.ttl, new.tag);
                Reply::Done(vec![Ok(())])
            }
            Operation::SetMany(values, ttl) => {
                let numbered: Vec<_> =
                    values.iter().map(|(node, new)| (*node, new.long, self.number())).collect();
                // Of a node that stands twice the last value stays.
                let is_last = |at: usize| !values[at + 1..].iter().any(|(n, _)| *n == values[at].0);
                let last: Vec<_> = (0..values.len()).filter(|at| is_last(*at)).collect();
                let last: Vec<_> = last.into_iter().map(|at| numbered[at]).collect();
                self.set(process, &last, *ttl, None);
                Reply::Done(vec![Ok(()); values.len()])
            }
            Operation::Update(node, plan) => self.update(process, *node, plan),
            Operation::WriteThrough(node, new) => {
                // What the source keeps has neither TTL nor tags of its own.
                let kind = if new.long { PlanKind::Long } else { PlanKind::Short };
                self.update(process, *node, &Plan { kind, ttl: None, tag: None });
                Reply::Done(vec![Ok(())])
            }
            Operation::Touch(node, ttl) => Reply::Touched(Ok(self.touch(process, *node, *ttl))),
            Operation::Refresh(node) => {
                let read = self.refresh(process, *node);
                Reply::Read(vec![(*node, read)])
            }
            Operation::Invalidate(nodes) => {
                self.end(process, false, |node, _| nodes.contains(&node))
            }
            Operation::Expire(wanted) => self.end(process, true, |node, _| node == *wanted),
            Operation::InvalidatePattern(binding, pattern) => {
                let is_named = |node| is_like(pattern.as_bytes(), name_of(node).as_bytes());
                // Storages do not know node types: there the pattern reaches all that it matches.
                self.end_where(
                    process,
                    false,
                    |node, _| is_named(node),
                    |node, _| is_named(node) && binding_of(node) == *binding,
                )
            }
            Operation::Clear(binding) => {
                self.end(process, false, |node, _| binding_of(node) == *binding)
            }
            Operation::InvalidateAnyTag(labels) => self.end(process, false, |_, held| {
                labels.iter().any(|label| held.tags.contains(*label))
            }),
            Operation::InvalidateAllTags(labels) => self.end(process, false, |_, held| {
                labels.iter().all(|label| held.tags.contains(*label))
            }),
            Operation::InvalidateEverywhere(pattern) => self.end(process, false, |node, _| {
                is_like(pattern.as_bytes(), name_of(node).as_bytes())
            }),
            Operation::ClearCache => self.end(process, false, |_, _| true),
        }
    }

    /// A process begins anew: its memory is empty and its counters are zero.
    pub(crate) fn reopen(&mut self, process: usize) {
        let fresh = Self::new(&self.setup, self.wall, self.mono);
        self.memories[process].clear();
        self.counts[process] = fresh.counts[process].clone();
    }
}

/// When what begins now ends in a tier: its freshness, and itself.
fn ends(tier: &Tier, life: Life, now: u64) -> (u64, u64) {
    let shortest = |spans: [Option<u64>; 2]| spans.into_iter().flatten().min();
    let kept = shortest([shortest([tier.ttl, life.asked]), life.remaining]);
    let fresh = shortest([kept, tier.idle]);
    let end = |span: Option<u64>| span.map_or(NEVER, |span| now + span);
    (end(fresh), end(kept))
}

/// What is left until an end; `None` where there is none.
pub(crate) fn left(end: u64, now: u64) -> Option<u64> {
    (end != NEVER).then(|| end.saturating_sub(now))
}
