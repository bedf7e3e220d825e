//! What is special to SQLite: files, processes, bounds, the log, damage; and a model.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod bounds;
mod common;
mod concurrency;
mod damage;
mod files;
mod kills;
mod log;
mod maintenance;
mod model;
mod processes;
mod refusals;
mod space;
