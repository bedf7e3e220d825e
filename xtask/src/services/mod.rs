//! `cargo xtask services`: private servers for a person at a keyboard, and for the tests.
//!
//! | module | what is in it |
//! |---|---|
//! | [`record`] | what runs, kept in a file between two commands |
//! | [`for_tests`] | servers that end with the run of the tests |

mod for_tests;
mod record;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use tiers_servers::{Kind, Life, Running};

use crate::packages;
use crate::workspace::{Workspace, choose};

pub(crate) use for_tests::{Servers, kinds_of};
use record::{Record, Service};

/// Start, stop or list private servers on loopback ports
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the servers, all or those named, and print `name URL` of each once all answer
    ///
    /// They run on until `down`; what they print is kept in their folders. As root, what is not
    /// installed is installed first.
    Up {
        /// redis, redis-cluster, redis-sentinel, redis-tls, postgres, mysql, mongodb
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Stop all that `up` started, and nothing else
    Down,
    /// Print what `up` started: `name URL`, or `name ended`
    Status,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    match &options.action {
        Action::Up { names } => up(workspace, names),
        Action::Down => down(workspace),
        Action::Status => status(workspace),
    }
}

fn kinds_named(names: &[String]) -> anyhow::Result<Vec<Kind>> {
    let known = Kind::ALL.map(|kind| kind.name().to_owned());
    let chosen = choose("server", names, &known)?;
    Ok(Kind::ALL.into_iter().filter(|kind| chosen.iter().any(|name| name == kind.name())).collect())
}

fn up(workspace: &Workspace, names: &[String]) -> anyhow::Result<()> {
    let asked = kinds_named(names)?;
    packages::ensure_servers(&asked)?;
    let mut record = Record::load(workspace)?;
    record.services.retain(|service| {
        let runs = service.runs();
        if !runs {
            service.stop();
        }
        runs
    });
    let is_up = |record: &Record, kind: Kind| {
        record.services.iter().any(|service| service.name == kind.name())
    };
    let missing: Vec<_> = asked.iter().copied().filter(|kind| !is_up(&record, *kind)).collect();
    // Each is recorded even if another fails, so that `down` finds it.
    let started = start(&missing, Life::Detached);
    let mut failed = None;
    for result in started {
        match result {
            Ok(running) => record.services.push(Service::of(&running)?),
            Err(error) => failed = Some(error),
        }
    }
    record.save(workspace)?;
    if let Some(error) = failed {
        return Err(error);
    }
    for service in
        record.services.iter().filter(|one| asked.iter().any(|kind| kind.name() == one.name))
    {
        println!("{} {}", service.name, service.url);
    }
    Ok(())
}

fn down(workspace: &Workspace) -> anyhow::Result<()> {
    let record = Record::load(workspace)?;
    for service in &record.services {
        service.stop();
        eprintln!("stopped {}", service.name);
    }
    let left: Vec<_> = record.services.iter().filter(|service| service.runs_in_part()).collect();
    if !left.is_empty() {
        bail!("{} would not end", left[0].name);
    }
    Record::default().save(workspace)
}

fn status(workspace: &Workspace) -> anyhow::Result<()> {
    for service in Record::load(workspace)?.services {
        let state = if service.runs() { &service.url } else { "ended" };
        println!("{} {state}", service.name);
    }
    Ok(())
}

/// Starts them side by side; results stand in the order of `kinds`.
fn start(kinds: &[Kind], life: Life) -> Vec<anyhow::Result<Running>> {
    let start = |kind: Kind| {
        kind.start(life).with_context(|| format!("cannot start the server `{}`", kind.name()))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = kinds.iter().map(|&kind| scope.spawn(move || start(kind))).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(started) => started,
            Err(_) => bail!("starting a server panicked"),
        });
        joined.collect()
    })
}

/// How long a server may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_chosen_by_name() {
        assert_eq!(kinds_named(&[]).unwrap(), Kind::ALL);
        let names = ["redis-tls".to_owned(), "redis".to_owned()];
        assert_eq!(kinds_named(&names).unwrap(), [Kind::Redis, Kind::RedisTls]);
        assert!(kinds_named(&["oracle".to_owned()]).is_err());
    }
}
