//! How things are named on the server, and what an entry looks like there.

mod names;
mod record;

pub(crate) use names::{Bucket, Names};
pub(crate) use record::{ENTRY_HEAD_BYTES, Details, Record};
