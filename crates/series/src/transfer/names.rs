/// The name of the column of times.
pub(super) const TIME: &str = "ts";

/// The name of the column that tells rows which a fill has made.
pub(super) const SYNTHETIC: &str = "synthetic";

/// Under this the metadata of a schema or a file tells which series the rows are of.
#[cfg(feature = "arrow")]
pub(super) const SERIES: &str = "tiers.series";

/// The time zone of times.
#[cfg(feature = "arrow")]
pub(super) const UTC: &str = "UTC";
