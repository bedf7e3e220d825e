//! Sequences from seeds.

use std::time::Duration;

use fastrand::Rng;
use tiers::core::testing::Operation as StorageCall;
use tiers::policy::breaker::BreakerOptions;

use crate::operation::*;

/// A minute, the unit of most times. They are long, for the memory engine frees what has ended by
/// the machine's clock too.
pub(crate) const MINUTE: u64 = 60_000;

const PATTERNS: [&str; 6] = ["*", "item:*", "*:1*", "*:?", "part:10", "?tem:*0"];
const LABELS: [&str; 6] = ["id1", "id10", "items", "parts", "extra0", "extra1"];

/// What a test runs sequences over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// Memory and a SQLite file.
    MemoryOverSqlite,
    /// Two processes on one SQLite file, with and without memory.
    TwoProcessesOnSqlite,
    /// Storages in memory that fail on demand, one or two processes.
    FailingStorages,
    /// Memory alone, or over a storage, so small that anything may be gone.
    TinyMemory,
    /// Copies past their time are served, over memory alone or storages that fail on demand.
    StaleOnPurpose,
    /// Storages that go away and come back, and are left alone meanwhile.
    DownAndBack,
}

pub(crate) fn sequence(world: World, seed: u64, steps: usize) -> Sequence {
    let mut rng = Rng::with_seed(seed);
    let setup = setup(world, &mut rng);
    let steps = (0..steps).map(|_| step(&setup, &mut rng)).collect();
    Sequence { seed, setup, steps }
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(0..100) < percent
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn setup(world: World, rng: &mut Rng) -> Setup {
    use MemoryKind::{Large, None, Tiny};
    let (storages, memories) = match world {
        World::MemoryOverSqlite => (Storages::Sqlite, vec![Large]),
        World::TwoProcessesOnSqlite => {
            (Storages::Sqlite, pick(rng, &[[Large, Large], [Large, None]]).to_vec())
        }
        World::FailingStorages | World::DownAndBack => {
            let storages = [Storages::Test, Storages::NearLocal, Storages::NearShared];
            let memories: [&[MemoryKind]; 5] =
                [&[Large], &[None], &[Large, Large], &[Large, None], &[None, Large]];
            (pick(rng, &storages), pick(rng, &memories).to_vec())
        }
        World::TinyMemory => {
            let storages = [Storages::None, Storages::Test, Storages::NearLocal];
            match pick(rng, &storages) {
                // Memory alone is predicted exactly as well.
                Storages::None => (Storages::None, vec![pick(rng, &[Tiny, Large])]),
                storages => (storages, vec![Tiny]),
            }
        }
        World::StaleOnPurpose => {
            let storages = [Storages::Test, Storages::NearLocal, Storages::NearShared];
            let memories: [&[MemoryKind]; 4] = [&[Large], &[None], &[Large, Large], &[Large, None]];
            match chance(rng, 25) {
                true => (Storages::None, vec![Large]),
                false => (pick(rng, &storages), pick(rng, &memories).to_vec()),
            }
        }
    };
    let breaker = (world == World::DownAndBack).then(|| {
        let open_for = Duration::from_millis(pick(rng, &[1000, MINUTE, 5 * MINUTE]));
        BreakerOptions::new(rng.u32(1..4), open_for).probes_max(rng.u32(1..3))
    });
    let bindings = std::array::from_fn(|_| {
        let memory = Tier {
            ttl: pick(rng, &[Some(30 * MINUTE), Some(10 * MINUTE), Option::None]),
            idle: pick(rng, &[Option::None, Option::None, Some(8 * MINUTE)]),
            bytes_max: pick(rng, &[Option::None, Option::None, Some(SHORT_BYTES)]),
        };
        let tiers = (0..storages.count()).map(|_| Tier {
            ttl: pick(rng, &[Some(20 * MINUTE), Some(60 * MINUTE), Option::None]),
            idle: pick(rng, &[Option::None, Option::None, Some(16 * MINUTE)]),
            bytes_max: pick(rng, &[Option::None, Option::None, Option::None, Some(SHORT_BYTES)]),
        });
        Definition {
            memory,
            storages: tiers.collect(),
            absent_ttl: pick(rng, &[Some(3 * MINUTE), Some(3 * MINUTE), Option::None]),
            fails: chance(rng, 15),
            stale: if world == World::StaleOnPurpose { stale(rng) } else { Stale::default() },
        }
    });
    Setup {
        storages,
        memories,
        bindings,
        compares: rng.bool(),
        cancels_abandoned: chance(rng, 30),
        loads_max: pick(rng, &[1, 2, 1024]),
        breaker,
    }
}

fn stale(rng: &mut Rng) -> Stale {
    let windows = [Option::None, Some(15 * MINUTE), Some(60 * MINUTE)];
    let if_error = pick(rng, &windows);
    let while_revalidate = pick(rng, &windows);
    Stale {
        while_revalidate,
        if_error,
        throttle: pick(rng, &[1000, 2 * MINUTE]),
        soft_timeout: pick(rng, &[Option::None, Some(MINUTE)]).filter(|_| if_error.is_some()),
        early_percent: pick(rng, &[Option::None, Option::None, Some(50)]),
    }
}

fn step(setup: &Setup, rng: &mut Rng) -> Step {
    let processes = setup.memories.len();
    match rng.u32(0..1000) {
        0..120 => {
            let spans = [1, 1000, MINUTE, 3 * MINUTE, 8 * MINUTE, 10 * MINUTE, 20 * MINUTE];
            Step::Advance(match rng.u32(0..4) {
                // Just before and just after an end, too.
                0 => pick(rng, &spans[2..]) - 1,
                1 => pick(rng, &spans),
                2 => rng.u64(1..5 * MINUTE),
                _ => pick(rng, &spans) + 1,
            })
        }
        120..130 => Step::SetWall(rng.i64(-5 * MINUTE as i64..5 * MINUTE as i64)),
        130..230 => {
            // SQLite goes by the sequence's clock too, and would give up while a load hangs.
            let may_hang = setup.storages != Storages::Sqlite;
            Step::Change(rng.usize(..NODES), plan(rng, may_hang))
        }
        230..250 if setup.breaker.is_some() => Step::Down {
            process: rng.usize(..processes),
            storage: rng.usize(..setup.storages.count()),
        },
        230..270 if setup.storages.can_fail() => Step::Fault {
            process: rng.usize(..processes),
            storage: rng.usize(..setup.storages.count()),
            call: pick(
                rng,
                &[
                    StorageCall::Get,
                    StorageCall::GetMany,
                    StorageCall::Write,
                    StorageCall::Write,
                    StorageCall::Invalidate,
                    StorageCall::Invalidate,
                    StorageCall::Stamps,
                    StorageCall::Scan,
                ],
            ),
            count: rng.usize(1..4),
            carried_out: chance(rng, 30),
        },
        270..310 if setup.storages.can_fail() => Step::Heal,
        310..312 if setup.storages == Storages::Sqlite => Step::Reopen(rng.usize(..processes)),
        312..320 if setup.storages != Storages::Sqlite => Step::Reopen(rng.usize(..processes)),
        320..480 => {
            let count = rng.usize(2..6);
            // Half of them meet at one node.
            let about = rng.bool().then(|| rng.usize(..NODES));
            let calls = (0..count).map(|_| Call {
                process: rng.usize(..processes),
                operation: operation(rng, about),
                delay: rng.u8(0..12),
                polls: chance(rng, 15).then(|| rng.u8(1..12)),
            });
            Step::Calls(calls.collect())
        }
        480..540 => Step::Calls(vec![Call {
            process: rng.usize(..processes),
            operation: operation(rng, None),
            delay: 0,
            polls: Some(rng.u8(1..10)),
        }]),
        _ => Step::Calls(vec![Call {
            process: rng.usize(..processes),
            operation: operation(rng, None),
            delay: 0,
            polls: None,
        }]),
    }
}

fn plan(rng: &mut Rng, may_hang: bool) -> Plan {
    let kind = match rng.u32(0..100) {
        0..50 => PlanKind::Short,
        50..65 => PlanKind::Long,
        65..77 => PlanKind::Absent,
        77..84 => PlanKind::Fails,
        84..88 => PlanKind::Panics,
        88..90 if may_hang => PlanKind::Hangs,
        _ => PlanKind::NotModified,
    };
    let ttl = pick(rng, &[None, None, None, Some(5 * MINUTE), Some(120 * MINUTE)]);
    Plan { kind, ttl, tag: pick(rng, &[None, None, Some(0), Some(1)]) }
}

fn new(rng: &mut Rng) -> New {
    New {
        long: chance(rng, 25),
        ttl: pick(rng, &[None, None, Some(5 * MINUTE), Some(MINUTE)]),
        tag: pick(rng, &[None, None, Some(0), Some(1)]),
    }
}

fn many(rng: &mut Rng) -> Vec<NodeId> {
    let binding = rng.usize(..BINDINGS);
    let count = rng.usize(0..6);
    (0..count).map(|_| binding * IDS.len() + rng.usize(..IDS.len())).collect()
}

fn operation(rng: &mut Rng, about: Option<NodeId>) -> Operation {
    let node = match about {
        Some(node) if chance(rng, 85) => node,
        _ => rng.usize(..NODES),
    };
    let labels = |rng: &mut Rng| (0..rng.usize(1..3)).map(|_| pick(rng, &LABELS)).collect();
    match rng.u32(0..100) {
        0..28 => Operation::Get(node),
        28..31 => Operation::GetOptional(node),
        31..39 => Operation::GetMany(many(rng)),
        39..42 => Operation::GetWith(node, plan(rng, false)),
        42..44 => Operation::Peek(node),
        44..46 => Operation::Contains(node),
        46..49 => Operation::Entry(node),
        49..51 => {
            let pattern = chance(rng, 50).then(|| pick(rng, &PATTERNS));
            Operation::Keys(binding_of(node), pattern)
        }
        51..59 => Operation::Set(node, new(rng)),
        59..62 => {
            let ttl = pick(rng, &[None, Some(5 * MINUTE)]);
            Operation::SetMany(many(rng).into_iter().map(|node| (node, new(rng))).collect(), ttl)
        }
        62..67 => Operation::Update(node, plan(rng, false)),
        67..68 => Operation::WriteThrough(node, new(rng)),
        68..69 => Operation::WriteBehind(node, new(rng)),
        69..73 => Operation::Touch(node, pick(rng, &[None, Some(2 * MINUTE), Some(90 * MINUTE)])),
        73..78 => Operation::Refresh(node),
        78..80 => Operation::Warm(many(rng)),
        80..85 => Operation::Invalidate(vec![node]),
        85..87 => Operation::Invalidate(many(rng)),
        87..90 => Operation::Expire(node),
        90..92 => Operation::InvalidatePattern(binding_of(node), pick(rng, &PATTERNS)),
        92..93 => Operation::Clear(binding_of(node)),
        93..96 => Operation::InvalidateAnyTag(labels(rng)),
        96..98 => Operation::InvalidateAllTags(labels(rng)),
        98..99 => Operation::InvalidateEverywhere(pick(rng, &PATTERNS)),
        _ => Operation::ClearCache,
    }
}
