//! How things are named on the server, and what an entry looks like there.

mod names;
mod record;

pub(crate) use names::{Bucket, Names};
pub(crate) use record::{Details, ENTRY_HEAD_BYTES, Record};
