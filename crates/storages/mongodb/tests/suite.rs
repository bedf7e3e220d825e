//! The behaviour suite of the core, on the server that `TIERS_TEST_MONGODB_URL` names.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{self, Failure, Setup, StorageFactory, Time, cases};
use cache_mongodb::MongoDbOptions;
use libtest_mimic::{Arguments, Completion, Trial};
use mongodb::Client;

const VARIABLE: &str = "TIERS_TEST_MONGODB_URL";

/// Stores in a collection of their own, in a database of the run's own.
struct Collections {
    url: String,
    database: String,
}

/// A collection, dropped in the end.
struct Store {
    url: String,
    database: String,
    collection: String,
}

impl StorageFactory for Collections {
    type Store = Store;

    fn time(&self) -> Time {
        Time::Server
    }

    async fn create(&self) -> Result<Store, Failure> {
        let collection = format!("c{:016x}", fastrand::u64(..));
        Ok(Store { url: self.url.clone(), database: self.database.clone(), collection })
    }

    async fn open(&self, store: &Store, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let mut options = MongoDbOptions::from_url(&store.url)?
            .database(&store.database)
            .collection(&store.collection)
            // Cases wait for races, not for a busy machine.
            .timeout(std::time::Duration::from_secs(60));
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            options = options.value_bytes_max(value_bytes_max);
        }
        if let Some(entries_max) = setup.entries_max() {
            options = options.max_entries(entries_max);
        }
        if let Some(bytes_max) = setup.bytes_max() {
            options = options.max_bytes(bytes_max);
        }
        if let Some(events_max) = setup.events_max() {
            options = options.events_max(events_max);
        }
        Ok(options.open().await?.into_storage())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let (url, database, collection) =
            (self.url.clone(), self.database.clone(), self.collection.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = Client::with_uri_str(&url).await?;
                let database = client.database(&database);
                let events = format!("{collection}_events");
                for name in [&collection, &events] {
                    database.collection::<mongodb::bson::Document>(name).drop().await?;
                }
                client.shutdown().immediate(true).await;
                Ok::<_, Failure>(())
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("a collection of {} was not dropped", self.database);
        }
    }
}

/// Why the suite is not run; as a failure where a server has to be there.
fn without_server() -> Vec<Trial> {
    let reason = format!(
        "{VARIABLE} is not set; `cargo xtask services up mongodb` starts a server and prints its URL"
    );
    println!("{reason}");
    let required = std::env::var_os("TIERS_TEST_SERVERS_REQUIRED").is_some_and(|it| it == "1");
    let trial = |name: &str| {
        let reason = reason.clone();
        Trial::ignorable_test(format!("mongodb::{name}"), move || match required {
            true => Err(reason.into()),
            false => Ok(Completion::ignored_with(reason)),
        })
    };
    cases().iter().map(|case| trial(case.name())).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match std::env::var(VARIABLE) {
        Ok(url) if !url.is_empty() => {
            let database = format!("suite_{:08x}", fastrand::u32(..));
            suite::trials("mongodb", Collections { url, database })
        }
        _ => without_server(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}
