//! Many sequences, one by one; a failing one is made as short as it will go, and told with what it
//! takes to run it again.

use std::sync::Once;
use std::time::{Duration, Instant};

use tiers::clock::ManualClock;

use crate::generate::{World, sequence};
use crate::operation::{Sequence, Step};
use crate::run::{Failed, Tally, run};
use crate::source::PLANNED_PANIC;
use crate::world::File;

const STEPS: usize = 100;
/// How many sequences a test runs where nothing else is asked for.
const SEQUENCES: u64 = 50;
/// How long a failing sequence is shortened.
const SHORTENING: Duration = Duration::from_secs(60);

/// Runs so many sequences, from seed 0 on, or what the environment asks for: `TIERS_MODEL_SEED`,
/// the first (and by default only) seed, and `TIERS_MODEL_SEQUENCES`, how many.
pub(crate) fn sequences(world: World, name: &str) {
    keep_planned_panics_quiet();
    let first = variable("TIERS_MODEL_SEED");
    let count =
        variable("TIERS_MODEL_SEQUENCES").unwrap_or(if first.is_some() { 1 } else { SEQUENCES });
    let first = first.unwrap_or_default();
    let begun = Instant::now();
    let runtime = runtime();
    let (mut file, clock, mut tally) = (File::new(), ManualClock::new(), Tally::default());
    for seed in first..first.saturating_add(count) {
        let sequence = sequence(world, seed, STEPS);
        let run = run(&sequence, format!("m{seed}"), clock.clone(), &mut file, &mut tally);
        let Err(failed) = runtime.block_on(run) else { continue };
        let (shortest, last) = shorten(&sequence, failed.clone());
        panic!(
            "sequence {seed} failed at step {}: {}\n\nshortened to {} steps, which fail at step {}: \
             {}\n\nsetup: {:?}\nsteps:\n{}\nto run it again: TIERS_MODEL_SEED={seed} cargo test \
             --profile model -p tiers --test model {name}\n",
            failed.step,
            failed.message,
            shortest.steps.len(),
            last.step,
            last.message,
            shortest.setup,
            listed(&shortest.steps),
        );
    }
    println!(
        "{name}: {count} sequences in {:?}, {} operations predicted exactly, {} steps judged, {} \
         reads answered past their time, storages left alone {} times",
        begun.elapsed(),
        tally.predicted,
        tally.judged,
        tally.stale,
        tally.opened
    );
    // What a world is there for happens in it.
    let is_missing = match world {
        World::StaleOnPurpose => tally.stale == 0,
        World::DownAndBack => tally.opened == 0 || tally.predicted == 0,
        _ => false,
    };
    assert!(count < SEQUENCES || !is_missing, "{name}: {tally:?}");
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, not a number")))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn listed(steps: &[Step]) -> String {
    steps.iter().enumerate().map(|(at, step)| format!("{at:4}: {step:?}\n")).collect()
}

/// Leaves out as many steps and calls as possible so that it still fails.
fn shorten(sequence: &Sequence, failed: Failed) -> (Sequence, Failed) {
    let begun = Instant::now();
    let mut shortest = sequence.clone();
    shortest.steps.truncate(failed.step + 1);
    let mut last = failed;
    let mut size = shortest.steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < shortest.steps.len() && begun.elapsed() < SHORTENING {
            let mut tried = shortest.clone();
            tried.steps.drain(at..(at + size).min(tried.steps.len()));
            match fails(&tried) {
                Some(failed) => {
                    tried.steps.truncate(failed.step + 1);
                    (shortest, last, shorter) = (tried, failed, true);
                }
                None => at += size,
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if !shorter {
            break;
        }
        if begun.elapsed() >= SHORTENING {
            break;
        }
    }
    for at in (0..shortest.steps.len()).rev() {
        let mut call = 0;
        while let Some(Step::Calls(calls)) = shortest.steps.get(at)
            && calls.len() > 1
            && call < calls.len()
            && begun.elapsed() < SHORTENING
        {
            let mut tried = shortest.clone();
            if let Step::Calls(calls) = &mut tried.steps[at] {
                calls.remove(call);
            }
            match fails(&tried) {
                Some(failed) => (shortest, last) = (tried, failed),
                None => call += 1,
            }
        }
    }
    (shortest, last)
}

/// In a world of its own.
fn fails(sequence: &Sequence) -> Option<Failed> {
    let (mut file, mut tally) = (File::new(), Tally::default());
    let run = run(sequence, "m".to_owned(), ManualClock::new(), &mut file, &mut tally);
    runtime().block_on(run).err()
}

/// Every other panic is told as always.
fn keep_planned_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<&str>() != Some(&PLANNED_PANIC) {
                tell(panic);
            }
        }));
    });
}
