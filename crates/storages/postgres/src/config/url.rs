//! Options by URL.

use std::str::FromStr;

use cache_core::config::UrlOptions;
use cache_core::error::ConfigError;
use cache_sql::{UrlForm, set, url_error};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::PostgresOptions;

/// The driver's options have the names that PostgreSQL's own programs use.
const FORM: UrlForm = UrlForm {
    schemes: &["postgres", "postgresql"],
    of_driver: &[
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
    ],
};

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
        let mut options = Self::at(PgConnectOptions::new_without_pgpass());
        let server = FORM.split(url, |given| options.take(given))?;
        // The driver's own words may hold what was given.
        options.server = PgConnectOptions::from_url(&server)
            .map_err(|_| url_error(url, "a part of it is not valid (host, port, sslmode, ..)"))?;
        options.validate()?;
        Ok(options)
    }

    fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        set(&mut self.schema, given.text("schema"));
        set(&mut self.unlogged, given.flag("unlogged")?);
        self.common.take(given)
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

    use proptest::prelude::*;

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
        assert!(!options.common.create && options.unlogged && !options.common.prepared);
        assert_eq!(options.common.pool_size, 3);
        assert_eq!(options.common.timeout, Duration::from_millis(250));
        assert_eq!(options.common.idle_timeout, Duration::from_secs(60));
        assert_eq!(options.common.cleanup_interval, None);
        assert_eq!(options.common.access_interval, Duration::from_secs(2));
        assert_eq!((options.common.max_entries, options.common.max_bytes), (7, 1_000_000_000));
        assert_eq!((options.common.value_bytes_max, options.common.events_max), (2 << 20, 500));
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

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            password in "[a-z0-9@/?#:%&=]{0,8}SECRET[a-z0-9/?#:%&=]{0,8}",
            option in "(|\\?(timeout|pool_size|table|sslmode)=)",
        ) {
            let url = format!("postgres://user:1{option}{password}@host/d");
            let shown = match PostgresOptions::from_url(&url) {
                Ok(options) => format!("{options:?}"),
                Err(refused) => format!("{refused} {refused:?}"),
            };
            prop_assert!(!shown.contains("SECRET"), "{shown}");
        }
    }
}
