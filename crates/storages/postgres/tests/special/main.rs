//! What is special to PostgreSQL: faults, each on a server of its own, fences that were hurt,
//! bounds, many processes, schemas.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;
mod events;
mod faults;
mod fence;
mod maintenance;
mod schema;
