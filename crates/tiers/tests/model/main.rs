//! A plain model, maps with a clock, beside the real thing under random sequences of every public
//! operation, with steps of the clock, dropped futures, loads that fail, panic or hang, failing
//! storages and reopenings.
//!
//! - A single operation on a storage that works is *predicted*: its answer, what every tier holds
//!   afterwards with all times and tags, and every counter.
//! - Operations that run together, are dropped half-way, or meet faults are *judged* by a ledger of
//!   births and invalidations: nothing wrong, nothing outdated, nothing past its time, no load too
//!   many, nothing left over. The model then goes on from what it finds. So it is where copies past
//!   their time are served: no longer than they may be, and nothing that was invalidated.
//! - Storages that were away answer again once their breaker's time has passed, and from then on all
//!   is predicted as before.
//!
//! A plain run tries few sequences. All of them, 2,500 of 100 steps a test, are run by
//!
//! ```text
//! TIERS_MODEL_SEQUENCES=2500 cargo test --profile model -p tiers --test model
//! ```
//!
//! Sequences come from seeds: the same in every run, and to be run again by `TIERS_MODEL_SEED` (with
//! `TIERS_MODEL_SEQUENCES` for more from there on). Over storages in memory a run is repeated turn by
//! turn; SQLite has threads of its own, so that there what runs together may fall otherwise.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod execute;
mod generate;
mod ledger;
mod model;
mod operation;
mod replay;
mod run;
mod source;
mod world;

use generate::World;
use replay::sequences;

#[test]
fn memory_over_sqlite() {
    sequences(World::MemoryOverSqlite, "memory_over_sqlite");
}

#[test]
fn two_processes_on_sqlite() {
    sequences(World::TwoProcessesOnSqlite, "two_processes_on_sqlite");
}

#[test]
fn failing_storages() {
    sequences(World::FailingStorages, "failing_storages");
}

#[test]
fn tiny_memory() {
    sequences(World::TinyMemory, "tiny_memory");
}

#[test]
fn stale_on_purpose() {
    sequences(World::StaleOnPurpose, "stale_on_purpose");
}

#[test]
fn down_and_back() {
    sequences(World::DownAndBack, "down_and_back");
}
