//! The source that sequences load from: every load brings a value of its own.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use parking_lot::{Mutex, MutexGuard};
use tiers::core::key::KeyFields;
use tiers::prelude::*;
use tiers::source::Previous;
use tokio::task::yield_now;

use crate::ledger::Ledger;
use crate::operation::*;

/// What panics of the source and of callers' closures say; the test's hook keeps it quiet.
pub(crate) const PLANNED_PANIC: &str = "a panic that was planned";

/// One node type, bound twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item(pub NodeId);

impl Node for Item {
    type Value = Bytes;

    fn definition() -> NodeDefinition {
        NodeDefinition::new("item", "item:{id}")
    }

    fn key_fields(&self, fields: &mut KeyFields<'_>) {
        fields.push(id_of(self.0));
    }

    fn codec() -> Codec<Bytes> {
        Codec::bytes()
    }

    fn tags(&self, labels: &mut Vec<String>) {
        labels.extend(labels_of(self.0));
    }

    fn weight(value: &Bytes) -> u64 {
        value.len() as u64
    }
}

/// The bytes of a value: its number, and its node.
pub(crate) fn encode(number: u64, node: NodeId, long: bool) -> Bytes {
    let mut bytes = vec![node as u8; (if long { LONG_BYTES } else { SHORT_BYTES }) as usize];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Bytes::from(bytes)
}

/// The number of a value, if these are the whole bytes of one of this node.
pub(crate) fn decode(bytes: &Bytes, node: NodeId) -> Option<u64> {
    let number = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let is_whole = [SHORT_BYTES, LONG_BYTES].contains(&(bytes.len() as u64));
    (is_whole && bytes[8..].iter().all(|byte| *byte == node as u8)).then_some(number)
}

/// What the source, the storages and the runner share.
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<ScriptInner>);

#[derive(Debug)]
struct ScriptInner {
    state: Mutex<State>,
    compares: bool,
    /// Turns are given away at random where several operations run.
    paced: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub plans: Vec<Plan>,
    pub ledger: Ledger,
    /// By node: how often it was asked for.
    pub loads: [u64; NODES],
    /// How often closures were asked in the source's place.
    pub closures: u64,
    /// The longest TTL of any tier, by binding; none where one has none.
    pub longest: [Option<u64>; BINDINGS],
    /// For how long copies are kept past their time, by binding.
    stale: [u64; BINDINGS],
    rng: Rng,
}

