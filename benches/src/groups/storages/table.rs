//! Latencies of every storage, each alone behind a handle, one call at a time.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tiers::prelude::*;
use tiers_benches::Run;
use tiers_benches::table::{Table, time};
use tokio::runtime::Runtime;

use super::subject::Subject;
use crate::groups::latency::Latencies;
use crate::groups::rows::VALUE_BYTES;

/// A page; those of one shelf have the beginning of their key in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Node)]
#[node(key = "page:{shelf}:{id}", value = String, tiers(storage(ttl = "1d")))]
struct Page {
    shelf: u64,
    id: u64,
}

/// How much is stored and called.
#[derive(Debug, Clone, Copy)]
struct Size {
    entries: u64,
    /// Entries of one tag, and of one shelf.
    together: u64,
    calls: u64,
    batches: u64,
    tags: u64,
    patterns: u64,
}

const FULL: Size =
    Size { entries: 1_000_000, together: 1000, calls: 5000, batches: 500, tags: 100, patterns: 5 };
const QUICK: Size =
    Size { entries: 100_000, together: 1000, calls: 1000, batches: 100, tags: 20, patterns: 3 };
const TINY: Size =
    Size { entries: 1000, together: 10, calls: 20, batches: 3, tags: 3, patterns: 2 };

impl Size {
    /// The same among fewer entries, and with fewer calls: one that has to have fewer is slow.
    fn at_most(self, entries: u64) -> Self {
        if self.entries <= entries {
            return self;
        }
        // Most shelves stay: those that go by a tag or a pattern are measured apart.
        let shelves = (entries / self.together / 4).max(1);
        Self {
            entries,
            calls: self.calls.min(QUICK.calls),
            batches: self.batches.min(QUICK.batches),
            tags: self.tags.min(shelves),
            patterns: self.patterns.min(shelves),
            ..self
        }
    }
}

const BATCH: u64 = 100;
const FILL: u64 = 1000;

/// What is called, in the order of the rows.
const OPERATIONS: [&str; 6] = [
    "get",
    "set",
    "get_many of 100",
    "set_many of 100",
    "invalidate a tag of 1,000 entries",
    "delete 1,000 entries by a pattern",
];

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    subjects: &[&dyn Subject],
) -> anyhow::Result<()> {
    let size = run.sized(FULL, QUICK, TINY);
    let folder = tempfile::tempdir()?;
    let mut columns = Vec::new();
    let mut limits = String::new();
    let embedded = [
        ("memory", format!("memory://tinylfu?max_entries={}", 2 * size.entries)),
        ("sqlite", format!("sqlite://{}", folder.path().join("cache.db").display())),
        #[cfg(feature = "filesystem")]
        ("file", format!("file://{}", folder.path().join("files").display())),
    ];
    for (name, url) in &embedded {
        columns.push(((*name).to_owned(), measured(run, runtime, name, url, size)?));
    }
    for subject in subjects {
        // One at a time: servers that are not measured take no memory and no processor.
        let place = subject.start()?;
        let name = subject.name();
        let mut column = name.to_owned();
        let mut own = size;
        if let Some(max) = subject.entries_max().filter(|max| max.entries < size.entries) {
            own = size.at_most(max.entries);
            column.push_str(&format!(" ({} entries)", own.entries));
            limits.push_str(&format!("\n{name} has {} entries only: {}.\n", own.entries, max.why));
        }
        columns.push((column, measured(run, runtime, name, &place.url, own)?));
    }
    let header = ["p50, p99".to_owned()].into_iter();
    let mut table = Table::new(header.chain(columns.iter().map(|(name, _)| name.clone())));
    for (at, operation) in OPERATIONS.into_iter().enumerate() {
        let cell = |latencies: &Latencies| {
            let [half, most] = [0.5, 0.99].map(|share| time(latencies.quantile_ns(share)));
            format!("{half}, {most}")
        };
        let cells = columns.iter().map(|(_, latencies)| cell(&latencies[at]));
        table.add([operation.to_owned()].into_iter().chain(cells));
    }
    let Size { entries, .. } = size;
    let text = format!(
        "Among {entries} entries of {VALUE_BYTES} bytes in each storage, one call at a time:\n\n{}{limits}",
        table.to_markdown()
    );
    run.note(&format!("\n{text}"));
    run.leave("storages.md", &text)
}

/// Fills one storage, and calls it.
fn measured(
    run: &mut Run<'_>,
    runtime: &Runtime,
    name: &str,
    url: &str,
    size: Size,
) -> anyhow::Result<Vec<Latencies>> {
    run.note(&format!("storages: table, {name} with {} entries", size.entries));
    let measured = async {
        let cache = Cache::builder().storage("storage", tiers::open(url).await?).build()?;
        let pages = cache.bind::<Page>(source_fn(|_: Page| async {
            // What is asked for is there: a load would be measured instead.
            Err::<String, _>(LoadError::message("a page is missing"))
        }))?;
        let bound = Bound { cache, pages, size };
        bound.fill().await?;
        let latencies = bound.call().await?;
        bound.cache.close().await?;
        anyhow::Ok(latencies)
    };
    runtime.block_on(measured).with_context(|| name.to_owned())
}

