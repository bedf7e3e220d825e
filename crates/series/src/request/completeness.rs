use std::ops::ControlFlow;
use std::time::Duration;

use crate::coverage::Kind;
use crate::row::Row;
use crate::time::Slots;
use crate::view::Directory;

/// How complete an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// Of every slot it is known whether it has a row.
    Strict,
    /// A few may be missing.
    Tolerant {
        /// So many slots may be missing.
        missing_max: u64,
        /// Besides, those at the end of the span may be, if they are not longer than this.
        tail_max: Duration,
    },
    /// What there is.
    BestEffort,
}

/// Whether an answer is as complete as was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is missing.
    Complete,
    /// Something is, within what was tolerated.
    Tolerated,
    /// More is missing than was tolerated.
    Incomplete {
        /// How many slots are missing beside those of a tail that was tolerated.
        missing: u64,
        /// How many might have been.
        missing_max: u64,
    },
}

/// What is known of the slots of a request, told before anything is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The slots.
    pub slots: Slots,
    /// How many may have a row: those that have one, and those that are missing.
    pub expected: u64,
    /// How many have one.
    pub present: u64,
    /// How many are known to have none although the market was open.
    pub empty: u64,
    /// Of how many nothing is known.
    pub unknown: u64,
    /// For how many the venue failed to answer.
    pub failed: u64,
    /// How many lie before the symbol's listing.
    pub before_listing: u64,
    /// How many lie after the symbol's end.
    pub after_last: u64,
    /// In how many the market was closed.
    pub closed: u64,
    /// What is missing, unknown and failed alike: the first [`SPANS_MAX`] spans.
    pub missing: Vec<Slots>,
    /// Whether that is as complete as was asked.
    pub verdict: Verdict,
}

/// A report lists so many missing spans at most; its counts are of all.
pub const SPANS_MAX: usize = 256;

impl Verdict {
    /// Whether it is as complete as was asked.
    pub const fn is_satisfied(self) -> bool {
        matches!(self, Self::Complete | Self::Tolerated)
    }
}

impl Report {
    /// What is known of `slots`, and whether it is enough.
    pub fn new<R: Row>(directory: &Directory<R>, slots: Slots, completeness: Completeness) -> Self {
        let mut report = Self {
            slots,
            expected: 0,
            present: 0,
            empty: 0,
            unknown: 0,
            failed: 0,
            before_listing: 0,
            after_last: 0,
            closed: 0,
            missing: Vec::new(),
            verdict: Verdict::Complete,
        };
        let mut tail = Slots::default();
        directory.walk(slots, |span, state| {
            let rows = directory.rows_in(span);
            report.present += rows;
            let others = span.len() - rows;
            match state.map_or(Kind::Unknown, |state| state.kind(false)) {
                Kind::Unknown => report.unknown += others,
                Kind::Failed => report.failed += others,
                Kind::Present | Kind::Empty => report.empty += others,
                Kind::BeforeListing => report.before_listing += others,
                Kind::AfterLast => report.after_last += others,
                Kind::Closed => report.closed += others,
            }
            if !state.is_some_and(|state| state.is_known()) {
                let joins = !tail.is_empty() && tail.end == span.start;
                tail = if joins { tail.hull(span) } else { span };
                let list = &mut report.missing;
                let joins = list.last().is_some_and(|last| last.end == span.start);
                if let Some(last) = list.last_mut().filter(|_| joins) {
                    last.end = span.end;
                } else if list.len() < SPANS_MAX {
                    list.push(span);
                }
            }
            ControlFlow::<()>::Continue(())
        });
        report.expected = report.present + report.missing_slots();
        if tail.end != slots.end {
            tail = Slots::default();
        }
        report.verdict = report.judge(directory, tail, completeness);
        report
    }

    /// How many slots are missing, unknown and failed alike.
    pub const fn missing_slots(&self) -> u64 {
        self.unknown + self.failed
    }

    fn judge<R: Row>(
        &self,
        directory: &Directory<R>,
        tail: Slots,
        completeness: Completeness,
    ) -> Verdict {
        let missing = self.missing_slots();
        let (missing_max, tail_max) = match completeness {
            _ if missing == 0 => return Verdict::Complete,
            Completeness::BestEffort => return Verdict::Tolerated,
            Completeness::Strict => (0, Duration::ZERO),
            Completeness::Tolerant { missing_max, tail_max } => (missing_max, tail_max),
        };
        let grid = directory.grid();
        let tail_length = grid.start_of(tail.end).since(grid.start_of(tail.start));
        let forgiven = if tail_length <= tail_max { tail.len() } else { 0 };
        let missing = missing - forgiven;
        if missing > missing_max {
            return Verdict::Incomplete { missing, missing_max };
        }
        Verdict::Tolerated
    }
}
