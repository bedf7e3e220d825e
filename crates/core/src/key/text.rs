use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// The longest stored key in bytes, prefix and version included.
pub const KEY_BYTES_MAX: usize = 512;

/// A stored key, `{prefix}:{key}:{version}`, with its digest; cheap to clone.
#[derive(Clone)]
pub struct Key {
    text: Arc<str>,
    digest: u64,
    name_start: u16,
    name_end: u16,
}

/// Why a key, a tag, a pattern or a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing was left to name.
    #[error("the {what} is empty")]
    Empty {
        /// What was empty: `key`, `tag`, `prefix`, ..
        what: &'static str,
    },
    /// Longer than storages take.
    #[error("the {what} takes {bytes} bytes, more than the {bytes_max} that are allowed")]
    TooLong {
        /// What was too long.
        what: &'static str,
        /// Its length in bytes, as it would be stored.
        bytes: usize,
        /// The longest allowed.
        bytes_max: usize,
    },
    /// A control character, which no storage, log or terminal handles alike.
    #[error("the {what} holds the control character U+{character:04X}")]
    ControlCharacter {
        /// What held it.
        what: &'static str,
        /// Its code point.
        character: u32,
    },
    /// A `:` where it would blur the borders between prefix, key and version.
    #[error("the {what} {text:?} holds a ':'")]
    Colon {
        /// What held it.
        what: &'static str,
        /// The text as given.
        text: String,
    },
    /// A template that cannot be parsed, with the reason.
    #[error("the key template {template:?} is not valid: {reason}")]
    Template {
        /// The template as written.
        template: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A node wrote more or fewer fields than its template names.
    #[error("the key template {template:?} names {expected} fields, the node wrote {written}")]
    FieldCount {
        /// The template.
        template: String,
        /// How many fields it names.
        expected: usize,
        /// How many were written.
        written: usize,
    },
    /// The node panicked while it wrote its key.
    #[error("the node panicked while it wrote its key")]
    Panicked,
    /// A key text that was given whole does not fit the template of its node.
    #[error("the key {key:?} does not fit the template {template:?}")]
    Unfit {
        /// The key text.
        key: String,
        /// The template.
        template: String,
    },
    /// A pattern that cannot be parsed.
    #[error("the pattern {pattern:?} is not valid: {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Key {
    /// Puts a stored key together from its parts, each already checked and escaped.
    pub(crate) fn from_parts(prefix: &str, name: &str, version: &str) -> Result<Self, KeyError> {
        if name.is_empty() {
            return Err(KeyError::Empty { what: "key" });
        }
        let bytes = prefix.len() + name.len() + version.len() + 2;
        if bytes > KEY_BYTES_MAX {
            return Err(KeyError::TooLong { what: "key", bytes, bytes_max: KEY_BYTES_MAX });
        }
        refuse_control_characters("key", name)?;
        let text: Arc<str> = format!("{prefix}:{name}:{version}").into();
        let name_start = prefix.len() + 1;
        Ok(Self::indexed(text, name_start, name_start + name.len()))
    }

    /// Reads back a key text that a storage holds.
    ///
    /// # Errors
    /// [`KeyError`] if the text is not a `{prefix}:{key}:{version}` that this crate could have made.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong {
                what: "key",
                bytes: text.len(),
                bytes_max: KEY_BYTES_MAX,
            });
        }
        refuse_control_characters("key", text)?;
        let first = text.find(':').ok_or(KeyError::Empty { what: "key" })?;
        let last = text.rfind(':').filter(|last| *last > first + 1);
        let last = last.ok_or(KeyError::Empty { what: "key" })?;
        if first == 0 {
            return Err(KeyError::Empty { what: "prefix" });
        }
        if last + 1 == text.len() {
            return Err(KeyError::Empty { what: "version" });
        }
        Ok(Self::indexed(text.into(), first + 1, last))
    }

    fn indexed(text: Arc<str>, name_start: usize, name_end: usize) -> Self {
        let digest = xxh3_64(text.as_bytes());
        // Both positions are at most KEY_BYTES_MAX, which fits.
        Self { text, digest, name_start: name_start as u16, name_end: name_end as u16 }
    }

    /// The whole text, `{prefix}:{key}:{version}`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole text, shared.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The prefix of the cache that the key belongs to.
    pub fn prefix(&self) -> &str {
        &self.text[..usize::from(self.name_start) - 1]
    }

    /// The part between prefix and version: what the node's template made.
    pub fn name(&self) -> &str {
        &self.text[usize::from(self.name_start)..usize::from(self.name_end)]
    }

    /// The node's version.
    pub fn version(&self) -> &str {
        &self.text[usize::from(self.name_end) + 1..]
    }

    /// XXH3 (64 bits, seed 0) of the whole text: the same in every process and language.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks a prefix, a version or a storage's name: not empty, no `:`, no control character, 64 bytes
/// at most.
///
/// # Errors
/// [`KeyError`] naming `what` and the reason.
pub fn validate_name(what: &'static str, text: &str) -> Result<(), KeyError> {
    const NAME_BYTES_MAX: usize = 64;
    if text.is_empty() {
        return Err(KeyError::Empty { what });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(KeyError::TooLong { what, bytes: text.len(), bytes_max: NAME_BYTES_MAX });
    }
    refuse_control_characters(what, text)?;
    if text.contains(':') {
        return Err(KeyError::Colon { what, text: text.to_owned() });
    }
    Ok(())
}

pub(super) fn refuse_control_characters(what: &'static str, text: &str) -> Result<(), KeyError> {
    match text.chars().find(|character| character.is_control()) {
        Some(character) => {
            Err(KeyError::ControlCharacter { what, character: u32::from(character) })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_gives_back_its_parts() {
        let key = Key::from_parts("app", "user:7:info", "v1").expect("a valid key");
        assert_eq!(key.as_str(), "app:user:7:info:v1");
        assert_eq!((key.prefix(), key.name(), key.version()), ("app", "user:7:info", "v1"));
        assert_eq!(Key::parse(key.as_str()), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "a", "a:", "a:b", ":b:c", "a::c", "a:b:", "a:\u{7}:c"] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
        assert!(Key::parse(&format!("a:{}:c", "x".repeat(KEY_BYTES_MAX))).is_err());
    }

    #[test]
    fn the_digest_is_fixed_for_ever() {
        // Stored tables of cells and rows depend on it; a change would orphan them.
        assert_eq!(
            Key::parse("app:user:7:info:v1").map(|key| key.digest()),
            Ok(xxh3_64(b"app:user:7:info:v1"))
        );
        assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    }

    proptest! {
        #[test]
        fn a_text_is_refused_or_gives_back_its_parts(
            text in prop_oneof!["\\PC{0,24}", "[a:%\u{1}]{0,12}", any::<String>()],
        ) {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(key.as_str(), text.as_str());
                let parts = (key.prefix(), key.name(), key.version());
                prop_assert_eq!(format!("{}:{}:{}", parts.0, parts.1, parts.2), text.as_str());
                prop_assert!(!parts.1.is_empty());
                prop_assert!([parts.0, parts.2].iter().all(|part| !part.is_empty() && !part.contains(':')));
            }
        }
    }
}
