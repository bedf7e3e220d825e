//! Sets of single rows and of batches.

use std::sync::Arc;

use tiers_benches::{Contestant, Row, Run};
use tokio::runtime::Runtime;

use super::bare::Bare;
use super::database::{Copy, Database, set, set_many};
use super::pooled::Pooled;
use crate::groups::failures::{Failures, figure};
use crate::groups::in_flight::in_flight;

const OF_RUSQLITE_MIN: f64 = 1.5;
const OF_SQLX_MIN: f64 = 5.0;
const SET_MANY_MAX: f64 = 1.3;
const BULK_PER_SECOND_MIN: f64 = 100.0;

const CONCURRENT: u64 = 64;
const BATCH: usize = 1000;

pub(super) const ROWS: &[&str] = &[OF_RUSQLITE, OF_SQLX, SET_MANY, BULK];
const OF_RUSQLITE: &str = "sqlite_64_sets_of_rusqlite";
const OF_SQLX: &str = "sqlite_64_sets_of_sqlx";
const SET_MANY: &str = "sqlite_set_many_1000";
const BULK: &str = "sqlite_bulk_sets";

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
) -> anyhow::Result<()> {
    let bare = Bare::open(&database.path(Copy::Rusqlite))?;
    if run.wants(&[OF_RUSQLITE, OF_SQLX]) {
        single(run, runtime, database, &bare)?;
    }
    if run.wants(&[SET_MANY, BULK]) {
        batches(run, runtime, database, &bare)?;
    }
    Ok(())
}

/// Every contestant makes the entries that it sets.
fn single(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
    bare: &Bare,
) -> anyhow::Result<()> {
    let pooled = runtime.block_on(Pooled::open(&database.path(Copy::Sqlx)))?;
    let failures = Failures::default();
    let rows = &database.rows;
    let of_storage = {
        let (storage, rows) = (Arc::clone(&database.storage), Arc::clone(rows));
        move || {
            let (storage, rows) = (Arc::clone(&storage), Arc::clone(&rows));
            async move { set(&storage, &rows, rows.next()).await }
        }
    };
    let of_pool = {
        let (pooled, rows) = (pooled.clone(), Arc::clone(rows));
        move || {
            let (pooled, rows) = (pooled.clone(), Arc::clone(&rows));
            async move {
                let key = rows.next();
                pooled.set(key, &rows.entry(key)).await
            }
        }
    };
    let mut contestants = [
        Contestant::new("storage", |calls| {
            in_flight(runtime, CONCURRENT, calls, &failures, &of_storage);
        })
        .waiting(),
        Contestant::new("rusqlite", |calls| {
            for _ in 0..calls {
                let key = rows.next();
                failures.kept(bare.set(key, &rows.entry(key)));
            }
        })
        .waiting(),
        Contestant::new("sqlx", |calls| {
            in_flight(runtime, CONCURRENT, calls, &failures, &of_pool);
        })
        .waiting(),
        Contestant::probe(),
    ];
    let what = "64 concurrent sets (rusqlite: one after the other)";
    let measured = run.interleaved_with(run.effort().lumpy(), what, &mut contestants);
    drop(contestants);
    failures.check()?;
    runtime.block_on(pooled.close());
    let of_rusqlite = figure(measured.ratio("rusqlite", "storage"))?;
    let of_sqlx = figure(measured.ratio("sqlx", "storage"))?;
    run.report(&Row::at_least(OF_RUSQLITE, of_rusqlite, OF_RUSQLITE_MIN, "x"))?;
    run.report(&Row::at_least(OF_SQLX, of_sqlx, OF_SQLX_MIN, "x"))?;
    Ok(())
}

fn batches(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
    bare: &Bare,
) -> anyhow::Result<()> {
    let failures = Failures::default();
    let rows = &database.rows;
    let mut contestants = [
        Contestant::new("storage", |batches| {
            for _ in 0..batches {
                let keys = rows.batch(BATCH);
                failures.kept(runtime.block_on(set_many(&database.storage, rows, &keys)));
            }
        })
        .waiting(),
        Contestant::new("rusqlite", |batches| {
            for _ in 0..batches {
                let entries = rows.batch(BATCH).into_iter().map(|key| {
                    let entry = rows.entry(&key);
                    (key, entry)
                });
                failures.kept(bare.set_many(entries));
            }
        })
        .waiting(),
        Contestant::probe(),
    ];
    let what = "set_many of 1,000";
    let measured = run.interleaved_with(run.effort().lumpy(), what, &mut contestants);
    failures.check()?;
    let ratio = figure(measured.ratio("storage", "rusqlite"))?;
    let rate = figure(measured.per_second("storage"))? * BATCH as f64;
    run.report(&Row::at_most(SET_MANY, ratio, SET_MANY_MAX, "x"))?;
    run.report(&Row::at_least(BULK, rate, BULK_PER_SECOND_MIN, "1/s"))?;
    Ok(())
}
