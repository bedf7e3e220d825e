use crate::cache::{Gap, Span};
#[cfg(any(feature = "csv", feature = "arrow"))]
use crate::coverage::Kind;

/// When a span begins, when it ends, of how many slots it is, what is known of them.
#[cfg(any(feature = "csv", feature = "arrow"))]
pub(super) const KNOWN: [&str; 4] = ["from", "to", "slots", "kind"];

/// How a kind is called in files.
#[cfg(any(feature = "csv", feature = "arrow"))]
pub(super) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Unknown => "unknown",
        Kind::Present => "present",
        Kind::Empty => "empty",
        Kind::Failed => "failed",
        Kind::BeforeListing => "before-listing",
        Kind::AfterLast => "after-last",
        Kind::Closed => "closed",
    }
}

/// How many slots a span has.
#[cfg(any(feature = "csv", feature = "arrow"))]
pub(super) fn length(span: &Span) -> i64 {
    i64::try_from(span.slots.len()).unwrap_or(i64::MAX)
}

impl From<Gap> for Span {
    fn from(Gap { slots, from, to, kind }: Gap) -> Self {
        Self { slots, from, to, kind }
    }
}
