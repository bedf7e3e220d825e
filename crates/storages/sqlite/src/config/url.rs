//! Options by URL.

use std::path::PathBuf;
use std::str::FromStr;

use cache_core::config::{UrlOptions, parse_bytes, without_credentials};
use cache_core::error::ConfigError;
use percent_encoding::percent_decode_str;

use super::pragma::{AutoVacuum, IntegrityCheck, JournalMode, Synchronous, TempStore};
use super::{Location, SqliteOptions};
use crate::error::SCHEME;

impl SqliteOptions {
    /// Reads a URL.
    ///
    /// | URL | database |
    /// |---|---|
    /// | `sqlite://cache.db`, `sqlite://dir/cache.db`, `sqlite:cache.db` | relative to the working folder |
    /// | `sqlite:///var/cache.db`, `sqlite:/var/cache.db` | an absolute path |
    /// | `sqlite:///test` | one name after three slashes: relative, as SQLAlchemy and Cacheme have it |
    /// | `sqlite:////test` | absolute, whatever follows |
    /// | `sqlite::memory:`, `sqlite://:memory:`, `sqlite://` | [temporary](Self::temporary) |
    ///
    /// Special characters of the path are percent-encoded. The query names options: `table`,
    /// `pool_size` (or `max_connections`), `timeout`, `journal_mode`, `synchronous`, `cache_size`,
    /// `temp_store`, `mmap_size`, `auto_vacuum`, `integrity_check`, `create`, `cleanup_interval`,
    /// `access_interval`, `stats_interval`, `stats_retention`, `max_entries` (or `max_cache_size`),
    /// `max_bytes`, `value_bytes_max`, `wal_bytes_max`, `events_max`, `events_interval`. Times are seconds (`30`, `0.5`) or with a
    /// unit (`30s`, `1h`); sizes are bytes or with a unit (`64MiB`, `64MB`); `cache_size=-64000` is
    /// read as SQLite does, in KiB; `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let problem = |problem: &str| ConfigError::Url {
            // A URL that is not of this form may hold a password.
            url: match url.split_once('?').unwrap_or((url, "")) {
                (place, _) if place.starts_with("sqlite:") => place.to_owned(),
                _ => without_credentials(url),
            },
            problem: problem.to_owned(),
        };
        let rest =
            url.strip_prefix("sqlite:").ok_or_else(|| problem("not of the form `sqlite:..`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.contains('#') || query.contains('#') {
            return Err(problem("it has a `#`, to be written as `%23`"));
        }
        let mut options = match path_of(path) {
            "" | ":memory:" => Self::temporary(),
            path => {
                let path = percent_decode_str(path).decode_utf8();
                let path = path.map_err(|_| problem("the path is not UTF-8"))?;
                if path.contains('\0') {
                    return Err(problem("the path holds a zero character"));
                }
                Self::at(Location::File(PathBuf::from(&*path)))
            }
        };
        let mut given = UrlOptions::of_query(SCHEME, query)?;
        given.renamed("pool_size", "max_connections")?;
        given.renamed("max_entries", "max_cache_size")?;
        options.take(&mut given)?;
        given.finish()?;
        options.validate()?;
        Ok(options)
    }

    /// Takes every option that is given.
    fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        fn set<T>(place: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *place = given;
            }
        }
        set(&mut self.table, given.text("table"));
        set(&mut self.pool_size, given.number("pool_size")?);
        set(&mut self.timeout, given.duration("timeout")?);
        set(&mut self.journal_mode, given.word("journal_mode", JournalMode::WORDS)?);
        set(&mut self.synchronous, given.word("synchronous", Synchronous::WORDS)?);
        set(&mut self.cache_bytes, given.read("cache_size", cache_bytes, A_SIZE)?);
        set(&mut self.temp_store, given.word("temp_store", TempStore::WORDS)?);
        set(&mut self.mmap_bytes, given.bytes("mmap_size")?);
        set(&mut self.auto_vacuum, given.word("auto_vacuum", AutoVacuum::WORDS)?);
        set(&mut self.integrity_check, given.word("integrity_check", IntegrityCheck::WORDS)?);
        set(&mut self.create, given.flag("create")?);
        set(&mut self.cleanup_interval, given.interval("cleanup_interval")?);
        set(&mut self.access_interval, given.duration("access_interval")?);
        set(&mut self.stats_interval, given.interval("stats_interval")?);
        set(&mut self.stats_retention, given.duration("stats_retention")?);
        set(&mut self.max_entries, given.number("max_entries")?);
        set(&mut self.max_bytes, given.bytes("max_bytes")?);
        set(&mut self.value_bytes_max, given.bytes("value_bytes_max")?);
        set(&mut self.events_max, given.number("events_max")?);
        set(&mut self.events_interval, given.duration("events_interval")?);
        set(&mut self.wal_bytes_max, given.bytes("wal_bytes_max")?);
        if given.text("backup_interval").is_some() {
            let problem = "is not taken yet: this release makes no backups";
            return Err(given.refused("backup_interval", problem));
        }
        Ok(())
    }
}

