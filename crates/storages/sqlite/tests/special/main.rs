//! What is special to SQLite: files, processes, bounds, the log, damage; and a model.

mod bounds;
mod common;
mod concurrency;
mod damage;
mod files;
mod log;
mod maintenance;
mod model;
mod processes;
