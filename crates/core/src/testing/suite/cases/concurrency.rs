use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::client::Client;
use super::super::failure::Failure;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::key::{Glob, Key, KeyPattern, Tag};
use crate::storage::{InvalidationMode, Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_fill_that_races_with_an_invalidation_does_not_outlive_it),
        case!(a_fill_that_races_with_a_pattern_does_not_outlive_it).exclusive(),
        case!(nothing_older_than_a_returned_invalidation_is_read).exclusive(),
        case!(two_clients_read_nothing_older_than_a_returned_invalidation, SecondClient)
            .exclusive(),
    ]
}

/// Fills what was loaded before an invalidation, again and again while that is carried out.
async fn race_fills(context: &Context, selector: &Selector, key: &Key, tag: &Tag) -> CaseResult {
    for round in 0..20 {
        let client = context.client();
        let stamp = client.stamp(key).await?;
        let mode = match round % 2 {
            0 => InvalidationMode::Remove,
            _ => InvalidationMode::Expire,
        };
        let mut fills = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (client, key) = (client.clone(), key.clone());
            let entry = context.tagged(&key, "loaded before", &[tag]);
            fills.spawn(async move {
                // Bounded, so that a storage that never refuses it fails the case and ends.
                for _ in 0..5_000 {
                    if client.fill(&key, entry.clone(), stamp).await? == Outcome::Fenced {
                        return Ok(());
                    }
                    tokio::task::yield_now().await;
                }
                Err(Failure::new("a fill loaded before an invalidation was never refused"))
            });
        }
        tokio::task::yield_now().await;
        client.storage().invalidate(selector, mode).await?;
        let fresh = client.entry(key).await?.filter(|entry| entry.is_fresh(context.now()));
        ensure!(fresh.is_none(), "there after {selector:?} had returned, in round {round}");
        while let Some(fill) = fills.join_next().await {
            fill??;
        }
        let fresh = client.entry(key).await?.filter(|entry| entry.is_fresh(context.now()));
        ensure!(fresh.is_none(), "there when all fills had ended, in round {round}");
    }
    Ok(())
}

async fn a_fill_that_races_with_an_invalidation_does_not_outlive_it(
    context: Context,
) -> CaseResult {
    let (key, tag) = (context.key("raced")?, context.tag("raced")?);
    let selectors = [
        Selector::Keys(vec![key.clone()]),
        Selector::AnyTag(vec![tag.clone()]),
        Selector::AllTags(vec![tag.clone()]),
    ];
    for selector in selectors {
        race_fills(&context, &selector, &key, &tag).await?;
    }
    Ok(())
}

async fn a_fill_that_races_with_a_pattern_does_not_outlive_it(context: Context) -> CaseResult {
    let (key, tag) = (context.key("raced")?, context.tag("raced")?);
    let pattern = KeyPattern::new(context.prefix(), Glob::parse("race*")?, None);
    let namespace = Selector::Namespace(context.prefix().to_owned());
    for selector in [Selector::Pattern(pattern), namespace] {
        race_fills(&context, &selector, &key, &tag).await?;
    }
    Ok(())
}

const TASKS: usize = 32;
const STEPS: usize = 60;
/// Changed by one task each, by sets; any task may fill and read them.
const OWNED: usize = 4;
/// Changed by any task, by invalidations and updates.
const COMMON: usize = 4;

/// A source whose values are numbers that only grow, and what was promised to readers.
struct World {
    keys: Vec<Key>,
    tags: [Tag; 2],
    prefix: String,
    now: Timestamp,
    /// The source: which number each key has.
    source: Vec<AtomicU64>,
    /// What no reader may find an older number than: raised when a change has returned.
    promised: Vec<AtomicU64>,
}

impl World {
    fn new(context: &Context) -> CaseResult<Self> {
        let keys = context.keys("world", OWNED + COMMON)?;
        let numbers = || keys.iter().map(|_| AtomicU64::new(1)).collect();
        let (source, promised) = (numbers(), keys.iter().map(|_| AtomicU64::new(0)).collect());
        let tags = [context.tag("even")?, context.tag("odd")?];
        let (prefix, now) = (context.prefix().to_owned(), context.now());
        Ok(Self { keys, tags, prefix, now, source, promised })
    }

    /// The entry that says `number`; of the common keys, half bear each tag.
    fn entry(&self, at: usize, number: u64) -> Entry {
        let tags: &[&Tag] = if at < OWNED { &[] } else { &[&self.tags[at % 2]] };
        super::super::client::value(&self.keys[at], &number.to_le_bytes(), tags, self.now)
    }

    fn change(&self, at: usize) -> u64 {
        self.source[at].fetch_add(1, Ordering::SeqCst) + 1
    }

    fn promise(&self, at: usize, number: u64) {
        self.promised[at].fetch_max(number, Ordering::SeqCst);
    }

