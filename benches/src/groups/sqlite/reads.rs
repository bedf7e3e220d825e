//! Reads of rows whose pages are in memory.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::ensure;
use tiers::key::Key;
use tiers::storage::Storage as _;
use tiers_benches::contestant::Stop;
use tiers_benches::{Contestant, Row, Run};
use tokio::runtime::Runtime;

use super::bare::Bare;
use super::database::{Copy, Database, set};
use super::paced::Paced;
use super::pooled::Pooled;
use crate::groups::failures::{Failures, figure};
use crate::groups::in_flight::in_flight;
use crate::groups::rows::verified;

const ONE_IN_FLIGHT_MAX: f64 = 0.15;
const MANY_IN_FLIGHT_MAX: f64 = 0.25;
const BESIDE_SETS_MAX: f64 = 0.35;
const GET_MANY_MAX: f64 = 1.3;

const MANY: u64 = 64;
const SETS_PER_SECOND: u32 = 2000;
const KEYS: usize = 100;

pub(super) const ROWS: &[&str] = &[ONE_IN_FLIGHT, MANY_IN_FLIGHT, BESIDE_SETS, GET_MANY];
const ONE_IN_FLIGHT: &str = "sqlite_get_one_in_flight";
const MANY_IN_FLIGHT: &str = "sqlite_get_64_in_flight";
const BESIDE_SETS: &str = "sqlite_get_64_in_flight_beside_sets";
const GET_MANY: &str = "sqlite_get_many_100";

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
) -> anyhow::Result<()> {
    let pooled = runtime.block_on(Pooled::open(&database.path(Copy::Sqlx)))?;
    let failures = Failures::default();
    let of_storage = get_of_storage(database);
    let of_pool = get_of_pool(database, &pooled);
    for (name, what, tasks, bound) in [
        (ONE_IN_FLIGHT, "get, one in flight", 1, ONE_IN_FLIGHT_MAX),
        (MANY_IN_FLIGHT, "get, 64 in flight", MANY, MANY_IN_FLIGHT_MAX),
    ] {
        if !run.wants(&[name]) {
            continue;
        }
        let mut contestants = [
            Contestant::new("storage", |calls| {
                in_flight(runtime, tasks, calls, &failures, &of_storage);
            })
            .waiting(),
            Contestant::new("sqlx", |calls| {
                in_flight(runtime, tasks, calls, &failures, &of_pool);
            })
            .waiting(),
            Contestant::probe(),
        ];
        let measured = run.interleaved(what, &mut contestants);
        failures.check()?;
        run.report(&Row::at_most(name, figure(measured.ratio("storage", "sqlx"))?, bound, "x"))?;
    }
    if run.wants(&[BESIDE_SETS]) {
        beside_sets(run, runtime, database, &pooled)?;
    }
    runtime.block_on(pooled.close());
    if run.wants(&[GET_MANY]) {
        many(run, runtime, database)?;
    }
    Ok(())
}

/// A get through the storage, as calls that may be cloned.
pub(super) fn get_of_storage(
    database: &Database,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>
+ Clone
+ Send
+ 'static {
    let (storage, rows) = (Arc::clone(&database.storage), Arc::clone(&database.rows));
    move || {
        let (storage, rows) = (Arc::clone(&storage), Arc::clone(&rows));
        Box::pin(async move {
            let key = rows.next();
            black_box(verified(key, storage.get(key).await?)?);
            Ok(())
        })
    }
}

/// The same by sqlx.
pub(super) fn get_of_pool(
    database: &Database,
    pooled: &Pooled,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>
+ Clone
+ Send
+ 'static {
    let (pooled, rows) = (pooled.clone(), Arc::clone(&database.rows));
    move || {
        let (pooled, rows) = (pooled.clone(), Arc::clone(&rows));
        Box::pin(async move {
            black_box(pooled.get(rows.next()).await?);
            Ok(())
        })
    }
}

