use std::sync::{Arc, OnceLock};

use super::sources::{Source, sources};
use crate::fill::{Fill, FillRow, Filled, fill};
use crate::request::{Completeness, Report, Request, Verdict};
use crate::row::Row;
use crate::store::StoreError;
use crate::time::Slots;
use crate::venue::VenueError;
use crate::view::{Directory, View};

/// The answer to a request: a view of rows as they were, with what is known of its slots and where
/// they came from.
///
/// It costs the same whatever its length; what has to look at every chunk is done when it is asked
/// for.
#[derive(Clone, Debug)]
pub struct Reading<R: Row> {
    view: View<R>,
    request: Request,
    verdict: Verdict,
    report: OnceLock<Report>,
    trace: Vec<(Slots, Source)>,
    open: Option<(i64, R)>,
    failure: Option<VenueError>,
    unsaved: Option<StoreError>,
}

/// What a reading is made of.
pub(super) struct Parts<R: Row> {
    pub(super) directory: Arc<Directory<R>>,
    pub(super) slots: Slots,
    pub(super) request: Request,
    pub(super) report: Option<Report>,
    pub(super) trace: Vec<(Slots, Source)>,
    pub(super) open: Option<(i64, R)>,
    pub(super) failure: Option<VenueError>,
    pub(super) unsaved: Option<StoreError>,
}

impl<R: Row> Reading<R> {
    /// Without a report everything is known, as was found out before.
    pub(super) fn new(parts: Parts<R>) -> Self {
        let verdict = parts.report.as_ref().map_or(Verdict::Complete, |report| report.verdict);
        Self {
            view: parts.directory.view(parts.slots),
            request: parts.request,
            verdict,
            report: parts.report.map_or_else(OnceLock::new, OnceLock::from),
            trace: parts.trace,
            open: parts.open,
            failure: parts.failure,
            unsaved: parts.unsaved,
        }
    }

    /// The rows.
    pub fn view(&self) -> &View<R> {
        &self.view
    }

    /// The rows, without the rest.
    pub fn into_view(self) -> View<R> {
        self.view
    }

    /// The slots that the request turned out to be for.
    pub fn slots(&self) -> Slots {
        self.view.slots()
    }

    /// How many rows.
    pub fn len(&self) -> u64 {
        self.view.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// Whether it is as complete as was asked.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What is known of its slots, told before anything is filled. Costs a look at each chunk, the
    /// first time.
    pub fn report(&self) -> &Report {
        let completeness: Completeness = self.request.completeness;
        self.report
            .get_or_init(|| Report::new(self.view.directory(), self.view.slots(), completeness))
    }

    /// Its slots, cut by where they came from. Slots of which nothing is known are among them, as
    /// from memory.
    pub fn sources(&self) -> Vec<(Slots, Source)> {
        sources(self.view.slots(), &self.trace)
    }

    /// How many of its rows came from there.
    pub fn rows_from(&self, source: Source) -> u64 {
        if self.trace.is_empty() {
            return if source == Source::Memory { self.view.len() } else { 0 };
        }
        let parts = self.sources();
        let own = parts.iter().filter(|(_, from)| *from == source);
        own.map(|(span, _)| self.view.directory().rows_in(*span)).sum()
    }

    /// The row that grows in the slot after its last, if a feed tells of it.
    pub fn open(&self) -> Option<(i64, &R)> {
        self.open.as_ref().map(|(slot, row)| (*slot, row))
    }

    /// What the venue said last, where a page could not be had; the report says what is missing.
    pub fn failure(&self) -> Option<&VenueError> {
        self.failure.as_ref()
    }

    /// Why some of what the venue answered could not be stored. It is in this answer nevertheless.
    pub fn unsaved(&self) -> Option<&StoreError> {
        self.unsaved.as_ref()
    }

    /// Copies its rows, with what the request wants in slots without one.
    pub fn filled(&self) -> Filled
    where
        R: FillRow,
    {
        self.filled_with(self.request.fill)
    }

    /// The same with another fill. What it carries into the span is known only if the request said
    /// so.
    pub fn filled_with(&self, how: Fill) -> Filled
    where
        R: FillRow,
    {
        fill(&self.view, how)
    }
}
