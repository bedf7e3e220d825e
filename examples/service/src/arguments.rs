use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Serves orders of customers over HTTP, through a cache.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Arguments {
    /// The port to listen on, at 127.0.0.1; 0: any that is free.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Which tiers the cache has.
    #[arg(long, env = "ENVIRONMENT", value_enum, default_value_t = Environment::Production)]
    pub(crate) environment: Environment,
    /// The file of the orders.
    #[arg(long, env = "DATABASE", default_value = "orders.db")]
    pub(crate) database: PathBuf,
    /// The file of the cache, in production.
    #[arg(long, env = "CACHE", default_value = "orders-cache.db")]
    pub(crate) cache: PathBuf,
    /// How long every query takes at least, such as `20ms`: as if the database were far away.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) latency: Duration,
    /// How long requests, and then the loads behind them, may go on after the service was told to
    /// end.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
    /// Prints JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Environment {
    /// Memory alone: every start is a cold one.
    Test,
    /// Memory before SQLite: a restart finds what was cached.
    Production,
}

impl Environment {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Production => "production",
        }
    }
}