/// Gets while others set, on the contestant's own file.
fn beside_sets(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
    pooled: &Pooled,
) -> anyhow::Result<()> {
    let failures = Failures::default();
    let of_storage = get_of_storage(database);
    let of_pool = get_of_pool(database, pooled);
    let sets = [Cell::new((0, 0.0)), Cell::new((0, 0.0))];
    let beside = |paced: Paced, sets: &Cell<(u64, f64)>| {
        if let Some(pace) = failures.kept(runtime.block_on(paced.stop())) {
            let (calls, seconds) = sets.get();
            sets.set((calls + pace.calls, seconds + pace.duration.as_secs_f64()));
        }
    };
    let mut contestants = [
        Contestant::new("storage", |calls| {
            in_flight(runtime, MANY, calls, &failures, &of_storage);
        })
        .waiting()
        .beside(|| {
            let (storage, rows) = (Arc::clone(&database.storage), Arc::clone(&database.rows));
            let paced = Paced::begin(runtime, SETS_PER_SECOND, move || {
                let (storage, rows) = (Arc::clone(&storage), Arc::clone(&rows));
                async move { set(&storage, &rows, rows.next()).await }
            });
            Box::new(|| beside(paced, &sets[0])) as Stop<'_>
        }),
        Contestant::new("sqlx", |calls| {
            in_flight(runtime, MANY, calls, &failures, &of_pool);
        })
        .waiting()
        .beside(|| {
            let (pooled, rows) = (pooled.clone(), Arc::clone(&database.rows));
            let paced = Paced::begin(runtime, SETS_PER_SECOND, move || {
                let (pooled, rows) = (pooled.clone(), Arc::clone(&rows));
                async move {
                    let key = rows.next();
                    pooled.set(key, &rows.entry(key)).await
                }
            });
            Box::new(|| beside(paced, &sets[1])) as Stop<'_>
        }),
        Contestant::probe(),
    ];
    let what = "get, 64 in flight beside 2,000 sets a second";
    // Longer turns: checkpoints come in lumps, and a pace needs its time.
    let measured = run.interleaved_with(run.effort().lumpy(), what, &mut contestants);
    drop(contestants);
    failures.check()?;
    let [storage, sqlx] = sets.map(|sets| {
        let (calls, seconds) = sets.get();
        calls as f64 / seconds
    });
    run.note(&format!("  sets a second beside it: storage {storage:.0}, sqlx {sqlx:.0}"));
    let ratio = figure(measured.ratio("storage", "sqlx"))?;
    Ok(run.report(&Row::at_most(BESIDE_SETS, ratio, BESIDE_SETS_MAX, "x"))?)
}

/// A batch of gets beside the driver's own query, which collects rows that are its own.
fn many(run: &mut Run<'_>, runtime: &Runtime, database: &Database) -> anyhow::Result<()> {
    let bare = Bare::open(&database.path(Copy::Rusqlite))?;
    let failures = Failures::default();
    let (storage, rows) = (&database.storage, &database.rows);
    let of_storage = async |keys: Vec<Key>| {
        let lookups = storage.get_many(&keys).await?;
        ensure!(lookups.len() == keys.len(), "answers are missing");
        for (key, lookup) in keys.iter().zip(lookups) {
            black_box(verified(key, lookup?)?);
        }
        Ok(())
    };
    let mut contestants = [
        Contestant::new("storage", |calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    failures.kept(of_storage(rows.batch(KEYS)).await);
                }
            });
        })
        .waiting(),
        Contestant::new("rusqlite", |calls| {
            for _ in 0..calls {
                black_box(failures.kept(bare.get_many(&rows.batch(KEYS))));
            }
        }),
    ];
    let measured = run.interleaved("get_many of 100", &mut contestants);
    failures.check()?;
    let ratio = figure(measured.ratio("storage", "rusqlite"))?;
    Ok(run.report(&Row::at_most(GET_MANY, ratio, GET_MANY_MAX, "x"))?)
}