impl Script {
    pub(crate) fn new(seed: u64, setup: &Setup) -> Self {
        let longest = std::array::from_fn(|binding| {
            let definition = &setup.bindings[binding];
            let has_memory = setup.memories.iter().any(|memory| *memory != MemoryKind::None);
            let memory = has_memory.then_some(definition.memory.ttl);
            let ttls: Option<Vec<u64>> =
                memory.into_iter().chain(definition.storages.iter().map(|tier| tier.ttl)).collect();
            ttls.map(|ttls| ttls.into_iter().max().unwrap_or_default())
        });
        let mut ledger = Ledger::default();
        let memory_ttl = |memory: &MemoryKind| {
            let ttls = std::array::from_fn(|binding| {
                let Definition { memory, stale, .. } = &setup.bindings[binding];
                memory.ttl.map(|ttl| ttl + stale.kept())
            });
            (*memory != MemoryKind::None).then_some(ttls)
        };
        ledger.holds_when_told = setup.memories.len() == 1 || setup.storages.count() == 1;
        ledger.memory_ttl = setup.memories.iter().map(memory_ttl).collect();
        let state = State {
            plans: vec![Plan { kind: PlanKind::Short, ttl: None, tag: None }; NODES],
            ledger,
            loads: [0; NODES],
            closures: 0,
            longest,
            stale: std::array::from_fn(|binding| setup.bindings[binding].stale.kept()),
            rng: Rng::with_seed(seed),
        };
        let (state, paced) = (Mutex::new(state), AtomicBool::new(false));
        Self(Arc::new(ScriptInner { state, compares: setup.compares, paced }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(crate) fn pace(&self, paced: bool) {
        self.0.paced.store(paced, Ordering::Relaxed);
    }

    /// Some turns for the others, at random, where operations run together.
    pub(crate) async fn turns(&self) {
        if self.0.paced.load(Ordering::Relaxed) {
            let turns = self.state().rng.u32(0..6);
            for _ in 0..turns {
                yield_now().await;
            }
        }
    }

    /// A load by a plan.
    pub(crate) async fn answer(
        &self,
        node: NodeId,
        plan: &Plan,
        previous: Option<&Previous<Bytes>>,
    ) -> Result<Loaded<Bytes>, LoadError> {
        self.turns().await;
        let loaded = self.read(node, plan, previous);
        if plan.kind == PlanKind::Hangs {
            pending::<()>().await;
        }
        self.turns().await;
        loaded
    }

    fn read(
        &self,
        node: NodeId,
        plan: &Plan,
        previous: Option<&Previous<Bytes>>,
    ) -> Result<Loaded<Bytes>, LoadError> {
        let mut state = self.state();
        let mut loaded = match plan.kind {
            PlanKind::Short | PlanKind::Long => {
                let life = state.life(node, plan.ttl);
                let mut tags = labels_of(node);
                tags.extend(plan.tag.map(|tag| format!("extra{tag}")));
                let number = state.ledger.bear(node, true, life, tags);
                Loaded::new(encode(number, node, plan.kind == PlanKind::Long))
            }
            PlanKind::Absent => {
                state.ledger.bear_absent(node);
                Loaded::absent()
            }
            PlanKind::NotModified => match previous {
                Some(previous) => {
                    match previous.value.as_ref().and_then(|value| decode(value, node)) {
                        Some(number) => {
                            let life = state.life(node, plan.ttl);
                            state.ledger.touch(node, life);
                            state.ledger.confirm(number);
                        }
                        None => state.ledger.bear_absent(node),
                    }
                    Loaded::not_modified()
                }
                None => return Err(LoadError::message("nothing to compare with")),
            },
            PlanKind::Fails => return Err(LoadError::message("a failure that was planned")),
            PlanKind::Panics => {
                drop(state);
                std::panic::panic_any(PLANNED_PANIC);
            }
            PlanKind::Hangs => return Err(LoadError::message("never told")),
        };
        loaded.ttl = plan.ttl.map(Duration::from_millis);
        loaded.tags.extend(plan.tag.map(|tag| format!("extra{tag}")));
        Ok(loaded)
    }

    fn begin(&self, node: NodeId) -> Plan {
        let mut state = self.state();
        state.loads[node] += 1;
        state.plans[node].clone()
    }
}

impl State {
    /// How long something may live at most that begins now.
    pub(crate) fn life(&self, node: NodeId, asked: Option<u64>) -> Option<u64> {
        let binding = binding_of(node);
        let fresh = [self.longest[binding], asked].into_iter().flatten().min();
        fresh.map(|fresh| fresh + self.stale[binding])
    }
}

impl Source<Item> for Script {
    async fn load(&self, node: &Item) -> Result<Loaded<Bytes>, LoadError> {
        let plan = self.begin(node.0);
        self.answer(node.0, &plan, None).await
    }

    async fn load_many(&self, nodes: &[Item]) -> Vec<Result<Loaded<Bytes>, LoadError>> {
        let plans: Vec<Plan> = nodes.iter().map(|node| self.begin(node.0)).collect();
        let mut answers = Vec::new();
        for (node, plan) in nodes.iter().zip(plans) {
            answers.push(self.answer(node.0, &plan, None).await);
        }
        answers
    }

    fn compares(&self) -> bool {
        self.0.compares
    }

    async fn reload(
        &self,
        node: &Item,
        previous: &Previous<Bytes>,
    ) -> Result<Loaded<Bytes>, LoadError> {
        let plan = self.begin(node.0);
        self.answer(node.0, &plan, Some(previous)).await
    }

    async fn store(&self, node: &Item, value: &Bytes) -> Result<(), LoadError> {
        self.turns().await;
        let mut state = self.state();
        // From now on it is what the source holds.
        if let Some(number) = decode(value, node.0) {
            state.ledger.done_setting(number);
        }
        Ok(())
    }
}
