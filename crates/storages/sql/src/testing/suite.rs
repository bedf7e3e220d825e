//! The suite of a server that the environment names.

use std::fmt::Write;
use std::marker::PhantomData;
use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{Failure, Setup, StorageFactory, Time, cases, trials};
use libtest_mimic::{Arguments, Completion, Trial};

/// Set where a missing server is a failure.
const REQUIRED: &str = "TIERS_TEST_SERVERS_REQUIRED";

/// A kind of database that the suite tries a storage on, and where its cases keep theirs.
pub trait SuiteDatabase: Send + Sync + 'static {
    /// The variable that names the server's URL.
    const VARIABLE: &'static str;
    /// The option that tells the stores of a database apart: `schema`, or `table`.
    const PLACE: &'static str;
    /// The storages that are tried: a name, and the options that tell them apart.
    const STORAGES: &'static [(&'static str, &'static str)];

    /// Opens a storage.
    fn open(url: &str) -> impl Future<Output = Result<Arc<dyn Storage>, Failure>> + Send;

    /// Removes a place and all that is in it.
    fn remove(url: &str, place: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Runs the suite of a kind of database, as the `main` of a test without a harness.
pub fn run_suite<D: SuiteDatabase>() -> ExitCode {
    let arguments = Arguments::from_args();
    let factory = |url, options| Places::<D> { url, options, database: PhantomData };
    let trials = server_trials(D::VARIABLE, D::STORAGES, factory);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Stores in places of their own.
struct Places<D> {
    url: String,
    options: &'static str,
    database: PhantomData<D>,
}

/// A place that goes when its case has ended.
struct Place<D: SuiteDatabase> {
    url: String,
    name: String,
    database: PhantomData<D>,
}

impl<D: SuiteDatabase> StorageFactory for Places<D> {
    type Store = Place<D>;

    fn time(&self) -> Time {
        Time::Server
    }

    async fn create(&self) -> Result<Place<D>, Failure> {
        let name = format!("suite_{:016x}", fastrand::u64(..));
        Ok(Place { url: self.url.clone(), name, database: PhantomData })
    }

    async fn open(&self, store: &Place<D>, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let mut url = format!("{}{separator}{}={}{}", self.url, D::PLACE, store.name, self.options);
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            write!(url, "&value_bytes_max={value_bytes_max}")?;
        }
        if let (Some(entries_max), Some(bytes_max)) = (setup.entries_max(), setup.bytes_max()) {
            // Cases use entries within milliseconds of each other.
            write!(url, "&max_entries={entries_max}&max_bytes={bytes_max}&access_interval=1ms")?;
        }
        if let Some(events_max) = setup.events_max() {
            write!(url, "&events_max={events_max}")?;
        }
        D::open(&url).await
    }
}

impl<D: SuiteDatabase> Drop for Place<D> {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        // A place that stays behind has a name that nobody else uses.
        let removed = std::thread::spawn(move || -> Result<(), Failure> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(D::remove(&url, &name))
        });
        drop(removed.join());
    }
}

/// The suite for each of `storages` (a name and its options), on the server whose URL stands in
/// `variable`; without one, trials that are ignored, or fail where servers are required.
fn server_trials<F: StorageFactory>(
    variable: &'static str,
    storages: &[(&'static str, &'static str)],
    factory: impl Fn(String, &'static str) -> F,
) -> Vec<Trial> {
    let mut all = Vec::new();
    for (name, options) in storages {
        match std::env::var(variable) {
            Ok(url) => all.extend(trials(name, factory(url, options))),
            Err(_) if std::env::var_os(REQUIRED).is_some() => {
                all.push(Trial::test(format!("{name}::server"), move || {
                    Err(format!("{variable} names no server").into())
                }));
            }
            Err(_) => all.extend(cases().into_iter().map(|case| {
                Trial::ignorable_test(format!("{name}::{}", case.name()), move || {
                    Ok(Completion::ignored_with(format!("{variable} names no server")))
                })
            })),
        }
    }
    if std::env::var(variable).is_err() {
        eprintln!("{variable} is not set: `cargo xtask test` starts a server and sets it");
    }
    all
}
