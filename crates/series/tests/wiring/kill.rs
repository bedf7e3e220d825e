//! A process that is killed while it fills its history leaves nothing that says more than there is.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::clock::SystemClock;
use cache_series::admit::{Answer, Reach};
use cache_series::cache::{MemoryBounds, SeriesCache, SeriesOptions};
use cache_series::chunk::Chunk;
use cache_series::coverage::State;
use cache_series::key::SeriesKey;
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::Slots;
use cache_series::venue::{Venue, VenueError};
use cache_sqlite::SqliteOptions;

use crate::venue::candle;
use crate::world::{MINUTES, key, range};

/// Where the child finds the database, and where in the history it begins.
const DATABASE: &str = "TIERS_SERIES_KILL_DATABASE";
const BEGIN: &str = "TIERS_SERIES_KILL_BEGIN";
/// How often a process is killed; the default keeps the test short.
const KILLS: &str = "TIERS_SERIES_KILLS";
/// What the child says after each part that it has filled.
const FILLED: &str = "filled a part";
/// So many slots are there for each process, and so many such regions before now.
const REGION: i64 = 100_000;
const REGIONS: i64 = 250;

#[derive(Debug)]
struct Endless;

fn has_row(slot: i64) -> bool {
    slot % 7 != 0 && slot.rem_euclid(5_000) > 1_500
}

#[async_trait]
impl Venue<Candle> for Endless {
    fn name(&self) -> &str {
        "test"
    }

    fn paging(&self, _: &SeriesKey) -> Result<Paging, VenueError> {
        // Not a divisor of a chunk, so that most pages are two records.
        Ok(Paging::new(300))
    }

    async fn page(&self, _: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let rows = slots.iter().filter(|slot| has_row(*slot));
        let rows = rows.map(|slot| (MINUTES.start_of(slot), candle(slot))).collect();
        Ok(Answer { rows, reach: Reach::Whole })
    }
}

async fn store(database: &Path) -> Store {
    let options = SqliteOptions::new(database).table("history").stats_interval(None);
    let storage = options.open().await.unwrap().into_storage();
    Store::new(storage, Arc::new(SystemClock), "history").unwrap()
}

/// The child: fills on and on until it is killed.
#[test]
#[ignore = "run by the test below, as a process of its own"]
fn fills_until_it_is_killed() {
    let (Ok(database), Ok(begin)) = (std::env::var(DATABASE), std::env::var(BEGIN)) else { return };
    let begin: i64 = begin.parse().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let options = SeriesOptions::default().with_memory(MemoryBounds::rows(20_000));
        let cache = SeriesCache::builder(store(Path::new(&database)).await)
            .venue(Arc::new(Endless))
            .options(options)
            .build();
        let series = cache.series(&key()).unwrap();
        for part in 0..REGION / 3_000 {
            let start = begin + part * 3_000;
            series.read(range(Slots::new(start, start + 3_000))).await.unwrap();
            println!("{FILLED}");
        }
    });
}

/// Every chunk of a region: whole, and each slot with a row or without one just as its state says.
async fn check(store: &Store, begin: i64) -> u64 {
    let mut known = 0;
    let mut index = Chunk::<Candle>::index_of(begin);
    loop {
        let indices: Vec<i64> = (index..index + 32).collect();
        let chunks = store.chunks::<Candle>(&key(), &indices).await.unwrap();
        let mut found = false;
        for stored in chunks {
            assert!(!stored.damaged);
            let rows: BTreeMap<i64, Candle> = stored.chunk.iter().collect();
            for (span, state) in stored.chunk.coverage().iter() {
                found = true;
                known += span.len();
                for slot in span {
                    let row = has_row(slot).then(|| candle(slot));
                    assert_eq!(rows.get(&slot), row.as_ref(), "slot {slot} is {state:?}");
                    assert!(row.is_none() || matches!(state, State::Fetched));
                }
            }
            let covered = |slot: &i64| stored.chunk.state(*slot).is_some();
            assert!(rows.keys().all(covered));
        }
        if !found {
            return known;
        }
        index += 32;
    }
}

#[test]
fn a_kill_at_any_moment_leaves_no_coverage_without_rows() {
    let kills = std::env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("history.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut random = fastrand::Rng::new();
    let mut known = 0;
    for kill in 0..kills {
        let begin = kill % REGIONS * REGION;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::fills_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DATABASE, &database)
            .env(BEGIN, begin.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Every fourth is killed as it opens its database, the others once they have begun to fill.
        let opens = kill % 4 == 0;
        // Kept until the end, or the child could not write to it any more.
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut said = said.lines().map_while(Result::ok);
        assert!(opens || said.any(|line| line.contains(FILLED)), "it ended by itself");
        std::thread::sleep(Duration::from_millis(random.u64(0..100)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "it ended by itself");
        drop(said);
        let found = runtime.block_on(async {
            let store = store(&database).await;
            let found = check(&store, begin).await;
            // And what came before is as it was.
            if begin > 0 {
                check(&store, begin - REGION).await;
            }
            found
        });
        assert!(opens || found >= 3_000, "what was answered is stored");
        known += found;
    }
    println!("{kills} kills, {known} slots known after them");
}
