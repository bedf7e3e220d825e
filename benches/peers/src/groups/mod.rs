//! The groups, one a module. `cargo xtask bench` knows their names, too.

mod engine;
mod hit_ratio;
mod hits;
mod throughput;

use tiers_benches::Group;

/// All groups, in the order in which they run.
pub(crate) const GROUPS: &[Group] =
    &[hits::GROUP, engine::GROUP, hit_ratio::GROUP, throughput::GROUP];