    /// Reads a key, and fails if what is fresh there is older than what was promised before.
    async fn read(
        &self,
        client: &Client,
        at: usize,
    ) -> CaseResult<(Option<Entry>, crate::fence::Stamp)> {
        let promised = self.promised[at].load(Ordering::SeqCst);
        let lookup = client.look(&self.keys[at]).await?;
        let fresh = lookup.entry.filter(|entry| entry.is_fresh(self.now));
        if let Some(entry) = &fresh {
            let number: [u8; 8] = entry.payload[..]
                .try_into()
                .map_err(|_| Failure::new("a payload that nobody wrote"))?;
            let number = u64::from_le_bytes(number);
            ensure!(
                number >= promised,
                "{} reads {number} after a change to {promised} had returned",
                self.keys[at],
            );
        }
        Ok((fresh, lookup.stamp))
    }

    /// Reads through: what is missing is loaded and filled, with a pause in between.
    async fn read_through(&self, client: &Client, at: usize, pause: usize) -> CaseResult {
        let (found, stamp) = self.read(client, at).await?;
        if found.is_none() {
            let loaded = self.source[at].load(Ordering::SeqCst);
            for _ in 0..pause {
                tokio::task::yield_now().await;
            }
            client.fill(&self.keys[at], self.entry(at, loaded), stamp).await?;
        }
        Ok(())
    }

    async fn renew(&self, client: &Client, at: usize) -> CaseResult {
        if let (Some(entry), _) = self.read(client, at).await? {
            let until = self.now.after(Duration::from_secs(86_400));
            client.touch(&self.keys[at], entry.token, until).await?;
        }
        Ok(())
    }

    async fn set(&self, client: &Client, at: usize) -> CaseResult {
        let number = self.change(at);
        client.set(&self.keys[at], self.entry(at, number)).await?;
        self.promise(at, number);
        Ok(())
    }

    async fn update(&self, client: &Client, at: usize, pause: usize) -> CaseResult {
        let stamp = client.stamp(&self.keys[at]).await?;
        let number = self.change(at);
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
        let outcome = client.update(&self.keys[at], self.entry(at, number), stamp).await?;
        ensure!(
            matches!(outcome, Outcome::Stored | Outcome::Fenced),
            "an update was answered with {outcome:?}",
        );
        self.promise(at, number);
        Ok(())
    }

    /// Changes all that the selector names, and then invalidates it.
    async fn invalidate(
        &self,
        client: &Client,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> CaseResult {
        let named = (OWNED..self.keys.len())
            .filter(|at| selector.selects(&self.keys[*at], &self.entry(*at, 0).tags));
        let changed: Vec<_> = named.map(|at| (at, self.change(at))).collect();
        client.storage().invalidate(selector, mode).await?;
        for (at, number) in changed {
            self.promise(at, number);
        }
        Ok(())
    }

    async fn step(&self, client: &Client, task: usize, random: &mut fastrand::Rng) -> CaseResult {
        let any = random.usize(..self.keys.len());
        let common = random.usize(OWNED..self.keys.len());
        let pause = random.usize(..4);
        let mode = match random.bool() {
            true => InvalidationMode::Remove,
            false => InvalidationMode::Expire,
        };
        let key = || self.keys[common].clone();
        let tag = self.tags[common % 2].clone();
        match random.u32(..100) {
            0..45 => self.read_through(client, any, pause).await,
            45..60 => self.read(client, any).await.map(drop),
            60..68 => self.renew(client, any).await,
            68..76 if task < OWNED => self.set(client, task).await,
            68..76 => self.update(client, common, pause).await,
            76..86 => self.invalidate(client, &Selector::Keys(vec![key()]), mode).await,
            86..92 => self.invalidate(client, &Selector::AnyTag(vec![tag]), mode).await,
            92..96 => self.invalidate(client, &Selector::AllTags(vec![tag]), mode).await,
            _ => {
                // Every name of the common keys, and no owned one, ends in its number.
                let name = self.keys[common].name();
                let glob = Glob::parse(&format!("?{}", &name[1..]))?;
                let pattern = KeyPattern::new(&*self.prefix, glob, None);
                self.invalidate(client, &Selector::Pattern(pattern), mode).await
            }
        }
    }
}

async fn race(world: Arc<World>, clients: &[Client]) -> CaseResult {
    // Gives the same steps again, though not the same interleaving.
    let seed = std::env::var("CACHE_SUITE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (world, client) = (Arc::clone(&world), clients[task % clients.len()].clone());
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed.wrapping_add(task as u64));
            for step in 0..STEPS {
                let stepped = world.step(&client, task, &mut random).await;
                stepped.map_err(|failure| failure.within(format!("task {task}, step {step}")))?;
            }
            CaseResult::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task?.map_err(|failure| failure.within(format!("CACHE_SUITE_SEED={seed}")))?;
    }
    // Nothing moves any more: what is there must be whole, and hold to the last promise.
    for client in clients {
        for at in 0..world.keys.len() {
            world.read(client, at).await.map_err(|failure| failure.within("in the end"))?;
        }
    }
    Ok(())
}

async fn nothing_older_than_a_returned_invalidation_is_read(context: Context) -> CaseResult {
    let world = Arc::new(World::new(&context)?);
    race(world, std::slice::from_ref(context.client())).await
}

async fn two_clients_read_nothing_older_than_a_returned_invalidation(
    context: Context,
) -> CaseResult {
    let world = Arc::new(World::new(&context)?);
    race(world, &[context.client().clone(), context.second_client().await?]).await
}