struct Bound {
    cache: Cache,
    pages: Handle<Page>,
    size: Size,
}

fn value(id: u64) -> String {
    format!("{id:0VALUE_BYTES$}")
}

fn tag(number: u64) -> String {
    format!("tag{number}")
}

impl Bound {
    fn shelves(&self) -> u64 {
        self.size.entries / self.size.together
    }

    /// Pages go round the shelves, so that those of a shelf or a tag lie apart.
    fn page(&self, id: u64) -> Page {
        Page { shelf: id % self.shelves(), id }
    }

    /// Another one each time, of those that are neither on a shelf that goes nor under a tag.
    fn scattered(&self, turn: u64) -> Page {
        let kept = self.shelves() - self.size.tags - self.size.patterns;
        let random = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let shelf = random % kept;
        self.page(shelf + self.shelves() * (random / kept % self.size.together))
    }

    /// Shelves that go by a pattern, and shelves whose pages bear a tag, are the last ones.
    fn shelf_by_pattern(&self, number: u64) -> u64 {
        self.shelves() - 1 - number
    }

    fn shelf_by_tag(&self, number: u64) -> u64 {
        self.shelves() - 1 - self.size.patterns - number
    }

    fn pages_of(&self, shelf: u64) -> impl Iterator<Item = u64> + use<> {
        let shelves = self.shelves();
        (0..self.size.together).map(move |number| shelf + shelves * number)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let tagged = self.shelf_by_tag(self.size.tags - 1)..=self.shelf_by_tag(0);
        for first in (0..self.size.entries).step_by(FILL as usize) {
            let ids = (first..first + FILL)
                .filter(|id| *id < self.size.entries && !tagged.contains(&(id % self.shelves())));
            self.set(ids, SetOptions::new()).await?;
        }
        for number in 0..self.size.tags {
            let ids = self.pages_of(self.shelf_by_tag(number));
            self.set(ids, SetOptions::new().tag(tag(number))).await?;
        }
        Ok(())
    }

    async fn set(&self, ids: impl Iterator<Item = u64>, options: SetOptions) -> anyhow::Result<()> {
        let values = ids.map(|id| (self.page(id), value(id).into()));
        let set = self.pages.set_many_with(values, options).await;
        Ok(set.into_iter().collect::<Result<(), _>>()?)
    }

    /// In the order of [`OPERATIONS`].
    async fn call(&self) -> anyhow::Result<Vec<Latencies>> {
        let mut latencies = Vec::new();
        for _ in OPERATIONS {
            latencies.push(Latencies::new()?);
        }
        let Size { calls, batches, tags, patterns, together, .. } = self.size;
        for turn in 0..calls {
            let page = self.scattered(turn);
            let begun = Instant::now();
            black_box(self.pages.get(&page).await?);
            latencies[0].add_since(begun);
        }
        for turn in 0..calls {
            let page = self.scattered(turn);
            let text = value(page.id);
            let begun = Instant::now();
            self.pages.set(&page, text).await?;
            latencies[1].add_since(begun);
        }
        for batch in 0..batches {
            let pages: Vec<Page> = self.batch(batch).collect();
            let begun = Instant::now();
            for found in self.pages.get_many(&pages).await {
                black_box(found?);
            }
            latencies[2].add_since(begun);
        }
        for batch in 0..batches {
            let values = self.batch(batch).map(|page| (value(page.id), page));
            let values: Vec<_> = values.map(|(text, page)| (page, text)).collect();
            let begun = Instant::now();
            for set in self.pages.set_many(values).await {
                set?;
            }
            latencies[3].add_since(begun);
        }
        for number in 0..tags {
            let probe = self.page(self.shelf_by_tag(number) + self.shelves() * (together - 1));
            ensure!(self.pages.contains(&probe).await?, "{probe:?} is not there");
            let begun = Instant::now();
            let done = self.cache.invalidate_tag(&tag(number)).await?;
            latencies[4].add_since(begun);
            ensure!(done.is_done() && !self.pages.contains(&probe).await?, "{probe:?} is left");
        }
        for number in 0..patterns {
            let shelf = self.shelf_by_pattern(number);
            let probe = self.page(shelf + self.shelves() * (together - 1));
            ensure!(self.pages.contains(&probe).await?, "{probe:?} is not there");
            let begun = Instant::now();
            let done = self.pages.invalidate_pattern(&format!("page:{shelf}:*")).await?;
            latencies[5].add_since(begun);
            ensure!(done.is_done() && !self.pages.contains(&probe).await?, "{probe:?} is left");
        }
        ensure!(self.pages.stats().loads() == 0, "what was asked for was not there");
        Ok(latencies)
    }

    fn batch(&self, batch: u64) -> impl Iterator<Item = Page> {
        (0..BATCH).map(move |number| self.scattered(batch * BATCH + number))
    }
}
