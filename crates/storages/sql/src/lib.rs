//! What the SQL storages of Tiers share, so that it stands once: how an entry becomes columns and
//! comes back, how patterns become ranges and `LIKE`, which names may stand in a statement, how
//! scripts are filled in, what may be tried again and when.
//!
//! Nothing here talks to a database, and nothing here knows the time: it is passed in.
//!
//! - [`EntryColumns`] and [`DetailsColumns`]: an entry as numbers that every database has.
//! - [`tags_to_json`], [`tags_from_json`], [`cells_of`]: tags as one text, and the fence's cells.
//! - [`KeyRange`], [`like_pattern`]: what a pattern means to an index, and to `LIKE`.
//! - [`Name`], [`Quote`], [`fill_in`]: names and scripts.
//! - [`Failure`], [`Retry`]: what went wrong, and whether and when to try again.
//! - [`waves`]: a batch in parts in which no key stands twice.
//! - [`AccessLog`]: uses that wait to be written.

mod access;
mod columns;
mod failure;
mod name;
mod pattern;
mod retry;
mod script;
mod tags;
mod waves;

pub use access::AccessLog;
pub use columns::{
    Damaged, DetailsColumns, EXPIRED, EntryColumns, kind_from_number, kind_number, time_column,
    time_from_column,
};
pub use failure::{Failure, mysql_failure, sqlstate_failure};
pub use name::{Name, NameError, Quote};
pub use pattern::{KeyRange, LIKE_ESCAPE, like_pattern};
pub use retry::{Retry, RetryPolicy};
pub use script::{UnknownPlaceholder, fill_in};
pub use tags::{cells_of, tags_from_json, tags_to_json};
pub use waves::waves;
