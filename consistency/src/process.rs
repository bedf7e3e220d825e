//! One process: its cache over tiers that others share, and the operations that it carries out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use tiers::backplane::Backplane;
use tiers::cache::{Backend, Cache, Invalidation};
use tiers::error::Error;
use tiers::handle::Handle;
use tiers::node::NodeDefinition;
use tiers::policy::write_behind::Destination;
use tiers::source::{LoadError, Loaded};

use crate::document::{
    CHAINS, Document, DocumentNode, KEYS, OWNED_FROM, group_label, group_of, tier,
};
use crate::history::{Event, Place, Recorder, now_ns};
use crate::schedule::{Operation, operations};
use crate::source::Source;

/// How many tasks of a process work at once.
const TASKS: usize = 8;
/// How many operations a process does between two reports.
const REPORT_EVERY: u64 = 50;
/// How often a process tells that it is there.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// How long a process believes its memory while it hears nothing.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// How long a process waits for a server at its start.
const AWAY_FOR: Duration = Duration::from_secs(30);
/// How long a process waits for one operation before it says that the cache hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// What a process has to know.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Which of the processes it is
    #[arg(long)]
    pub(crate) process: usize,
    /// How many processes there are
    #[arg(long)]
    pub(crate) processes: usize,
    /// How often it was started before
    #[arg(long)]
    pub(crate) life: u32,
    /// What the schedule follows from
    #[arg(long)]
    pub(crate) seed: u64,
    /// How many operations it does
    #[arg(long)]
    pub(crate) operations: u64,
    /// Where the source of truth listens
    #[arg(long)]
    pub(crate) source: String,
    /// The URL of Redis
    #[arg(long)]
    pub(crate) redis: String,
    /// The URL of PostgreSQL
    #[arg(long)]
    pub(crate) postgres: String,
    /// Where histories and files lie
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

