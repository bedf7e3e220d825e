//! What records have in common: a header, variable-length numbers, a checksum, and what can be
//! wrong with them.

mod error;
mod reader;
mod states;
mod writer;

pub use error::RecordError;
pub(crate) use reader::Reader;
pub(crate) use states::{read_coverage, write_coverage};
pub(crate) use writer::Writer;

/// Bytes of the checksum at the end.
const CHECKSUM_BYTES: usize = 8;
