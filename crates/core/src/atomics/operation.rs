use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::rate::{Rate, RateDecision};

/// Tells one state of a register from every other that it ever had: drawn at random by whoever
/// writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u64);

/// Who holds a lock: drawn at random for each time that it is taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(u128);

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned {
    /// The bytes.
    pub value: Bytes,
    /// By which they are told from what stood there before and will stand there after.
    pub version: Version,
}

/// One step on one name. Check and change are atomic, and times are the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Adds to a counter, which begins at zero. Answered by [`Answer::Count`], or
    /// [`Answer::Overflow`]. Not to be sent twice.
    Add {
        /// What is added.
        delta: i64,
        /// How long a counter lives that is made by this; `None`: until it is removed.
        ttl: Option<Duration>,
        /// The TTL begins anew for one that is there already.
        renew: bool,
    },
    /// Reads a counter. Answered by [`Answer::Count`].
    Count,
    /// Reads a register. Answered by [`Answer::Register`].
    Read,
    /// Stores, or removes, if the register has the expected version. Answered by
    /// [`Answer::Swapped`], also where the register has the new version already: a repetition
    /// whose first answer was lost; otherwise by [`Answer::Conflict`].
    Swap {
        /// What must be there; `None`: nothing.
        expected: Option<Version>,
        /// The version that the register is to have.
        version: Version,
        /// What it is to hold; `None` removes it.
        value: Option<Bytes>,
        /// How long; `None`: until it is removed.
        ttl: Option<Duration>,
    },
    /// Takes a lock that nobody holds, or whose end has come. Answered by [`Answer::Acquired`],
    /// with the same token where this owner holds it already, or by [`Answer::Held`].
    Acquire {
        /// Who is to hold it.
        owner: Owner,
        /// Until its end, unless it is extended.
        ttl: Duration,
        /// For how long after its end its token is remembered.
        retention: Duration,
    },
    /// Sets a lock's end anew, if this owner still holds it. Answered by [`Answer::Extended`].
    Extend {
        /// Who holds it.
        owner: Owner,
        /// From now to its end.
        ttl: Duration,
        /// For how long after its end its token is remembered.
        retention: Duration,
    },
    /// Gives a lock back, if this owner still holds it. Answered by [`Answer::Released`].
    Release {
        /// Who holds it.
        owner: Owner,
        /// For how long its token is remembered.
        retention: Duration,
    },
    /// Asks a rate limiter. Answered by [`Answer::Rate`]. Not to be sent twice.
    Limit {
        /// How often it may happen.
        rate: Rate,
        /// How many of it; zero only looks.
        cost: u32,
    },
    /// Forgets whatever stands under the name. Answered by [`Answer::Removed`].
    Remove,
}

/// What an [`Operation`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// What the counter is at; `None` if there is none.
    Count(Option<i64>),
    /// The counter would go beyond what 64 bits hold; it is as it was.
    Overflow,
    /// What the register holds.
    Register(Option<Versioned>),
    /// The register holds what it was to.
    Swapped,
    /// The register held this instead, and is as it was.
    Conflict(Option<Versioned>),
    /// The lock is taken.
    Acquired {
        /// Larger than every token of this lock before it.
        token: u64,
    },
    /// Another holds the lock.
    Held {
        /// Until its end, unless it is extended.
        remaining: Duration,
    },
    /// Whether the lock's end was set anew; otherwise it is lost.
    Extended(bool),
    /// Whether the lock was given back; otherwise it was lost before.
    Released(bool),
    /// What the limiter decided.
    Rate(RateDecision),
    /// Whether there was something.
    Removed(bool),
}

impl Operation {
    /// Its name, as in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Count => "count",
            Self::Read => "read_register",
            Self::Swap { .. } => "compare_and_swap",
            Self::Acquire { .. } => "acquire",
            Self::Extend { .. } => "extend",
            Self::Release { .. } => "release",
            Self::Limit { .. } => "limit",
            Self::Remove => "remove",
        }
    }

    /// Whether a second time changes nothing more: an answer that was lost may be asked for again.
    pub fn is_idempotent(&self) -> bool {
        !matches!(self, Self::Add { .. } | Self::Limit { .. })
    }

    /// Whether it changes nothing at all.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Count | Self::Read | Self::Limit { cost: 0, .. })
    }
}

impl Version {
    /// One that no other state has.
    pub fn random() -> Self {
        // 63 bits, so that it fits the signed columns of databases.
        Self(fastrand::u64(..) >> 1)
    }

    /// As storages keep it.
    pub fn number(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Reads back what a storage keeps; `None` for what it could not have been given.
    pub fn from_number(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }
}

impl Versioned {
    /// Bytes with their version, as a storage keeps them.
    pub fn new(value: Bytes, version: Version) -> Self {
        Self { value, version }
    }
}

impl Owner {
    /// One that nobody else is.
    pub fn random() -> Self {
        Self(fastrand::u128(..))
    }

    /// As storages keep it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:032x})", self.0)
    }
}
