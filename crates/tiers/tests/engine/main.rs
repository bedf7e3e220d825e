//! The tier engine over real memory and SQLite, each promise with a test of its own.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod atomics;
mod backplane;
mod cached;
mod chaos;
mod compatibility;
mod config;
mod dynamic;
mod early_refresh;
mod events;
mod examples;
mod fail_safe;
mod failing_tier;
mod guarded_tier;
mod guide;
mod lifetimes;
mod observability;
mod one_by_one;
mod one_load;
mod operations;
mod predecessor;
mod prefetch;
mod scope;
mod siblings;
mod stale_model;
mod stale_while_revalidate;
mod stale_write_back;
mod statistics;
mod support;
mod traps;
mod write_behind;
mod written_by_processes;
