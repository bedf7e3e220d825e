//! Throughput of each storage through a handle.
//!
//! Memory and a SQLite file of its own, and whatever URLs the environment names. A contestant is a
//! storage, so that storages are measured in turns.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use tiers::prelude::*;
use tiers_benches::failures::{Failures, figure};
use tiers_benches::{Contestant, Group, Run};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::plot::{self, Bars};
use tiers_benches::table::{Table, rounded};
use crate::zipf;

pub(super) const GROUP: Group = Group { name: "throughput", measure };

/// More storages, by their URLs with spaces between. They are cleared of what the bench stores.
const MORE: &str = "TIERS_BENCH_STORAGES";
const EXPONENT: f64 = 0.99;
const IN_FLIGHT: u64 = 64;
const BATCH: usize = 100;
const VALUE_BYTES: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Node)]
#[node(key = "page:{id}", value = String, tiers(storage(ttl = "1h")))]
struct Page {
    id: u64,
}

/// A storage alone behind a handle, filled.
struct Bound {
    name: String,
    cache: Cache,
    pages: Handle<Page>,
}

/// What is measured: its name, the same in short, and how many entries each call is for.
const OPERATIONS: [(&str, &str, Operation, usize); 7] = [
    ("get", "get", Operation::Get { in_flight: 1 }, 1),
    ("get, 64 in flight", "get x64", Operation::Get { in_flight: IN_FLIGHT }, 1),
    ("get_many of 100", "get_many", Operation::GetMany, BATCH),
    ("miss, load and fill, 64 in flight", "miss x64", Operation::Miss, 1),
    ("set", "set", Operation::Set { in_flight: 1 }, 1),
    ("set, 64 in flight", "set x64", Operation::Set { in_flight: IN_FLIGHT }, 1),
    ("set_many of 100", "set_many", Operation::SetMany, BATCH),
];

#[derive(Debug, Clone, Copy)]
enum Operation {
    Get { in_flight: u64 },
    GetMany,
    Miss,
    Set { in_flight: u64 },
    SetMany,
}

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let keys: u32 = run.sized(100_000, 10_000, 1000);
    let requests = Arc::new(Requests::new(keys)?);
    run.note(&format!("throughput: {keys} entries of {VALUE_BYTES} bytes in each, Zipf {EXPONENT}"));
    let folder = tempfile::tempdir()?;
    let mut urls = vec![
        format!("memory://tinylfu?max_entries={}", 2 * keys),
        format!("sqlite://{}", folder.path().join("cache.db").display()),
    ];
    let more = std::env::var(MORE).unwrap_or_default();
    urls.extend(more.split_whitespace().map(str::to_owned));
    let mut bound = Vec::new();
    for url in &urls {
        bound.push(runtime.block_on(Bound::filled(url, &runtime, &requests))?);
    }

    let header = ["entries a second".to_owned()];
    let names = || bound.iter().map(|storage| storage.name.clone());
    let mut table = Table::new(header.into_iter().chain(names()));
    let mut bars: Vec<Bars> = names().map(|name| Bars { name, heights: Vec::new() }).collect();
    for (what, _, operation, entries) in OPERATIONS {
        let failures = Failures::default();
        let contestant = |storage: &Bound| {
            let work = work(operation, &runtime, storage, &requests, &failures);
            Contestant::new(storage.name.as_str(), work).waiting()
        };
        let mut contestants: Vec<_> = bound.iter().map(contestant).collect();
        contestants.push(Contestant::probe());
        let measured = run.interleaved(what, &mut contestants);
        drop(contestants);
        failures.check().with_context(|| what.to_owned())?;
        let mut row = vec![what.to_owned()];
        for (storage, bars) in bound.iter().zip(&mut bars) {
            let rate = figure(measured.per_second(&storage.name))? * entries as f64;
            bars.heights.push(rate);
            row.push(rounded(rate));
        }
        table.add(row);
    }
    run.leave("throughput.md", &table.to_markdown())?;
    let labels = OPERATIONS.map(|(_, label, ..)| label);
    let svg = plot::bars("Throughput by storage", "entries a second", &labels, &bars)?;
    run.leave("plots/throughput.svg", &svg)?;
    for storage in bound {
        runtime.block_on(storage.close())?;
    }
    Ok(())
}

/// The pages that are asked for, by Zipf's law, and those that nobody has asked for yet.
struct Requests {
    /// Each page once.
    pages: Vec<u64>,
    asked: Vec<u64>,
    next: AtomicUsize,
    unasked: AtomicU64,
}

/// So many are drawn, and then come again.
const DRAWN: usize = 1_000_000;

impl Requests {
    fn new(keys: u32) -> anyhow::Result<Self> {
        let asked = zipf::requests(keys, EXPONENT, DRAWN)?;
        let mut pages = asked.clone();
        pages.sort_unstable();
        pages.dedup();
        Ok(Self { pages, asked, next: AtomicUsize::new(0), unasked: AtomicU64::new(0) })
    }

