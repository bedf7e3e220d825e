//! The groups, one a module.

mod backplane;
mod candles;
mod fencing;
mod in_flight;
mod latency;
mod memory;
mod rows;
mod sqlite;
mod storages;

use serde::{Deserialize, Serialize};
use tiers_benches::{Group, failures};

/// All groups, in the order in which they run.
pub(crate) const GROUPS: &[Group] = &[
    memory::GROUP,
    sqlite::GROUP,
    candles::GROUP,
    storages::GROUP,
    backplane::GROUP,
    fencing::GROUP,
];

/// What another process of this program is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    Sqlite(sqlite::Task),
    Fencing(fencing::Task),
}

/// In the other process.
pub(crate) fn carry_out(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Sqlite(task) => sqlite::carry_out(task),
        Task::Fencing(task) => fencing::carry_out(task),
    }
}
