use super::log::Position;

/// What is known of a cache's [`Backplane`](super::Backplane).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackplaneStats {
    /// It reads the log from a place that it knows: nothing that others tell is missed.
    pub joined: bool,
    /// It has read the log within the time after which it counts as cut off.
    pub trusted: bool,
    /// The log takes what the cache appends.
    pub appends: bool,
    /// Events appended.
    pub sent: u64,
    /// Appends that failed or took too long.
    pub send_failures: u64,
    /// Events that wait to be appended.
    pub unsent: u64,
    /// Events read, its own included.
    pub received: u64,
    /// Invalidations of others that were applied.
    pub applied: u64,
    /// Events that could not be read, each counted as a gap.
    pub unreadable: u64,
    /// How often something was missed, and memory forgotten for it.
    pub gaps: u64,
    /// Invalidations of others that this cache has ended, since they did not.
    pub finished: u64,
    /// How often it was cut off.
    pub silences: u64,
    /// Reads of the log that failed.
    pub read_failures: u64,
    /// Other open caches.
    pub peers: usize,
    /// Pairs of shared storages that another cache goes through the other way round: what is
    /// promised does not hold between the two.
    pub order_conflicts: u64,
    /// Up to where the log has been read and applied.
    pub position: Option<Position>,
}
