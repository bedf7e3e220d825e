//! Options by URL.

use std::path::PathBuf;
use std::str::FromStr;

use cache_core::config::{UrlOptions, without_credentials};
use cache_core::error::ConfigError;
use percent_encoding::percent_decode_str;

use super::{CheckOnOpen, FilesystemOptions};
use crate::error::SCHEME;

impl FilesystemOptions {
    /// Reads a URL.
    ///
    /// | URL | folder |
    /// |---|---|
    /// | `file:///var/cache/audio`, `file://localhost/var/cache/audio`, `file:/var/cache/audio` | an absolute path |
    /// | `file://./audio`, `file://../audio`, `file:audio` | relative to the working folder |
    ///
    /// Special characters of the path are percent-encoded. The query names options: `files_at_once`,
    /// `fsync`, `create`, `check_on_open` (`never`, `after_kill`, `always`), `timeout`,
    /// `value_bytes_max`, `max_bytes`, `max_entries`, `pool_size`, `cache_size`,
    /// `cleanup_interval`, `access_interval`. Times are seconds (`30`, `0.5`) or with a unit (`30s`,
    /// `1h`); sizes are bytes or with a unit (`64MiB`, `64MB`); `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let problem = |problem: &str| ConfigError::Url {
            // A URL that is not of this form may hold a password.
            url: match url.split_once('?').unwrap_or((url, "")) {
                (place, _) if place.starts_with("file:") => place.to_owned(),
                _ => without_credentials(url),
            },
            problem: problem.to_owned(),
        };
        let rest = url.strip_prefix("file:").ok_or_else(|| problem("not of the form `file:..`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.contains('#') || query.contains('#') {
            return Err(problem("it has a `#`, to be written as `%23`"));
        }
        let path = path_of(path)
            .ok_or_else(|| problem("it names a host; a path begins with `/`, `./` or `../`"))?;
        let path = percent_decode_str(path).decode_utf8();
        let path = path.map_err(|_| problem("the path is not UTF-8"))?;
        if path.is_empty() {
            return Err(problem("it names no folder"));
        }
        if path.contains('\0') {
            return Err(problem("the path holds a zero character"));
        }
        let mut options = Self::new(PathBuf::from(&*path));
        let mut given = UrlOptions::of_query(SCHEME, query)?;
        options.take(&mut given)?;
        given.finish()?;
        options.validate()?;
        Ok(options)
    }

    /// Takes every option that is given.
    fn take(&mut self, given: &mut UrlOptions) -> Result<(), ConfigError> {
        const CHECKS: &[(&str, CheckOnOpen)] = &[
            ("never", CheckOnOpen::Never),
            ("after_kill", CheckOnOpen::AfterKill),
            ("always", CheckOnOpen::Always),
        ];
        fn set<T>(place: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *place = given;
            }
        }
        set(&mut self.files_at_once, given.number("files_at_once")?);
        set(&mut self.fsync, given.flag("fsync")?);
        set(&mut self.create, given.flag("create")?);
        set(&mut self.check_on_open, given.word("check_on_open", CHECKS)?);
        set(&mut self.timeout, given.duration("timeout")?);
        set(&mut self.value_bytes_max, given.bytes("value_bytes_max")?);
        set(&mut self.max_bytes, given.bytes("max_bytes")?);
        set(&mut self.max_entries, given.number("max_entries")?);
        set(&mut self.pool_size, given.number("pool_size")?);
        set(&mut self.cache_bytes, given.bytes("cache_size")?);
        set(&mut self.cleanup_interval, given.interval("cleanup_interval")?);
        set(&mut self.access_interval, given.duration("access_interval")?);
        Ok(())
    }
}

impl FromStr for FilesystemOptions {
    type Err = ConfigError;

    /// As [`FilesystemOptions::from_url`].
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        Self::from_url(url)
    }
}

/// The path that the part between `file:` and `?` means, still encoded; `None` if it names a host.
fn path_of(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix("//") else { return Some(text) };
    let rest = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    let is_path = ["/", "./", "../"].iter().any(|start| rest.starts_with(start));
    (is_path || matches!(rest, "." | "..")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_documented() {
        for (url, path) in [
            ("file:///var/cache?max_entries=3", "/var/cache"),
            ("file://localhost/var/cache", "/var/cache"),
            ("file:/var/cache", "/var/cache"),
            ("file:///a%20b%3Fc", "/a b?c"),
            ("file://./audio", "./audio"),
            ("file://../audio", "../audio"),
            ("file:audio", "audio"),
        ] {
            let options = FilesystemOptions::from_url(url).unwrap();
            assert_eq!(options.path(), Path::new(path), "{url}");
        }
    }

    #[test]
    fn every_option_can_be_given() {
        let options = FilesystemOptions::from_url(
            "file:///f?files_at_once=3&fsync=true&create=false&check_on_open=always&timeout=0.5\
             &value_bytes_max=2MiB&max_bytes=1GB&max_entries=7&pool_size=2&cache_size=1MiB\
             &cleanup_interval=off&access_interval=2s",
        )
        .unwrap();
        assert_eq!((options.files_at_once, options.pool_size), (3, 2));
        assert!(options.fsync && !options.create);
        assert_eq!(options.check_on_open, CheckOnOpen::Always);
        assert_eq!(options.timeout, Duration::from_millis(500));
        assert_eq!((options.max_bytes, options.max_entries), (1_000_000_000, 7));
        assert_eq!((options.value_bytes_max, options.cache_bytes), (2 << 20, 1 << 20));
        assert_eq!(options.cleanup_interval, None);
        assert_eq!(options.access_interval, Duration::from_secs(2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("sqlite://x", "`file:..`"),
            ("file://", "names a host"),
            ("file:", "no folder"),
            ("file://host/path", "names a host"),
            ("file://audio", "names a host"),
            ("file:///f?colour=red", "`colour` is not an option"),
            ("file:///f?pool_size=0", "must be 1 to 256"),
            ("file:///f?files_at_once=0", "must be 1 to 256"),
            ("file:///f?timeout=0", "must be larger than zero"),
            ("file:///f?value_bytes_max=4GiB", "4 GiB less one byte"),
            ("file:///f?value_bytes_max=0", "must be larger than zero"),
            ("file:///f?max_bytes=1", "256 KiB"),
            ("file:///f?check_on_open=soon", "one of never, after_kill, always"),
            ("file:///f?fsync=true&fsync=false", "given twice"),
            ("file:///f#x", "`#`"),
            ("file:///a%FF", "not UTF-8"),
            ("file:///a%00", "zero character"),
        ] {
            let problem = FilesystemOptions::from_url(url).unwrap_err().to_string();
            assert!(problem.contains(part), "{url}: {problem}");
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
                format!("file:///f?{option}{password}@host/d"),
            ] {
                let problem = FilesystemOptions::from_url(&url).unwrap_err();
                let shown = format!("{problem} {problem:?}");
                prop_assert!(!shown.contains("SECRET"), "{shown}");
            }
        }

        #[test]
        fn any_text_is_refused_or_gives_valid_options(text in any::<String>()) {
            for url in [text.clone(), format!("file:{text}"), format!("file:///f?{text}")] {
                if let Ok(options) = FilesystemOptions::from_url(&url) {
                    prop_assert_eq!(options.validate(), Ok(()));
                }
            }
        }
    }
}