/// A process at work.
struct Process {
    options: Options,
    recorder: Recorder,
    source: Arc<Source>,
    cache: Cache,
    /// By chain: its documents, and beside them what looks into each of its shared tiers alone.
    chains: Vec<Documents>,
    /// One at a time sets a key, as it must be where the last to arrive stays.
    setting: Vec<tokio::sync::Mutex<()>>,
    left: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

struct Documents {
    handle: Handle<DocumentNode>,
    looks: Vec<(&'static str, Handle<DocumentNode>)>,
}

/// Works until the operations are done.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let process = Arc::new(Process::open(options).await?);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let process = Arc::clone(&process);
            tokio::spawn(async move { process.work(task).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    process.finish().await
}

/// Reads every document of every chain, and looks into every shared tier: nothing else happens.
pub(crate) async fn audit(options: Options) -> anyhow::Result<()> {
    let process = Process::open(options).await?;
    for chain in 0..CHAINS.len() {
        for key in 0..KEYS {
            let place = Place { chain, key };
            process.look(place).await;
            let _ = process.get(place).await;
        }
    }
    process.finish().await
}

impl Process {
    async fn open(options: Options) -> anyhow::Result<Self> {
        let recorder = Recorder::create(&options.folder, options.process, options.life)?;
        let source = Arc::new(Source::new(options.source.clone()));
        let cache = open_cache(&options, &tier_names()).await?;
        let mut chains = Vec::new();
        for (at, chain) in CHAINS.iter().enumerate() {
            let handle = bind(&cache, chain.whole(), &options, &source)?;
            let mut looks = Vec::new();
            for name in chain.shared() {
                // A cache of its own sees the tier as it is, whatever this process keeps from it.
                let alone = open_cache(&options, &[name]).await?;
                let definition = CHAINS[at].definition([name].into_iter());
                looks.push((name, bind(&alone, definition, &options, &source)?));
            }
            chains.push(Documents { handle, looks });
        }
        Ok(Self {
            left: AtomicU64::new(options.operations),
            setting: (0..CHAINS.len() * KEYS).map(|_| tokio::sync::Mutex::default()).collect(),
            options,
            recorder,
            source,
            cache,
            chains,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    async fn work(&self, task: usize) -> anyhow::Result<()> {
        let Options { seed, process, life, processes, .. } = self.options;
        let mut operations = operations(seed, process, life, task, processes);
        while self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            let Some(operation) = operations.next() else { break };
            match tokio::time::timeout(HANGS_AFTER, self.carry_out(&operation)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => anyhow::bail!("{operation:?} hangs"),
            }
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(REPORT_EVERY) {
                self.source.did(process, REPORT_EVERY).await?;
                self.recorder.flush()?;
            }
        }
        Ok(())
    }

    async fn carry_out(&self, operation: &Operation) -> anyhow::Result<()> {
        match operation {
            Operation::Get(place) => self.get(*place).await,
            Operation::GetMany { chain, keys } => self.get_many(*chain, keys).await,
            Operation::Abandon { place, after_us } => {
                let read = self.get(*place);
                let _ = tokio::time::timeout(Duration::from_micros(*after_us), read).await;
                Ok(())
            }
            Operation::Refresh(place) => {
                let began = now_ns();
                let answer = self.handle(*place).refresh(&DocumentNode(*place)).await;
                self.record_read(began, *place, answer)
            }
            Operation::Look(place) => {
                self.look(*place).await;
                Ok(())
            }
            Operation::Invalidate(place) => {
                let version = self.newer(*place).await?;
                let began = now_ns();
                let done = self.handle(*place).invalidate(&DocumentNode(*place)).await?;
                self.record_done(began, &done, vec![(*place, version)]);
                Ok(())
            }
            Operation::Expire(place) => {
                let version = self.newer(*place).await?;
                let began = now_ns();
                let done = self.handle(*place).expire(&DocumentNode(*place)).await?;
                self.record_done(began, &done, vec![(*place, version)]);
                Ok(())
            }
            Operation::InvalidateGroup { chain, group } => {
                let keys = (0..OWNED_FROM).filter(|key| group_of(*key) == *group);
                let versions = self.change(*chain, keys.step_by(2)).await?;
                let began = now_ns();
                let done = self.cache.invalidate_tag(&group_label(*chain, *group)).await?;
                self.record_done(began, &done, versions);
                Ok(())
            }
            Operation::InvalidatePattern { chain, digit } => {
                let keys = (0..OWNED_FROM).filter(|key| key % 10 == *digit);
                let versions = self.change(*chain, keys.step_by(2)).await?;
                let pattern = format!("{}:*{digit}", CHAINS[*chain].name);
                let began = now_ns();
                let done = self.chains[*chain].handle.invalidate_pattern(&pattern).await?;
                self.record_done(began, &done, versions);
                Ok(())
            }
            Operation::Clear(place) => {
                let version = self.newer(*place).await?;
                let began = now_ns();
                let done = self.handle(*place).clear().await?;
                self.record_done(began, &done, vec![(*place, version)]);
                Ok(())
            }
            Operation::Update(place) => self.update(*place).await,
            Operation::Queue { place, flush } => self.queue(*place, *flush).await,
            Operation::Set(place) => {
                let _one = self.setting[place.chain * KEYS + place.key].lock().await;
                let version = self.source.write(*place).await?;
                let document = Document::new(*place, version);
                let began = now_ns();
                self.handle(*place).set(&DocumentNode(*place), document).await?;
                self.record_change(began, *place, version);
                Ok(())
            }
        }
    }

    fn handle(&self, place: Place) -> &Handle<DocumentNode> {
        &self.chains[place.chain].handle
    }

    async fn get(&self, place: Place) -> anyhow::Result<()> {
        let began = now_ns();
        let answer = self.handle(place).get(&DocumentNode(place)).await;
        self.record_read(began, place, answer)
    }

    async fn get_many(&self, chain: usize, keys: &[usize]) -> anyhow::Result<()> {
        let nodes: Vec<_> = keys.iter().map(|&key| DocumentNode(Place { chain, key })).collect();
        let began = now_ns();
        let answers = self.chains[chain].handle.get_many(&nodes).await;
        for (node, answer) in nodes.iter().zip(answers) {
            self.record_read(began, node.0, answer)?;
        }
        Ok(())
    }

    async fn look(&self, place: Place) {
        for (tier, handle) in &self.chains[place.chain].looks {
            let began = now_ns();
            // A tier that cannot be reached holds nothing that anybody could see.
            if let Ok(Some(document)) = handle.peek(&DocumentNode(place)).await
                && self.is_whole(place, &document)
            {
                let tier = (*tier).to_owned();
                let version = document.version;
                let ended = now_ns();
                self.recorder.record(&Event::Held { began, ended, tier, place, version });
            }
        }
    }

    /// The version that an invalidation promises: a new one, or the one there is where a process of its
    /// own gives them to the source.
    async fn newer(&self, place: Place) -> anyhow::Result<u64> {
        match CHAINS[place.chain].later {
            Some(Destination::Source) => self.source.read(place).await,
            Some(Destination::Storages) | None => self.source.write(place).await,
        }
    }

    /// Has a new version written later. What is noted of it is on disk before it may be lost.
    async fn queue(&self, place: Place, flush: bool) -> anyhow::Result<()> {
        let _one = self.setting[place.chain * KEYS + place.key].lock().await;
        let (node, handle) = (DocumentNode(place), self.handle(place));
        if CHAINS[place.chain].later != Some(Destination::Source) {
            let version = self.source.write(place).await?;
            self.recorder.record(&Event::Brings { place, version });
            self.recorder.flush()?;
            let accepted = handle.write_behind(&node, Document::new(place, version)).await;
            self.recorder.record(&match accepted {
                Ok(()) => Event::Brought { at: now_ns(), place, version },
                Err(_) => Event::NotBrought { place, version },
            });
            self.recorder.flush()?;
            accepted?;
            if flush {
                let _ = handle.flush_node(&node).await?;
            }
            return Ok(());
        }
        let version = self.source.draw(place).await?;
        let began = now_ns();
        handle.write_behind(&node, Document::new(place, version)).await?;
        let at = now_ns();
        self.recorder.record(&Event::Accepted { at, place, version });
        self.recorder.flush()?;
        if CHAINS[place.chain].is_left_alone(place.key) {
            self.recorder.record(&Event::OwnDone { began, at, place, version });
        }
        if flush && handle.flush_node(&node).await?.is_complete() {
            self.recorder.record(&Event::Flushed { place, version });
        }
        Ok(())
    }

    /// Makes new versions of some keys.
    async fn change(
        &self,
        chain: usize,
        keys: impl Iterator<Item = usize>,
    ) -> anyhow::Result<Vec<(Place, u64)>> {
        let mut versions = Vec::new();
        for key in keys {
            let place = Place { chain, key };
            versions.push((place, self.newer(place).await?));
        }
        Ok(versions)
    }

    async fn update(&self, place: Place) -> anyhow::Result<()> {
        let source = Arc::clone(&self.source);
        let change = move || async move {
            let version = source.write(place).await.map_err(told)?;
            Ok::<_, LoadError>(Document::new(place, version))
        };
        let began = now_ns();
        let answer = self.handle(place).update(&DocumentNode(place), change).await?;
        if let Some(document) = answer {
            self.record_change(began, place, document.version);
        }
        Ok(())
    }

    fn record_done(&self, began: u64, done: &Invalidation, versions: Vec<(Place, u64)>) {
        if done.is_done() && !versions.is_empty() {
            self.recorder.record(&Event::Done { began, at: now_ns(), versions });
        }
    }

    /// A change is told to be done although a nearer shared tier could not be reached: where there
    /// is one, only its own process is promised something.
    fn record_change(&self, began: u64, place: Place, version: u64) {
        let at = now_ns();
        self.recorder.record(&if CHAINS[place.chain].shared().count() > 1 {
            Event::OwnDone { began, at, place, version }
        } else {
            Event::Done { began, at, versions: vec![(place, version)] }
        });
    }

    fn record_read(
        &self,
        began: u64,
        place: Place,
        answer: Result<Arc<Document>, Error>,
    ) -> anyhow::Result<()> {
        let document = answer?;
        if self.is_whole(place, &document) {
            let version = document.version;
            self.recorder.record(&Event::Read { began, ended: now_ns(), place, version });
        }
        Ok(())
    }

    fn is_whole(&self, place: Place, document: &Document) -> bool {
        match document.problem(place) {
            None => true,
            Some(what) => {
                self.recorder.record(&Event::Torn { place, what });
                false
            }
        }
    }

    async fn finish(&self) -> anyhow::Result<()> {
        let operations = self.done.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        self.recorder.record(&Event::Tally { operations, failed });
        self.recorder.flush().context("the history cannot be written")?;
        self.source.did(self.options.process, operations % REPORT_EVERY).await?;
        // What is pending is lost with the process, as the documentation says.
        if self.cache.close().await.is_ok() {
            self.recorder.record(&Event::Closed);
            self.recorder.flush().context("the history cannot be written")?;
        }
        Ok(())
    }
}

fn tier_names() -> Vec<&'static str> {
    vec![tier::MEMORY, tier::OWN_FILE, tier::FILE, tier::REDIS, tier::POSTGRES]
}

/// Opens a tier whose server may be away just now.
async fn open_tier(name: &str, url: &str) -> anyhow::Result<Backend> {
    let begun = Instant::now();
    loop {
        match tiers::open(url).await {
            Ok(backend) => return Ok(backend),
            Err(_) if begun.elapsed() < AWAY_FOR => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open {name}")),
        }
    }
}

async fn open_cache(options: &Options, tiers: &[&'static str]) -> anyhow::Result<Cache> {
    let mut builder = Cache::builder().prefix(format!("run-{}", options.seed));
    if tiers.contains(&tier::REDIS) && tiers.contains(&tier::MEMORY) {
        let backplane = Backplane::on(tier::REDIS).heartbeat(HEARTBEAT).silent_after(SILENT_AFTER);
        builder = builder.backplane(backplane);
    }
    for name in tiers {
        let in_folder = |file: String| {
            format!(
                "sqlite:///{}",
                options.folder.join(file).display().to_string().trim_start_matches('/')
            )
        };
        let url = match *name {
            tier::MEMORY => "memory://adaptive?max_entries=200".to_owned(),
            tier::OWN_FILE => in_folder(format!("own-{}.db", options.process)),
            tier::FILE => in_folder("shared.db".to_owned()),
            tier::REDIS => options.redis.clone(),
            _ => options.postgres.clone(),
        };
        builder = builder.storage(*name, open_tier(name, &url).await?);
    }
    Ok(builder.build()?)
}

fn bind(
    cache: &Cache,
    definition: NodeDefinition,
    options: &Options,
    source: &Arc<Source>,
) -> anyhow::Result<Handle<DocumentNode>> {
    let (process, life) = (options.process, options.life);
    Ok(cache.bind_as(definition, Documented { source: Arc::clone(source), process, life })?)
}

/// The source of truth as the source of a cache.
struct Documented {
    source: Arc<Source>,
    process: usize,
    life: u32,
}

impl tiers::source::Source<DocumentNode> for Documented {
    async fn load(&self, node: &DocumentNode) -> Result<Loaded<Document>, LoadError> {
        let version = self.source.read(node.0).await.map_err(told)?;
        // What was read gets older while it is on its way.
        if fastrand::bool() {
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..4000))).await;
        }
        Ok(Loaded::new(Document::new(node.0, version)))
    }

    async fn store(&self, node: &DocumentNode, document: &Document) -> Result<(), LoadError> {
        let stored = self.source.store(node.0, document.version, self.process, self.life);
        stored.await.map_err(told)
    }
}

fn told(error: anyhow::Error) -> LoadError {
    LoadError::message(format!("{error:#}"))
}