impl FromStr for SqliteOptions {
    type Err = ConfigError;

    /// As [`SqliteOptions::from_url`].
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        Self::from_url(url)
    }
}

/// The path that the part between `sqlite:` and `?` means, still encoded.
fn path_of(text: &str) -> &str {
    let Some(after_slashes) = text.strip_prefix("//") else { return text };
    match after_slashes.strip_prefix('/') {
        // `sqlite:////x`: what follows the third slash is the path.
        Some(absolute) if absolute.starts_with('/') => absolute,
        // `sqlite:///x`: a file right under the root is hardly ever meant.
        Some(name) if !name.contains('/') => name,
        _ => after_slashes,
    }
}

const A_SIZE: &str = "a size such as 1048576 or 1MiB";

/// A size, or a negative number of KiB as SQLite itself reads it.
fn cache_bytes(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        Some(kibibytes) => kibibytes.parse::<u64>().ok().map(|number| number.saturating_mul(1024)),
        None => parse_bytes(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn location(url: &str) -> Location {
        SqliteOptions::from_url(url).unwrap().location
    }

    fn problem(url: &str) -> String {
        SqliteOptions::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn paths_are_read_as_documented() {
        let file = |path: &str| Location::File(path.into());
        assert_eq!(location("sqlite://cache.db?table=t&pool_size=3"), file("cache.db"));
        assert_eq!(location("sqlite://dir/cache.db"), file("dir/cache.db"));
        assert_eq!(location("sqlite:cache.db"), file("cache.db"));
        assert_eq!(location("sqlite:///var/cache.db"), file("/var/cache.db"));
        assert_eq!(location("sqlite:/var/cache.db"), file("/var/cache.db"));
        assert_eq!(location("sqlite:///test"), file("test"));
        assert_eq!(location("sqlite:////test"), file("/test"));
        assert_eq!(location("sqlite://a%20b%3Fc.db"), file("a b?c.db"));
        for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite://", "sqlite:"] {
            assert_eq!(location(url), Location::Temporary, "{url}");
        }
    }

    #[test]
    fn every_option_can_be_given() {
        let options = SqliteOptions::from_url(
            "sqlite://c.db?table=t&pool_size=3&timeout=0.5&journal_mode=delete&synchronous=full\
             &cache_size=-2000&temp_store=file&mmap_size=1MiB&auto_vacuum=none&integrity_check=full\
             &create=false&cleanup_interval=off&access_interval=2s&stats_interval=1m\
             &stats_retention=1h&max_entries=7&max_bytes=1GB&value_bytes_max=2MiB&events_max=500&events_interval=5ms\
             &wal_bytes_max=1048576",
        );
        let options = options.unwrap();
        assert_eq!((options.table.as_str(), options.pool_size), ("t", 3));
        assert_eq!(options.timeout, Duration::from_millis(500));
        assert_eq!(options.journal_mode, JournalMode::Delete);
        assert_eq!(options.synchronous, Synchronous::Full);
        assert_eq!(options.cache_bytes, 2_048_000);
        assert_eq!(options.temp_store, TempStore::File);
        assert_eq!(options.mmap_bytes, 1 << 20);
        assert_eq!(options.auto_vacuum, AutoVacuum::None);
        assert_eq!(options.integrity_check, IntegrityCheck::Full);
        assert!(!options.create);
        assert_eq!(options.cleanup_interval, None);
        assert_eq!(options.access_interval, Duration::from_secs(2));
        assert_eq!(options.stats_interval, Some(Duration::from_secs(60)));
        assert_eq!(options.stats_retention, Duration::from_secs(3600));
        assert_eq!((options.max_entries, options.max_bytes), (7, 1_000_000_000));
        assert_eq!(options.events_max, 500);
        assert_eq!(options.events_interval, Duration::from_millis(5));
        assert_eq!((options.value_bytes_max, options.wal_bytes_max), (2 << 20, 1 << 20));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("redis://x", "`sqlite:..`"),
            ("sqlite://c.db?colour=red", "`colour` is not an option"),
            ("sqlite://c.db?pool_size=0", "must be 1 to 256"),
            ("sqlite://c.db?pool_size=x", "not a whole number"),
            ("sqlite://c.db?pool_size=1&pool_size=2", "given twice"),
            ("sqlite://c.db?table=a;drop", "`a;drop`"),
            ("sqlite://c.db?journal_mode=OFF", "one of WAL, DELETE"),
            ("sqlite://c.db?timeout=0", "must be larger than zero"),
            ("sqlite://c.db?timeout=soon", "a time"),
            ("sqlite://c.db?timeout=-1", "a time"),
            ("sqlite://c.db?timeout=86400.1", "a day"),
            ("sqlite://c.db?timeout=1e18", "a day"),
            ("sqlite://c.db?max_bytes=1", "256 KiB"),
            ("sqlite://c.db?max_entries=0", "must be larger than zero"),
            ("sqlite://c.db?backup_interval=86400", "makes no backups"),
            ("sqlite://c.db#x", "`#`"),
            ("sqlite://a%FF", "not UTF-8"),
        ] {
            assert!(problem(url).contains(part), "{url}: {}", problem(url));
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            password in "[a-z0-9@/?#:%&=]{0,8}SECRET[a-z0-9/?#:%&=]{0,8}",
            option in "(|(timeout|pool_size)=)",
        ) {
            // There is none in such a URL, but in what was meant for another storage.
            for url in [
                format!("redis://user:1{password}@host/d"),
                format!("sqlite://c.db?{option}{password}@host/d"),
            ] {
                let problem = SqliteOptions::from_url(&url).unwrap_err();
                let shown = format!("{problem} {problem:?}");
                prop_assert!(!shown.contains("SECRET"), "{shown}");
            }
        }

        #[test]
        fn any_text_is_refused_or_gives_valid_options(
            text in prop_oneof![any::<String>(), "\\PC{0,40}"],
            name in "(timeout|pool_size|max_bytes|cache_size|wal_bytes_max|cleanup_interval)",
            value in prop_oneof!["-?[0-9]{0,20}(\\.[0-9]{1,3})?(e[0-9]{1,3})?(KiB|GB|s|h)?", "\\PC{0,9}"],
        ) {
            for url in [
                text.clone(),
                format!("sqlite:{text}"),
                format!("sqlite://c.db?{text}"),
                format!("sqlite://c.db?{name}={value}"),
            ] {
                if let Ok(options) = SqliteOptions::from_url(&url) {
                    prop_assert_eq!(options.validate(), Ok(()));
                }
            }
        }
    }
}
