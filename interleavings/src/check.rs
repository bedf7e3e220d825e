//! How a scenario is run.

use std::future::Future;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// The first seed; every run is the same. `SHUTTLE_RANDOM_SEED` sets another one.
const SEED: u64 = 0x7135_0001;

/// How many executions a scenario has, unless `INTERLEAVINGS` says otherwise.
const EXECUTIONS: usize = 1_000;

/// Runs a scenario under a random scheduler, and under ones that let the order of tasks change at
/// few places, which finds what takes one rare switch.
///
/// What fails prints its schedule for `shuttle::replay`; the seed being fixed, running it again fails
/// again, too.
pub(crate) fn check<F: Future<Output = ()>>(
    scenario: impl Fn() -> F + Copy + Send + Sync + 'static,
) {
    let executions = std::env::var("INTERLEAVINGS").ok().and_then(|count| count.parse().ok());
    let executions: usize = executions.unwrap_or(EXECUTIONS);
    let run = move || shuttle::future::block_on(scenario());
    Runner::new(RandomScheduler::new_from_seed(SEED, executions / 2), config()).run(run);
    for depth in [2, 4] {
        let pct = PctScheduler::new_from_seed(SEED, depth, executions / 4);
        Runner::new(pct, config()).run(run);
    }
}

/// Runs a small scenario in every order there is, up to a bound that it must not reach.
pub(crate) fn check_all(executions_max: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let dfs = DfsScheduler::new(Some(executions_max), false);
    let executions = Runner::new(dfs, config()).run(scenario);
    println!("{executions} orders");
    assert!(executions < executions_max, "more than {executions} orders");
}

fn config() -> Config {
    let mut config = Config::new();
    // Futures of the engine are deep where nothing is optimised.
    config.stack_size = 512 << 10;
    // Atomics count as sequentially consistent, which is what the fence asks for.
    config.silence_warnings = true;
    config
}
