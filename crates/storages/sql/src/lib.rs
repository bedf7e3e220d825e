//! What the SQL storages of Tiers share, so that it stands once: how an entry becomes columns and
//! comes back, how patterns become ranges and `LIKE`, which names may stand in a statement, how
//! scripts are filled in, what may be tried again and when.
//!
//! Nothing here talks to a database. Whatever decides something takes the time as an argument.
//!
//! - [`EntryColumns`] and [`DetailsColumns`]: an entry as numbers that every database has.
//! - [`tags_to_json`], [`tags_from_json`], [`cells_of`]: tags as one text, and the fence's cells.
//! - [`KeySearch`], [`KeyRange`], [`like_pattern`], [`parts_of_keys`]: what keys and patterns mean
//!   to an index, and to `LIKE`.
//! - [`Name`], [`Quote`], [`fill_in`]: names and scripts.
//! - [`TableOptions`], [`table_options!`], [`UrlForm`]: options, by builder and by URL.
//! - [`Failure`], [`Retry`]: what went wrong, and whether and when to try again; with the feature
//!   `sqlx`, what the errors of that driver mean.
//! - [`waves`]: a batch in parts in which no key stands twice.
//! - [`AccessLog`], [`StoredShare`]: uses that wait to be written, and when maintenance is due.
//! - [`Ending`]: what becomes of what an invalidation finds.
//! - [`Known`]: what a process knows of the fence in a server's tables.
//! - `testing`, with the feature of that name: what the storages' tests share.
//! - [`Pool`]: connections, lent out and taken back if they are sound.

mod access;
mod builder;
mod columns;
#[cfg(feature = "sqlx")]
mod driver;
mod ending;
mod failure;
mod known;
mod name;
mod options;
mod pattern;
mod pool;
mod retry;
mod script;
mod share;
mod tags;
#[cfg(feature = "testing")]
pub mod testing;
mod waves;

pub use access::AccessLog;
pub use columns::{
    Damaged, DetailsColumns, EXPIRED, EntryColumns, kind_from_number, kind_number, time_column,
    time_from_column,
};
#[cfg(feature = "sqlx")]
pub use driver::{driver_failure, driver_message, ends_driver_connection};
pub use ending::Ending;
pub use failure::{Failure, mysql_failure, sqlstate_failure};
pub use known::{Known, NO_STAMP};
pub use name::{Name, NameError, Quote};
pub use options::{TableOptions, UrlForm, option_error, set, url_error, validate_name};
pub use pattern::{KeyRange, KeySearch, LIKE_ESCAPE, like_literal, like_pattern, parts_of_keys};
pub use pool::{Connect, Lease, NoLease, Pool, Turn};
pub use retry::{Retry, RetryPolicy};
pub use script::{UnknownPlaceholder, fill_in};
pub use share::StoredShare;
pub use tags::{cells_of, tags_from_json, tags_to_json};
pub use waves::waves;
