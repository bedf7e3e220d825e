//! What the tests of the storages on SQL servers share: entries, writes, the suite of a server that
//! the environment names, and what holds for each such server, whatever it speaks.
//!
//! - [`key`], [`value`], [`set`], [`store`] and the like: entries, writes and reads.
//! - [`SuiteDatabase`], [`run_suite`]: the suite.
//! - [`Database`], with the macros [`database_driver!`](crate::database_driver) and
//!   [`database_functions!`](crate::database_functions): a storage and a server of its kind.
//! - [`faults`], [`fence`], [`maintenance`], [`schema`]: what is tried on one, called by the tests of
//!   the crates, many of which [`database_tests!`](crate::database_tests) makes.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by a panic")]

mod database;
mod entries;
pub mod faults;
pub mod fence;
pub mod maintenance;
pub mod schema;
mod server;
mod suite;

pub use database::{Database, change, wait_for};
pub use entries::{expired, fill, key, now, read, set, stamp, store, tag, value, write};
pub use server::{SharedServer, blocking};
pub use suite::{SuiteDatabase, run_suite};
