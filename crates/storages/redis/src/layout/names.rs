//! Names of keys. Everything of a bucket bears the bucket's number as hash tag, so that a script
//! finds it in one slot of a cluster.

use cache_core::atomics::AtomicName;
use cache_core::fence::CELL_FUNCTION;
use cache_core::key::{Key, Tag};

/// The number of this layout; a change to what the scripts read and write raises it.
const LAYOUT: u8 = 1;
/// As the scripts expect it.
const SIGNATURE_BYTES: usize = 32;

/// A part of the store with a fence of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket(pub(crate) u16);

/// How the keys of one store are named.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    buckets: u16,
    signature: Vec<u8>,
    /// For each bucket, what its keys begin with.
    heads: Vec<String>,
}

impl Names {
    pub(crate) fn new(prefix: &str, buckets: u16) -> Self {
        let mut signature = format!("tiers-{LAYOUT} {CELL_FUNCTION} b{buckets}").into_bytes();
        signature.resize(SIGNATURE_BYTES, b' ');
        let heads = (0..buckets).map(|bucket| format!("{prefix}:{{{bucket}}}:")).collect();
        Self { prefix: prefix.to_owned(), buckets, signature, heads }
    }

    /// What fences of this layout begin with.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// All buckets.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> + use<> {
        (0..self.buckets).map(Bucket)
    }

    /// The bucket of a key. The low bits of the digest make its cell; these are others, so that
    /// the keys of a bucket use all of its cells.
    pub(crate) fn bucket_of(&self, key: &Key) -> Bucket {
        Bucket(((key.digest() >> 32) % u64::from(self.buckets)) as u16)
    }

    /// What the names of a bucket's keys begin with.
    pub(crate) fn head(&self, bucket: Bucket) -> &str {
        &self.heads[usize::from(bucket.0)]
    }

    pub(crate) fn fence(&self, bucket: Bucket) -> String {
        format!("{}fence", self.head(bucket))
    }

    pub(crate) fn counter(&self, bucket: Bucket) -> String {
        format!("{}counter", self.head(bucket))
    }

    /// What no key of the bucket is ever named. A call that asks for it beside another is refused by
    /// a cluster for as long as the bucket's slot is being moved.
    pub(crate) fn nothing(&self, bucket: Bucket) -> String {
        format!("{}nothing", self.head(bucket))
    }

    /// A counter, a lock or the like, in the bucket of its name.
    pub(crate) fn atomic(&self, name: &AtomicName) -> String {
        format!("{}a:{}", self.head(self.bucket_of(name.key())), name.as_str())
    }

    pub(crate) fn entry(&self, key: &Key) -> String {
        format!("{}e:{}", self.head(self.bucket_of(key)), key.as_str())
    }

    pub(crate) fn tag_set(&self, bucket: Bucket, tag: &Tag) -> String {
        format!("{}t:{}", self.head(bucket), tag.as_str())
    }

    /// The log of events.
    pub(crate) fn events(&self) -> String {
        format!("{}events", self.head(Bucket(0)))
    }

    /// The key that is held by whoever cleans up.
    pub(crate) fn upkeep(&self) -> String {
        format!("{}upkeep", self.head(Bucket(0)))
    }

    /// The pattern of `SCAN` for the names of all entries whose key begins with `head`.
    pub(crate) fn entries_pattern(&self, head: &str) -> String {
        self.pattern('e', head)
    }

    /// The pattern of `SCAN` for the names of all tag sets.
    pub(crate) fn tag_sets_pattern(&self) -> String {
        self.pattern('t', "")
    }

    fn pattern(&self, kind: char, head: &str) -> String {
        let bucket = if self.buckets == 1 { "0" } else { "*" };
        let mut pattern = String::new();
        escape_into(&mut pattern, &self.prefix);
        pattern.push_str(&format!(":{{{bucket}}}:{kind}:"));
        escape_into(&mut pattern, head);
        pattern.push('*');
        pattern
    }

    /// The key that an entry's name was made of; `None` for a name that is none of ours.
    pub(crate) fn key_of(&self, name: &[u8]) -> Option<Key> {
        let name = std::str::from_utf8(name).ok()?;
        let rest = name.strip_prefix(&*self.prefix)?.strip_prefix(":{")?;
        let (_, key) = rest.split_once("}:e:")?;
        let key = Key::parse(key).ok()?;
        (self.entry(&key) == name).then_some(key)
    }
}

/// Writes text into a pattern of the server's so that it stands for itself.
fn escape_into(pattern: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("app:user:7:v1").unwrap()
    }

    #[test]
    fn everything_of_a_bucket_bears_its_hash_tag() {
        let names = Names::new("tiers", 256);
        let bucket = names.bucket_of(&key());
        let tag = Tag::new("app", "users").unwrap();
        let hash_tag = format!("tiers:{{{}}}:", bucket.0);
        for name in [
            names.fence(bucket),
            names.counter(bucket),
            names.entry(&key()),
            names.tag_set(bucket, &tag),
        ] {
            assert!(name.starts_with(&hash_tag), "{name}");
        }
        assert_eq!(names.signature().len(), SIGNATURE_BYTES);
    }

    #[test]
    fn a_name_gives_back_its_key_and_nothing_else_does() {
        let names = Names::new("a:b", 16);
        assert_eq!(names.key_of(names.entry(&key()).as_bytes()), Some(key()));
        let other = format!("a:b:{{{}}}:e:app:user:7:v1", (names.bucket_of(&key()).0 + 1) % 16);
        assert_eq!(names.key_of(other.as_bytes()), None, "in another bucket");
        for name in ["a:b:{0}:fence", "a:{0}:e:app:user:7:v1", "a:b:{0}:e:x", ""] {
            assert_eq!(names.key_of(name.as_bytes()), None, "{name}");
        }
        assert_eq!(names.key_of(b"\xff"), None);
    }

    #[test]
    fn keys_are_spread_over_buckets_and_their_cells() {
        let names = Names::new("tiers", 16);
        let mut seen = std::collections::HashSet::new();
        for number in 0..2_000 {
            let key = Key::parse(&format!("app:{number}:v1")).unwrap();
            seen.insert((names.bucket_of(&key), cache_core::fence::cell_of_key(&key) % 16));
        }
        assert_eq!(seen.len(), 16 * 16);
    }

    #[test]
    fn patterns_take_keys_as_they_are() {
        assert_eq!(Names::new("t", 1).entries_pattern("a*[b]\\?"), r"t:{0}:e:a\*\[b\]\\\?*");
        assert_eq!(Names::new("t-1", 2).tag_sets_pattern(), r"t\-1:{*}:t:*");
    }
}
