use std::fmt;
use std::time::Duration;

/// A point of wall time in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than every other: the end of an entry without a TTL.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `ms` milliseconds after the Unix epoch.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// Whether this is [`NEVER`](Self::NEVER).
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// The point `duration` later; [`NEVER`](Self::NEVER) stays what it is, and no sum reaches it.
    pub fn after(self, duration: Duration) -> Self {
        if self.is_never() {
            return self;
        }
        Self(self.0.saturating_add(whole_ms(duration)).min(u64::MAX - 1))
    }

    /// The point `ttl` later, or [`NEVER`](Self::NEVER) without one.
    pub fn after_ttl(self, ttl: Option<Duration>) -> Self {
        ttl.map_or(Self::NEVER, |ttl| self.after(ttl))
    }

    /// What remains from `now` until this point: `None` if it never comes, zero if it has passed.
    pub fn remaining(self, now: Self) -> Option<Duration> {
        (!self.is_never()).then(|| Duration::from_millis(self.0.saturating_sub(now.0)))
    }

    /// The time from `earlier` to this point; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() { f.write_str("never") } else { write!(f, "{} ms", self.0) }
    }
}

/// A point of monotonic time in milliseconds since the clock's own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// Later than every other: the deadline of an entry that does not expire.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `ms` milliseconds after the clock's start.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the clock's start.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Whether this is [`NEVER`](Self::NEVER).
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// The point `duration` later; no sum reaches [`NEVER`](Self::NEVER).
    pub fn after(self, duration: Duration) -> Self {
        if self.is_never() {
            return self;
        }
        Self(self.0.saturating_add(whole_ms(duration)).min(u64::MAX - 1))
    }

    /// The point `duration` earlier, not before the clock's start.
    pub fn before(self, duration: Duration) -> Self {
        if self.is_never() { self } else { Self(self.0.saturating_sub(whole_ms(duration))) }
    }

    /// What remains from `now` until this point: `None` if it never comes, zero if it has passed.
    pub fn remaining(self, now: Self) -> Option<Duration> {
        (!self.is_never()).then(|| Duration::from_millis(self.0.saturating_sub(now.0)))
    }

    /// The time from `earlier` to this point; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_not_reached_by_adding() {
        let late = Timestamp::from_unix_ms(u64::MAX - 5).after(Duration::from_secs(1));
        assert!(!late.is_never());
        assert!(Timestamp::NEVER.after(Duration::from_secs(1)).is_never());
        assert_eq!(Timestamp::NEVER.remaining(late), None);
    }

    #[test]
    fn what_remains_is_never_negative() {
        let now = Timestamp::from_unix_ms(100);
        assert_eq!(Timestamp::from_unix_ms(40).remaining(now), Some(Duration::ZERO));
        assert_eq!(Timestamp::from_unix_ms(40).since(now), Duration::ZERO);
        assert_eq!(
            Tick::from_ms(140).remaining(Tick::from_ms(100)),
            Some(Duration::from_millis(40))
        );
    }
}
