use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{parse_bytes, parse_duration};
use crate::error::ConfigError;

/// The options in the query of a storage's URL, taken out one by one.
///
/// Names and values are percent-decoded, `+` is a space. What is left at the end is unknown to the
/// storage: [`finish`](Self::finish) refuses it, [`into_rest`](Self::into_rest) hands it to a
/// driver that has options of its own.
///
/// ```
/// use std::time::Duration;
/// use cache_core::config::UrlOptions;
///
/// let mut options = UrlOptions::of_query("redis", "timeout=250ms&pool_size=4")?;
/// assert_eq!(options.duration("timeout")?, Some(Duration::from_millis(250)));
/// assert_eq!(options.number::<usize>("pool_size")?, Some(4));
/// assert_eq!(options.bytes("value_bytes_max")?, None);
/// options.finish()?;
/// # Ok::<(), cache_core::error::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct UrlOptions {
    context: String,
    left: Vec<(String, String)>,
}

impl UrlOptions {
    /// Reads the part of a URL behind its `?`. `context` stands in errors and must hold no secret.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for an option that is given twice or is not UTF-8, and for a query
    /// with an `@`, of which nothing is shown: what stands before it may be a part of a password.
    pub fn of_query(context: impl Into<String>, query: &str) -> Result<Self, ConfigError> {
        let mut options = Self { context: context.into(), left: Vec::new() };
        if query.contains('@') {
            let problem =
                "holds an `@`, to be written as `%40`; in a user or password, `?` as `%3F`";
            return Err(options.refused("..", problem));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decoded(name) else {
                return Err(options.refused("..", "has a name that is not UTF-8"));
            };
            let Some(value) = decoded(value) else {
                return Err(options.refused(&name, "is not UTF-8"));
            };
            if options.left.iter().any(|(other, _)| *other == name) {
                return Err(options.refused(&name, "is given twice"));
            }
            options.left.push((name, value));
        }
        Ok(options)
    }

    /// An error about the option `name`.
    pub fn refused(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::Option {
            context: self.context.clone(),
            option: name.to_owned(),
            problem: problem.into(),
        }
    }

    /// Takes an option as it stands.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let at = self.left.iter().position(|(other, _)| other == name)?;
        Some(self.left.remove(at).1)
    }

    /// Takes an option that goes by either of two names.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if both are given.
    pub fn renamed(&mut self, name: &str, alias: &str) -> Result<(), ConfigError> {
        if let Some(value) = self.text(alias) {
            if self.left.iter().any(|(other, _)| other == name) {
                return Err(self.refused(alias, format!("is another name of `{name}`")));
            }
            self.left.push((name.to_owned(), value));
        }
        Ok(())
    }

    /// Takes a number.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if it is not a whole number of this type.
    pub fn number<N: FromStr>(&mut self, name: &str) -> Result<Option<N>, ConfigError> {
        self.read(name, |text| text.parse().ok(), "a whole number in its range")
    }

    /// Takes a time, as [`parse_duration`] reads it.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if it is no time.
    pub fn duration(&mut self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.read(name, parse_duration, "a time such as 30 or 1h")
    }

    /// Takes a time or `off`, which is the inner `None`.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if it is neither.
    pub fn interval(&mut self, name: &str) -> Result<Option<Option<Duration>>, ConfigError> {
        let read = |text: &str| match text {
            "off" => Some(None),
            _ => parse_duration(text).map(Some),
        };
        self.read(name, read, "a time such as 30 or 1h, or off")
    }

    /// Takes a size, as [`parse_bytes`] reads it.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if it is no size.
    pub fn bytes(&mut self, name: &str) -> Result<Option<u64>, ConfigError> {
        self.read(name, parse_bytes, "a size such as 1048576 or 1MiB")
    }

    /// Takes `true` or `false`, also written `1` and `0`.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if it is neither.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ConfigError> {
        let read = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.read(name, read, "true or false")
    }

    /// Takes one of some words, in any case.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for another word, naming those there are.
    pub fn word<W: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, W)],
    ) -> Result<Option<W>, ConfigError> {
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let read = |text: &str| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, meaning)| *meaning)
        };
        self.read(name, read, format_args!("one of {}", names.join(", ")))
    }

    /// Takes an option by a reader of its own; `expected` completes `is .., not ..`.
    ///
    /// # Errors
    /// [`ConfigError::Option`] if `read` answers `None`.
    pub fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        expected: impl Display,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refused(name, format!("is `{text}`, not {expected}"))),
        }
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first option that is left.
    pub fn finish(self) -> Result<(), ConfigError> {
        match self.left.first() {
            Some((name, _)) => Err(self.refused(name, "is not an option of this storage")),
            None => Ok(()),
        }
    }

    /// What nobody took, decoded, in the order in which it was given.
    pub fn into_rest(self) -> Vec<(String, String)> {
        self.left
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(query: &str) -> UrlOptions {
        UrlOptions::of_query("test", query).unwrap()
    }

    #[test]
    fn each_kind_is_read() {
        let mut options = options("a=1&b=2s&c=off&d=1KiB&e=true&f=LOUD&g=x%26+y&&h=");
        assert_eq!(options.number::<u8>("a").unwrap(), Some(1));
        assert_eq!(options.duration("b").unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(options.interval("c").unwrap(), Some(None));
        assert_eq!(options.bytes("d").unwrap(), Some(1024));
        assert_eq!(options.flag("e").unwrap(), Some(true));
        assert_eq!(options.word("f", &[("quiet", 1), ("loud", 2)]).unwrap(), Some(2));
        assert_eq!(options.text("g").as_deref(), Some("x& y"));
        assert_eq!(options.number::<u8>("absent").unwrap(), None);
        assert_eq!(options.into_rest(), [("h".to_owned(), String::new())]);
    }

    #[test]
    fn mistakes_are_named() {
        let twice = UrlOptions::of_query("test", "a=1&a=2").unwrap_err();
        assert_eq!(twice.to_string(), "test: `a` is given twice");
        assert!(UrlOptions::of_query("test", "a=%FF").is_err());
        for late in ["SECRET@h", "a=1&SECRET@h/d", "a=SECRET@h", "SECRET=1&SECRET=@", "%FF=SECRET@"]
        {
            let late = UrlOptions::of_query("test", late).unwrap_err().to_string();
            assert!(late.contains("`%40`") && !late.contains("SECRET"), "{late}");
        }
        assert_eq!(options("a=x%40y").text("a").as_deref(), Some("x@y"));
        let wrong = options("a=256").number::<u8>("a").unwrap_err();
        assert!(wrong.to_string().contains("is `256`, not a whole number"), "{wrong}");
        let wrong = options("a=no").word("a", &[("x", 1), ("y", 2)]).unwrap_err();
        assert!(wrong.to_string().contains("one of x, y"), "{wrong}");
        let unknown = options("colour=red").finish().unwrap_err();
        assert!(unknown.to_string().contains("`colour` is not an option"), "{unknown}");
    }

    #[test]
    fn another_name_is_the_same_option() {
        let mut given = options("size=5");
        given.renamed("max_entries", "size").unwrap();
        assert_eq!(given.number::<u64>("max_entries").unwrap(), Some(5));
        assert!(options("size=5&max_entries=6").renamed("max_entries", "size").is_err());
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in any::<String>()) {
            if let Ok(mut options) = UrlOptions::of_query("test", &query) {
                let _ = options.number::<u64>("a");
                let _ = options.finish();
            }
        }
    }
}
