//! What sequences are made of.

use tiers::core::testing::Operation as StorageCall;
use tiers::policy::breaker::BreakerOptions;

/// How many node types are bound: the same type under two definitions.
pub(crate) const BINDINGS: usize = 2;
/// The ids that every node type is asked for; patterns tell them apart.
pub(crate) const IDS: [u64; 3] = [1, 10, 2];
/// All nodes: binding times ids.
pub(crate) const NODES: usize = BINDINGS * IDS.len();

/// The place of a node among all nodes.
pub(crate) type NodeId = usize;

pub(crate) const fn binding_of(node: NodeId) -> usize {
    node / IDS.len()
}

pub(crate) const fn id_of(node: NodeId) -> u64 {
    IDS[node % IDS.len()]
}

/// The key of a node without prefix and version.
pub(crate) fn name_of(node: NodeId) -> String {
    format!("{}:{}", ["item", "part"][binding_of(node)], id_of(node))
}

/// The labels that every entry of a node bears.
pub(crate) fn labels_of(node: NodeId) -> Vec<String> {
    vec![format!("id{}", id_of(node)), ["items", "parts"][binding_of(node)].to_owned()]
}

/// A sequence with all that its run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub seed: u64,
    pub setup: Setup,
    pub steps: Vec<Step>,
}

/// Storages, processes and definitions of one sequence.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub storages: Storages,
    /// What memory each process has; their number is that of the processes.
    pub memories: Vec<MemoryKind>,
    /// The definitions under which the node type is bound, the same in all processes but for memory.
    pub bindings: [Definition; BINDINGS],
    /// Whether the source wants to see the copy at hand.
    pub compares: bool,
    pub cancels_abandoned: bool,
    pub loads_max: usize,
    /// When storages are left alone, where it is not as it is by default.
    pub breaker: Option<BreakerOptions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storages {
    None,
    /// One SQLite file, a client of it for each process.
    Sqlite,
    /// One storage in memory.
    Test,
    /// Two: the nearer one is local to this host, the farther one shared.
    NearLocal,
    /// Two, both shared.
    NearShared,
}

impl Storages {
    pub(crate) const fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sqlite | Self::Test => 1,
            Self::NearLocal | Self::NearShared => 2,
        }
    }

    /// Whether all of its storages can be told to fail.
    pub(crate) const fn can_fail(self) -> bool {
        matches!(self, Self::Test | Self::NearLocal | Self::NearShared)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryKind {
    None,
    /// Nothing is ever evicted.
    Large,
    /// Two entries, by TinyLFU: anything may be gone or refused at any time.
    Tiny,
}

/// The tiers of a binding.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub memory: Tier,
    pub storages: Vec<Tier>,
    pub absent_ttl: Option<u64>,
    pub fails: bool,
    pub stale: Stale,
}

/// What a binding serves past its time, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stale {
    pub while_revalidate: Option<u64>,
    pub if_error: Option<u64>,
    pub throttle: u64,
    pub soft_timeout: Option<u64>,
    /// Refreshed early from this share of the TTL on, in percent.
    pub early_percent: Option<u32>,
}

impl Stale {
    /// For how long a copy is kept past its time.
    pub(crate) fn kept(&self) -> u64 {
        self.while_revalidate.max(self.if_error).unwrap_or(0)
    }

    /// Whether what runs behind readers makes it unknown what stands where.
    pub(crate) fn is_on(&self) -> bool {
        self.kept() > 0 || self.early_percent.is_some()
    }
}

/// One tier; times in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tier {
    pub ttl: Option<u64>,
    pub idle: Option<u64>,
    /// The longest value that it takes.
    pub bytes_max: Option<u64>,
}

impl Tier {
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        self.bytes_max.is_none_or(|bytes_max| bytes <= bytes_max)
    }
}

/// What the source answers for a node until told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub kind: PlanKind,
    pub ttl: Option<u64>,
    /// A further tag.
    pub tag: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlanKind {
    /// A new value each time it is asked.
    Short,
    /// A new one that is too long for some tiers.
    Long,
    Absent,
    Fails,
    Panics,
    /// The copy at hand, where there is one; otherwise a failure.
    NotModified,
    /// No answer until the time-out.
    Hangs,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Operations that begin together, each after some turns of the others; a single one is
    /// predicted exactly.
    Calls(Vec<Call>),
    /// Time passes.
    Advance(u64),
    /// The wall clock is set forward or back by so much; the monotonic one is not.
    SetWall(i64),
    /// The source answers otherwise from now on.
    Change(NodeId, Plan),
    /// The next calls of one process to a storage fail, or are carried out and their answers lost.
    Fault { process: usize, storage: usize, call: StorageCall, count: usize, carried_out: bool },
    /// A storage is away for one process, whatever it is asked for.
    Down { process: usize, storage: usize },
    /// All faults end, what was pending lands, and every storage is asked again.
    Heal,
    /// A process ends in good order and begins anew.
    Reopen(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub process: usize,
    pub operation: Operation,
    /// Turns before it begins.
    pub delay: u8,
    /// It is dropped after so many polls.
    pub polls: Option<u8>,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Get(NodeId),
    GetOptional(NodeId),
    /// Of one binding.
    GetMany(Vec<NodeId>),
    /// By a closure that answers with this plan.
    GetWith(NodeId, Plan),
    Peek(NodeId),
    Contains(NodeId),
    Entry(NodeId),
    /// All keys of a binding, or those like a pattern.
    Keys(usize, Option<&'static str>),
    Set(NodeId, New),
    SetMany(Vec<(NodeId, New)>, Option<u64>),
    Update(NodeId, Plan),
    WriteThrough(NodeId, New),
    /// Accepted to be written later, and flushed.
    WriteBehind(NodeId, New),
    Touch(NodeId, Option<u64>),
    Refresh(NodeId),
    Warm(Vec<NodeId>),
    Invalidate(Vec<NodeId>),
    Expire(NodeId),
    /// Of one binding.
    InvalidatePattern(usize, &'static str),
    Clear(usize),
    InvalidateAnyTag(Vec<&'static str>),
    InvalidateAllTags(Vec<&'static str>),
    InvalidateEverywhere(&'static str),
    ClearCache,
}

/// A value to be set.
#[derive(Clone, Debug, Default)]
pub(crate) struct New {
    pub long: bool,
    pub ttl: Option<u64>,
    pub tag: Option<u8>,
}

impl Operation {
    /// Whether it changes nothing but by filling tiers.
    pub(crate) fn reads(&self) -> bool {
        matches!(
            self,
            Self::Get(_)
                | Self::GetOptional(_)
                | Self::GetMany(_)
                | Self::Peek(_)
                | Self::Contains(_)
                | Self::Entry(_)
                | Self::Keys(..)
                | Self::Warm(_)
        )
    }
}

pub(crate) const SHORT_BYTES: u64 = 16;
pub(crate) const LONG_BYTES: u64 = 120;

/// Whether a name matches a pattern of `*` and `?`: written anew, so that the cache's own is
/// checked too.
pub(crate) fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            is_like(&pattern[1..], name) || !name.is_empty() && is_like(pattern, &name[1..])
        }
        (Some(b'?'), Some(_)) => is_like(&pattern[1..], &name[1..]),
        (Some(one), Some(other)) => one == other && is_like(&pattern[1..], &name[1..]),
        _ => false,
    }
}
