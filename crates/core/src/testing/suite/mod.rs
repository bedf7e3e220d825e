//! The behaviour suite: what every [`Storage`](crate::storage::Storage) must do, as named cases.
//!
//! A storage crate calls it from one test file with `harness = false`:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use cache_core::storage::Storage;
//! use cache_core::testing::TestStorage;
//! use cache_core::testing::suite::{self, Failure, Setup, StorageFactory};
//!
//! struct InMemory;
//!
//! impl StorageFactory for InMemory {
//!     type Store = TestStorage;
//!
//!     async fn create(&self) -> Result<TestStorage, Failure> {
//!         Ok(TestStorage::new())
//!     }
//!
//!     async fn open(&self, store: &TestStorage, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
//!         Ok(Arc::new(store.client_with(setup.clock()).build()))
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     suite::run("in-memory", InMemory)
//! }
//! ```
//!
//! Each case is a test of its own, `{storage}::{case}`, and the usual arguments of a test binary
//! work: filters, `--list`, `--test-threads`. A case that needs what a storage says it cannot do is
//! printed as ignored, with the reason; a core case needs nothing and always runs.
//!
//! Cases that race draw their steps at random and name the seed when they fail; the environment
//! variable `CACHE_SUITE_SEED` gives the same steps again, though not the same interleaving.

mod case;
mod cases;
mod client;
mod context;
mod factory;
mod failure;
mod runner;

pub use case::{Case, Need, Verdict};
pub use cases::cases;
pub use client::Client;
#[cfg(test)]
pub(super) use client::value;
pub use context::Context;
pub use factory::{Clients, Isolation, Setup, StorageFactory, Time};
pub use failure::{CaseResult, Failure};
pub use runner::{run, trials};
