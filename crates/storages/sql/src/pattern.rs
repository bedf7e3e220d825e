//! What a pattern means to an index, and to `LIKE`.

use cache_core::key::{Glob, GlobPart, Key, KeyPattern};

/// The character that [`like_pattern`] escapes with; to be named by `ESCAPE` in the statement,
/// since databases differ in what they take without one.
pub const LIKE_ESCAPE: char = '!';

/// Keys from `from` on and before `to`, in the order of their bytes.
///
/// A database has to compare keys by their bytes, too: `COLLATE "C"`, `VARBINARY`, `BINARY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first text of the range.
    pub from: String,
    /// The first text after it; `None` if nothing comes after it.
    pub to: Option<String>,
}

impl KeyRange {
    /// Every text that begins with `head`.
    pub fn beginning_with(head: &str) -> Self {
        Self { from: head.to_owned(), to: successor(head) }
    }

    /// Every key of the cache with this prefix.
    pub fn of_namespace(prefix: &str) -> Self {
        Self::beginning_with(&format!("{prefix}:"))
    }

    /// Every key that a pattern could mean.
    pub fn of_pattern(pattern: &KeyPattern) -> Self {
        Self::beginning_with(&pattern.literal_head())
    }

    /// Whether `text` is in it.
    pub fn contains(&self, text: &str) -> bool {
        self.from.as_str() <= text && self.to.as_deref().is_none_or(|to| text < to)
    }
}

/// What a statement looks through, and which of that is meant: a range of the index, and a `LIKE`
/// on the whole of a key but its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySearch<'a> {
    /// Where to look.
    pub range: KeyRange,
    /// What prefix and name are like, with [`LIKE_ESCAPE`].
    pub like: String,
    /// The version, where one is meant.
    pub version: Option<&'a str>,
}

impl<'a> KeySearch<'a> {
    /// The keys that a pattern means.
    pub fn of_pattern(pattern: &'a KeyPattern) -> Self {
        Self {
            range: KeyRange::of_pattern(pattern),
            like: like_prefix(pattern.prefix()) + &like_pattern(pattern.glob()),
            version: pattern.version(),
        }
    }

    /// Every key with this prefix.
    pub fn of_namespace(prefix: &str) -> Self {
        Self {
            range: KeyRange::of_namespace(prefix),
            like: like_prefix(prefix) + "%",
            version: None,
        }
    }

    /// The end of the range, for a statement that needs one.
    pub fn to(&self) -> &str {
        // A key begins with a prefix and a `:`, which something comes after.
        self.range.to.as_deref().unwrap_or("\u{10FFFF}")
    }
}

fn like_prefix(prefix: &str) -> String {
    like_literal(&format!("{prefix}:"))
}