    fn next(&self) -> Page {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Page { id: self.asked[turn % DRAWN] }
    }

    /// All different.
    fn batch(&self) -> Vec<Page> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let at = |index| Page { id: self.pages[(turn * BATCH + index) % self.pages.len()] };
        (0..BATCH).map(at).collect()
    }

    /// Another one each time. Those of [`next`](Self::next) are odd multiples of a large number, and
    /// hit upon none of these.
    fn unasked(&self) -> Page {
        loop {
            let page = Page { id: self.unasked.fetch_add(1, Ordering::Relaxed) };
            if self.pages.binary_search(&page.id).is_err() {
                return page;
            }
        }
    }
}

fn text() -> String {
    "x".repeat(VALUE_BYTES)
}

impl Bound {
    async fn filled(url: &str, runtime: &Runtime, requests: &Requests) -> anyhow::Result<Self> {
        let name = url.split_once(':').map_or(url, |(scheme, _)| scheme).to_owned();
        let cache = Cache::builder()
            .prefix("tiers-bench")
            .storage("storage", tiers::open(url).await?)
            .runtime(runtime.handle().clone())
            .build()?;
        let source = |_: Page| async { Ok::<_, LoadError>(text()) };
        let pages = cache.bind::<Page>(source_fn(source))?;
        for ids in requests.pages.chunks(1000) {
            let batch = ids.iter().map(|id| (Page { id: *id }, text()));
            pages.set_many(batch).await.into_iter().collect::<Result<(), _>>()?;
        }
        let last = Page { id: requests.pages[requests.pages.len() - 1] };
        ensure!(pages.contains(&last).await?, "{name} does not hold what was set");
        Ok(Self { name, cache, pages })
    }

    async fn close(self) -> anyhow::Result<()> {
        ensure!(self.pages.clear().await?.is_done(), "{} was not cleared", self.name);
        Ok(self.cache.close().await?)
    }
}

fn work<'run>(
    operation: Operation,
    runtime: &'run Runtime,
    storage: &Bound,
    requests: &Arc<Requests>,
    failures: &Failures,
) -> Box<dyn FnMut(u64) + 'run> {
    let (pages, requests, failures) =
        (storage.pages.clone(), Arc::clone(requests), failures.clone());
    match operation {
        Operation::Get { in_flight } => spread(runtime, in_flight, failures, move || {
            let (pages, page) = (pages.clone(), requests.next());
            async move { Ok(drop(black_box(pages.get(&page).await?))) }
        }),
        Operation::Miss => spread(runtime, IN_FLIGHT, failures, move || {
            let (pages, page) = (pages.clone(), requests.unasked());
            async move { Ok(drop(black_box(pages.get(&page).await?))) }
        }),
        Operation::Set { in_flight } => spread(runtime, in_flight, failures, move || {
            let (pages, page) = (pages.clone(), requests.next());
            async move { Ok(pages.set(&page, text()).await?) }
        }),
        Operation::GetMany => spread(runtime, 1, failures, move || {
            let (pages, batch) = (pages.clone(), requests.batch());
            async move {
                let got = pages.get_many(&batch).await.into_iter();
                Ok(got.map(|value| value.map(drop)).collect::<Result<(), _>>()?)
            }
        }),
        Operation::SetMany => spread(runtime, 1, failures, move || {
            let (pages, batch) = (pages.clone(), requests.batch());
            async move {
                let batch = batch.into_iter().map(|page| (page, text()));
                Ok(pages.set_many(batch).await.into_iter().collect::<Result<(), _>>()?)
            }
        }),
    }
}

/// Work that makes a number of calls, by so many tasks of which each has one call in flight.
fn spread<'run, Call, Answer>(
    runtime: &'run Runtime,
    in_flight: u64,
    failures: Failures,
    call: Call,
) -> Box<dyn FnMut(u64) + 'run>
where
    Call: Fn() -> Answer + Clone + Send + 'static,
    Answer: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    async fn several<Answer>(calls: u64, call: impl Fn() -> Answer) -> anyhow::Result<()>
    where
        Answer: Future<Output = anyhow::Result<()>>,
    {
        for _ in 0..calls {
            call().await?;
        }
        Ok(())
    }
    Box::new(move |calls| {
        if in_flight == 1 {
            failures.kept(runtime.block_on(several(calls, &call)));
            return;
        }
        runtime.block_on(async {
            let mut running = JoinSet::new();
            for task in 0..in_flight.min(calls) {
                let share = calls / in_flight + u64::from(task < calls % in_flight);
                let call = call.clone();
                running.spawn(several(share, call));
            }
            while let Some(joined) = running.join_next().await {
                failures.kept(joined.context("a task panicked").and_then(|done| done));
            }
        });
    })
}
