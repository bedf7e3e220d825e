//! Options that every storage on an SQL server has, by builder and by URL.

use std::time::Duration;

use cache_core::config::{UrlOptions, refuse_late_credentials, without_credentials};
use cache_core::error::ConfigError;
use url::Url;

use crate::name::Name;

/// The longest name of a table that leaves room for what is appended to it.
const TABLE_BYTES_MAX: usize = 48;
const POOL_SIZE_LIMIT: usize = 1024;
/// A message or packet of the servers holds 1 GiB at most, and less of a payload.
const VALUE_BYTES_LIMIT: u64 = 256 << 20;

/// What is the same for every server; the storages say what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// The entries' table.
    pub table: String,
    /// Whether missing tables are made.
    pub create: bool,
    /// Whether statements are prepared, and a connection's session is its own.
    pub prepared: bool,
    /// Connections at most.
    pub pool_size: usize,
    /// How long a call may take.
    pub timeout: Duration,
    /// After how long without use a connection is closed.
    pub idle_timeout: Duration,
    /// How often maintenance runs by itself, if it does.
    pub cleanup_interval: Option<Duration>,
    /// How exact the time of last use is kept.
    pub access_interval: Duration,
    /// The bound on entries.
    pub max_entries: u64,
    /// The bound on the bytes of payloads.
    pub max_bytes: u64,
    /// The largest payload.
    pub value_bytes_max: u64,
    /// How many events its log keeps.
    pub events_max: u64,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            table: "cache".to_owned(),
            create: true,
            prepared: true,
            pool_size: 10,
            timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
            cleanup_interval: Some(Duration::from_secs(60)),
            access_interval: Duration::from_secs(60),
            max_entries: 1_000_000,
            max_bytes: 4 << 30,
            value_bytes_max: 64 << 20,
            events_max: 16_384,
        }
    }
}

impl TableOptions {
    /// Takes those that a URL gives.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for one that is given twice or is not of its type.
    pub fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        given.renamed("pool_size", "max_connections")?;
        set(&mut self.table, given.text("table"));
        set(&mut self.create, given.flag("create")?);
        set(&mut self.prepared, given.flag("prepared")?);
        set(&mut self.pool_size, given.number("pool_size")?);
        set(&mut self.timeout, given.duration("timeout")?);
        set(&mut self.idle_timeout, given.duration("idle_timeout")?);
        set(&mut self.cleanup_interval, given.interval("cleanup_interval")?);
        set(&mut self.access_interval, given.duration("access_interval")?);
        set(&mut self.max_entries, given.number("max_entries")?);
        set(&mut self.max_bytes, given.bytes("max_bytes")?);
        set(&mut self.value_bytes_max, given.bytes("value_bytes_max")?);
        set(&mut self.events_max, given.number("events_max")?);
        Ok(())
    }

    /// Checks every option of the storage `scheme`.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self, scheme: &str) -> Result<(), ConfigError> {
        validate_name(scheme, "table", &self.table, TABLE_BYTES_MAX)?;
        let positive = |interval: Duration| !interval.is_zero();
        let checks = [
            ((1..=POOL_SIZE_LIMIT).contains(&self.pool_size), "pool_size", "must be 1 to 1024"),
            (positive(self.timeout), "timeout", "must be larger than zero"),
            (positive(self.idle_timeout), "idle_timeout", "must be larger than zero"),
            (positive(self.access_interval), "access_interval", "must be larger than zero"),
            (
                self.cleanup_interval.is_none_or(positive),
                "cleanup_interval",
                "must be larger than zero",
            ),
            (self.max_entries > 0, "max_entries", "must be larger than zero"),
            (self.max_bytes > 0, "max_bytes", "must be larger than zero"),
            (self.events_max > 0, "events_max", "must be larger than zero"),
            (self.value_bytes_max > 0, "value_bytes_max", "must be larger than zero"),
            (
                self.value_bytes_max <= VALUE_BYTES_LIMIT,
                "value_bytes_max",
                "must be 268435456 (256 MiB) or less",
            ),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, name, problem)) => Err(option_error(scheme, name, problem)),
            None => Ok(()),
        }
    }
}

/// Puts `value` in its place, if there is one.
pub fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Checks a name of at most `bytes_max` that statements of the storage `scheme` will hold.
///
/// # Errors
/// [`ConfigError::Option`] naming `option`.
pub fn validate_name(
    scheme: &str,
    option: &str,
    name: &str,
    bytes_max: usize,
) -> Result<(), ConfigError> {
    match Name::new(name, bytes_max) {
        Ok(_) => Ok(()),
        Err(problem) => Err(option_error(scheme, option, format!("`{name}` {problem}"))),
    }
}

