//! Memory beside the raw engine.

mod bytes;
mod hits;
mod percentiles;
mod stale;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use moka::sync::Cache as Engine;
use tiers::prelude::*;
use tiers_benches::{Group, Run};
use tokio::runtime::Runtime;

pub(super) const GROUP: Group = Group { name: "memory", measure };

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    if run.wants(&["memory_hit_above_engine", "memory_hits_1_thread", hits::TWO, hits::FOUR]) {
        hits::measure(run, &runtime)?;
    }
    if run.wants(&[stale::STALE]) {
        stale::measure(run, &runtime)?;
    }
    if run.wants(&["memory_waiter_above_shared_future"]) {
        waiters::measure(run)?;
    }
    if run.wants(&["memory_get_p99", "memory_set_p99"]) {
        percentiles::measure(run, &runtime)?;
    }
    if run.wants(&["memory_bytes_per_entry", bytes::THROUGH_TIERS]) {
        bytes::measure(run, &runtime)?;
    }
    if run.wants(&[bytes::ALONE, bytes::AFTER_OTHERS]) {
        bytes::measure_alone(run)?;
    }
    Ok(())
}

/// What all of memory is measured with: a small key.
#[derive(Debug, Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "article:{id}", value = Text, codec = none, tiers(memory(ttl = "1h")))]
struct Article {
    id: u64,
}

/// As [`Article`] has it.
const TTL: Duration = Duration::from_secs(3600);

/// A value of 100 bytes, without anything that it points to.
type Text = [u8; 100];

fn text(id: u64) -> Text {
    [id as u8; 100]
}

/// A handle with statistics and TTL on, as every handle, over memory alone.
fn handle(runtime: &Runtime, max_entries: u64) -> anyhow::Result<Handle<Article>> {
    let cache = Cache::builder()
        .storage("memory", Memory::builder().max_entries(max_entries).build()?)
        .runtime(runtime.handle().clone())
        .build()?;
    let source = |node: Article| async move { Ok::<_, LoadError>(text(node.id)) };
    Ok(cache.bind::<Article>(source_fn(source))?)
}

/// The raw engine, with the same bound and TTL for the same keys and values.
fn engine(max_entries: u64) -> Engine<Article, Arc<Text>> {
    Engine::builder().max_capacity(max_entries).time_to_live(TTL).build()
}
