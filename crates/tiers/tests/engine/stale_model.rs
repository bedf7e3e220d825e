//! Random sequences over one node beside a plain model of what is served stale, the same for every
//! chain of tiers.

use std::time::Duration;

use proptest::prelude::*;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;

use crate::stale_while_revalidate::{Stage, definition};
use crate::support::user;

const SECOND: Duration = Duration::from_secs(1);
/// In seconds, as all times here.
const TTL: u64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Get,
    Pass(u64),
    Put,
    /// Whether the source fails from now on.
    Fail(bool),
    Expire,
    Invalidate,
}

#[derive(Clone, Copy, Debug)]
struct Windows {
    revalidate: Option<u64>,
    error: Option<u64>,
    throttle: u64,
}

/// What is expected of one node.
struct Model {
    windows: Windows,
    now: u64,
    version: u64,
    fails: bool,
    /// The version that is held, when its freshness ends, and whether it was expired by name.
    held: Option<(u64, u64, bool)>,
    throttled_until: u64,
}

impl Model {
    /// A load; `None` if it fails.
    fn load(&mut self) -> Option<u64> {
        if self.fails {
            self.throttled_until = self.now + self.windows.throttle;
            return None;
        }
        self.throttled_until = 0;
        self.held = Some((self.version, self.now + TTL, false));
        Some(self.version)
    }

    /// The version that a read gets, and whether it is stale; `None`: an error.
    fn get(&mut self) -> Option<(u64, bool)> {
        let is_throttled = self.now < self.throttled_until;
        let Some((version, fresh_until, expired)) = self.held else {
            return self.load().map(|version| (version, false));
        };
        if self.now < fresh_until && !expired {
            return Some((version, false));
        }
        let within =
            |window: Option<u64>| window.is_some_and(|window| self.now < fresh_until + window);
        // The copy that was expired is kept as long as it would have been.
        let keeps = within(self.windows.revalidate.max(self.windows.error));
        if within(self.windows.revalidate) && !expired {
            if !is_throttled {
                self.load();
            }
            return Some((version, true));
        }
        let answers = self.windows.error.is_some()
            && if expired { keeps } else { within(self.windows.error) };
        if answers && is_throttled {
            return Some((version, true));
        }
        match self.load() {
            Some(version) => Some((version, false)),
            None => answers.then_some((version, true)),
        }
    }

    fn changed(&mut self) {
        self.throttled_until = 0;
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Get),
        4 => (1u64..15).prop_map(Step::Pass),
        2 => Just(Step::Put),
        2 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Expire),
        1 => Just(Step::Invalidate),
    ]
}

fn windows() -> impl Strategy<Value = Windows> {
    let window = || proptest::option::of(1u64..40);
    (window(), window(), 1u64..12).prop_map(|(revalidate, error, throttle)| Windows {
        revalidate,
        error,
        throttle,
    })
}

async fn run(tiers: &[&str], windows: Windows, steps: &[Step]) {
    let stage = Stage::new();
    let options = {
        let mut options = StaleOptions::new().throttle(SECOND * windows.throttle as u32);
        options.while_revalidate = windows.revalidate.map(Duration::from_secs);
        options.if_error = windows.error.map(Duration::from_secs);
        options
    };
    let source = stage.source.clone();
    let users = stage.bind(definition(tiers, options));
    let mut model =
        Model { windows, now: 0, version: 1, fails: false, held: None, throttled_until: 0 };
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Get => {
                if model.fails {
                    // One for the read, or for the refresh behind it, if either loads.
                    source.fail_next(1, "away");
                }
                let loads = source.loads();
                let got = users.fetch(&user(1)).await.ok();
                stage.settled().await;
                if model.fails && source.loads() == loads {
                    // Nobody asked: the failure is still planned, and is taken back by a load.
                    let _ = Source::load(&source, &user(7)).await;
                }
                let got = got.map(|got| (got.value.expect("a value").version, got.stale));
                assert_eq!(got, model.get(), "{tiers:?}, {windows:?}, step {at} of {steps:?}");
            }
            Step::Pass(seconds) => {
                stage.world.pass(SECOND * *seconds as u32);
                model.now += seconds;
            }
            Step::Put => {
                model.version += 1;
                stage.put(model.version);
            }
            Step::Fail(fails) => model.fails = *fails,
            Step::Expire => {
                assert!(users.expire(&user(1)).await.expect("is told").is_done());
                if let Some(held) = &mut model.held {
                    held.2 = true;
                }
                model.changed();
            }
            Step::Invalidate => {
                assert!(users.invalidate(&user(1)).await.expect("is told").is_done());
                model.held = None;
                model.changed();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn reads_are_as_a_plain_model_tells(
        windows in windows(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
                run(tiers, windows, &steps).await;
            }
        });
    }
}
