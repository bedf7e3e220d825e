use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use cache_core::error::ConfigError;
use cache_core::memory::MemoryCapabilities;
use moka::policy::EvictionPolicy;
use url::Url;

use crate::Memory;

/// The bound of a memory for which none is given.
pub const MAX_ENTRIES_DEFAULT: u64 = 10_000;

/// How many entries stand for a whole cache where its curve is estimated, if nothing else is said.
pub const CURVE_ENTRIES_DEFAULT: u64 = 768;

/// Which entry goes when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Chosen as it goes: four ways to divide the room between what is new and what has been used
    /// are tried out on a sample of the accesses, and the one that hits most is followed.
    #[default]
    Adaptive,
    /// W-TinyLFU: the least recently used of those that are used least often, behind a small window
    /// for what is new.
    TinyLfu,
    /// The least recently used.
    Lru,
    /// The least often used; of these, the one that was so first. The only one with which a hit may
    /// allocate: a little, for a count that nobody had.
    Lfu,
    /// The oldest, however it was used.
    Fifo,
    /// A small queue for what is new and a main one for what was used twice while it was new, both
    /// in order of arrival, with a memory of what was evicted from the first.
    S3Fifo,
    /// In order of arrival, where a hand goes round past those that were used since it last came.
    Sieve,
    /// What was used once and what was used more often, each by recency, with a share that shifts to
    /// the side where more is missed.
    Arc,
}

/// What holds the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// The engine of this crate, with every [`Policy`].
    #[default]
    Sharded,
    /// [moka](https://docs.rs/moka), with [`Policy::TinyLfu`] or [`Policy::Lru`].
    Moka,
}

/// What a memory is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// How many entries it holds.
    Entries(NonZeroU64),
    /// The sum of its entries' weights in bytes. An entry weighs at least one.
    Bytes(NonZeroU64),
}

/// Everything that a memory is made from; checked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// What holds the entries.
    pub engine: EngineKind,
    /// Which entry goes when there is no room.
    pub policy: Policy,
    /// When there is no room.
    pub bound: Bound,
    /// How many entries stand for the whole memory where its curve is estimated; zero for no estimate.
    pub curve_entries: u64,
}

/// Makes a [`Memory`].
#[derive(Clone, Debug, Default)]
pub struct MemoryBuilder {
    engine: EngineKind,
    policy: Option<Policy>,
    entries_max: Option<u64>,
    bytes_max: Option<u64>,
    curve_entries: Option<u64>,
}

impl Policy {
    /// All there are, the default first.
    pub const ALL: [Self; 8] = [
        Self::Adaptive,
        Self::TinyLfu,
        Self::Lru,
        Self::Lfu,
        Self::Fifo,
        Self::S3Fifo,
        Self::Sieve,
        Self::Arc,
    ];

    /// Its name in URLs and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::TinyLfu => "tinylfu",
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Fifo => "fifo",
            Self::S3Fifo => "s3fifo",
            Self::Sieve => "sieve",
            Self::Arc => "arc",
        }
    }

    /// As moka has it, if it does.
    pub(crate) fn to_moka(self) -> Option<EvictionPolicy> {
        match self {
            Self::Lru => Some(EvictionPolicy::lru()),
            Self::TinyLfu => Some(EvictionPolicy::tiny_lfu()),
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = ConfigError;

    /// Reads a [name](Policy::name), or `tlfu` for `tinylfu`, in any case.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let is_meant = |policy: &Self| name.eq_ignore_ascii_case(policy.name());
        let known = Self::ALL.into_iter().find(is_meant);
        let known = known.or(name.eq_ignore_ascii_case("tlfu").then_some(Self::TinyLfu));
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            option("memory", "policy", format!("is `{name}`, none of `{names}`"))
        })
    }
}

impl Bound {
    pub(crate) const fn limit(self) -> u64 {
        match self {
            Self::Entries(limit) | Self::Bytes(limit) => limit.get(),
        }
    }
}

impl MemoryBuilder {
    /// Holds at most this many entries. Excludes [`max_bytes`](Self::max_bytes).
    pub fn max_entries(mut self, entries_max: u64) -> Self {
        self.entries_max = Some(entries_max);
        self
    }

