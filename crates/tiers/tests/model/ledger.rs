//! What is sound, whatever the interleaving: every value has a number and a birth, every
//! invalidation a beginning and an end, and what was born before the one began must not be served
//! to who asks after the other.

use crate::operation::*;

/// How something that was read or set came to be.
#[derive(Clone, Debug)]
pub(crate) struct Birth {
    pub node: NodeId,
    /// When the source was read, or the set was done; none while a set is under way.
    since: Option<u64>,
    /// By the monotonic clock; none where no tier ends it, or while its first step runs.
    ends: Option<u64>,
    life: Option<u64>,
    tags: Vec<String>,
    settled: bool,
}

/// What an invalidation or a change outdates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Nodes(Vec<NodeId>),
    AnyTag(Vec<String>),
    AllTags(Vec<String>),
}

#[derive(Clone, Debug)]
struct Barrier {
    process: usize,
    scope: Scope,
    begun: u64,
    /// Since when it holds, and the monotonic time then; none while it is under way or pending.
    done: Option<(u64, u64)>,
    /// When the caller was told, be it that it is pending somewhere.
    told: Option<u64>,
    /// Nothing that had begun before it was done runs any more.
    settled: bool,
}

/// Tells a barrier until it is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BarrierId(usize);

/// Who is served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    /// A process: its memory may lag behind what other processes have done, up to its TTL.
    Process(usize),
    /// A storage, now.
    Storage,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    moment: u64,
    births: Vec<Birth>,
    /// By node: when the source was last known to have nothing.
    absent: [Option<u64>; NODES],
    barriers: Vec<Barrier>,
    touched: Vec<(NodeId, Option<u64>)>,
    /// No other process can carry old values nearer while an invalidation is pending.
    pub(crate) holds_when_told: bool,
    /// By how much the wall clock has been set back.
    pub slack: u64,
    /// The TTL of each process' memory, by binding; the outer none is without memory.
    pub memory_ttl: Vec<Option<[Option<u64>; BINDINGS]>>,
}

