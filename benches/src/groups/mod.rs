//! The groups, one a module.

mod backplane;
mod in_flight;
mod latency;
mod memory;
mod rows;
mod sqlite;
mod storages;

pub(crate) use sqlite::carry_out;

use tiers_benches::{Group, failures};

/// All groups, in the order in which they run.
pub(crate) const GROUPS: &[Group] =
    &[memory::GROUP, sqlite::GROUP, storages::GROUP, backplane::GROUP];