    /// Holds entries that weigh at most this many bytes together. Excludes
    /// [`max_entries`](Self::max_entries).
    pub fn max_bytes(mut self, bytes_max: u64) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }

    /// Which entry goes when there is no room; if not said, [`Policy::Adaptive`], or
    /// [`Policy::TinyLfu`] with moka.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How many entries stand for the whole memory where its
    /// [curve](cache_core::memory::MissRatioCurve) is estimated; [`CURVE_ENTRIES_DEFAULT`] if not said.
    /// More are more exact, and dearer. Zero for no estimate, as it is with moka in any case.
    pub fn curve_entries(mut self, curve_entries: u64) -> Self {
        self.curve_entries = Some(curve_entries);
        self
    }

    /// What holds the entries; [`EngineKind::Sharded`] if not said.
    pub fn engine(mut self, engine: EngineKind) -> Self {
        self.engine = engine;
        self
    }

    /// Checks what was said. Without a bound it is [`MAX_ENTRIES_DEFAULT`] entries.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a bound of zero, or two bounds.
    pub fn options(&self) -> Result<MemoryOptions, ConfigError> {
        self.options_in("memory")
    }

    /// Makes the memory. Without a bound it holds [`MAX_ENTRIES_DEFAULT`] entries.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a bound of zero, or two bounds.
    pub fn build(self) -> Result<Memory, ConfigError> {
        Ok(Memory::new(self.options()?))
    }

    fn options_in(&self, context: &str) -> Result<MemoryOptions, ConfigError> {
        let bound = bound(context, self.entries_max, self.bytes_max)?;
        let policy = match (self.engine, self.policy) {
            (EngineKind::Sharded, policy) => policy.unwrap_or_default(),
            (EngineKind::Moka, None) => Policy::TinyLfu,
            (EngineKind::Moka, Some(policy)) if policy.to_moka().is_some() => policy,
            (EngineKind::Moka, Some(policy)) => {
                let problem = format!("is `{policy}`, which moka does not have");
                return Err(option(context, "policy", problem));
            }
        };
        let curve_entries = self.curve_entries.unwrap_or(CURVE_ENTRIES_DEFAULT);
        Ok(MemoryOptions { engine: self.engine, policy, bound, curve_entries })
    }
}

impl MemoryOptions {
    pub(crate) fn capabilities(&self) -> MemoryCapabilities {
        let (entries_max, bytes_max) = match self.bound {
            Bound::Entries(limit) => (Some(limit.get()), None),
            Bound::Bytes(limit) => (None, Some(limit.get())),
        };
        let is_exact = self.engine == EngineKind::Sharded;
        MemoryCapabilities::new(self.policy.name(), entries_max, bytes_max, is_exact)
    }

    /// Reads a URL: `memory://tinylfu?max_entries=10000`, `memory://lru?max_bytes=67108864`.
    ///
    /// The scheme `local`, the policy `tlfu` and the option `size` (for `max_entries`) are read
    /// too. Without a policy it is `adaptive`, without a bound [`MAX_ENTRIES_DEFAULT`] entries. The
    /// option `engine` is `sharded`, or `moka` for [`EngineKind::Moka`]; `curve_entries` is that of the
    /// [builder](MemoryBuilder::curve_entries).
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an unknown policy or
    /// option, one given twice, or a bound that is zero or no number.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let parsed = Url::parse(url).map_err(|error| refuse(url, &error.to_string()))?;
        if !matches!(parsed.scheme(), "memory" | "local") {
            return Err(refuse(url, "its scheme is not `memory` or `local`"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse(url, "a memory has no user or password"));
        }
        if parsed.cannot_be_a_base()
            || parsed.port().is_some()
            || !matches!(parsed.path(), "" | "/")
            || parsed.fragment().is_some()
        {
            return Err(refuse(url, "it is not of the form `memory://policy?option=value`"));
        }
        let policy: Option<Policy> = match parsed.host_str() {
            None | Some("") => None,
            Some(policy) => Some(policy.parse()?),
        };
        let context = format!("{}://{}", parsed.scheme(), policy.map_or("", Policy::name));
        let mut builder = MemoryBuilder { policy, ..MemoryBuilder::default() };
        let mut engine = None;
        for (name, value) in parsed.query_pairs() {
            if name == "engine" {
                let kind = match &*value {
                    "sharded" => EngineKind::Sharded,
                    "moka" => EngineKind::Moka,
                    _ => {
                        let problem = format!("is `{value}`, not `sharded` or `moka`");
                        return Err(option(&context, &name, problem));
                    }
                };
                if engine.replace(kind).is_some() {
                    return Err(option(&context, &name, "is given twice".to_owned()));
                }
                builder.engine = kind;
                continue;
            }
            let place = match &*name {
                "max_entries" | "size" => &mut builder.entries_max,
                "max_bytes" => &mut builder.bytes_max,
                "curve_entries" => &mut builder.curve_entries,
                _ => return Err(option(&context, &name, "is not an option here".to_owned())),
            };
            let Ok(number) = value.parse() else {
                return Err(option(&context, &name, "is not a whole number".to_owned()));
            };
            if place.replace(number).is_some() {
                return Err(option(&context, &name, "is given twice".to_owned()));
            }
        }
        builder.options_in(&context)
    }
}

