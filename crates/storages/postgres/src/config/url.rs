//! Options by URL.

use std::str::FromStr;

use cache_core::config::{UrlOptions, without_credentials};
use cache_core::error::ConfigError;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::PostgresOptions;
use crate::error::SCHEME;

/// What the driver takes from a URL, by the names that PostgreSQL's own programs use.
const OF_DRIVER: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl PostgresOptions {
    /// Reads a URL: `postgres://user:password@host:port/database?option=value&..`, also with the
    /// scheme `postgresql`. What it leaves out comes from the environment (`PGHOST`, `PGPASSWORD`,
    /// ..) and the password file, as with PostgreSQL's own programs.
    ///
    /// The query names options of the connection (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`,
    /// `host`, `hostaddr`, `port`, `dbname`, `user`, `password`, `application_name`, `options`) and
    /// of the storage: `schema`, `table`, `create`, `unlogged`, `prepared`, `pool_size` (or
    /// `max_connections`), `timeout`, `idle_timeout`, `cleanup_interval`, `access_interval`,
    /// `max_entries`, `max_bytes`, `value_bytes_max`, `events_max`. Times are seconds (`30`, `0.5`) or with a unit
    /// (`250ms`, `1h`); sizes are bytes or with a unit (`64MiB`); `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range. Neither shows a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let problem = |problem: &str| ConfigError::Url {
            url: without_credentials(url),
            problem: problem.to_owned(),
        };
        let mut server =
            Url::parse(url).map_err(|_| problem("not of the form `postgres://host/database`"))?;
        if !matches!(server.scheme(), "postgres" | "postgresql") {
            return Err(problem("not of the form `postgres://..`"));
        }
        if server.fragment().is_some() {
            return Err(problem("it has a `#`, to be written as `%23`"));
        }
        let mut given = UrlOptions::of_query(SCHEME, server.query().unwrap_or_default())?;
        server.set_query(None);
        let mut options = Self::at(PgConnectOptions::new_without_pgpass());
        options.take(&mut given)?;
        for (name, value) in given.into_rest() {
            if !OF_DRIVER.contains(&name.as_str()) {
                return Err(super::option(&name, "is not an option of this storage"));
            }
            server.query_pairs_mut().append_pair(&name, &value);
        }
        // The driver's own words may hold what was given.
        options.server = PgConnectOptions::from_url(&server)
            .map_err(|_| problem("a part of it is not valid (host, port, sslmode, ..)"))?;
        options.validate()?;
        Ok(options)
    }

    fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        given.renamed("pool_size", "max_connections")?;
        set(&mut self.schema, given.text("schema"));
        set(&mut self.table, given.text("table"));
        set(&mut self.create, given.flag("create")?);
        set(&mut self.unlogged, given.flag("unlogged")?);
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
}

impl FromStr for PostgresOptions {
    type Err = ConfigError;

    /// As [`PostgresOptions::from_url`].
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        Self::from_url(url)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn problem(url: &str) -> String {
        PostgresOptions::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn every_option_can_be_given() {
        let options = PostgresOptions::from_url(
            "postgresql://me:pw@db:5433/app?schema=s&table=t&create=false&unlogged=true\
             &prepared=false&max_connections=3&timeout=250ms&idle_timeout=1m&cleanup_interval=off\
             &access_interval=2s&max_entries=7&max_bytes=1GB&value_bytes_max=2MiB&events_max=500&sslmode=require\
             &application_name=shop",
        );
        let options = options.unwrap();
        assert_eq!((options.server.get_host(), options.server.get_port()), ("db", 5433));
        assert_eq!(options.server.get_database(), Some("app"));
        assert_eq!(options.server.get_application_name(), Some("shop"));
        assert_eq!((options.schema_name(), options.table_name()), ("s", "t"));
        assert!(!options.create && options.unlogged && !options.prepared);
        assert_eq!(options.pool_size, 3);
        assert_eq!(options.timeout, Duration::from_millis(250));
        assert_eq!(options.idle_timeout, Duration::from_secs(60));
        assert_eq!(options.cleanup_interval, None);
        assert_eq!(options.access_interval, Duration::from_secs(2));
        assert_eq!((options.max_entries, options.max_bytes), (7, 1_000_000_000));
        assert_eq!((options.value_bytes_max, options.events_max), (2 << 20, 500));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("redis://x", "`postgres://..`"),
            ("postgres", "`postgres://host/database`"),
            ("postgres://h/d?colour=red", "`colour` is not an option"),
            ("postgres://h/d?pool_size=0", "must be 1 to 1024"),
            ("postgres://h/d?pool_size=1&max_connections=2", "another name"),
            ("postgres://h/d?table=a;drop", "`a;drop`"),
            ("postgres://h/d?schema=a\"b", "`schema`"),
            ("postgres://h/d?timeout=0", "must be larger than zero"),
            ("postgres://h/d?max_entries=0", "must be larger than zero"),
            ("postgres://h/d?value_bytes_max=1GiB", "256 MiB"),
            ("postgres://h/d?sslmode=maybe", "sslmode"),
            ("postgres://h/d#x", "`#`"),
        ] {
            assert!(problem(url).contains(part), "{url}: {}", problem(url));
        }
    }

    #[test]
    fn no_password_is_shown() {
        let url = "postgres://me:SECRET@h/d?sslmode=require&application_name=SECRET";
        let options = PostgresOptions::from_url(url).unwrap();
        assert!(!format!("{options:?}").contains("SECRET"), "{options:?}");
        for url in [
            "postgres://me:SECRET@h/d?colour=x",
            "postgres://me:SECRET@h:99999/d",
            "postgres://me:SECRET@h/d?sslmode=no",
            "postgres://me:SECRET@h/d?password=SECRET&port=SECRET",
        ] {
            assert!(!problem(url).contains("SECRET"), "{}", problem(url));
        }
    }
}
