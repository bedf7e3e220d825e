/// Which processes see the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every process of the cache: a server.
    Shared,
    /// One process or one host: a file.
    Local,
}

/// What a storage can do and how far it reaches; fixed once it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The kind of storage, as in its URL: `sqlite`, `redis`, ..
    pub scheme: &'static str,
    /// Which processes see the same entries.
    pub reach: Reach,
    /// The largest payload that it takes, in bytes; a larger one is refused, not cut.
    pub value_bytes_max: u64,
    /// Whether entries outlive the process that wrote them.
    pub persistent: bool,
    /// Whether [`Storage::scan`](super::Storage::scan) lists keys.
    pub scan: bool,
    /// Whether it holds a bound on entries or bytes by removing those used least recently.
    pub evicts: bool,
    /// Whether it offers counters, registers, locks and limits:
    /// [`Storage::atomics`](super::Storage::atomics).
    pub atomics: bool,
}

impl Capabilities {
    /// A persistent storage that can do everything with entries, offers nothing beside them, and
    /// takes values of up to 1 GiB less one byte.
    pub const fn new(scheme: &'static str, reach: Reach) -> Self {
        Self {
            scheme,
            reach,
            value_bytes_max: (1 << 30) - 1,
            persistent: true,
            scan: true,
            evicts: true,
            atomics: false,
        }
    }

    /// Refuses values whose payload is larger.
    pub const fn with_value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.value_bytes_max = value_bytes_max;
        self
    }

    /// Entries die with the process.
    pub const fn volatile(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// Offers counters, registers, locks and limits.
    pub const fn with_atomics(mut self) -> Self {
        self.atomics = true;
        self
    }

    /// Has no bound of its own.
    pub const fn without_eviction(mut self) -> Self {
        self.evicts = false;
        self
    }
}
