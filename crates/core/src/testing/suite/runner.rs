use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::case::{Case, Verdict};
use super::cases::cases;
use super::context::Ground;
use super::factory::StorageFactory;

/// Runs every case as a test of its own, named `{storage_name}::{case}`, under the arguments of
/// the process; gives the exit code of a test binary.
pub fn run<F: StorageFactory>(storage_name: &str, factory: F) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials(storage_name, factory)).exit_code()
}

/// The cases as tests of [`libtest_mimic`], for a test binary that has others beside them.
pub fn trials<F: StorageFactory>(storage_name: &str, factory: F) -> Vec<Trial> {
    let factory = Arc::new(factory);
    let ground = Arc::new(Ground::default());
    let trial = |case: Case| {
        let (factory, ground) = (Arc::clone(&factory), Arc::clone(&ground));
        let name = format!("{storage_name}::{}", case.name());
        Trial::ignorable_test(name, move || {
            // Two threads are enough for real races, and few enough for many cases at once.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            let checked = runtime.block_on(async {
                // On a worker, where it can be moved between threads as in a program.
                tokio::spawn(async move { case.check_within(&factory, &ground).await }).await
            });
            match checked {
                Ok(Ok(Verdict::Passed)) => Ok(Completion::Completed),
                Ok(Ok(Verdict::Ignored(need))) => Ok(Completion::ignored_with(need)),
                Ok(Err(failure)) => Err(Failed::from(failure)),
                Err(panicked) => Err(Failed::from(panicked)),
            }
        })
    };
    cases().into_iter().map(trial).collect()
}
