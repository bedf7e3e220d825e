//! Options by URL.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cache_core::error::ConfigError;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::pragma::{AutoVacuum, IntegrityCheck, JournalMode, Synchronous, TempStore};
use super::{Location, SqliteOptions, option};

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
    /// `max_bytes`, `value_bytes_max`, `wal_bytes_max`. Times are seconds (`30`, `0.5`) or with a
    /// unit (`30s`, `1h`); sizes are bytes or with a unit (`64MiB`, `64MB`); `cache_size=-64000` is
    /// read as SQLite does, in KiB; `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let problem = |problem: &str| ConfigError::Url {
            url: url.split('?').next().unwrap_or_default().to_owned(),
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
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if seen.contains(&name) {
                return Err(option(&name, "is given twice"));
            }
            options = options.with(&name, &value)?;
            seen.push(name);
        }
        options.validate()?;
        Ok(options)
    }

    fn with(self, name: &str, value: &str) -> Result<Self, ConfigError> {
        let seconds = || duration(value).ok_or_else(|| not(name, value, "a time such as 30 or 1h"));
        let interval = || match value {
            "off" => Ok(None),
            _ => seconds().map(Some),
        };
        let size =
            || bytes(value).ok_or_else(|| not(name, value, "a size such as 1048576 or 1MiB"));
        Ok(match name {
            "table" => self.table(value),
            "pool_size" | "max_connections" => self.pool_size(number(name, value)?),
            "timeout" => self.timeout(seconds()?),
            "journal_mode" => {
                self.journal_mode(word(name, value, JournalMode::from_name, JournalMode::names)?)
            }
            "synchronous" => {
                self.synchronous(word(name, value, Synchronous::from_name, Synchronous::names)?)
            }
            "cache_size" => self.cache_bytes(match value.strip_prefix('-') {
                Some(kibibytes) => number::<u64>(name, kibibytes)?.saturating_mul(1024),
                None => size()?,
            }),
            "temp_store" => {
                self.temp_store(word(name, value, TempStore::from_name, TempStore::names)?)
            }
            "mmap_size" => self.mmap_bytes(size()?),
            "auto_vacuum" => {
                self.auto_vacuum(word(name, value, AutoVacuum::from_name, AutoVacuum::names)?)
            }
            "integrity_check" => {
                let check = word(name, value, IntegrityCheck::from_name, IntegrityCheck::names)?;
                self.integrity_check(check)
            }
            "create" => self.create(match value {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(not(name, value, "true or false")),
            }),
            "cleanup_interval" => self.cleanup_interval(interval()?),
            "access_interval" => self.access_interval(seconds()?),
            "stats_interval" => self.stats_interval(interval()?),
            "stats_retention" => self.stats_retention(seconds()?),
            "max_entries" | "max_cache_size" => self.max_entries(number(name, value)?),
            "max_bytes" => self.max_bytes(size()?),
            "value_bytes_max" => self.value_bytes_max(size()?),
            "wal_bytes_max" => self.wal_bytes_max(size()?),
            "backup_interval" => {
                return Err(option(name, "is not taken yet: this release makes no backups"));
            }
            _ => return Err(option(name, "is not an option of this storage")),
        })
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

fn not(name: &str, value: &str, expected: &str) -> ConfigError {
    option(name, format!("is `{value}`, not {expected}"))
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, ConfigError> {
    value.parse().map_err(|_| not(name, value, "a whole number"))
}

fn word<W>(
    name: &str,
    value: &str,
    from_name: fn(&str) -> Option<W>,
    names: fn() -> String,
) -> Result<W, ConfigError> {
    from_name(value).ok_or_else(|| not(name, value, &format!("one of {}", names())))
}

fn duration(value: &str) -> Option<Duration> {
    match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(value).ok(),
    }
}

fn bytes(value: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((value, 1));
    digits.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
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
             &stats_retention=1h&max_entries=7&max_bytes=1GB&value_bytes_max=2MiB\
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
