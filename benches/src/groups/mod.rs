//! The groups, one a module.

use tiers_benches::Group;

/// All groups, in the order in which they run.
pub(crate) const GROUPS: &[Group] = &[];
