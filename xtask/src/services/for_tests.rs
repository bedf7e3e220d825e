//! Servers that end with the run of the tests.

use std::env;

use tiers_servers::{Kind, Life, Running};

use super::start;
use crate::packages;

/// The servers of one run. Dropping it stops them; if this process is killed they end, too.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    running: Vec<Running>,
}

/// The servers that a storage is tested on.
pub(crate) fn kinds_of(storage: &str) -> &'static [Kind] {
    match storage {
        "redis" => &[Kind::Redis, Kind::RedisCluster, Kind::RedisSentinel, Kind::RedisTls],
        "postgres" => &[Kind::Postgres],
        "mysql" => &[Kind::MySql],
        "mongodb" => &[Kind::MongoDb],
        _ => &[],
    }
}

impl Servers {
    /// Installs what is missing, and starts those of `kinds` that the environment does not name
    /// another server for.
    ///
    /// # Errors
    /// If one cannot be installed or started; all others are stopped then.
    pub(crate) fn start(kinds: &[Kind]) -> anyhow::Result<Self> {
        let own: Vec<_> =
            kinds.iter().copied().filter(|kind| env::var_os(kind.variable()).is_none()).collect();
        if own.is_empty() {
            return Ok(Self::default());
        }
        packages::ensure_servers(&own)?;
        let names: Vec<_> = own.iter().map(|kind| kind.name()).collect();
        eprintln!("starting private servers: {}", names.join(", "));
        let running = start(&own, Life::Guarded).into_iter().collect::<anyhow::Result<_>>()?;
        Ok(Self { running })
    }

    /// What tells the tests where they are.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.running.iter().map(|running| (running.kind().variable(), running.url()))
    }
}
