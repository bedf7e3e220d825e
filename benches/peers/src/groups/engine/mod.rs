//! The memory engine beside other concurrent caches: how many accesses a second, by one thread and
//! by several, adaptive policy and estimates on.
//!
//! Keys are numbers by Zipf's law with 0.99, values are shared. Hits ask for keys that all hold;
//! the others for ten times as many keys as there is room for.

mod bytes;
mod caches;

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tiers::prelude::*;
use tiers_benches::failures::{Failures, figure};
use tiers_benches::{Contestant, Group, Row, Run};

use crate::zipf;
use caches::{Engine, Keys, QUICK, QUICK_SHARDED, TIERS, TIERS_BORROWED, Value};
use tiers_benches::table::Table;

/// Its rows stand with those of the group `memory`.
pub(super) const GROUP: Group = Group { name: "memory-engine", measure };

const EXPONENT: f64 = 0.99;
const OTHERS: [&str; 4] = ["moka", "mini-moka", "foyer", "TinyUFO"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workload {
    Hits,
    Mixed,
    ReadThrough,
}

/// A workload, how many threads, and how many times as fast as quick_cache it is to be.
const TARGETS: [(Workload, &str, usize, Option<f64>); 9] = [
    (Workload::Hits, "hits", 1, Some(1.0)),
    (Workload::Hits, "hits", 2, Some(1.6)),
    (Workload::Hits, "hits", 4, Some(1.6)),
    (Workload::Mixed, "mixed", 1, Some(0.95)),
    (Workload::Mixed, "mixed", 2, Some(1.1)),
    (Workload::Mixed, "mixed", 4, None),
    (Workload::ReadThrough, "read_through", 1, Some(0.9)),
    (Workload::ReadThrough, "read_through", 2, Some(1.15)),
    (Workload::ReadThrough, "read_through", 4, None),
];

/// How many times as fast as quick_cache with as many shards hits by several threads are to be.
const OF_SHARDED_MIN: f64 = 1.2;

/// By how much a hit through a handle may take longer than quick_cache's own.
const HANDLE_ABOVE_MAX_NS: f64 = 40.0;

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let entries: u64 = run.sized(100_000, 20_000, 1000);
    let asked: usize = run.sized(1 << 21, 1 << 18, 1 << 10);
    let mut header = vec!["accesses, millions a second".to_owned()];
    let (mut lines, mut behind): (Vec<Vec<String>>, u32) = (Vec::new(), 0);
    for (workload, name, threads, target) in TARGETS {
        // Half of what there is room for, so that no shard of any is too small for its part.
        let keys = if workload == Workload::Hits { entries / 2 } else { entries * 10 };
        let requests = zipf::requests(u32::try_from(keys)?, EXPONENT, asked)?;
        let engines: Vec<Engine> =
            caches::ALL.iter().map(|make| make(entries)).collect::<Result<_, _>>()?;
        for engine in &engines {
            fill(engine, workload, &requests);
        }
        let mut contestants: Vec<_> = engines
            .iter()
            .map(|engine| {
                let requests = &requests;
                let work = move |accesses| work(engine, workload, threads, requests, accesses);
                let contestant = Contestant::new(engine.name, work);
                if threads > 1 { contestant.waiting() } else { contestant }
            })
            .collect();
        if threads > 1 {
            contestants.push(Contestant::probe());
        }
        let what = format!("{name}, {threads} threads");
        let measured = run.interleaved(&what, &mut contestants);
        drop(contestants);
        let times_of = |other: &str| figure(measured.ratio(other, TIERS));
        let row = |suffix: &str| format!("memory_engine_{name}_{threads}{suffix}");
        if let Some(target) = target {
            run.report(&Row::at_least(row("_of_quick_cache"), times_of(QUICK)?, target, "x"))?;
        }
        if workload == Workload::Hits && threads > 1 {
            let times = times_of(QUICK_SHARDED)?;
            let name = row("_of_quick_cache_sharded");
            run.report(&Row::at_least(name, times, OF_SHARDED_MIN, "x"))?;
        }
        if workload == Workload::Hits && threads == 1 {
            let times = figure(measured.ratio(TIERS, TIERS_BORROWED))?;
            let name = "memory_engine_borrowed_hits_of_hits".to_owned();
            run.report(&Row::at_least(name, times, 1.0, "x"))?;
        }
        for other in OTHERS {
            behind += u32::from(times_of(other)? < 1.0);
        }
        header.push(what);
        for (nth, engine) in engines.iter().enumerate() {
            if lines.len() <= nth {
                lines.push(vec![engine.name.to_owned()]);
            }
            let rate = threads as f64 * figure(measured.per_second(engine.name))? / 1e6;
            lines[nth].push(format!("{rate:.1}"));
        }
    }
    run.report(&Row::at_most("memory_engine_behind_others", f64::from(behind), 0.0, "points"))?;
    let mut table = Table::new(header);
    lines.into_iter().for_each(|line| table.add(line));
    run.leave("memory-engine.md", &table.to_markdown())?;
    bytes::measure(run)?;
    handle(run, entries)
}

