//! Serving stale on purpose: for how long past its freshness a copy may answer, and when.
//!
//! The two windows are those of RFC 5861, *HTTP Cache-Control Extensions for Stale Content*:
//! `stale-while-revalidate` and `stale-if-error`. Negative results have neither.

use std::time::Duration;

/// For how long values of a node type may be served past their freshness; by default not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleOptions {
    /// So long past its freshness a copy answers at once while it is loaded again behind it.
    pub while_revalidate: Option<Duration>,
    /// So long past its freshness a copy answers where the source fails: fail-safe.
    pub if_error: Option<Duration>,
    /// After a load that failed with a copy at hand, the source is not asked for that node again
    /// for this long. 10 s by default.
    pub throttle: Duration,
    /// A load that takes longer than this is left to go on by itself, and the copy answers. Only
    /// within `if_error`; without a copy the caller waits.
    pub soft_timeout: Option<Duration>,
}

/// What a copy past its freshness is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StaleUse {
    /// Nothing.
    Nothing,
    /// To answer where the source fails or takes too long.
    IfError,
    /// To answer at once.
    WhileRevalidate,
}

impl StaleOptions {
    /// Serves nothing stale.
    pub const NEVER: Self = Self {
        while_revalidate: None,
        if_error: None,
        throttle: Duration::from_secs(10),
        soft_timeout: None,
    };

    /// As [`NEVER`](Self::NEVER), to be changed.
    pub const fn new() -> Self {
        Self::NEVER
    }

    /// Serves a copy at once for so long past its freshness, and loads it again behind it.
    pub const fn while_revalidate(mut self, window: Duration) -> Self {
        self.while_revalidate = Some(window);
        self
    }

    /// Serves a copy for so long past its freshness where the source fails.
    pub const fn if_error(mut self, window: Duration) -> Self {
        self.if_error = Some(window);
        self
    }

    /// Sets for how long the source is left alone after a load that failed.
    pub const fn throttle(mut self, throttle: Duration) -> Self {
        self.throttle = throttle;
        self
    }

    /// Serves a copy where the load takes longer than this, and lets the load go on.
    pub const fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// How long past its freshness a copy has to be kept: the longer window.
    pub fn kept(&self) -> Option<Duration> {
        self.while_revalidate.max(self.if_error)
    }

    /// Whether anything is served stale.
    pub fn is_on(&self) -> bool {
        self.kept().is_some()
    }

    /// What a copy is good for whose freshness ended so long ago; `None`: it was expired by name,
    /// so that the next read is to load it again and only failure brings it back.
    pub fn use_of(&self, past: Option<Duration>) -> StaleUse {
        let within = |window: Option<Duration>, past| window.is_some_and(|window| past < window);
        match past {
            Some(past) if within(self.while_revalidate, past) => StaleUse::WhileRevalidate,
            Some(past) if within(self.if_error, past) => StaleUse::IfError,
            None if self.if_error.is_some() => StaleUse::IfError,
            _ => StaleUse::Nothing,
        }
    }

    /// What is wrong with the options, as the option and the problem, if anything is.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_short = |span: Option<Duration>| span.is_some_and(|span| span.as_millis() == 0);
        let spans = [
            ("stale.while_revalidate", self.while_revalidate),
            ("stale.if_error", self.if_error),
            ("stale.throttle", Some(self.throttle)),
            ("stale.soft_timeout", self.soft_timeout),
        ];
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| is_short(*span)) {
            return Some((name, "must be at least a millisecond"));
        }
        (self.soft_timeout.is_some() && self.if_error.is_none())
            .then_some(("stale.soft_timeout", "serves what `if_error` keeps, which is not given"))
    }
}

impl Default for StaleOptions {
    fn default() -> Self {
        Self::NEVER
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_windows_follow_each_other_and_their_last_moments_are_excluded() {
        let options = StaleOptions::new().while_revalidate(seconds(10)).if_error(seconds(60));
        let uses = [0, 9, 10, 59, 60].map(|past| options.use_of(Some(seconds(past))));
        let expected = [
            StaleUse::WhileRevalidate,
            StaleUse::WhileRevalidate,
            StaleUse::IfError,
            StaleUse::IfError,
            StaleUse::Nothing,
        ];
        assert_eq!(uses, expected);
        assert_eq!(options.kept(), Some(seconds(60)));
    }

    #[test]
    fn what_was_expired_by_name_is_good_for_failure_alone() {
        let swr = StaleOptions::new().while_revalidate(seconds(10));
        assert_eq!(swr.use_of(None), StaleUse::Nothing);
        assert_eq!(swr.if_error(seconds(1)).use_of(None), StaleUse::IfError);
        assert_eq!(StaleOptions::NEVER.use_of(Some(Duration::ZERO)), StaleUse::Nothing);
    }

    #[test]
    fn a_soft_timeout_needs_what_it_serves() {
        let soft = StaleOptions::new().soft_timeout(seconds(1));
        assert!(soft.problem().is_some_and(|(option, _)| option == "stale.soft_timeout"));
        assert_eq!(soft.if_error(seconds(1)).problem(), None);
        assert!(StaleOptions::new().if_error(Duration::ZERO).problem().is_some());
    }

    proptest! {
        #[test]
        fn a_copy_gets_no_better_with_age_and_is_kept_as_long_as_it_is_good(
            swr in proptest::option::of(1u64..1000),
            error in proptest::option::of(1u64..1000),
            past in 0u64..1200,
            more in 0u64..100,
        ) {
            let options = StaleOptions {
                while_revalidate: swr.map(seconds),
                if_error: error.map(seconds),
                ..StaleOptions::NEVER
            };
            let first = options.use_of(Some(seconds(past)));
            let later = options.use_of(Some(seconds(past + more)));
            prop_assert!(later <= first);
            let is_kept = options.kept().is_some_and(|kept| seconds(past) < kept);
            prop_assert_eq!(first > StaleUse::Nothing, is_kept);
        }
    }
}
