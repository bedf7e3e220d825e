use std::fmt;

use crate::error::ConfigError;

/// A text that no `Debug` and no error shows: a password, or a URL that may hold one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the driver and nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// The URL as it may be shown: without user, password, query and fragment. All of them may hold
/// secrets, and a URL that cannot be told apart is shown by its scheme alone.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return match url.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => format!("{scheme}:.."),
            _ => "..".to_owned(),
        };
    };
    if !is_scheme(scheme) {
        return "..".to_owned();
    }
    // A password may hold `@`, `/`, `?` and `#` that ought to be percent-encoded and are not:
    // whatever stands before the last `@` is left out.
    let (rest, hidden) = match rest.rsplit_once('@') {
        Some((_, rest)) => (rest, true),
        None => (rest, false),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let hidden = if hidden { "..@" } else { "" };
    format!("{scheme}://{hidden}{}", &rest[..end])
}

/// Refuses a URL with an `@` behind the part that names user, password and host: in its path, query
/// or fragment.
///
/// A password whose `/`, `?` or `#` ought to be percent-encoded and is not ends that part early, and
/// what is left of it would be taken, and shown in errors, as the name of a database or an option.
/// Storages whose URLs hold credentials ask this before they read anything else.
///
/// ```
/// use cache_core::config::refuse_late_credentials;
///
/// assert!(refuse_late_credentials("redis://user:p%3Fss@host/1?timeout=5").is_ok());
/// assert!(refuse_late_credentials("redis://user:p?ss@host/1?timeout=5").is_err());
/// ```
///
/// # Errors
/// [`ConfigError::Url`], which shows nothing of what stands before the `@`.
pub fn refuse_late_credentials(url: &str) -> Result<(), ConfigError> {
    let late = match url.split_once("://") {
        Some((_, rest)) => &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..],
        None => url,
    };
    if !late.contains('@') {
        return Ok(());
    }
    Err(ConfigError::Url {
        url: without_credentials(url),
        problem: "user, password and options must be percent-encoded: it has a late `@`".to_owned(),
    })
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shown_url_keeps_host_and_path() {
        for (url, shown) in [
            ("redis://localhost:6379/2?timeout=5", "redis://localhost:6379/2"),
            ("postgres://u:p%40ss@h/db?password=x", "postgres://..@h/db"),
            ("postgres://u:p@ss@h/db", "postgres://..@h/db"),
            ("redis://:pa/ss?w#d@h:1", "redis://..@h:1"),
            ("sqlite:cache.db", "sqlite:.."),
            ("secret word", ".."),
            ("my secret://x", ".."),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(password in "[a-z@/?#:%]{0,8}SECRET[a-z/?#:%]{0,8}") {
            let shown = without_credentials(&format!("redis://user:{password}@host/1"));
            prop_assert!(!shown.contains("SECRET"), "{shown}");
        }
    }

    #[test]
    fn a_late_at_sign_is_refused() {
        for url in [
            "redis://h",
            "redis://u:p@h:1/2?timeout=5#x",
            "redis://u:p@ss%2F@h/d%40",
            "redis:x",
            "",
        ] {
            assert_eq!(refuse_late_credentials(url), Ok(()), "{url}");
        }
        for url in [
            "redis://u:12?SECRET@h/d",
            "redis://u:12/SECRET@h/d",
            "redis://u:12#SECRET@h/d",
            "redis://u@h/SECRET@x",
            "redis://h?SECRET@x",
            "redis:u:SECRET@h",
            "u:SECRET@h",
        ] {
            let problem = refuse_late_credentials(url).unwrap_err().to_string();
            assert!(problem.contains("late `@`") && !problem.contains("SECRET"), "{problem}");
        }
    }

    #[test]
    fn a_secret_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("word")), "..");
        assert_eq!(Secret::new("word").reveal(), "word");
    }
}