fn fill(engine: &Engine, workload: Workload, requests: &[u64]) {
    match workload {
        Workload::Hits => {
            for _ in 0..2 {
                requests.iter().for_each(|key| engine.cache.insert(*key));
            }
        }
        _ => engine.cache.read_through(Keys::new(requests, 0, requests.len() as u64)),
    }
}

/// So many accesses by each thread, each beginning elsewhere.
fn work(engine: &Engine, workload: Workload, threads: usize, requests: &[u64], accesses: u64) {
    let one = |nth: usize| {
        let begin = nth * requests.len() / threads;
        let keys = Keys::new(requests, begin, accesses);
        match workload {
            Workload::Hits => engine.cache.hits(keys),
            Workload::Mixed => engine.cache.mixed(keys),
            Workload::ReadThrough => engine.cache.read_through(keys),
        }
    };
    if threads == 1 {
        return one(0);
    }
    thread::scope(|scope| {
        for nth in 0..threads {
            scope.spawn(move || one(nth));
        }
    });
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Node)]
#[node(key = "number:{id}", value = [u8; 100], codec = none, tiers(memory(ttl = "1h")))]
struct Number {
    id: u64,
}

/// A hit through a handle, erased nodes, TTL and statistics on, beside quick_cache's own.
fn handle(run: &mut Run<'_>, entries: u64) -> anyhow::Result<()> {
    const NODES: u64 = 1000;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let cache = Cache::builder()
        .storage("memory", Memory::builder().max_entries(entries).build()?)
        .runtime(runtime.handle().clone())
        .build()?;
    let source = |node: Number| async move { Ok::<_, LoadError>([node.id as u8; 100]) };
    let handle = cache.bind::<Number>(source_fn(source))?;
    let nodes: Vec<Number> = (0..NODES).map(|id| Number { id }).collect();
    runtime.block_on(handle.get_many(&nodes)).into_iter().try_for_each(|value| value.map(drop))?;
    let quick = quick_cache::sync::Cache::<u64, Value>::new(usize::try_from(entries)?);
    nodes.iter().for_each(|node| quick.insert(node.id, Arc::new([node.id as u8; 100])));
    let failures = Failures::default();
    let mut contestants = [
        Contestant::new("handle", |hits| {
            runtime.block_on(async {
                for node in nodes.iter().cycle().take(hits as usize) {
                    black_box(failures.kept(handle.get(black_box(node)).await));
                }
            });
        }),
        Contestant::new(QUICK, |hits| {
            for node in nodes.iter().cycle().take(hits as usize) {
                black_box(quick.get(black_box(&node.id)));
            }
        }),
    ];
    let measured = run.interleaved("a hit through a handle", &mut contestants);
    drop(contestants);
    failures.check()?;
    let above = figure(measured.difference_ns("handle", QUICK))?;
    let name = "memory_engine_handle_hit_above_quick_cache";
    Ok(run.report(&Row::at_most(name, above, HANDLE_ABOVE_MAX_NS, "ns"))?)
}
