use std::fmt;

use crate::key::{KEY_BYTES_MAX, Key, KeyError};

/// What kind of thing a name stands for. Things of different kinds never meet under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AtomicKind {
    /// A number that is added to.
    Counter,
    /// Bytes that are compared and swapped.
    Register,
    /// What one owner at a time holds.
    Lock,
    /// The lease of a load.
    Load,
    /// How often something may happen.
    Rate,
}

/// The name of a counter, register, lock or limit under the prefix of its cache:
/// `{prefix}:{name}:{kind}`. Validated as keys are, at most 512 bytes in all, and cheap to clone.
///
/// ```
/// use cache_core::atomics::{AtomicKind, AtomicName};
///
/// let name = AtomicName::new("shop", "visits:today", AtomicKind::Counter).unwrap();
/// assert_eq!(name.as_str(), "shop:visits:today:counter");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AtomicName {
    key: Key,
    kind: AtomicKind,
}

impl AtomicKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Register => "register",
            Self::Lock => "lock",
            Self::Load => "load",
            Self::Rate => "rate",
        }
    }
}

impl AtomicName {
    /// A name under the prefix of a cache.
    ///
    /// # Errors
    /// [`KeyError`] if the prefix or the name is empty, too long, or holds control characters.
    pub fn new(prefix: &str, name: &str, kind: AtomicKind) -> Result<Self, KeyError> {
        crate::key::validate_name("prefix", prefix)?;
        Ok(Self { key: Key::from_parts(prefix, name, kind.as_str())?, kind })
    }

    /// The name of the lease under which a key is loaded. A key whose text leaves no room for the
    /// kind is named by its digest of 128 bits.
    pub(crate) fn of_load(key: &Key) -> Result<Self, KeyError> {
        let kind = AtomicKind::Load;
        let text = key.as_str();
        let name = &text[key.prefix().len() + 1..];
        if text.len() + 1 + kind.as_str().len() <= KEY_BYTES_MAX {
            return Self::new(key.prefix(), name, kind);
        }
        let digest = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
        Self::new(key.prefix(), &format!("#{digest:032x}"), kind)
    }

    /// The whole text, `{prefix}:{name}:{kind}`.
    pub fn as_str(&self) -> &str {
        self.key.as_str()
    }

    /// The same as a key, as errors name it and storages spread it.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The kind of thing it stands for.
    pub fn kind(&self) -> AtomicKind {
        self.kind
    }
}

impl fmt::Debug for AtomicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AtomicName({})", self.as_str())
    }
}

impl fmt::Display for AtomicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_different_kinds_and_prefixes_differ() {
        let counter = AtomicName::new("a", "x", AtomicKind::Counter).unwrap();
        let lock = AtomicName::new("a", "x", AtomicKind::Lock).unwrap();
        let other = AtomicName::new("b", "x", AtomicKind::Counter).unwrap();
        assert_ne!(counter.as_str(), lock.as_str());
        assert_ne!(counter, lock);
        assert_ne!(counter, other);
    }

    #[test]
    fn names_are_validated() {
        for (prefix, name) in [("", "x"), ("a:b", "x"), ("a", ""), ("a", "x\n")] {
            assert!(
                AtomicName::new(prefix, name, AtomicKind::Lock).is_err(),
                "{prefix:?} {name:?}"
            );
        }
        let long = "x".repeat(KEY_BYTES_MAX);
        assert!(AtomicName::new("a", &long, AtomicKind::Lock).is_err());
    }

    #[test]
    fn every_key_has_a_lease_of_its_own() {
        let key = Key::parse("a:user:7:v1").unwrap();
        assert_eq!(AtomicName::of_load(&key).unwrap().as_str(), "a:user:7:v1:load");
        let longest = |fill: char| {
            let name = fill.to_string().repeat(KEY_BYTES_MAX - "a::v1".len());
            AtomicName::of_load(&Key::from_parts("a", &name, "v1").unwrap()).unwrap()
        };
        assert_ne!(longest('x'), longest('y'));
        assert!(longest('x').as_str().starts_with("a:#"));
    }
}
