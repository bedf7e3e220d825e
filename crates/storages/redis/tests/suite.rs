//! The behaviour suite of the core, on every server whose URL stands in the environment.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{self, Failure, Setup, StorageFactory, Time};
use cache_redis::RedisOptions;
use libtest_mimic::{Arguments, Completion, Trial};

/// Stores on one server, each under a prefix of its own.
struct Server {
    url: String,
}

/// A fence for each bucket is made for each case: fewer than in use.
const BUCKETS: u16 = 8;

impl StorageFactory for Server {
    type Store = String;

    fn time(&self) -> Time {
        Time::Server
    }

    async fn create(&self) -> Result<String, Failure> {
        Ok(format!("cache:suite:{:016x}", fastrand::u64(..)))
    }

    async fn open(&self, store: &String, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let mut options = RedisOptions::from_url(&self.url)?.key_prefix(store).buckets(BUCKETS);
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            options = options.value_bytes_max(value_bytes_max);
        }
        if let Some(events_max) = setup.events_max() {
            options = options.events_max(events_max);
        }
        Ok(options.open().await?.into_storage())
    }
}

/// Names of the trials, and where the server's URL is found.
const SERVERS: [(&str, &str); 4] = [
    ("redis", "TIERS_TEST_REDIS_URL"),
    ("redis-cluster", "TIERS_TEST_REDIS_CLUSTER_URL"),
    ("redis-sentinel", "TIERS_TEST_REDIS_SENTINEL_URL"),
    ("redis-tls", "TIERS_TEST_REDIS_TLS_URL"),
];

/// Each case on a server that is not there: not run, and a failure where it has to be.
fn without_server(name: &str, variable: &str) -> Vec<Trial> {
    let reason = format!(
        "{variable} is not set; `cargo xtask services up {name}` starts a server and prints its URL"
    );
    println!("{reason}");
    let required = std::env::var_os("TIERS_TEST_SERVERS_REQUIRED").is_some_and(|it| it == "1");
    let trial = |case: &str| {
        let reason = reason.clone();
        Trial::ignorable_test(format!("{name}::{case}"), move || match required {
            true => Err(reason.into()),
            false => Ok(Completion::ignored_with(reason)),
        })
    };
    suite::cases().iter().map(|case| trial(case.name())).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = SERVERS.into_iter().flat_map(|(name, variable)| match std::env::var(variable) {
        Ok(url) if !url.is_empty() => suite::trials(name, Server { url }),
        _ => without_server(name, variable),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
