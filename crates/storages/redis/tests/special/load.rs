//! Callers that go on while servers fail under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_core::storage::{Storage, StorageError, StorageErrorKind};
use cache_redis::Redis;
use tokio::task::JoinSet;

use crate::common::{key, remove_key, remove_tag, set_write};

/// What callers met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) done: u64,
    pub(crate) failed: u64,
}

/// Callers in tasks, until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Met>,
}

const KEYS: usize = 60;
const CALLERS: usize = 6;
/// What a call may take beyond the timeout on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

impl Load {
    /// Begins to write, read and remove. Each call is to end within the timeout, what is read is
    /// to be whole, and what fails to be told as a failure of the moment.
    pub(crate) fn on(storage: &Redis, timeout: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let (storage, stop) = (storage.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut met = Met::default();
                let mut random = fastrand::Rng::with_seed(caller as u64);
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let answer = step(&storage, &mut random).await;
                    assert!(begun.elapsed() < timeout + SLACK, "took {:?}", begun.elapsed());
                    match answer {
                        Ok(()) => met.done += 1,
                        Err(error) => {
                            assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
                            met.failed += 1;
                        }
                    }
                    tokio::task::yield_now().await;
                }
                met
            });
        }
        Self { stop, tasks }
    }

    pub(crate) async fn stopped(mut self) -> Met {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Met::default();
        while let Some(met) = self.tasks.join_next().await {
            let met = met.unwrap();
            all.done += met.done;
            all.failed += met.failed;
        }
        all
    }
}

fn name(random: &mut fastrand::Rng) -> String {
    format!("load{}", random.usize(..KEYS))
}

async fn step(storage: &Redis, random: &mut fastrand::Rng) -> Result<(), StorageError> {
    match random.u32(..10) {
        0..4 => {
            // Long enough that a reply is cut, and told by every byte and by its tag.
            let writes = (0..8).map(|_| {
                let byte = random.u8(..);
                let tag = format!("load{}", byte % 4);
                set_write(&name(random), vec![byte; 3_000], &[&tag])
            });
            for outcome in storage.write(writes.collect()).await? {
                outcome?;
            }
        }
        4..8 => {
            let keys: Vec<_> = (0..12).map(|_| key(&name(random))).collect();
            for (key, lookup) in keys.iter().zip(storage.get_many(&keys).await?) {
                let Some(entry) = lookup?.entry else { continue };
                entry.verify(key).unwrap();
                let tag = format!("t:load{}", entry.payload[0] % 4);
                assert_eq!(entry.tags.as_slice()[0].as_str(), tag);
            }
        }
        8 => drop(remove_tag(storage, &format!("load{}", random.u8(..4))).await?),
        _ => drop(remove_key(storage, &name(random)).await?),
    }
    Ok(())
}