/// The bound that was said, or [`MAX_ENTRIES_DEFAULT`].
pub(crate) fn bound(
    context: &str,
    entries_max: Option<u64>,
    bytes_max: Option<u64>,
) -> Result<Bound, ConfigError> {
    match (entries_max, bytes_max) {
        (Some(_), Some(_)) => {
            let problem = "cannot be combined with `max_entries`".to_owned();
            Err(option(context, "max_bytes", problem))
        }
        (None, Some(bytes)) => Ok(Bound::Bytes(positive(context, "max_bytes", bytes)?)),
        (entries, None) => {
            let entries = entries.unwrap_or(MAX_ENTRIES_DEFAULT);
            Ok(Bound::Entries(positive(context, "max_entries", entries)?))
        }
    }
}

pub(crate) fn positive(context: &str, name: &str, number: u64) -> Result<NonZeroU64, ConfigError> {
    NonZeroU64::new(number)
        .ok_or_else(|| option(context, name, "must be larger than zero".to_owned()))
}

pub(crate) fn option(context: &str, name: &str, problem: String) -> ConfigError {
    ConfigError::Option { context: context.to_owned(), option: name.to_owned(), problem }
}

/// Names the URL by what comes before anything that could be a secret.
fn refuse(url: &str, problem: &str) -> ConfigError {
    let url = match url.split_once(':') {
        Some((scheme, _)) => format!("{scheme}:.."),
        None => "..".to_owned(),
    };
    ConfigError::Url { url, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(entries: u64) -> Bound {
        Bound::Entries(NonZeroU64::new(entries).expect("not zero"))
    }

    #[test]
    fn urls_say_policy_and_bound() {
        let bytes = Bound::Bytes(NonZeroU64::new(1 << 20).expect("not zero"));
        for (url, policy, bound) in [
            ("memory://tinylfu?max_entries=500", Policy::TinyLfu, entries(500)),
            ("memory://lru?max_bytes=1048576", Policy::Lru, bytes),
            ("local://tlfu?size=10000", Policy::TinyLfu, entries(10_000)),
            ("local://lru", Policy::Lru, entries(MAX_ENTRIES_DEFAULT)),
            ("memory://", Policy::Adaptive, entries(MAX_ENTRIES_DEFAULT)),
            ("memory://adaptive?engine=sharded", Policy::Adaptive, entries(MAX_ENTRIES_DEFAULT)),
            ("memory://LRU/", Policy::Lru, entries(MAX_ENTRIES_DEFAULT)),
        ] {
            let engine = EngineKind::Sharded;
            let curve_entries = CURVE_ENTRIES_DEFAULT;
            let expected = MemoryOptions { engine, policy, bound, curve_entries };
            assert_eq!(MemoryOptions::from_url(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn urls_that_say_something_else_are_refused() {
        for url in [
            "",
            "lru",
            "redis://lru",
            "memory:lru",
            "memory://lru/path",
            "memory://lru:80",
            "memory://lru#x",
            "memory://user:secret@lru",
            "memory://us er:secret@lru",
        ] {
            let error = MemoryOptions::from_url(url).expect_err(url);
            assert!(matches!(error, ConfigError::Url { .. }), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for (url, name) in [
            ("memory://random", "policy"),
            ("memory://adaptive?engine=moka", "policy"),
            ("memory://?engine=dashmap", "engine"),
            ("memory://?engine=moka&engine=moka", "engine"),
            ("memory://lru?max_entries=0", "max_entries"),
            ("memory://lru?max_bytes=0", "max_bytes"),
            ("memory://lru?max_entries=-1", "max_entries"),
            ("memory://lru?max_entries=1&size=2", "size"),
            ("memory://lru?max_entries=1&max_bytes=2", "max_bytes"),
            ("memory://lru?entries=1", "entries"),
        ] {
            match MemoryOptions::from_url(url) {
                Err(ConfigError::Option { option, .. }) => assert_eq!(option, name, "{url}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn moka_has_policies_of_its_own() {
        for (url, policy) in
            [("memory://?engine=moka", Policy::TinyLfu), ("memory://lru?engine=moka", Policy::Lru)]
        {
            let options = MemoryOptions::from_url(url).expect(url);
            assert_eq!((options.engine, options.policy), (EngineKind::Moka, policy), "{url}");
        }
    }

    #[test]
    fn a_bound_of_zero_and_two_bounds_are_refused() {
        assert!(Memory::builder().max_entries(0).build().is_err());
        assert!(Memory::builder().max_bytes(0).build().is_err());
        assert!(Memory::builder().max_entries(1).max_bytes(1).build().is_err());
        assert!(Memory::builder().build().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_makes_a_memory(
            text in prop_oneof![any::<String>(), "\\PC{0,40}", "(max_entries|max_bytes|size)=[0-9]{1,21}"],
        ) {
            for url in [text.clone(), format!("memory://{text}"), format!("local://lru?{text}")] {
                prop_assert_eq!(MemoryOptions::from_url(&url).is_ok(), Memory::open(&url).is_ok());
            }
        }
    }
}
