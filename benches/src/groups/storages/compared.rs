//! Calls through the storage, and by its driver the same round trips.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::ensure;
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::{Storage, Write, WriteAction};
use tiers_benches::{Contestant, Measured, Row, Run};
use tokio::runtime::Runtime;

use super::subject::{CONCURRENT_GETS, Driver, GET, GET_MANY, Place, SET_MANY, Subject};
use crate::groups::failures::{Failures, figure};
use crate::groups::in_flight::in_flight;
use crate::groups::rows::{Rows, VALUE_BYTES, stored, verified};

const GET_MAX: f64 = 1.15;
const GET_MANY_MAX: f64 = 1.25;
const SET_MANY_MAX: f64 = 1.5;

const BATCH: usize = 100;
const CONCURRENT: u64 = 64;
/// What both sides are filled with at once.
const FILL: usize = 1000;

const STORAGE: &str = "storage";
const DRIVER: &str = "driver";

/// Both, with the same entries in each.
#[derive(Clone)]
struct Pair {
    rows: Arc<Rows>,
    storage: Arc<dyn Storage>,
    driver: Arc<dyn Driver>,
}

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    subject: &dyn Subject,
    place: &Place,
) -> anyhow::Result<()> {
    let asked = run.sized(100_000, 20_000, 2000);
    let rows = match subject.entries_max() {
        Some(max) => asked.min(max.entries.try_into()?),
        None => asked,
    };
    let name = subject.name();
    run.note(&format!("storages: {name}, {rows} entries of {VALUE_BYTES} bytes on each side"));
    let pair = Pair {
        rows: Arc::new(Rows::new(rows, VALUE_BYTES)?),
        storage: runtime.block_on(subject.open(&place.patient_url()))?,
        driver: runtime.block_on(subject.driver(&place.url))?,
    };
    runtime.block_on(pair.fill())?;

    let get = subject.row(GET);
    if run.wants(&[&get]) {
        let what = format!("{name}, get");
        let measured =
            pair.measure(run, runtime, &what, 1, Pair::storage_gets, Pair::driver_gets)?;
        run.report(&Row::at_most(get, of_driver(&measured)?, GET_MAX, "x"))?;
    }
    let get_many = subject.row(GET_MANY);
    if run.wants(&[&get_many]) {
        let what = format!("{name}, get_many of {BATCH}");
        let measured =
            pair.measure(run, runtime, &what, 1, Pair::storage_gets_many, Pair::driver_gets_many)?;
        run.report(&Row::at_most(get_many, of_driver(&measured)?, GET_MANY_MAX, "x"))?;
    }
    let set_many = subject.row(SET_MANY);
    if run.wants(&[&set_many]) {
        let what = format!("{name}, set_many of {BATCH}");
        let measured =
            pair.measure(run, runtime, &what, 1, Pair::storage_sets_many, Pair::driver_sets_many)?;
        run.report(&Row::at_most(set_many, of_driver(&measured)?, SET_MANY_MAX, "x"))?;
    }
    let concurrent = subject.row(CONCURRENT_GETS);
    if let Some(least) = subject.concurrent_gets_min().filter(|_| run.wants(&[&concurrent])) {
        let what = format!("{name}, {CONCURRENT} gets at once");
        let measured =
            pair.measure(run, runtime, &what, CONCURRENT, Pair::storage_gets, Pair::driver_gets)?;
        let rate = figure(measured.ratio(DRIVER, STORAGE))?;
        run.report(&Row::at_least(concurrent, rate, least, "x"))?;
    }
    runtime.block_on(pair.storage.close())?;
    Ok(())
}

fn of_driver(measured: &Measured) -> anyhow::Result<f64> {
    figure(measured.ratio(STORAGE, DRIVER))
}

impl Pair {
    /// Measures the same calls by both, so many at once.
    fn measure<Stored, Bare>(
        &self,
        run: &mut Run<'_>,
        runtime: &Runtime,
        what: &str,
        tasks: u64,
        by_storage: impl Fn(Self) -> Stored + Clone + Send + 'static,
        by_driver: impl Fn(Self) -> Bare + Clone + Send + 'static,
    ) -> anyhow::Result<Measured>
    where
        Stored: Future<Output = anyhow::Result<()>> + Send + 'static,
        Bare: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let failures = Failures::default();
        let own = self.clone();
        let by_storage = move || by_storage(own.clone());
        let own = self.clone();
        let by_driver = move || by_driver(own.clone());
        let mut contestants = [
            Contestant::new(STORAGE, |calls| {
                in_flight(runtime, tasks, calls, &failures, &by_storage);
            })
            .waiting(),
            Contestant::new(DRIVER, |calls| {
                in_flight(runtime, tasks, calls, &failures, &by_driver);
            })
            .waiting(),
            Contestant::probe(),
        ];
        let measured = run.interleaved(what, &mut contestants);
        drop(contestants);
        failures.check()?;
        Ok(measured)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        for keys in self.rows.keys().chunks(FILL) {
            self.set_many(keys).await?;
            self.driver.set_many(&self.entries(keys)).await?;
        }
        Ok(())
    }

    fn entries<'keys>(&self, keys: &'keys [Key]) -> Vec<(&'keys Key, Entry)> {
        keys.iter().map(|key| (key, self.rows.entry(key))).collect()
    }

    async fn set_many(&self, keys: &[Key]) -> anyhow::Result<()> {
        let set = |(key, entry): (&Key, Entry)| Write {
            key: key.clone(),
            action: WriteAction::Set { entry },
        };
        let writes = self.entries(keys).into_iter().map(set).collect();
        for outcome in self.storage.write(writes).await? {
            stored(outcome?)?;
        }
        Ok(())
    }

    async fn storage_gets(self) -> anyhow::Result<()> {
        let key = self.rows.next();
        black_box(verified(key, self.storage.get(key).await?)?);
        Ok(())
    }

    async fn driver_gets(self) -> anyhow::Result<()> {
        black_box(self.driver.get(self.rows.next()).await?);
        Ok(())
    }

    async fn storage_gets_many(self) -> anyhow::Result<()> {
        let keys = self.rows.batch(BATCH);
        let lookups = self.storage.get_many(&keys).await?;
        ensure!(lookups.len() == keys.len(), "answers are missing");
        for (key, lookup) in keys.iter().zip(lookups) {
            black_box(verified(key, lookup?)?);
        }
        Ok(())
    }

    async fn driver_gets_many(self) -> anyhow::Result<()> {
        black_box(self.driver.get_many(&self.rows.batch(BATCH)).await?);
        Ok(())
    }

    async fn storage_sets_many(self) -> anyhow::Result<()> {
        self.set_many(&self.rows.batch(BATCH)).await
    }

    async fn driver_sets_many(self) -> anyhow::Result<()> {
        let keys = self.rows.batch(BATCH);
        self.driver.set_many(&self.entries(&keys)).await
    }
}
