use super::glob::Glob;
use super::text::Key;

/// Which keys of one cache a pattern operation means.
///
/// The glob is matched against the part between prefix and version, so that no pattern reaches
/// into another cache's keys, however it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPattern {
    prefix: String,
    glob: Glob,
    version: Option<String>,
}

impl KeyPattern {
    /// Keys of the cache `prefix` whose name matches `glob`; of one version only where one is given.
    pub fn new(prefix: impl Into<String>, glob: Glob, version: Option<&str>) -> Self {
        Self { prefix: prefix.into(), glob, version: version.map(str::to_owned) }
    }

    /// The cache's prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The pattern over the keys' names.
    pub fn glob(&self) -> &Glob {
        &self.glob
    }

    /// The version that the keys must have.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The text that every matching stored key begins with; what a storage's index can search by.
    pub fn literal_head(&self) -> String {
        format!("{}:{}", self.prefix, self.glob.literal_head())
    }

    /// Whether it means this key.
    pub fn matches(&self, key: &Key) -> bool {
        key.prefix() == self.prefix
            && self.version.as_deref().is_none_or(|version| version == key.version())
            && self.glob.matches(key.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stays_within_its_cache_and_version() {
        let key = Key::parse("app:user:7:v1").expect("a valid key");
        let pattern = |prefix: &str, glob: &str, version| {
            KeyPattern::new(prefix, Glob::parse(glob).expect("a valid glob"), version)
        };
        assert!(pattern("app", "user:*", None).matches(&key));
        assert!(pattern("app", "*", Some("v1")).matches(&key));
        assert!(!pattern("app", "*", Some("v2")).matches(&key));
        assert!(!pattern("ap", "*", None).matches(&key));
        assert!(!pattern("app", "user", None).matches(&key));
        assert_eq!(pattern("app", "user:*", None).literal_head(), "app:user:");
        assert!(key.as_str().starts_with(&pattern("app", "user:*", None).literal_head()));
    }
}