/// What is wrong with an option of the storage `scheme`.
pub fn option_error(scheme: &str, option: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Option {
        context: scheme.to_owned(),
        option: option.to_owned(),
        problem: problem.into(),
    }
}

/// The URLs of one storage.
#[derive(Clone, Copy, Debug)]
pub struct UrlForm {
    /// The storage's own scheme, which comes first, and others that mean the same.
    pub schemes: &'static [&'static str],
    /// Options of the query that are the driver's, by its names.
    pub of_driver: &'static [&'static str],
}

impl UrlForm {
    /// Splits a URL into what the driver reads and what `take` takes of its query.
    ///
    /// # Errors
    /// [`ConfigError`] for a URL of another form, and for an option that neither knows or that
    /// `take` refuses. Neither shows a password.
    pub fn split(
        &self,
        url: &str,
        take: impl FnOnce(&mut UrlOptions) -> Result<(), ConfigError>,
    ) -> Result<Url, ConfigError> {
        let scheme = self.schemes.first().copied().unwrap_or_default();
        let problem = |problem: String| url_error(url, problem);
        refuse_late_credentials(url)?;
        let mut server = Url::parse(url)
            .map_err(|_| problem(format!("not of the form `{scheme}://host/database`")))?;
        if !self.schemes.contains(&server.scheme()) {
            return Err(problem(format!("not of the form `{scheme}://..`")));
        }
        if server.fragment().is_some() {
            return Err(problem("it has a `#`, to be written as `%23`".to_owned()));
        }
        let mut given = UrlOptions::of_query(scheme, server.query().unwrap_or_default())?;
        server.set_query(None);
        take(&mut given)?;
        for (name, value) in given.into_rest() {
            if !self.of_driver.contains(&name.as_str()) {
                return Err(option_error(scheme, &name, "is not an option of this storage"));
            }
            server.query_pairs_mut().append_pair(&name, &value);
        }
        Ok(server)
    }
}

/// What is wrong with a URL, which is shown without its password.
pub fn url_error(url: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Url { url: without_credentials(url), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: UrlForm = UrlForm { schemes: &["some", "other"], of_driver: &["tls"] };

    fn split(url: &str) -> Result<(Url, TableOptions), ConfigError> {
        let mut options = TableOptions::default();
        let server = FORM.split(url, |given| options.take(given))?;
        Ok((server, options))
    }

    #[test]
    fn a_url_falls_into_what_is_the_drivers_and_what_is_ours() {
        let url =
            "other://me:pw@h/d?tls=yes&table=t&max_connections=3&timeout=250ms&max_bytes=1KiB";
        let (server, options) = split(url).unwrap();
        assert_eq!(server.as_str(), "other://me:pw@h/d?tls=yes");
        let expected = TableOptions {
            table: "t".to_owned(),
            pool_size: 3,
            timeout: Duration::from_millis(250),
            max_bytes: 1024,
            ..TableOptions::default()
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_shown() {
        for (url, problem) in [
            ("x://me:SECRET@h/d", "`some://..`"),
            ("some", "`some://host/database`"),
            ("some://me:SECRET@h/d?colour=1", "`colour`"),
            ("some://me:SECRET@h/d?timeout=SOON", "`timeout`"),
            ("some://me:SECRET@h/d#x", "`#`"),
            ("some://me:12?SECRET@h/d", "late `@`"),
            ("some://me:12/SECRET@h/d", "late `@`"),
            ("some:me:SECRET@h/d", "late `@`"),
        ] {
            let error = split(url).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn every_option_has_its_range() {
        assert!(TableOptions::default().validate("some").is_ok());
        let options = TableOptions::default;
        let zero = Duration::ZERO;
        for (wrong, name) in [
            (TableOptions { table: "a;b".to_owned(), ..options() }, "table"),
            (TableOptions { pool_size: 1025, ..options() }, "pool_size"),
            (TableOptions { timeout: zero, ..options() }, "timeout"),
            (TableOptions { idle_timeout: zero, ..options() }, "idle_timeout"),
            (TableOptions { cleanup_interval: Some(zero), ..options() }, "cleanup_interval"),
            (TableOptions { access_interval: zero, ..options() }, "access_interval"),
            (TableOptions { max_entries: 0, ..options() }, "max_entries"),
            (TableOptions { max_bytes: 0, ..options() }, "max_bytes"),
            (TableOptions { events_max: 0, ..options() }, "events_max"),
            (TableOptions { value_bytes_max: 0, ..options() }, "value_bytes_max"),
            (TableOptions { value_bytes_max: (256 << 20) + 1, ..options() }, "value_bytes_max"),
        ] {
            match wrong.validate("some").unwrap_err() {
                ConfigError::Option { option, .. } => assert_eq!(option, name),
                other => panic!("{other}"),
            }
        }
    }
}
