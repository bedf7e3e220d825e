//! What fencing costs a miss with its fill, beside a build of this program without it.
//!
//! Whether there is a fence is fixed when the program is built, for a switch would be looked at on
//! the way of every call. So two processes work in turns, each told over a pipe how often; neither
//! does anything while the other works.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tiers::prelude::*;
use tiers_benches::{Contestant, Effort, Group, Row, Run};
#[cfg(any(feature = "redis", feature = "postgres"))]
use tiers_servers::{Kind, Life};

use super::failures::{Failures, figure};
use super::rows::VALUE_BYTES;

pub(super) const GROUP: Group = Group { name: "fencing", measure };

/// Names the build without fences; `cargo xtask bench` makes it.
const UNFENCED: &str = "TIERS_BENCH_UNFENCED";

/// Where entries are kept, of how many times the time at most, and what makes a place for each side.
type Start = fn() -> anyhow::Result<Place>;

const STORAGES: &[(&str, f64, Start)] = &[
    #[cfg(feature = "redis")]
    ("redis", 1.1, || on_server(Kind::Redis)),
    ("sqlite", 1.1, in_files),
    #[cfg(feature = "postgres")]
    ("postgres", 1.2, || on_server(Kind::Postgres)),
];

/// A place of the same kind for each side, for as long as this lives.
struct Place {
    urls: [String; 2],
    #[allow(dead_code, reason = "held while it is used")]
    alive: Box<dyn std::any::Any>,
}

/// One server with nothing else to do while one of them works; each has its own.
#[cfg(any(feature = "redis", feature = "postgres"))]
fn on_server(kind: Kind) -> anyhow::Result<Place> {
    let servers = [kind.start(Life::Guarded)?, kind.start(Life::Guarded)?];
    let urls = servers.each_ref().map(|server| server.url().to_owned());
    Ok(Place { urls, alive: Box::new(servers) })
}

fn in_files() -> anyhow::Result<Place> {
    let folder = tempfile::tempdir().context("no folder")?;
    let urls = ["on", "off"]
        .map(|side| format!("sqlite://{}", folder.path().join(format!("{side}.db")).display()));
    Ok(Place { urls, alive: Box::new(folder) })
}

fn row(storage: &str) -> String {
    format!("fencing_{storage}_miss_and_fill")
}

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let Some(unfenced) = std::env::var_os(UNFENCED) else {
        run.note("fencing: not measured, for there is no build without it; `cargo xtask bench` makes one");
        return Ok(());
    };
    let own = std::env::current_exe()?.into_os_string();
    for (storage, bound, start) in STORAGES {
        let name = row(storage);
        if !run.wants(&[&name]) {
            continue;
        }
        let place = start().with_context(|| format!("no place for {storage}"))?;
        let on = Other::start(&own, &place.urls[0])?;
        let off = Other::start(&unfenced, &place.urls[1])?;
        let expected = [(&on, true), (&off, false)];
        // To see that everything runs, any program does.
        let is_tiny = run.effort() == Effort::TINY;
        if let Some((other, _)) = expected.iter().find(|(other, fenced)| other.fenced != *fenced)
            && !is_tiny
        {
            bail!("{UNFENCED}: a build of the wrong kind (fenced: {})", other.fenced);
        }
        let failures = Failures::default();
        let (on, off) = (RefCell::new(on), RefCell::new(off));
        let by = |other: &RefCell<Other>, iterations| {
            failures.kept(other.borrow_mut().ask(iterations));
        };
        let mut contestants = [
            Contestant::new("fenced", |iterations| by(&on, iterations)).waiting(),
            Contestant::new("not fenced", |iterations| by(&off, iterations)).waiting(),
            Contestant::probe(),
        ];
        let effort = run.effort();
        let effort = Effort { turn: effort.turn * 4, repetitions: (effort.repetitions * 2) | 1 };
        let effort = if is_tiny { Effort::TINY } else { effort };
        let what = format!("a miss and its fill, one in flight, {storage}");
        let measured = run.interleaved_with(effort, &what, &mut contestants);
        drop(contestants);
        failures.check()?;
        for other in [on, off] {
            other.into_inner().end()?;
        }
        let factor = figure(measured.ratio("fenced", "not fenced"))?;
        run.report(&Row::at_most(name, factor, *bound, "x"))?;
    }
    Ok(())
}

/// What another process is to do: miss and fill at this place, as often as it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    url: String,
}

/// What the other process says when it is ready.
const FENCED: &str = "fenced";
const NOT_FENCED: &str = "not fenced";

/// In the other process: reads how many misses are wanted, makes them, and says so.
pub(super) fn carry_out(task: &Task) -> anyhow::Result<()> {
    // One thread: what another one of this process would do meanwhile is no part of it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (cache, articles) = runtime.block_on(open(&task.url))?;
    println!("{}", if cfg!(fencing_off) { NOT_FENCED } else { FENCED });
    let mut missed = 0_u64;
    for line in std::io::stdin().lines() {
        let count: u64 = line?.trim().parse().context("no number")?;
        runtime.block_on(async {
            for _ in 0..count {
                missed += 1;
                articles.get(&DynamicNode::new(format!("article:{missed}"))).await?;
            }
            anyhow::Ok(())
        })?;
        println!("{count}");
    }
    let fills = articles.stats().tier("storage").map_or(0, |tier| tier.fills);
    ensure!(fills == missed, "{fills} fills of {missed} misses");
    runtime.block_on(cache.close())?;
    Ok(())
}

async fn open(url: &str) -> anyhow::Result<(Cache, Handle<DynamicNode>)> {
    let cache =
        Cache::builder().prefix("bench").storage("storage", tiers::open(url).await?).build()?;
    let definition = NodeDefinition::new("Article", "article:{id}")
        .tier(TierDefinition::new("storage").ttl(Duration::from_secs(3_600)));
    let value = Bytes::from(vec![7; VALUE_BYTES]);
    let source = source_fn(move |_: DynamicNode| {
        let value = value.clone();
        async move { Ok::<_, LoadError>(value) }
    });
    let articles = cache.bind_as::<DynamicNode>(definition, source)?;
    Ok((cache, articles))
}

/// Another process.
struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    fenced: bool,
}

impl Other {
    fn start(program: &OsString, url: &str) -> anyhow::Result<Self> {
        let task = super::Task::Fencing(Task { url: url.to_owned() });
        let mut child = Command::new(program)
            .arg("--task")
            .arg(serde_json::to_string(&task)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take().context("no input")?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let fenced = match line.trim_end() {
            FENCED => true,
            NOT_FENCED => false,
            other => bail!("another process is not ready: `{other}`"),
        };
        Ok(Self { child, input, output, fenced })
    }

    fn ask(&mut self, iterations: u64) -> anyhow::Result<()> {
        writeln!(self.input, "{iterations}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.trim_end() == iterations.to_string(), "another process said `{line}`");
        Ok(())
    }

    /// Lets it look at what it has done.
    fn end(mut self) -> anyhow::Result<()> {
        drop(self.input);
        ensure!(self.child.wait()?.success(), "another process failed");
        Ok(())
    }
}
