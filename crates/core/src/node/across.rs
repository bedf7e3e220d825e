use std::time::Duration;

/// Single flight across processes: a load takes a lease in a storage first, and whoever finds it
/// taken waits for what its holder fills the tiers with.
///
/// The holder extends its lease while the load runs. One that dies leaves it to the next who waits,
/// at its end by the server's clock. Where the storage cannot be asked, nodes are loaded without a
/// lease, once in each process, and that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Across {
    /// The name under which a storage is registered that
    /// [offers it](crate::storage::Capabilities::atomics).
    pub storage: String,
    /// For how long a lease stays where its holder has died; 10 s by default. A holder that lives
    /// extends it each third of this.
    pub ttl: Duration,
    /// For how long somebody waits for the load of another process before it loads itself; 60 s by
    /// default. It bounds what two loads in different processes that wait for each other take.
    pub wait_max: Duration,
}

impl Across {
    /// By leases in the storage that is registered under this name.
    pub fn new(storage: impl Into<String>) -> Self {
        let (ttl, wait_max) = (Duration::from_secs(10), Duration::from_secs(60));
        Self { storage: storage.into(), ttl, wait_max }
    }

    /// Sets for how long a lease stays where its holder has died.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets for how long somebody waits for the load of another process.
    pub fn wait_max(mut self, wait_max: Duration) -> Self {
        self.wait_max = wait_max;
        self
    }

    /// What is wrong with it: the option and the problem.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.ttl < Duration::from_millis(50) {
            return Some(("across.ttl", "must be at least 50 milliseconds"));
        }
        (self.wait_max < Duration::from_millis(1))
            .then_some(("across.wait_max", "must be at least a millisecond"))
    }
}
