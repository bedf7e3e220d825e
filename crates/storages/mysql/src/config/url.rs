//! Options by URL.

use std::str::FromStr;

use cache_core::config::UrlOptions;
use cache_core::error::ConfigError;
use cache_sql::{UrlForm, set, url_error};
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use super::MySqlOptions;

/// The driver's options have the names that MySQL's own programs use.
const FORM: UrlForm = UrlForm {
    schemes: &["mysql", "mariadb"],
    of_driver: &["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"],
};

impl MySqlOptions {
    /// Reads a URL: `mysql://user:password@host:port/database?option=value&..`, also with the
    /// scheme `mariadb`.
    ///
    /// The query names options of the connection (`ssl-mode`: `DISABLED`, `PREFERRED`, `REQUIRED`,
    /// `VERIFY_CA`, `VERIFY_IDENTITY`; `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`) and of the storage:
    /// `table`, `create`, `prepared`, `pool_size` (or `max_connections`), `timeout`,
    /// `idle_timeout`, `cleanup_interval`, `access_interval`, `max_entries`, `max_bytes`,
    /// `value_bytes_max`, `events_max`, `events_interval`. Times are seconds (`30`, `0.5`) or with a unit (`250ms`, `1h`); sizes are
    /// bytes or with a unit (`64MiB`); `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range. Neither shows a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let mut options = Self::at(MySqlConnectOptions::new());
        let server = FORM.split(url, |given| options.take(given))?;
        // The driver's own words may hold what was given.
        options.server = MySqlConnectOptions::from_url(&server)
            .map_err(|_| url_error(url, "a part of it is not valid (host, port, ssl-mode, ..)"))?;
        options.validate()?;
        Ok(options)
    }

    fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        set(&mut self.events_interval, given.duration("events_interval")?);
        self.common.take(given)
    }
}

impl FromStr for MySqlOptions {
    type Err = ConfigError;

    /// As [`MySqlOptions::from_url`].
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
        MySqlOptions::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn every_option_can_be_given() {
        let options = MySqlOptions::from_url(
            "mariadb://me:pw@db:3307/app?table=t&create=false&prepared=false&max_connections=3\
             &timeout=250ms&idle_timeout=1m&cleanup_interval=off&access_interval=2s&max_entries=7\
             &max_bytes=1GB&value_bytes_max=2MiB&events_max=500&events_interval=5ms\
             &ssl-mode=REQUIRED&socket=/run/db.sock",
        );
        let options = options.unwrap();
        assert_eq!((options.server.get_host(), options.server.get_port()), ("db", 3307));
        assert_eq!(options.server.get_database(), Some("app"));
        assert!(options.server.get_socket().is_some());
        assert_eq!(options.table_name(), "t");
        assert!(!options.common.create && !options.common.prepared);
        assert_eq!(options.common.pool_size, 3);
        assert_eq!(options.common.timeout, Duration::from_millis(250));
        assert_eq!(options.common.idle_timeout, Duration::from_secs(60));
        assert_eq!(options.common.cleanup_interval, None);
        assert_eq!(options.common.access_interval, Duration::from_secs(2));
        assert_eq!((options.common.max_entries, options.common.max_bytes), (7, 1_000_000_000));
        assert_eq!((options.common.value_bytes_max, options.common.events_max), (2 << 20, 500));
        assert_eq!(options.events_interval, Duration::from_millis(5));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("redis://x", "`mysql://..`"),
            ("mysql", "`mysql://host/database`"),
            ("mysql://h", "`database` must be named"),
            ("mysql://h/d?colour=red", "`colour` is not an option"),
            ("mysql://h/d?charset=latin1", "`charset` is not an option"),
            ("mysql://h/d?pool_size=0", "must be 1 to 1024"),
            ("mysql://h/d?pool_size=1&max_connections=2", "another name"),
            ("mysql://h/d?table=a;drop", "`a;drop`"),
            ("mysql://h/d?table=a`b", "`table`"),
            ("mysql://h/d?timeout=0", "must be larger than zero"),
            ("mysql://h/d?max_entries=0", "must be larger than zero"),
            ("mysql://h/d?value_bytes_max=1GiB", "256 MiB"),
            ("mysql://h/d?ssl-mode=maybe", "ssl-mode"),
            ("mysql://h/d#x", "`#`"),
        ] {
            assert!(problem(url).contains(part), "{url}: {}", problem(url));
        }
    }

    #[test]
    fn no_password_is_shown() {
        let url = "mysql://me:SECRET@h/d?ssl-mode=REQUIRED&socket=/SECRET";
        let options = MySqlOptions::from_url(url).unwrap();
        assert!(!format!("{options:?}").contains("SECRET"), "{options:?}");
        for url in [
            "mysql://me:SECRET@h/d?colour=x",
            "mysql://me:SECRET@h:99999/d",
            "mysql://me:SECRET@h/d?ssl-mode=SECRET",
            "mysql://me:SECRET@h/d?password=SECRET&port=SECRET",
        ] {
            assert!(!problem(url).contains("SECRET"), "{}", problem(url));
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            password in "[a-z0-9@/?#:%&=]{0,8}SECRET[a-z0-9/?#:%&=]{0,8}",
            option in "(|\\?(timeout|pool_size|table|ssl-mode)=)",
        ) {
            let url = format!("mysql://user:1{option}{password}@host/d");
            let shown = match MySqlOptions::from_url(&url) {
                Ok(options) => format!("{options:?}"),
                Err(refused) => format!("{refused} {refused:?}"),
            };
            prop_assert!(!shown.contains("SECRET"), "{shown}");
        }
    }
}
