//! One process at work for a long time: its memory and its handles stay bounded, and its figures
//! add up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tiers::cache::Cache;
use tiers::core::entry::Codec;
use tiers::core::key::KeyFields;
use tiers::core::node::{Node, NodeDefinition, TierDefinition};
use tiers::handle::Handle;
use tiers::source::{LoadError, source_fn};
use tiers_servers::Redis;

/// How many things there are to ask for: far more than any tier holds.
const KEYS: u64 = 200_000;
/// How many entries memory and the file hold.
const MEMORY_ENTRIES: u64 = 5_000;
const FILE_ENTRIES: u64 = 20_000;
const TASKS: usize = 16;
/// The memory of the process may grow by so much after its first part, for allocators keep some.
const GROWTH_BYTES_MAX: u64 = 48 << 20;
/// So many handles more may be open at the end than after the first part.
const HANDLES_MORE_MAX: u64 = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PageNode {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    id: u64,
    text: String,
}

impl Node for PageNode {
    type Value = Page;

    fn definition() -> NodeDefinition {
        let tier =
            |name: &str, seconds| TierDefinition::new(name).ttl(Duration::from_secs(seconds));
        NodeDefinition::new("Page", "page:{id}").tiers([
            tier("memory", 5),
            tier("file", 20),
            tier("redis", 60),
        ])
    }

    fn key_fields(&self, fields: &mut KeyFields<'_>) {
        fields.push(self.id);
    }

    fn codec() -> Codec<Page> {
        Codec::message_pack()
    }

    fn tags(&self, labels: &mut Vec<String>) {
        labels.push(format!("shelf-{}", self.id % 100));
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: u64,
    handles: u64,
}

impl Held {
    fn now() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").context("not a Linux system")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|rest| rest.split_whitespace().next());
        let bytes = kibibytes.context("no VmRSS is told")?.parse::<u64>()? << 10;
        let handles = std::fs::read_dir("/proc/self/fd")?.count() as u64;
        Ok(Self { bytes, handles })
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// Asked for, one for each node.
    requests: AtomicU64,
    /// Of these, given up by who asked, of which the cache may count some.
    given_up: AtomicU64,
    operations: AtomicU64,
    is_over: AtomicBool,
}

/// Works for so long, and says what was held; an error if anything grew or does not add up.
pub(crate) async fn run(duration: Duration, folder: &Path) -> anyhow::Result<String> {
    let redis = tokio::task::block_in_place(|| {
        Redis::start_with(&["--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru"])
    })?;
    let file = folder.join("soak.db").display().to_string();
    let file = format!("sqlite:///{}?max_entries={FILE_ENTRIES}", file.trim_start_matches('/'));
    let memory = format!("memory://adaptive?max_entries={MEMORY_ENTRIES}");
    let cache = Cache::builder()
        .storage("memory", tiers::open(&memory).await?)
        .storage("file", tiers::open(&file).await?)
        .storage("redis", tiers::open(&redis.url()).await?)
        .backplane("redis")
        .build()?;
    let load = |PageNode { id }: PageNode| async move {
        if id.is_multiple_of(997) {
            return Err(LoadError::message("this page is torn out"));
        }
        Ok(Page { id, text: "word ".repeat((id % 64) as usize) })
    };
    let pages = cache.bind::<PageNode>(source_fn(load))?;
    let counts = Arc::new(Counts::default());
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(work(cache.clone(), pages.clone(), Arc::clone(&counts))))
        .collect();
    let begun = Instant::now();
    tokio::time::sleep(duration / 4).await;
    let early = Held::now()?;
    let mut most = early;
    while begun.elapsed() < duration {
        tokio::time::sleep(Duration::from_millis(200).min(duration / 4)).await;
        let now = Held::now()?;
        most.bytes = most.bytes.max(now.bytes);
        most.handles = most.handles.max(now.handles);
    }
    counts.is_over.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await??;
    }
    ensure!(
        most.bytes <= early.bytes + GROWTH_BYTES_MAX,
        "memory grew from {} to {} bytes",
        early.bytes,
        most.bytes
    );
    ensure!(
        most.handles <= early.handles + HANDLES_MORE_MAX,
        "handles grew from {} to {}",
        early.handles,
        most.handles
    );
    let stats = pages.stats();
    let counted = stats.hits + stats.misses;
    let requests = counts.requests.load(Ordering::SeqCst);
    let given_up = counts.given_up.load(Ordering::SeqCst);
    ensure!(
        (requests - given_up..=requests).contains(&counted),
        "{requests} requests, {given_up} of them given up, were counted as {} hits and {} misses",
        stats.hits,
        stats.misses
    );
    let entries =
        cache.stats().await.memories.iter().map(|memory| memory.stats.entries).sum::<u64>();
    ensure!(entries <= MEMORY_ENTRIES, "memory holds {entries} entries");
    ensure!(cache.loads_in_flight() == 0, "loads are left in the air");
    cache.close().await?;
    Ok(format!(
        "{} s, {} operations, {requests} requests, {} hits, {given_up} given up, memory {} to {} KiB, \
         handles {} to {}",
        begun.elapsed().as_secs(),
        counts.operations.load(Ordering::SeqCst),
        stats.hits,
        early.bytes >> 10,
        most.bytes >> 10,
        early.handles,
        most.handles
    ))
}

/// Some pages are asked for much more often than others.
fn any_page() -> PageNode {
    let share = fastrand::f64();
    PageNode { id: (share * share * share * KEYS as f64) as u64 }
}

async fn work(cache: Cache, pages: Handle<PageNode>, counts: Arc<Counts>) -> anyhow::Result<()> {
    while !counts.is_over.load(Ordering::Relaxed) {
        let node = any_page();
        match fastrand::u32(..100) {
            0..70 => {
                counts.requests.fetch_add(1, Ordering::SeqCst);
                let _ = pages.get(&node).await;
            }
            70..80 => {
                let nodes: Vec<PageNode> = (0..8).map(|_| any_page()).collect();
                counts.requests.fetch_add(nodes.len() as u64, Ordering::SeqCst);
                drop(pages.get_many(&nodes).await);
            }
            80..85 => {
                counts.requests.fetch_add(1, Ordering::SeqCst);
                let wait = Duration::from_micros(fastrand::u64(..500));
                if tokio::time::timeout(wait, pages.get(&node)).await.is_err() {
                    counts.given_up.fetch_add(1, Ordering::SeqCst);
                }
            }
            85..88 => {
                counts.requests.fetch_add(1, Ordering::SeqCst);
                let _ = pages.refresh(&node).await;
            }
            88..93 => {
                let text = "set ".repeat(16);
                pages.set(&node, Page { id: node.id, text }).await?;
            }
            93..98 => {
                let _ = pages.invalidate(&node).await?;
            }
            98 => {
                let _ = cache.invalidate_tag(&format!("shelf-{}", node.id % 100)).await?;
            }
            _ => {
                let _ = pages.peek(&node).await?;
            }
        }
        counts.operations.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
