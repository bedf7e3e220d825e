use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::text::{KeyError, refuse_control_characters, validate_name};

/// The longest tag in bytes, prefix included.
pub const TAG_BYTES_MAX: usize = 256;

/// A label shared by entries that become invalid together, within one cache's prefix.
///
/// Stored as `{prefix}:{tag}`, so that two caches in one storage never meet in a tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// The tags of one entry: sorted, without duplicates, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tags(Option<Arc<[Tag]>>);

impl Tag {
    /// The tag `label` of the cache with this prefix.
    ///
    /// # Errors
    /// [`KeyError`] if either part is empty, too long or holds control characters, or the prefix
    /// holds a `:`.
    pub fn new(prefix: &str, label: &str) -> Result<Self, KeyError> {
        validate_name("prefix", prefix)?;
        if label.is_empty() {
            return Err(KeyError::Empty { what: "tag" });
        }
        Self::parse(&format!("{prefix}:{label}"))
    }

    /// Reads back a tag text, `{prefix}:{label}`, that a storage holds.
    ///
    /// # Errors
    /// [`KeyError`] if it is none that [`Tag::new`] could have made.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > TAG_BYTES_MAX {
            return Err(KeyError::TooLong {
                what: "tag",
                bytes: text.len(),
                bytes_max: TAG_BYTES_MAX,
            });
        }
        refuse_control_characters("tag", text)?;
        match text.split_once(':') {
            Some((prefix, label)) if !prefix.is_empty() && !label.is_empty() => {
                Ok(Self(text.into()))
            }
            _ => Err(KeyError::Empty { what: "tag" }),
        }
    }

    /// The whole text, `{prefix}:{label}`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix of the cache that the tag belongs to.
    pub fn prefix(&self) -> &str {
        self.0.split_once(':').map_or("", |(prefix, _)| prefix)
    }

    /// The tag as the user wrote it.
    pub fn label(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, label)| label)
    }

    /// XXH3 (64 bits, seed 0) of the whole text.
    pub fn digest(&self) -> u64 {
        xxh3_64(self.0.as_bytes())
    }
}

impl Tags {
    /// No tags.
    pub const NONE: Self = Self(None);

    /// Sorts and deduplicates.
    pub fn new(mut tags: Vec<Tag>) -> Self {
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() { Self::NONE } else { Self(Some(tags.into())) }
    }

    /// The tags, sorted.
    pub fn as_slice(&self) -> &[Tag] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether `tag` is among them.
    pub fn contains(&self, tag: &Tag) -> bool {
        self.as_slice().binary_search(tag).is_ok()
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = &'a Tag;
    type IntoIter = std::slice::Iter<'a, Tag>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_of_two_caches_never_meet() {
        let one = Tag::new("a", "b:c").expect("a valid tag");
        assert_eq!((one.prefix(), one.label()), ("a", "b:c"));
        assert!(Tag::new("a:b", "c").is_err());
        assert!(Tag::new("a", "").is_err() && Tag::new("a", "x\u{0}").is_err());
        assert!(Tag::new("a", &"x".repeat(TAG_BYTES_MAX)).is_err());
    }

    #[test]
    fn tags_are_a_set() {
        let tag = |label| Tag::new("p", label).expect("a valid tag");
        let tags = Tags::new(vec![tag("b"), tag("a"), tag("b")]);
        assert_eq!(tags.as_slice(), [tag("a"), tag("b")]);
        assert!(tags.contains(&tag("a")) && !tags.contains(&tag("c")));
        assert_eq!(Tags::new(Vec::new()), Tags::NONE);
    }

    proptest! {
        #[test]
        fn a_text_is_refused_or_gives_back_its_parts(
            text in prop_oneof!["\\PC{0,24}", "[a:\u{1}]{0,8}", any::<String>()], label in "\\PC{0,8}",
        ) {
            if let Ok(tag) = Tag::parse(&text) {
                prop_assert_eq!(format!("{}:{}", tag.prefix(), tag.label()), text.as_str());
            }
            if let Ok(tag) = Tag::new(&text, &label) {
                prop_assert_eq!((tag.prefix(), tag.label()), (text.as_str(), label.as_str()));
                prop_assert_eq!(Tag::parse(tag.as_str()), Ok(tag));
            }
        }
    }
}
