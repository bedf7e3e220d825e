//! A hit in memory: the same keys, values and TTL, counted by everyone.
//!
//! Who counts hits, counts them; for the others one relaxed atomic is raised beside each hit. Peers
//! are asked by the call that does least: a plain get, without protection against stampedes where
//! that is an option. Tiers is asked by its read-through get.

mod peers;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hitbox_fn::KeyExtract;
use tiers::prelude::*;
use tiers_benches::failures::{Failures, figure};
use tiers_benches::{Contestant, Group, Row, Run};
use tokio::runtime::Runtime;

use tiers_benches::table::{Table, rounded};
use peers::{ByCachet, ByHitbox, ByMoka, ByMultiTierCache, ByQuickCache};

/// Its rows stand with those of the group `memory`.
pub(super) const GROUP: Group = Group { name: "memory-hit-ahead", measure };

const TTL: Duration = Duration::from_secs(3600);
/// So many keys are asked for in turn.
const KEYS: u64 = 1000;
const ENTRIES_MAX: u64 = 10 * KEYS;
const VALUE_BYTES: usize = 100;
/// Ahead, or level with it.
const OF_PEER_MAX: f64 = 1.0;

/// A small typed key, which serves everyone but who wants text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Node, KeyExtract)]
#[node(key = "article:{id}", value = String, tiers(memory(ttl = "1h")))]
struct Article {
    id: u64,
}

/// The same for who wants text as key and bytes as value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Node)]
#[node(key = "named:{name}", value = Bytes, codec = none, tiers(memory(ttl = "1h")))]
struct Named {
    name: String,
}

fn text(id: u64) -> String {
    let digit = char::from(b'0' + (id % 10) as u8);
    std::iter::repeat_n(digit, VALUE_BYTES).collect()
}

const HANDLE: &str = "tiers handle";
const HANDLE_BY_TEXT: &str = "tiers handle, text key";

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let nodes: Vec<Article> = (0..KEYS).map(|id| Article { id }).collect();
    let named: Vec<Named> = (0..KEYS).map(|id| Named { name: format!("article-{id}") }).collect();
    let (handle, by_text) = handles(&runtime, &nodes, &named)?;
    let cachet = runtime.block_on(ByCachet::filled(&nodes))?;
    let hitbox = runtime.block_on(ByHitbox::filled(&nodes))?;
    let moka = ByMoka::filled(&nodes);
    let quick = ByQuickCache::filled(&nodes);
    let multi = runtime.block_on(ByMultiTierCache::filled(&named))?;
    let failures = Failures::default();

    let mut contestants = [
        Contestant::new(HANDLE, |hits| {
            runtime.block_on(async {
                for node in nodes.iter().cycle().take(hits as usize) {
                    black_box(failures.kept(handle.get(black_box(node)).await));
                }
            });
        }),
        Contestant::new("cachet", |hits| {
            runtime.block_on(async {
                for node in nodes.iter().cycle().take(hits as usize) {
                    black_box(failures.kept(cachet.hit(black_box(node)).await));
                }
            });
        }),
        Contestant::new("hitbox", |hits| {
            runtime.block_on(async {
                for node in nodes.iter().cycle().take(hits as usize) {
                    black_box(hitbox.hit(black_box(node)).await);
                }
            });
        }),
        Contestant::new("moka", |hits| {
            for node in nodes.iter().cycle().take(hits as usize) {
                black_box(failures.kept(moka.hit(black_box(node))));
            }
        }),
        Contestant::new("quick_cache", |hits| {
            for node in nodes.iter().cycle().take(hits as usize) {
                black_box(failures.kept(quick.hit(black_box(node))));
            }
        }),
        Contestant::new(HANDLE_BY_TEXT, |hits| {
            runtime.block_on(async {
                for node in named.iter().cycle().take(hits as usize) {
                    black_box(failures.kept(by_text.get(black_box(node)).await));
                }
            });
        }),
        Contestant::new("multi-tier-cache", |hits| {
            runtime.block_on(async {
                for node in named.iter().cycle().take(hits as usize) {
                    black_box(failures.kept(multi.hit(black_box(&node.name)).await));
                }
            });
        }),
    ];
    let measured = run.interleaved("a hit, TTL and counting on", &mut contestants);
    let names: Vec<String> = contestants.iter().map(|one| one.name().to_owned()).collect();
    drop(contestants);
    failures.check()?;
    hitbox.check()?;
    for (peer, misses) in [("tiers", handle.stats().misses), ("multi-tier-cache", multi.misses())] {
        ensure!(misses <= KEYS, "{peer} had {misses} misses");
    }

    let mut table = Table::new(["cache", "a hit, ns", "of tiers' time"]);
    for name in names {
        let own = own_handle(&name);
        let time_ns = figure(measured.median_ns(&name))?;
        let share = figure(measured.ratio(&name, own))?;
        table.add([name, rounded(time_ns), format!("{share:.2}")]);
    }
    run.leave("memory-hit-ahead.md", &table.to_markdown())?;
    for (peer, row) in
        [("cachet", "cachet"), ("hitbox", "hitbox"), ("multi-tier-cache", "multi_tier_cache")]
    {
        let ratio = figure(measured.ratio(own_handle(peer), peer))?;
        let name = format!("memory_hit_ahead_of_{row}");
        run.report(&Row::at_most(name, ratio, OF_PEER_MAX, "x"))?;
    }
    Ok(())
}

/// The handle with the keys and values of this contestant.
fn own_handle(contestant: &str) -> &'static str {
    match contestant {
        "multi-tier-cache" | HANDLE_BY_TEXT => HANDLE_BY_TEXT,
        _ => HANDLE,
    }
}

/// Handles over one memory, filled.
fn handles(
    runtime: &Runtime,
    nodes: &[Article],
    named: &[Named],
) -> anyhow::Result<(Handle<Article>, Handle<Named>)> {
    let cache = Cache::builder()
        .storage("memory", Memory::builder().max_entries(2 * ENTRIES_MAX).build()?)
        .runtime(runtime.handle().clone())
        .build()?;
    let handle = cache.bind::<Article>(source_fn(|node: Article| async move {
        Ok::<_, LoadError>(text(node.id))
    }))?;
    let by_text = cache
        .bind::<Named>(source_fn(|_: Named| async { Ok::<_, LoadError>(Bytes::from(text(0))) }))?;
    runtime.block_on(async {
        let filled = handle.get_many(nodes).await.into_iter().map(|value| value.map(drop));
        let by_text = by_text.get_many(named).await.into_iter().map(|value| value.map(drop));
        filled.chain(by_text).collect::<Result<(), _>>()
    })?;
    Ok((handle, by_text))
}

/// What is put into the caches that hand out clones: dear values are shared there.
fn shared(id: u64) -> Arc<String> {
    Arc::new(text(id))
}
