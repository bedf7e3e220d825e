//! Reads line, word and SHA-256 figures of every file in a folder through memory and SQLite, or any
//! other tiers, to their source, three times: cold, warm, and reopened.
//!
//! ```text
//! cargo run --release --example quickstart [DIR] [--database FILE] [--tier URL].. [--json]
//! cargo run --release -p tiers --features redis --example quickstart -- --tier memory --tier redis://127.0.0.1
//! ```

#[path = "quickstart/chain.rs"]
mod chain;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Parser;
use comfy_table::Table;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tiers::node::TierDefinition;
use tiers::prelude::*;
use tiers::stats::NodeStats;
use walkdir::WalkDir;

use chain::Chain;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Reads figures of files through memory -> SQLite -> computing them.
#[derive(Parser)]
struct Arguments {
    /// The folder to read; by default this repository.
    directory: Option<PathBuf>,
    /// Keeps the database in this file, so that a later run finds what this one leaves.
    #[arg(long, conflicts_with = "tier")]
    database: Option<PathBuf>,
    /// A tier by its URL, the nearest first: `memory`, `sqlite://cache.db`, `redis://127.0.0.1`, ..
    /// The run has a prefix of its own there, and leaves nothing behind.
    #[arg(long, value_name = "URL")]
    tier: Vec<String>,
    /// Prints one JSON object per pass instead of tables.
    #[arg(long)]
    json: bool,
}

/// What is known about a file's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FileFigures {
    lines: u64,
    words: u64,
    bytes: u64,
    sha256: String,
}

/// A file as it is now: when its size or modification time changes, it is another node.
#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "file:{path}:{size}:{modified_ns}", value = FileFigures, version = "v1",
       tags("files"), tiers(memory(ttl = "10m"), sqlite(ttl = "30d")))]
struct FileNode {
    /// The file's path, hashed: a path can be longer than a key, and need not be text.
    path: String,
    size: u64,
    modified_ns: u128,
}

/// Computes figures; knows which path each node stands for.
struct Files {
    paths: std::collections::HashMap<FileNode, PathBuf>,
}

impl Source<FileNode> for Files {
    async fn load(&self, node: &FileNode) -> Result<Loaded<FileFigures>, LoadError> {
        let path = self.paths.get(node).cloned().ok_or_else(|| LoadError::message("not listed"))?;
        let figures = tokio::task::spawn_blocking(move || compute(&path)).await??;
        Ok(Loaded::new(figures))
    }
}

fn compute(path: &Path) -> std::io::Result<FileFigures> {
    let content = std::fs::read(path)?;
    let hash = Sha256::digest(&content);
    Ok(FileFigures {
        lines: content.iter().filter(|byte| **byte == b'\n').count() as u64,
        words: content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count()
            as u64,
        bytes: content.len() as u64,
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// What one pass over all files gave.
struct Pass {
    name: &'static str,
    /// Hits by tier, in the order of the chain.
    hits: Vec<u64>,
    source: u64,
    errors: u64,
    hit_rate: f64,
    latency_ns: Histogram<u64>,
    elapsed: Duration,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let directory = arguments
        .directory
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .canonicalize()?;
    // Removed when the program ends; a database that was asked for stays.
    let folder = tempfile::tempdir()?;
    let database = arguments.database.clone().unwrap_or_else(|| folder.path().join("cache.db"));
    let chain = match &arguments.tier[..] {
        [] => Chain::of_file(&database),
        urls => Chain::of_urls(urls),
    };
    let nodes = list(&directory, &database)?;
    let show = !arguments.json;
    if show {
        println!("{} files under {}", nodes.len(), directory.display());
        if arguments.tier.is_empty() {
            println!("database: {}\n", database.display());
        } else {
            println!("tiers: {}\n", chain.names().join(" -> "));
        }
    }

    let (cache, files) = open(&chain, &nodes).await?;
    let mut passes = Vec::new();
    for (number, name) in ["cold", "warm"].into_iter().enumerate() {
        let pass = read_all(&chain, &files, &nodes, name, show).await?;
        report_json(&arguments, &chain, number + 1, &pass)?;
        passes.push(pass);
    }
    cache.close().await?;

    let (cache, files) = open(&chain, &nodes).await?;
    let pass = read_all(&chain, &files, &nodes, "reopened", show).await?;
    report_json(&arguments, &chain, 3, &pass)?;
    passes.push(pass);
    if show {
        println!("{}", table(&chain, &passes));
        print_totals(&files, &nodes).await;
    }
    if chain.is_for_one_run() {
        // What a tier out of reach keeps has its TTL.
        let _ = cache.clear().await?;
    }
    cache.close().await?;
    Ok(())
}

/// Opens the chain, and binds the node type to it instead of the tiers that it names itself.
async fn open(
    chain: &Chain,
    nodes: &[(FileNode, PathBuf)],
) -> Result<(Cache, Handle<FileNode>), AnyError> {
    let cache = chain.open().await?;
    let mut definition = FileNode::definition();
    if chain.is_for_one_run() {
        definition = definition.tiers(chain.names().iter().copied().map(TierDefinition::new));
    }
    let source = Files { paths: nodes.iter().cloned().collect() };
    let files = cache.bind_as::<FileNode>(definition, source)?;
    Ok((cache, files))
}

/// Every file below `directory`, without `.git`, `target` and the database itself; symbolic links
/// are not followed.
fn list(directory: &Path, database: &Path) -> Result<Vec<(FileNode, PathBuf)>, AnyError> {
    let mut nodes = Vec::new();
    let kept = |entry: &walkdir::DirEntry| {
        let skipped =
            entry.depth() > 0 && (entry.file_name() == ".git" || entry.file_name() == "target");
        !(skipped && entry.file_type().is_dir())
    };
    let database = database.canonicalize().unwrap_or_else(|_| database.to_path_buf());
    for entry in WalkDir::new(directory).into_iter().filter_entry(kept) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                eprintln!("passed over: {error}");
                continue;
            }
        };
        let is_database = entry.path().to_string_lossy().starts_with(&*database.to_string_lossy());
        if !entry.file_type().is_file() || is_database {
            continue;
        }
        let metadata = entry.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = Sha256::digest(entry.path().as_os_str().as_encoded_bytes());
        let node = FileNode {
            path: path.iter().map(|byte| format!("{byte:02x}")).collect(),
            size: metadata.len(),
            modified_ns: modified.as_nanos(),
        };
        nodes.push((node, entry.into_path()));
    }
    Ok(nodes)
}

