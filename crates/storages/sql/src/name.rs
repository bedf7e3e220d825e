//! Names that may stand in a statement.

use std::fmt;

/// A name of a table or a schema: ASCII letters, digits and `_`, not beginning with a digit. It
/// can stand between quotes in any statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// What is wrong with a name; completes "the name `..` ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than the database takes.
    #[error("must have 1 to {bytes_max} characters")]
    Length {
        /// The longest allowed.
        bytes_max: usize,
    },
    /// Another character than those allowed.
    #[error("must consist of ASCII letters, digits and `_`, and not begin with a digit")]
    Characters,
}

/// How a database quotes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quote {
    /// `"name"`, as standard SQL, PostgreSQL and SQLite have it.
    Double,
    /// `` `name` ``, as MySQL has it.
    Backtick,
}

impl Name {
    /// Checks a name of up to `bytes_max` bytes, which has to leave room for what the storage
    /// appends to it.
    ///
    /// # Errors
    /// [`NameError`] saying what is wrong.
    pub fn new(text: impl Into<String>, bytes_max: usize) -> Result<Self, NameError> {
        let text = text.into();
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if text.is_empty() || text.len() > bytes_max {
            Err(NameError::Length { bytes_max })
        } else if !plain || text.as_bytes()[0].is_ascii_digit() {
            Err(NameError::Characters)
        } else {
            Ok(Self(text))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with something appended, between quotes.
    pub fn quoted(&self, quote: Quote, end: &str) -> String {
        match quote {
            Quote::Double => format!("\"{}{end}\"", self.0),
            Quote::Backtick => format!("`{}{end}`", self.0),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_plain() {
        for text in ["cache", "_c", "Cache_2", &"x".repeat(48)] {
            assert!(Name::new(text, 48).is_ok(), "{text}");
        }
        for text in ["", "1c", "a-b", "a b", "a\"b", "a`b", "ä", "a.b", &"x".repeat(49)] {
            assert!(Name::new(text, 48).is_err(), "{text}");
        }
        let name = Name::new("cache", 48).unwrap();
        assert_eq!(name.quoted(Quote::Double, "_fence"), "\"cache_fence\"");
        assert_eq!(name.quoted(Quote::Backtick, ""), "`cache`");
    }

    proptest! {
        #[test]
        fn no_name_gets_out_of_its_quotes(text in any::<String>()) {
            if let Ok(name) = Name::new(text, 48) {
                let inner = name.quoted(Quote::Double, "");
                prop_assert_eq!(inner.matches('"').count(), 2);
                prop_assert!(!inner.contains(['\\', '`', '\'', ';']));
            }
        }
    }
}
