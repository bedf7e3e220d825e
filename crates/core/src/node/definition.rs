use std::time::Duration;

use super::across::Across;
use crate::entry::CompressionPolicy;
use crate::policy::doorkeeper::DoorkeeperOptions;
use crate::policy::early::EarlyRefresh;
use crate::policy::stale::StaleOptions;
use crate::policy::write_behind::WriteBehind;

/// All that the cache has to know of a node type before it can be bound.
///
/// Nothing is checked here: [`Cache::bind`](crate::cache::Cache::bind) says what is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeDefinition {
    /// The type's name in statistics and errors.
    pub name: String,
    /// The key template, such as `user:{id}:info`.
    pub key: String,
    /// The version; a new one leaves all older entries behind.
    pub version: String,
    /// The tiers, nearest first; memory comes first whatever its place.
    pub tiers: Vec<TierDefinition>,
    /// Labels of tags that every entry of the type bears.
    pub tags: Vec<String>,
    /// How long a negative result is kept; `None`: not at all.
    pub absent_ttl: Option<Duration>,
    /// By which share of itself a TTL may be shortened at random, 0 to 1.
    pub jitter: f64,
    /// Keeps what is asked for only once out of the tiers.
    pub doorkeeper: Option<DoorkeeperOptions>,
    /// After this long a load is given up with an error; `None`: never.
    pub load_timeout: Option<Duration>,
    /// How many loads of the type run at once; further ones wait.
    pub loads_max: usize,
    /// For how long values may be served past their freshness, and when.
    pub stale: StaleOptions,
    /// When an entry is loaded again before it ends; `None`: never.
    pub early_refresh: Option<EarlyRefresh>,
    /// How many refreshes behind readers run at once. They are begun only while there is a place
    /// among the loads; further ones are left to a later read.
    pub refreshes_max: usize,
    /// How many batches of prefetched nodes are on their way at once. They are begun only while a
    /// place among the loads is left beside theirs; what finds none is not prefetched.
    pub prefetches_max: usize,
    /// Single flight across processes; `None`: each process loads by itself.
    pub across: Option<Across>,
    /// Where values go that are accepted now and written later, by
    /// [`write_behind`](crate::handle::Handle::write_behind); `None`: none are accepted.
    pub write_behind: Option<WriteBehind>,
    /// What becomes of a load that nobody waits for any more.
    pub abandoned: Abandoned,
    /// What becomes of a copy in memory when another process has changed the value.
    pub on_peer_change: PeerChange,
    /// How stored payloads are compressed.
    pub compression: CompressionPolicy,
    /// The largest value that is decoded, in bytes before compression.
    pub decoded_bytes_max: u32,
}

/// One storage as one node type uses it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TierDefinition {
    /// The name under which the storage is registered.
    pub storage: String,
    /// How long an entry lives; `None`: until it is invalidated or evicted.
    pub ttl: Option<Duration>,
    /// Sliding expiry: an entry that is not used for this long expires, `ttl` at the latest.
    pub idle: Option<Duration>,
    /// Smaller values (encoded, in bytes) skip the tier.
    pub value_bytes_min: u64,
    /// Larger values (encoded, in bytes) skip the tier.
    pub value_bytes_max: u64,
    /// What a read does when the storage fails.
    pub on_failure: TierFailure,
}

/// What a read does when a tier's storage fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TierFailure {
    /// Counts it and goes on to the next tier and the source.
    #[default]
    Miss,
    /// Gives the storage's error to the caller.
    Error,
}

/// What becomes of a copy in memory when another process has changed the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeerChange {
    /// It goes, and whoever wants the value next reads it.
    #[default]
    Drop,
    /// It goes, and what memory held is read again at once, below all other work, as a
    /// [prefetch](crate::handle::Handle::prefetch).
    ReRead,
}

/// What becomes of a load that nobody waits for any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Abandoned {
    /// It runs to its end and fills the tiers.
    #[default]
    Finish,
    /// It is cancelled at its next await. What it has sent to a storage by then may still arrive, and
    /// is stored if nothing was invalidated since it began.
    Cancel,
}

