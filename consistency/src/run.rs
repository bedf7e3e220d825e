//! One run: servers, processes and faults, and at the end the check of what was seen.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tiers_servers::{Postgres, Proxy, Redis};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::checker::{Verdict, check};
use crate::document::{CHAINS, KEYS};
use crate::history::{Recorder, read_all};
use crate::schedule::{Fault, Remote, TimedFault, faults};
use crate::source::Truth;

/// How long after a run's last operation everybody may still hear of it.
const QUIET: Duration = Duration::from_secs(1);

/// The servers, each behind a proxy that can be told to fail.
pub(crate) struct Servers {
    redis: Redis,
    postgres: Postgres,
    to_redis: Proxy,
    to_postgres: Proxy,
}

/// What a run is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) operations: u64,
    pub(crate) processes: usize,
    pub(crate) with_faults: bool,
    pub(crate) bound: Duration,
}

impl Servers {
    /// Starts them; takes some seconds.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let redis = Redis::start()?;
        let postgres = Postgres::start()?;
        let to_redis = Proxy::to(redis.port())?;
        let to_postgres = Proxy::to(postgres.port())?;
        Ok(Self { redis, postgres, to_redis, to_postgres })
    }

    fn urls(&self) -> (String, String) {
        let redis = format!("redis://127.0.0.1:{}?timeout=1s", self.to_redis.port());
        let postgres = format!(
            "postgres://postgres@127.0.0.1:{}/postgres?timeout=1s&pool_size=6&create=true",
            self.to_postgres.port()
        );
        (redis, postgres)
    }

    fn proxy(&self, remote: Remote) -> &Proxy {
        match remote {
            Remote::Redis => &self.to_redis,
            Remote::Postgres => &self.to_postgres,
        }
    }

    fn restart(&self, remote: Remote) -> anyhow::Result<()> {
        match remote {
            Remote::Redis => {
                self.redis.kill()?;
                self.redis.restart()
            }
            Remote::Postgres => {
                self.postgres.kill()?;
                self.postgres.restart()
            }
        }
    }
}

/// The processes of a run.
struct Processes {
    plan: Plan,
    arguments: Vec<String>,
    children: Vec<Option<Child>>,
    lives: Vec<u32>,
}

impl Processes {
    fn start(&mut self, process: usize, operations: u64, what: &str) -> anyhow::Result<()> {
        let own = [
            ("--process", process.to_string()),
            ("--life", self.lives[process].to_string()),
            ("--operations", operations.to_string()),
        ];
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(what).args(&self.arguments);
        for (name, value) in own {
            command.arg(name).arg(value);
        }
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
        self.children[process] = Some(child.context("cannot start a process")?);
        self.lives[process] += 1;
        Ok(())
    }

    fn share(&self, process: usize) -> u64 {
        let processes = self.plan.processes as u64;
        self.plan.operations / processes
            + u64::from((process as u64) < self.plan.operations % processes)
    }

    /// Kills one and starts it again with what it has left; one that has ended is left alone.
    async fn kill(&mut self, process: usize, truth: &Truth) -> anyhow::Result<()> {
        let Some(child) = &mut self.children[process] else { return Ok(()) };
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        child.kill().await?;
        let left = self.share(process).saturating_sub(truth.done_by(process));
        self.start(process, left, "process")
    }

    /// Whether all have ended. One that failed is an error.
    fn have_ended(&mut self) -> anyhow::Result<bool> {
        let mut all = true;
        for (process, child) in self.children.iter_mut().enumerate() {
            let Some(running) = child else { continue };
            match running.try_wait()? {
                None => all = false,
                Some(status) if status.success() => *child = None,
                Some(status) => bail!("process {process} failed: {status}"),
            }
        }
        Ok(all)
    }
}

/// Runs, and checks what was seen. Histories lie in `folder`, which has to be empty.
pub(crate) async fn run(plan: Plan, servers: &Servers, folder: &Path) -> anyhow::Result<Verdict> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let source = listener.local_addr()?.to_string();
    let recorder = Recorder::of_source(folder)?;
    let truth = Arc::new(Truth::new(CHAINS.len(), KEYS, plan.processes + 1, recorder));
    let serving = tokio::spawn(Arc::clone(&truth).serve(listener));
    let (redis, postgres) = servers.urls();
    let arguments = [
        ("--seed", plan.seed.to_string()),
        ("--processes", plan.processes.to_string()),
        ("--source", source),
        ("--redis", redis),
        ("--postgres", postgres),
        ("--folder", folder.display().to_string()),
    ];
    let mut processes = Processes {
        plan,
        arguments: arguments
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect(),
        // The last place is for the audit.
        children: (0..=plan.processes).map(|_| None).collect(),
        lives: vec![0; plan.processes + 1],
    };
    for process in 0..plan.processes {
        processes.start(process, processes.share(process), "process")?;
    }
    let mut to_come = if plan.with_faults {
        faults(plan.seed, plan.operations, plan.processes)
    } else {
        Vec::new()
    };
    to_come.reverse();
    while !processes.have_ended()? {
        let due = to_come.pop_if(|timed: &mut TimedFault| timed.after <= truth.done());
        match due {
            Some(timed) => suffer(timed.fault, servers, &mut processes, &truth).await?,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    tokio::time::sleep(plan.bound.max(QUIET)).await;
    processes.start(plan.processes, 0, "audit")?;
    while !processes.have_ended()? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    serving.abort();
    truth.flush()?;
    let verdict = check(&read_all(folder)?, plan.bound);
    Ok(Verdict { operations: truth.done(), ..verdict })
}

async fn suffer(
    fault: Fault,
    servers: &Servers,
    processes: &mut Processes,
    truth: &Truth,
) -> anyhow::Result<()> {
    match fault {
        Fault::KillProcess(process) => processes.kill(process, truth).await?,
        Fault::Stall { server, for_ms } => {
            servers.proxy(server).stall();
            tokio::time::sleep(Duration::from_millis(for_ms)).await;
            servers.proxy(server).resume();
        }
        Fault::Cut(server) => servers.proxy(server).cut(),
        Fault::RestartServer(server) => {
            tokio::task::block_in_place(|| servers.restart(server))?;
        }
    }
    Ok(())
}
