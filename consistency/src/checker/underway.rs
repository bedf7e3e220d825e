//! What is on its way to the source: who may be given it, and by when.

use std::collections::HashMap;

use super::Verdict;
use super::promises::Promises;
use crate::history::{Event, History, Place};

/// Versions on their way to the source: by when which life had them accepted, and when they came there.
#[derive(Debug, Default)]
pub(super) struct Underway<'a> {
    accepted: HashMap<(Place, u64), (&'a str, u64)>,
    stored: HashMap<(Place, u64), u64>,
}

impl<'a> Underway<'a> {
    pub(super) fn of(histories: &'a [History]) -> Self {
        let mut underway = Self::default();
        for history in histories {
            for event in &history.events {
                match event {
                    Event::Accepted { at, place, version } => {
                        let by = (history.name.as_str(), *at);
                        underway.accepted.insert((*place, *version), by);
                    }
                    Event::Stored { at, place, version, .. } => {
                        underway.stored.entry((*place, *version)).or_insert(*at);
                    }
                    _ => {}
                }
            }
        }
        underway
    }

    /// Whether the source had it by then.
    fn is_there(&self, what: &(Place, u64), by: u64) -> bool {
        self.stored.get(what).is_some_and(|stored| *stored <= by)
    }

    pub(super) fn check(&self, history: &History, own: &Promises, verdict: &mut Verdict) {
        let mut broken =
            |what: String| verdict.violations.push(format!("{}: {what}", history.name));
        for event in &history.events {
            match event {
                Event::Read { began, ended, place, version } => {
                    let what = (*place, *version);
                    let Some((by, at)) = self.accepted.get(&what) else { continue };
                    if self.is_there(&what, *ended) {
                        continue;
                    }
                    let read = format!(
                        "a read of {place:?} from {began} to {ended} gave version {version}, which \
                         the source did not have"
                    );
                    if *by != history.name {
                        broken(format!("{read}, and {by} had it queued"));
                    } else if let Some(since) = own.since(*place, *at, *began) {
                        let late = (began - since) as f64 / 1e6;
                        broken(format!("{read}, {late:.3} ms after an invalidation"));
                    }
                }
                Event::Held { ended, tier, place, version, .. } => {
                    let what = (*place, *version);
                    if self.accepted.contains_key(&what) && !self.is_there(&what, *ended) {
                        broken(format!(
                            "{tier} held version {version} of {place:?} at {ended}, which the source \
                             did not have"
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}
