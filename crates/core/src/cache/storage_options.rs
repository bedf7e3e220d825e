use std::time::Duration;

use crate::config::{UrlOptions, without_credentials};
use crate::error::ConfigError;
use crate::policy::breaker::BreakerOptions;

/// How a cache guards its calls of a storage against the storage's failing.
///
/// | URL option | what it sets | default |
/// |---|---|---|
/// | `operation_timeout` | [`operation_timeout`](Self::operation_timeout), or `off` | 10s |
/// | `sweep_timeout` | [`sweep_timeout`](Self::sweep_timeout), or `off` | 5m |
/// | `breaker` | failures in a row that open it, or `off` | 5 |
/// | `breaker_open_for` | how long it stays open | 5s |
/// | `breaker_probes` | calls that may try at once, and have to succeed | 1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageOptions {
    /// A call for keys (reads, stamps, writes, invalidations by key) that takes longer is given up
    /// and counts as failed; `None`: it is waited for. What it would have answered is lost: nothing
    /// is filled by it.
    pub operation_timeout: Option<Duration>,
    /// The same for calls that may go through all entries: invalidations by tag and pattern, a page
    /// of a listing, closing.
    pub sweep_timeout: Option<Duration>,
    /// When the storage is left alone for a while; `None`: never.
    pub breaker: Option<BreakerOptions>,
}

const NAMES: [&str; 5] =
    ["operation_timeout", "sweep_timeout", "breaker", "breaker_open_for", "breaker_probes"];

impl StorageOptions {
    /// Ten seconds for an operation, five minutes for a sweep, a breaker after five failures.
    pub const DEFAULT: Self = Self {
        operation_timeout: Some(Duration::from_secs(10)),
        sweep_timeout: Some(Duration::from_secs(300)),
        breaker: Some(BreakerOptions::DEFAULT),
    };

    /// No guard at all: calls are waited for however long they take, and made however often they
    /// failed.
    pub const NONE: Self = Self { operation_timeout: None, sweep_timeout: None, breaker: None };

    /// The defaults, to be changed.
    pub const fn new() -> Self {
        Self::DEFAULT
    }