async fn read_all(
    chain: &Chain,
    files: &Handle<FileNode>,
    nodes: &[(FileNode, PathBuf)],
    name: &'static str,
    show: bool,
) -> Result<Pass, AnyError> {
    let before = files.stats();
    let progress = progress(nodes.len(), show)?;
    progress.set_message(name);
    let mut latency_ns = Histogram::new_with_max(60_000_000_000, 3)?;
    let started = Instant::now();
    let mut errors = 0;
    for (node, path) in nodes {
        let asked = Instant::now();
        if let Err(error) = files.get(node).await {
            errors += 1;
            progress.suspend(|| eprintln!("{}: {error}", path.display()));
        }
        latency_ns.saturating_record(u64::try_from(asked.elapsed().as_nanos())?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let after = files.stats();
    let hits = |stats: &NodeStats, tier: &str| stats.tier(tier).map_or(0, |tier| tier.hits);
    let since = |tier: &str| hits(&after, tier) - hits(&before, tier);
    let hits: Vec<u64> = chain.names().into_iter().map(since).collect();
    let found: u64 = hits.iter().sum();
    Ok(Pass {
        name,
        hits,
        source: after.loads_succeeded - before.loads_succeeded,
        errors,
        hit_rate: found as f64 / (nodes.len().max(1)) as f64,
        latency_ns,
        elapsed: started.elapsed(),
    })
}

fn progress(count: usize, show: bool) -> Result<ProgressBar, AnyError> {
    if !show || !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{msg:>9} [{wide_bar}] {pos}/{len} {per_sec}")?;
    Ok(ProgressBar::new(count as u64).with_style(style))
}

fn microseconds(pass: &Pass, quantile: f64) -> f64 {
    pass.latency_ns.value_at_quantile(quantile) as f64 / 1000.0
}

fn report_json(
    arguments: &Arguments,
    chain: &Chain,
    number: usize,
    pass: &Pass,
) -> Result<(), AnyError> {
    if arguments.json {
        let mut object = serde_json::json!({
            "pass": number,
            "source": pass.source,
            "errors": pass.errors,
            "p50_us": microseconds(pass, 0.50),
            "p99_us": microseconds(pass, 0.99),
        });
        for (tier, hits) in chain.names().into_iter().zip(&pass.hits) {
            object[tier] = (*hits).into();
        }
        println!("{}", serde_json::to_string(&object)?);
    }
    Ok(())
}

fn table(chain: &Chain, passes: &[Pass]) -> Table {
    let mut table = Table::new();
    let figures = ["source", "errors", "hit rate", "p50 us", "p99 us", "total"];
    table.set_header(["pass"].into_iter().chain(chain.names()).chain(figures));
    for pass in passes {
        let figures = [
            pass.source.to_string(),
            pass.errors.to_string(),
            format!("{:.1} %", pass.hit_rate * 100.0),
            format!("{:.1}", microseconds(pass, 0.50)),
            format!("{:.1}", microseconds(pass, 0.99)),
            format!("{:.1?}", pass.elapsed),
        ];
        let hits = pass.hits.iter().map(u64::to_string);
        table.add_row([pass.name.to_owned()].into_iter().chain(hits).chain(figures));
    }
    table
}

async fn print_totals(files: &Handle<FileNode>, nodes: &[(FileNode, PathBuf)]) {
    let keys: Vec<FileNode> = nodes.iter().map(|(node, _)| node.clone()).collect();
    let figures: Vec<Arc<FileFigures>> =
        files.get_many(&keys).await.into_iter().flatten().collect();
    let sum = |of: fn(&FileFigures) -> u64| figures.iter().map(|figures| of(figures)).sum::<u64>();
    println!(
        "\n{} lines, {} words, {} bytes in {} files",
        sum(|figures| figures.lines),
        sum(|figures| figures.words),
        sum(|figures| figures.bytes),
        figures.len(),
    );
    if let Some((file, (_, path))) = figures.iter().zip(nodes).max_by_key(|(file, _)| file.lines) {
        println!(
            "most lines: {} ({}, sha256 {}..)",
            path.display(),
            file.lines,
            &file.sha256[..12]
        );
    }
}
