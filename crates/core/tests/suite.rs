//! The suite over the storage for tests; and, against it with one rule broken at a time, whether
//! the suite notices.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::clock::SystemClock;
use cache_core::storage::Storage;
use cache_core::testing::suite::{
    self, Clients, Failure, Isolation, Setup, StorageFactory, Time, Verdict,
};
use cache_core::testing::{Mutant, TestStorage};
use libtest_mimic::{Arguments, Failed, Trial};

/// Storages for tests, with at most one rule broken.
struct InMemory(Option<Mutant>);

impl StorageFactory for InMemory {
    type Store = TestStorage;

    async fn create(&self) -> Result<TestStorage, Failure> {
        Ok(TestStorage::new())
    }

    async fn open(&self, store: &TestStorage, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let mut client = store.client_with(setup.clock()).persistent(true);
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            client = client.value_bytes_max(value_bytes_max);
        }
        if let Some(events_max) = setup.events_max() {
            client = client.events_max(usize::try_from(events_max)?);
        }
        if let Some(mutant) = self.0 {
            client = client.mutant(mutant);
        }
        Ok(Arc::new(client.build()))
    }
}

/// One store for all cases, whose server has a clock of its own and which takes one client only:
/// the suite has to keep its cases apart, wait for time to pass, and leave out what it cannot ask.
struct Server(TestStorage);

impl StorageFactory for Server {
    type Store = ();

    fn time(&self) -> Time {
        Time::Server
    }

    fn clients(&self) -> Clients {
        Clients::One
    }

    fn isolation(&self) -> Isolation {
        Isolation::Prefix
    }

    async fn create(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn open(&self, (): &(), _: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        Ok(Arc::new(self.0.second_client()))
    }
}

/// Passes if a core case cannot be left out, and the others only for what the storage says.
fn only_what_is_not_there_is_left_out() -> Result<(), Failed> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bare = TestStorage::builder().clock(SystemClock).scan(false).events(false).atomics(false);
    let bare = bare.build();
    let factory = Arc::new(Server(bare));
    let mut left_out = Vec::new();
    for case in suite::cases().into_iter().filter(|case| !case.is_core()) {
        if let Verdict::Ignored(need) = runtime.block_on(case.check(&factory))? {
            if !case.needs().contains(&need) {
                return Err(Failed::from(format!("{} is left out for {need}", case.name())));
            }
            left_out.push(case.name());
        }
    }
    let others = suite::cases().into_iter().filter(|case| !case.is_core());
    let others: Vec<_> = others.map(|case| case.name()).collect();
    if left_out != others {
        return Err(Failed::from(format!("left out are {left_out:?}, not {others:?}")));
    }
    Ok(())
}

/// Passes if a case fails on a storage that breaks this rule.
fn is_found(mutant: Mutant) -> Result<(), Failed> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let factory = Arc::new(InMemory(Some(mutant)));
    // What only a race shows may need more than one.
    for _ in 0..10 {
        for case in suite::cases() {
            let factory = Arc::clone(&factory);
            let name = case.name();
            let checked = runtime.block_on(async {
                tokio::spawn(async move { case.check(&factory).await }).await
            })?;
            match checked {
                Err(failure) => {
                    if std::env::var_os("SHOW_FINDINGS").is_some() {
                        println!("{mutant:?} is found by {name}: {failure}");
                    }
                    return Ok(());
                }
                Ok(Verdict::Passed | Verdict::Ignored(_)) => {}
            }
        }
    }
    Err(Failed::from(format!("no case fails on a storage that breaks {mutant:?}")))
}

fn main() -> ExitCode {
    let mut trials = suite::trials("test", InMemory(None));
    let server = TestStorage::builder().clock(SystemClock).build();
    trials.extend(suite::trials("server", Server(server)));
    trials.push(Trial::test(
        "only_what_is_not_there_is_left_out",
        only_what_is_not_there_is_left_out,
    ));
    trials.extend(Mutant::ALL.iter().map(|mutant| {
        let mutant = *mutant;
        Trial::test(format!("mutant::{mutant:?}"), move || is_found(mutant))
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