    /// Sets after which time a call for keys is given up.
    pub const fn operation_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.operation_timeout = timeout;
        self
    }

    /// Sets after which time a call is given up that may go through all entries.
    pub const fn sweep_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.sweep_timeout = timeout;
        self
    }

    /// Sets when the storage is left alone for a while.
    pub const fn breaker(mut self, options: Option<BreakerOptions>) -> Self {
        self.breaker = options;
        self
    }

    /// What is wrong with the options, as the option and the problem, if anything is.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let timeouts =
            [("operation_timeout", self.operation_timeout), ("sweep_timeout", self.sweep_timeout)];
        for (name, timeout) in timeouts {
            if timeout.is_some_and(|timeout| timeout.as_millis() == 0) {
                return Some((name, "must be at least a millisecond"));
            }
        }
        self.breaker.and_then(|breaker| breaker.problem()).map(|problem| ("breaker", problem))
    }

    /// Takes the options of this kind out of a storage's URL: what is left of it is for the storage.
    /// `None` where the URL has none of them.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a value that is not valid. It shows nothing else of the URL.
    pub fn take_from_url(url: &str) -> Result<(Option<Self>, String), ConfigError> {
        let Some((place, query)) = url.split_once('?') else { return Ok((None, url.to_owned())) };
        let is_ours =
            |pair: &&str| NAMES.contains(&pair.split_once('=').map_or(*pair, |pair| pair.0));
        let (ours, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_ours);
        if ours.is_empty() {
            return Ok((None, url.to_owned()));
        }
        if query.contains('@') {
            // What looks like an option may be a part of a password.
            return Err(ConfigError::Url {
                url: without_credentials(url),
                problem: "its query holds an `@`, to be written as `%40`".to_owned(),
            });
        }
        let scheme = url.split_once(':').map_or("storage", |(scheme, _)| scheme);
        let options = Self::of_query(scheme, &ours.join("&"))?;
        let left = rest.join("&");
        let url = if left.is_empty() { place.to_owned() } else { format!("{place}?{left}") };
        Ok((Some(options), url))
    }

    fn of_query(scheme: &str, query: &str) -> Result<Self, ConfigError> {
        let mut query = UrlOptions::of_query(scheme, query)?;
        let mut options = Self::DEFAULT;
        if let Some(timeout) = query.interval("operation_timeout")? {
            options.operation_timeout = timeout;
        }
        if let Some(timeout) = query.interval("sweep_timeout")? {
            options.sweep_timeout = timeout;
        }
        let failures_max = |text: &str| match text {
            "off" => Some(None),
            _ => text.parse::<u32>().ok().map(Some),
        };
        let failures = query.read("breaker", failures_max, "a number of failures, or off")?;
        let open_for = query.duration("breaker_open_for")?;
        let probes = query.number::<u32>("breaker_probes")?;
        if failures == Some(None) {
            if open_for.is_some() || probes.is_some() {
                return Err(query.refused("breaker", "is off, and yet has options"));
            }
            options.breaker = None;
        }
        if let Some(breaker) = &mut options.breaker {
            breaker.failures_max = failures.flatten().unwrap_or(breaker.failures_max);
            breaker.open_for = open_for.unwrap_or(breaker.open_for);
            breaker.probes_max = probes.unwrap_or(breaker.probes_max);
        }
        match options.problem() {
            Some((name, problem)) => Err(query.refused(name, problem)),
            None => Ok(options),
        }
    }
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(url: &str) -> (Option<StorageOptions>, String) {
        StorageOptions::take_from_url(url).expect("valid options")
    }

    #[test]
    fn options_are_taken_out_of_a_url() {
        for url in ["redis://h/0", "redis://h/0?pool_size=4", "sqlite://a.db?"] {
            assert_eq!(taken(url), (None, url.to_owned()));
        }
        let url = "redis://h/0?pool_size=4&operation_timeout=250ms&breaker=3&key_prefix=a%26b";
        let (options, left) = taken(url);
        let options = options.expect("options");
        assert_eq!(left, "redis://h/0?pool_size=4&key_prefix=a%26b");
        assert_eq!(options.operation_timeout, Some(Duration::from_millis(250)));
        assert_eq!(options.sweep_timeout, StorageOptions::DEFAULT.sweep_timeout);
        assert_eq!(options.breaker.map(|breaker| breaker.failures_max), Some(3));
        let url = "sqlite://a.db?breaker_probes=2&breaker_open_for=1m&sweep_timeout=off";
        let (options, left) = taken(url);
        let options = options.expect("options");
        let breaker = options.breaker.expect("a breaker");
        assert_eq!((left.as_str(), options.sweep_timeout), ("sqlite://a.db", None));
        assert_eq!((breaker.probes_max, breaker.open_for), (2, Duration::from_secs(60)));
        let (options, _) = taken("sqlite://a.db?breaker=off");
        assert_eq!(options.expect("options").breaker, None);
    }

    #[test]
    fn mistakes_are_named_and_nothing_else_is_shown() {
        for (query, name) in [
            ("operation_timeout=0", "operation_timeout"),
            ("operation_timeout=soon", "operation_timeout"),
            ("sweep_timeout=0.0001", "sweep_timeout"),
            ("breaker=0", "breaker"),
            ("breaker=many", "breaker"),
            ("breaker_probes=0", "breaker"),
            ("breaker_open_for=0", "breaker"),
            ("breaker=off&breaker_probes=2", "breaker"),
            ("breaker=1&breaker=2", "breaker"),
        ] {
            let url = format!("redis://user:hunter2@h/0?{query}");
            let error = StorageOptions::take_from_url(&url).expect_err(query).to_string();
            assert!(error.contains(name) && !error.contains("hunter2"), "{query}: {error}");
        }
        for late in ["breaker=hunter2@h", "breaker=x&hunter2@h"] {
            let error = StorageOptions::take_from_url(&format!("redis://user:1?{late}"));
            let error = error.expect_err(late).to_string();
            assert!(error.contains("`%40`") && !error.contains("hunter2"), "{late}: {error}");
        }
    }
}