impl NodeDefinition {
    /// A type with this name and key template, version `v1`, no tiers yet, and safe defaults:
    /// loads time out after 60 s, at most 1,024 run at once, a negative result is kept for 5 s,
    /// values of up to 64 MiB are decoded, nothing is served stale or refreshed early, and at most 16
    /// refreshes and 4 batches of prefetches run at once behind readers.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            version: "v1".to_owned(),
            tiers: Vec::new(),
            tags: Vec::new(),
            absent_ttl: Some(Duration::from_secs(5)),
            jitter: 0.0,
            doorkeeper: None,
            load_timeout: Some(Duration::from_secs(60)),
            loads_max: 1024,
            stale: StaleOptions::NEVER,
            early_refresh: None,
            refreshes_max: 16,
            prefetches_max: 4,
            across: None,
            write_behind: None,
            abandoned: Abandoned::default(),
            on_peer_change: PeerChange::default(),
            compression: CompressionPolicy::default(),
            decoded_bytes_max: 64 << 20,
        }
    }

    /// Sets the version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a tier behind those already there.
    pub fn tier(mut self, tier: TierDefinition) -> Self {
        self.tiers.push(tier);
        self
    }

    /// Replaces all tiers, as one environment or another asks for.
    pub fn tiers(mut self, tiers: impl IntoIterator<Item = TierDefinition>) -> Self {
        self.tiers = tiers.into_iter().collect();
        self
    }

    /// Adds the label of a tag that every entry bears.
    pub fn tag(mut self, label: impl Into<String>) -> Self {
        self.tags.push(label.into());
        self
    }

    /// Sets how long a negative result is kept; `None`: not at all.
    pub fn absent_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.absent_ttl = ttl;
        self
    }

    /// Shortens each TTL at random by up to this share of itself, 0 to 1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Keeps what is asked for only once out of the tiers.
    pub fn doorkeeper(mut self, options: DoorkeeperOptions) -> Self {
        self.doorkeeper = Some(options);
        self
    }

    /// Sets after how long a load is given up; `None`: never.
    pub fn load_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.load_timeout = timeout;
        self
    }

    /// Sets how many loads run at once.
    pub fn loads_max(mut self, loads_max: usize) -> Self {
        self.loads_max = loads_max;
        self
    }

    /// Sets for how long values may be served past their freshness, and when.
    pub fn stale(mut self, options: StaleOptions) -> Self {
        self.stale = options;
        self
    }

    /// Loads an entry again before it ends.
    pub fn early_refresh(mut self, early: EarlyRefresh) -> Self {
        self.early_refresh = Some(early);
        self
    }

    /// Sets how many refreshes behind readers run at once.
    pub fn refreshes_max(mut self, refreshes_max: usize) -> Self {
        self.refreshes_max = refreshes_max;
        self
    }

    /// Sets how many batches of prefetched nodes are on their way at once.
    pub fn prefetches_max(mut self, prefetches_max: usize) -> Self {
        self.prefetches_max = prefetches_max;
        self
    }

    /// Lets one process at a time load a node.
    pub fn across(mut self, across: Across) -> Self {
        self.across = Some(across);
        self
    }

    /// Lets values be accepted now and written later.
    pub fn write_behind(mut self, options: WriteBehind) -> Self {
        self.write_behind = Some(options);
        self
    }

    /// Sets what becomes of a load that nobody waits for any more.
    pub fn abandoned(mut self, abandoned: Abandoned) -> Self {
        self.abandoned = abandoned;
        self
    }

    /// Sets what becomes of a copy in memory when another process has set or updated the value, as
    /// the [`Backplane`](crate::backplane::Backplane) tells.
    pub fn on_peer_change(mut self, change: PeerChange) -> Self {
        self.on_peer_change = change;
        self
    }

    /// Sets how stored payloads are compressed.
    pub fn compression(mut self, compression: CompressionPolicy) -> Self {
        self.compression = compression;
        self
    }

    /// Sets the largest value that is decoded.
    pub fn decoded_bytes_max(mut self, bytes: u32) -> Self {
        self.decoded_bytes_max = bytes;
        self
    }
}

impl TierDefinition {
    /// The storage registered under this name, without a TTL, for values of any size.
    pub fn new(storage: impl Into<String>) -> Self {
        Self {
            storage: storage.into(),
            ttl: None,
            idle: None,
            value_bytes_min: 0,
            value_bytes_max: u64::MAX,
            on_failure: TierFailure::default(),
        }
    }

    /// Sets how long an entry lives.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Lets an entry expire that is not used for this long.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Lets smaller values skip the tier.
    pub fn value_bytes_min(mut self, bytes: u64) -> Self {
        self.value_bytes_min = bytes;
        self
    }

    /// Lets larger values skip the tier.
    pub fn value_bytes_max(mut self, bytes: u64) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// Sets what a read does when the storage fails.
    pub fn on_failure(mut self, on_failure: TierFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}
