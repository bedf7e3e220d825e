//! Whether what the processes saw is what was promised to them.
//!
//! - After an invalidation has returned done at a version, its own process reads nothing older, in
//!   any read that begins later.
//! - No other process does in a read that begins later than the bound after it.
//! - No shared tier holds anything older, whoever looks, from the moment of the return.
//! - A version that a caller brought, to be written later, is held against those invalidations alone
//!   that began when it had been accepted.
//! - No value comes out that was never put in.
//! - What was accepted for the source is given by its own process alone until the source has it, and
//!   not even by that one in reads that begin after an invalidation which began later. No shared tier
//!   holds it until then.
//! - What a process has accepted for the source comes there in its order. A process that has closed
//!   has lost nothing of it, one that was killed no more than its queue holds, and nothing that a flush
//!   has said to be written.

mod promises;
#[cfg(test)]
mod tests;
mod underway;

use std::collections::HashMap;
use std::time::Duration;

use self::promises::{Brought, Promises};
use self::underway::Underway;
use crate::document::QUEUED_MAX;
use crate::history::{Event, History, Place, name_of};

/// What was checked, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) operations: u64,
    pub(crate) failed: u64,
    pub(crate) reads: u64,
    pub(crate) looks: u64,
    /// Invalidations and changes that promised something.
    pub(crate) promises: u64,
    /// What was accepted for the source.
    pub(crate) accepted: u64,
    /// Documents of which the last that was accepted never came there.
    pub(crate) lost: u64,
    pub(crate) violations: Vec<String>,
}

/// Checks all histories of one run; `bound` is how late other processes' memory may follow.
pub(crate) fn check(histories: &[History], bound: Duration) -> Verdict {
    let mut verdict = Verdict::default();
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let mut all = Promises::default();
    let mut own: Vec<Promises> = Vec::new();
    for history in histories {
        let mut of_process = Promises::default();
        for event in &history.events {
            match event {
                Event::Done { began, at, versions } => {
                    verdict.promises += 1;
                    for (place, version) in versions {
                        all.add(*began, *at, *place, *version);
                        of_process.add(*began, *at, *place, *version);
                    }
                }
                Event::OwnDone { began, at, place, version } => {
                    verdict.promises += 1;
                    of_process.add(*began, *at, *place, *version);
                }
                _ => {}
            }
        }
        of_process.settle();
        own.push(of_process);
    }
    all.settle();
    let brought = Brought::of(histories);
    let stored = stored(histories, &mut verdict);
    let underway = Underway::of(histories);
    let none = HashMap::new();
    for (history, own) in histories.iter().zip(&own) {
        check_one(history, (own, &all, bound), &brought, &mut verdict);
        underway.check(history, own, &mut verdict);
        check_queue(history, stored.get(&history.name).unwrap_or(&none), &mut verdict);
    }
    verdict
}

/// The newest versions that the source got from each life of a process, by its name. They come in
/// order.
fn stored(histories: &[History], verdict: &mut Verdict) -> HashMap<String, HashMap<Place, u64>> {
    let mut stored: HashMap<String, HashMap<Place, u64>> = HashMap::new();
    for event in histories.iter().flat_map(|history| &history.events) {
        let Event::Stored { process, life, place, version, .. } = event else { continue };
        let name = name_of(*process, *life);
        let newest = stored.entry(name.clone()).or_default().entry(*place).or_default();
        if version < newest {
            let what = format!("the source got version {version} of {place:?} after {newest}");
            verdict.violations.push(format!("{name}: {what}"));
        }
        *newest = (*newest).max(*version);
    }
    stored
}

/// What became of what a life has accepted.
fn check_queue(history: &History, stored: &HashMap<Place, u64>, verdict: &mut Verdict) {
    let mut accepted: HashMap<Place, u64> = HashMap::new();
    let mut has_closed = false;
    let has = |place: &Place, version: &u64| stored.get(place).is_some_and(|got| got >= version);
    for event in &history.events {
        match event {
            Event::Accepted { place, version, .. } => {
                verdict.accepted += 1;
                let newest = accepted.entry(*place).or_default();
                *newest = (*newest).max(*version);
            }
            Event::Flushed { place, version } if !has(place, version) => {
                let what = format!("the source never got version {version} of {place:?}");
                verdict.violations.push(format!("{}: {what}, which was flushed", history.name));
            }
            Event::Closed => has_closed = true,
            _ => {}
        }
    }
    let lost = accepted.iter().filter(|(place, version)| !has(place, version)).count();
    verdict.lost += lost as u64;
    let (bound, ending) = if has_closed { (0, "closed") } else { (QUEUED_MAX, "ended") };
    if lost > bound {
        let what = format!("{lost} queued documents are lost, and it has {ending}");
        verdict.violations.push(format!("{}: {what}", history.name));
    }
}

/// Holds what a life has read and seen against the promises of its own process and of all, of which the
/// others hold after the bound.
fn check_one(
    history: &History,
    (own, all, bound): (&Promises, &Promises, u64),
    brought: &Brought,
    verdict: &mut Verdict,
) {
    let mut broken = |what: String| verdict.violations.push(format!("{}: {what}", history.name));
    for event in &history.events {
        match event {
            Event::Read { began, ended, place, version } => {
                verdict.reads += 1;
                let late = began.saturating_sub(bound);
                let of_own = own.broken_by(*place, *began, *version, brought);
                let of_all = all.broken_by(*place, late, *version, brought);
                for (broke, whose) in [(of_own, "its own"), (of_all, "another process'")] {
                    if let Some((at, promised)) = broke {
                        broken(format!(
                            "a read of {place:?} from {began} to {ended} gave version {version}, \
                             {:.3} ms after {whose} promise of {promised}",
                            (began - at) as f64 / 1e6,
                        ));
                        break;
                    }
                }
            }
            Event::Held { began, tier, place, version, .. } => {
                verdict.looks += 1;
                if let Some((at, promised)) = all.broken_by(*place, *began, *version, brought) {
                    broken(format!(
                        "{tier} held version {version} of {place:?} at {began}, {:.3} ms after the \
                         promise of {promised}",
                        (began - at) as f64 / 1e6,
                    ));
                }
            }
            Event::Torn { place, what } => broken(format!("{place:?}: {what}")),
            Event::Tally { operations, failed } => {
                verdict.operations += operations;
                verdict.failed += failed;
            }
            Event::Done { .. }
            | Event::OwnDone { .. }
            | Event::Brings { .. }
            | Event::Brought { .. }
            | Event::NotBrought { .. }
            | Event::Accepted { .. }
            | Event::Flushed { .. }
            | Event::Closed
            | Event::Stored { .. } => {}
        }
    }
}