/// Keys as statements name them: each once, in the order of their bytes, `keys_max` to a statement.
pub fn parts_of_keys(keys: &[Key], keys_max: usize) -> Vec<Vec<&str>> {
    let mut texts: Vec<&str> = keys.iter().map(Key::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.chunks(keys_max).map(<[&str]>::to_vec).collect()
}

/// The least text above every one that begins with `head`.
fn successor(head: &str) -> Option<String> {
    let mut text = head.to_owned();
    while let Some(last) = text.pop() {
        // UTF-8 has the order of code points, and the surrogates are none.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// A glob as `LIKE` takes it, with [`LIKE_ESCAPE`]; to be matched against a key's name, the part
/// between prefix and version.
pub fn like_pattern(glob: &Glob) -> String {
    let mut like = String::new();
    for part in glob.parts() {
        match part {
            GlobPart::AnyRun => like.push('%'),
            GlobPart::AnyCharacter => like.push('_'),
            GlobPart::Literal(text) => push_literal(&mut like, text),
        }
    }
    like
}

/// Text that stands for itself in a `LIKE` with [`LIKE_ESCAPE`].
pub fn like_literal(text: &str) -> String {
    let mut like = String::with_capacity(text.len());
    push_literal(&mut like, text);
    like
}

fn push_literal(like: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '%' | '_' | LIKE_ESCAPE) {
            like.push(LIKE_ESCAPE);
        }
        like.push(character);
    }
}

#[cfg(test)]
mod tests {
    use cache_core::key::Key;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_escaped_for_like() {
        let like = |pattern: &str| like_pattern(&Glob::parse(pattern).unwrap());
        assert_eq!(like(r"a*b?c"), "a%b_c");
        assert_eq!(like(r"50%_\*!\\"), r"50!%!_*!!\");
        assert_eq!(like_literal(r"50%_*!\"), r"50!%!_*!!\");
    }

    #[test]
    fn a_namespace_ends_where_another_begins() {
        let range = KeyRange::of_namespace("app");
        assert!(range.contains("app:user:v1") && range.contains("app:\u{10FFFF}:v1"));
        assert!(!range.contains("app") && !range.contains("app;") && !range.contains("apple:x:v1"));
        assert_eq!(KeyRange::beginning_with("\u{10FFFF}").to, None);
        assert_eq!(KeyRange::beginning_with("a\u{D7FF}").to.as_deref(), Some("a\u{E000}"));
        assert_eq!(KeyRange::beginning_with("a\u{10FFFF}").to.as_deref(), Some("b"));
    }

    /// `LIKE` as SQL defines it, as plainly as possible.
    fn is_like(text: &[char], like: &[char]) -> bool {
        match like.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skipped| is_like(&text[skipped..], rest)),
            Some(('_', rest)) => !text.is_empty() && is_like(&text[1..], rest),
            Some((&LIKE_ESCAPE, rest)) => {
                !text.is_empty() && text[0] == rest[0] && is_like(&text[1..], &rest[1..])
            }
            Some((literal, rest)) => text.first() == Some(literal) && is_like(&text[1..], rest),
        }
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        let pattern = KeyPattern::new("50%", Glob::parse("x*").unwrap(), Some("v1"));
        let search = KeySearch::of_pattern(&pattern);
        assert_eq!((search.range.from.as_str(), search.like.as_str()), ("50%:x", "50!%:x%"));
        assert_eq!((search.to(), search.version), ("50%:y", Some("v1")));
        let search = KeySearch::of_namespace("50%");
        assert_eq!((search.range.from.as_str(), search.like.as_str()), ("50%:", "50!%:%"));
        assert_eq!((search.to(), search.version), ("50%;", None));
    }

    #[test]
    fn keys_are_named_once_and_in_parts() {
        let key = |name: &str| Key::parse(&format!("p:{name}:v1")).unwrap();
        let keys = ["b", "c", "a", "b"].map(key);
        let parts = [vec!["p:a:v1", "p:b:v1"], vec!["p:c:v1"]];
        assert_eq!(parts_of_keys(&keys, 2), parts);
        assert!(parts_of_keys(&[], 2).is_empty());
    }

    proptest! {
        #[test]
        fn a_range_holds_exactly_what_begins_so(head in "[a-c\u{D7FF}\u{E000}\u{10FFFF}]{0,3}", text in "[a-d\u{D7FF}\u{E000}\u{10FFFF}]{0,4}") {
            let range = KeyRange::beginning_with(&head);
            prop_assert_eq!(range.contains(&text), text.starts_with(&head));
        }

        #[test]
        fn like_says_what_the_glob_says(pattern in "[ab%_!*?\\\\é]{1,8}", name in "[ab%_!é]{0,8}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let like: Vec<char> = like_pattern(&glob).chars().collect();
                let text: Vec<char> = name.chars().collect();
                prop_assert_eq!(is_like(&text, &like), glob.matches(&name));
            }
        }

        #[test]
        fn a_pattern_lies_in_its_range(pattern in "[ab:*?]{1,6}", name in "[ab:]{1,6}") {
            let (Ok(glob), Ok(key)) = (Glob::parse(&pattern), Key::parse(&format!("p:{name}:v1")))
            else {
                return Ok(());
            };
            let pattern = KeyPattern::new("p", glob, None);
            if pattern.matches(&key) {
                prop_assert!(KeyRange::of_pattern(&pattern).contains(key.as_str()));
            }
        }
    }
}
