//! The suite of a server that the environment names.

use cache_core::testing::suite::{StorageFactory, cases, trials};
use libtest_mimic::{Completion, Trial};

/// Set where a missing server is a failure.
const REQUIRED: &str = "TIERS_TEST_SERVERS_REQUIRED";

/// The suite for each of `storages` (a name and its options), on the server whose URL stands in
/// `variable`; without one, trials that are ignored, or fail where servers are required.
pub fn server_trials<F: StorageFactory>(
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
