//! Clean-up and numbers. The server removes entries whose time has passed by itself; what is left
//! are their keys in the sets of tags.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cache_core::storage::{Budget, Maintenance, Selector, StorageError, StorageStats};
use redis::cluster_routing::Slot;
use redis::{Cmd, Value};
use tokio::task::JoinHandle;

use crate::connection::{Node, Routed};
use crate::error::{closed, unexpected};
use crate::layout::{Bucket, Details};
use crate::read::{Page, Pages, scanned};
use crate::script;
use crate::storage::Shared;

const PAGE_KEYS: usize = 1000;
/// How many members of a set a script takes out at most.
const MEMBERS_PER_SCRIPT: i64 = 1000;
/// How long a run by the schedule takes at most.
const SCHEDULED: Duration = Duration::from_secs(30);

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        const OPERATION: &str = "maintain";
        if self.connections.is_closed() {
            return Err(closed(OPERATION));
        }
        let begun = Instant::now();
        let is_over = || budget.entries_max == 0 || begun.elapsed() >= budget.duration_max;
        let mut done = Maintenance::default();
        for node in self.connections.nodes(OPERATION).await?.each() {
            let mut cursor = b"0".to_vec();
            loop {
                if is_over() {
                    done.unfinished = budget.entries_max > 0;
                    return Ok(done);
                }
                let (next, sets) = self.tag_sets(OPERATION, node, &cursor).await?;
                self.trim(OPERATION, sets, &is_over).await?;
                if next == b"0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(done)
    }

    /// A page of the tag sets of a node. What is missed because the server became another meanwhile is
    /// found at the next turn.
    async fn tag_sets(
        &self,
        operation: &'static str,
        node: Node,
        cursor: &[u8],
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>), StorageError> {
        let mut command = Cmd::new();
        command.arg("SCAN").arg(cursor).arg("MATCH").arg(self.names.tag_sets_pattern());
        command.arg("COUNT").arg(PAGE_KEYS);
        let answer = self.connections.one(operation, Routed { slot: node.slot, command }).await?;
        scanned(answer).ok_or_else(|| unexpected(operation))
    }

    /// Takes what has passed out of sets, until nothing is left or the budget is over.
    async fn trim(
        &self,
        operation: &'static str,
        mut sets: Vec<Vec<u8>>,
        is_over: &impl Fn() -> bool,
    ) -> Result<(), StorageError> {
        while !sets.is_empty() && !is_over() {
            let calls: Vec<_> = sets
                .iter()
                .map(|set| {
                    let mut call = script::TRIM.call();
                    call.key(&set[..]);
                    (Slot::for_key(set), call)
                })
                .collect();
            let answers = self.connections.run(operation, &calls).await?;
            let mut left = Vec::new();
            for (set, answer) in sets.into_iter().zip(answers) {
                match answer? {
                    Value::Int(taken) if taken >= MEMBERS_PER_SCRIPT => left.push(set),
                    Value::Int(_) => {}
                    _ => return Err(unexpected(operation)),
                }
            }
            sets = left;
        }
        Ok(())
    }

    pub(crate) async fn stats(&self) -> Result<StorageStats, StorageError> {
        const OPERATION: &str = "stats";
        if self.connections.is_closed() {
            return Err(closed(OPERATION));
        }
        let mut stats = StorageStats::default();
        // Names every entry of the storage, of whatever cache.
        let everything = Selector::AllTags(Vec::new());
        for node in self.connections.nodes(OPERATION).await?.each() {
            let mut pages = Pages::of_node(self, OPERATION, &everything, node);
            let (before, mut walks) = (stats, pages.walks());
            while let Some(page) = pages.next().await? {
                if walks != pages.walks() {
                    (stats, walks) = (before, pages.walks());
                }
                self.add_stats(OPERATION, page, &mut stats).await?;
            }
        }
        Ok(stats)
    }

    async fn add_stats(
        &self,
        operation: &'static str,
        page: Page,
        stats: &mut StorageStats,
    ) -> Result<(), StorageError> {
        let heads = self.heads(operation, &page, 50).await?;
        for ((_, name), head) in page.iter().zip(heads) {
            let Ok(details) = Details::read(&head) else { continue };
            let payload_bytes = u64::from(details.payload_bytes);
            stats.entries += 1;
            stats.payload_bytes += payload_bytes;
            stats.stored_bytes += payload_bytes + overhead(name, &details);
        }
        Ok(())
    }

    /// Cleans up if no other process has done so within the interval.
    async fn keep_up(&self, interval: Duration) -> Result<(), StorageError> {
        const OPERATION: &str = "maintain";
        let mut command = Cmd::new();
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX >> 8);
        command.arg("SET").arg(self.names.upkeep()).arg("").arg("NX").arg("PX");
        // A little less, or the process that holds it would come too early for its own next turn.
        command.arg((interval_ms - interval_ms / 10).max(1));
        let routed = Routed { slot: self.slot(Bucket(0)), command };
        if self.connections.one(OPERATION, routed).await? == Value::Nil {
            return Ok(());
        }
        let budget = Budget { entries_max: u64::MAX, duration_max: SCHEDULED };
        self.maintain(budget).await.map(drop)
    }
}

/// What a record takes beside its payload, and its name.
fn overhead(name: &[u8], details: &Details) -> u64 {
    /// Header and trailer of the envelope.
    const ENVELOPE: usize = 82;
    (name.len() + details.bytes_needed() + ENVELOPE) as u64
}

/// Cleans up again and again, for as long as there is a storage.
pub(crate) fn schedule(shared: &Arc<Shared>, interval: Duration) -> JoinHandle<()> {
    let shared: Weak<Shared> = Arc::downgrade(shared);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            let Some(shared) = shared.upgrade() else { break };
            if shared.connections.is_closed() {
                break;
            }
            // What failed now is done at the next turn, by this process or another.
            let done = shared.keep_up(interval).await;
            #[cfg(feature = "tracing")]
            if let Err(error) = &done {
                tracing::warn!(%error, "tag sets were not cleaned up");
            }
            drop(done);
        }
    })
}