impl Ledger {
    /// The next moment; moments order all that happens.
    pub(crate) fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.births.len() as u64
    }

    /// The source was read, or a set begins.
    pub(crate) fn bear(
        &mut self,
        node: NodeId,
        read: bool,
        life: Option<u64>,
        tags: Vec<String>,
    ) -> u64 {
        let since = read.then(|| self.now());
        self.births.push(Birth { node, since, ends: None, life, tags, settled: false });
        self.next_number() - 1
    }

    pub(crate) fn bear_absent(&mut self, node: NodeId) {
        self.absent[node] = Some(self.now());
    }

    /// The source says that a value still holds.
    pub(crate) fn confirm(&mut self, number: u64) {
        let now = self.now();
        let birth = &mut self.births[number as usize];
        (birth.since, birth.settled) = (Some(now), false);
    }

    /// A set is done.
    pub(crate) fn done_setting(&mut self, number: u64) {
        let now = self.now();
        self.births[number as usize].since.get_or_insert(now);
    }

    /// All that stands of a node when this step is over may live anew for so long.
    pub(crate) fn touch(&mut self, node: NodeId, life: Option<u64>) {
        self.touched.push((node, life));
    }

    pub(crate) fn begin(&mut self, process: usize, scope: Scope) -> BarrierId {
        let begun = self.now();
        self.barriers.push(Barrier {
            process,
            scope,
            begun,
            done: None,
            told: None,
            settled: false,
        });
        BarrierId(self.barriers.len() - 1)
    }

    /// The caller was told that it is done.
    pub(crate) fn end(&mut self, id: BarrierId, mono: u64) {
        let now = self.now();
        self.barriers[id.0].done = Some((now, mono));
    }

    /// The caller was told that it is done, or pending: its own process does not read from where it
    /// is pending.
    pub(crate) fn tell(&mut self, id: BarrierId) {
        let now = self.now();
        self.barriers[id.0].told = Some(now);
    }

    /// Nothing runs any more. What a process has pending has not landed.
    pub(crate) fn settle(&mut self, mono: u64, pending: &[bool]) {
        let now = self.now();
        for (node, life) in std::mem::take(&mut self.touched) {
            for birth in self.births.iter_mut().filter(|birth| birth.node == node) {
                birth.settled = false;
                birth.life = birth.life.zip(life).map(|(own, life)| own.max(life));
            }
        }
        for birth in &mut self.births {
            birth.since.get_or_insert(now);
            if !birth.settled {
                birth.settled = true;
                birth.ends = birth.life.map(|life| mono + life);
            }
        }
        for barrier in &mut self.barriers {
            if barrier.done.is_none() && !pending[barrier.process] {
                barrier.done = Some((now, mono));
            }
            if let (Some((_, at)), false) = (&mut barrier.done, barrier.settled) {
                (*at, barrier.settled) = (mono, true);
            }
        }
        // Of two that say the same the later one says more, but for what is pending.
        let mut newest: Vec<Barrier> = Vec::new();
        for barrier in self.barriers.drain(..).rev() {
            let is_same = |other: &&Barrier| {
                (other.process, &other.scope) == (barrier.process, &barrier.scope)
                    && other.done.is_some()
            };
            if barrier.done.is_none() || !newest.iter().any(|other| is_same(&other)) {
                newest.push(barrier);
            }
        }
        newest.reverse();
        self.barriers = newest;
    }

    /// Whether a value, or that there is none, may be served for a node to who asked at `asked`.
    pub(crate) fn check(
        &self,
        server: Server,
        node: NodeId,
        number: Option<u64>,
        asked: u64,
        mono: u64,
    ) -> Result<(), String> {
        let Some(number) = number else {
            let tags = labels_of(node);
            let since = self.absent[node].ok_or("it was never absent")?;
            return self.check_barriers(server, node, since, &tags, asked, mono);
        };
        let birth = self.births.get(number as usize).ok_or("no such value was ever made")?;
        if birth.node != node {
            return Err(format!("it is the value of node {}", birth.node));
        }
        if birth.settled && birth.ends.is_some_and(|ends| mono >= ends + self.slack) {
            return Err(format!("it ended at {:?}, and now is {mono}", birth.ends));
        }
        let Some(since) = birth.since else { return Ok(()) };
        self.check_barriers(server, node, since, &birth.tags, asked, mono)
    }

    fn check_barriers(
        &self,
        server: Server,
        node: NodeId,
        since: u64,
        tags: &[String],
        asked: u64,
        mono: u64,
    ) -> Result<(), String> {
        for barrier in &self.barriers {
            let own = |process| self.holds_when_told && process == barrier.process;
            let told = match server {
                Server::Process(process) if own(process) => barrier.told.map(|told| (told, 0)),
                _ => None,
            };
            let Some((done, at)) = told.or(barrier.done) else { continue };
            if since >= barrier.begun || done >= asked || !barrier.scope.covers(node, tags) {
                continue;
            }
            if let Server::Process(process) = server
                && process != barrier.process
            {
                // A flight there may have begun before, and its memory may hold what it brought.
                let lags = self.memory_ttl[process]
                    .as_ref()
                    .is_some_and(|ttls| ttls[binding_of(node)].is_none_or(|ttl| mono < at + ttl));
                if lags || !barrier.settled {
                    continue;
                }
            }
            return Err(format!("it is from {since}, and was outdated by {barrier:?}"));
        }
        Ok(())
    }
}

impl Scope {
    fn covers(&self, node: NodeId, tags: &[String]) -> bool {
        match self {
            Self::Nodes(nodes) => nodes.contains(&node),
            Self::AnyTag(wanted) => wanted.iter().any(|tag| tags.contains(tag)),
            Self::AllTags(wanted) => wanted.iter().all(|tag| tags.contains(tag)),
        }
    }
}
