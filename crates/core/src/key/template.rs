use std::fmt;

use super::fields::KeyFields;
use super::text::{Key, KeyError, refuse_control_characters, validate_name};

/// The shape of a node type's keys, such as `user:{id}:info`.
///
/// `:` parts a template into segments. A segment is literal text with at most one field `{name}`
/// in it; the last may be `{*name}`, which takes one or more segments as they are. This is what
/// makes keys injective: a field's own `:` is escaped, so the borders are where the template says.
///
/// ```
/// use cache_core::key::KeyTemplate;
///
/// let user = KeyTemplate::parse("user:{id}:info")?;
/// assert!(user.fits("user:7:info"));
/// assert!(!user.fits("user:7:8:info"));
/// assert!(user.overlaps(&KeyTemplate::parse("{kind}:{id}:info")?));
/// assert!(KeyTemplate::parse("{first}{second}").is_err());
/// # Ok::<(), cache_core::key::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyTemplate {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    Literal(String),
    Field { name: String, before: String, after: String },
    Rest { name: String },
}

impl KeyTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// [`KeyError`] if it is empty, has an empty segment, an unclosed or unnamed field, two fields
    /// in one segment, or `{*name}` elsewhere than alone in the last segment.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty { what: "key template" });
        }
        refuse_control_characters("key template", text)?;
        let invalid = |reason: String| KeyError::Template { template: text.to_owned(), reason };
        let count = text.split(':').count();
        let mut segments = Vec::with_capacity(count);
        for (index, part) in text.split(':').enumerate() {
            let segment = Segment::parse(part).map_err(invalid)?;
            if matches!(segment, Segment::Rest { .. }) && index + 1 != count {
                return Err(invalid(format!("`{part}` must be the last segment")));
            }
            segments.push(segment);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The stored key of what `write` writes into the template: what
    /// [`Node::key_fields`](crate::node::Node::key_fields) does, for tools and tests.
    ///
    /// ```
    /// use cache_core::key::KeyTemplate;
    ///
    /// let user = KeyTemplate::parse("user:{id}:info")?;
    /// let key = user.key_of("app", "v1", |fields| fields.push(7))?;
    /// assert_eq!(key.as_str(), "app:user:7:info:v1");
    /// # Ok::<(), cache_core::key::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] if prefix or version is not valid, the fields are not those of the template,
    /// or the key is empty, too long or holds control characters.
    pub fn key_of(
        &self,
        prefix: &str,
        version: &str,
        write: impl FnOnce(&mut KeyFields<'_>),
    ) -> Result<Key, KeyError> {
        validate_name("prefix", prefix)?;
        validate_name("version", version)?;
        let mut fields = KeyFields::new(self);
        write(&mut fields);
        fields.finish(prefix, version)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its fields, in order.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Field { name, .. } | Segment::Rest { name } => Some(name.as_str()),
        })
    }

    /// Whether a key text, without prefix and version, could have been made by this template.
    pub fn fits(&self, name: &str) -> bool {
        let mut rest = Some(name);
        for segment in &self.segments {
            let Some(text) = rest else { return false };
            if let Segment::Rest { .. } = segment {
                return !text.is_empty();
            }
            let (part, after) = match text.split_once(':') {
                Some((part, after)) => (part, Some(after)),
                None => (text, None),
            };
            if !segment.fits(part) {
                return false;
            }
            rest = after;
        }
        rest.is_none()
    }

    /// Whether some key text could have been made by both templates.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut mine = self.segments.iter();
        let mut theirs = other.segments.iter();
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return true,
                (Some(Segment::Rest { .. }), Some(_)) | (Some(_), Some(Segment::Rest { .. })) => {
                    return true;
                }
                (Some(a), Some(b)) if a.overlaps(b) => {}
                _ => return false,
            }
        }
    }

    /// The glob that matches every key of this template, and maybe more: check with
    /// [`fits`](Self::fits).
    pub fn glob(&self) -> String {
        let mut glob = String::with_capacity(self.text.len());
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                glob.push(':');
            }
            match segment {
                Segment::Literal(text) => super::glob::escape_into(&mut glob, text),
                Segment::Field { before, after, .. } => {
                    super::glob::escape_into(&mut glob, before);
                    glob.push('*');
                    super::glob::escape_into(&mut glob, after);
                }
                Segment::Rest { .. } => glob.push('*'),
            }
        }
        glob
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, String> {
        if part.is_empty() {
            return Err("a segment between two `:` is empty".to_owned());
        }
        let Some((before, tail)) = part.split_once('{') else {
            if part.contains('}') {
                return Err(format!("`{part}` closes a field that it did not open"));
            }
            return Ok(Self::Literal(part.to_owned()));
        };
        let Some((name, after)) = tail.split_once('}') else {
            return Err(format!("the field in `{part}` is not closed"));
        };
        if before.contains('}') || after.contains(['{', '}']) {
            return Err(format!(
                "`{part}` holds more than one field: put a `:` between two fields, \
                 or two nodes could meet in one key"
            ));
        }
        let (rest, name) = match name.strip_prefix('*') {
            Some(name) => (true, name),
            None => (false, name),
        };
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if name.is_empty() || !is_name {
            return Err(format!("`{{{name}}}` does not name a field"));
        }
        if rest {
            if !before.is_empty() || !after.is_empty() {
                return Err(format!("`{{*{name}}}` must stand alone in its segment"));
            }
            return Ok(Self::Rest { name: name.to_owned() });
        }
        Ok(Self::Field {
            name: name.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn fits(&self, part: &str) -> bool {
        match self {
            Self::Literal(text) => text == part,
            Self::Field { before, after, .. } => {
                part.len() >= before.len() + after.len()
                    && part.starts_with(before.as_str())
                    && part.ends_with(after.as_str())
            }
            Self::Rest { .. } => true,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        fn either_way(a: &str, b: &str, holds: fn(&str, &str) -> bool) -> bool {
            holds(a, b) || holds(b, a)
        }
        match (self, other) {
            (Self::Literal(text), segment) | (segment, Self::Literal(text)) => segment.fits(text),
            (
                Self::Field { before: before_a, after: after_a, .. },
                Self::Field { before: before_b, after: after_b, .. },
            ) => {
                either_way(before_a, before_b, |a, b| a.starts_with(b))
                    && either_way(after_a, after_b, |a, b| a.ends_with(b))
            }
            (Self::Rest { .. }, _) | (_, Self::Rest { .. }) => true,
        }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(text: &str) -> KeyTemplate {
        KeyTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn templates_that_could_blur_keys_are_refused() {
        for text in [
            "", ":", "a:", ":a", "a::b", "{a}{b}", "{a}-{b}", "{", "}", "{}", "a}", "{a", "{*a}:b",
            "x{*a}", "{a b}", "a\u{1}b",
        ] {
            assert!(KeyTemplate::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn overlap_is_found_wherever_one_key_fits_both() {
        let cases = [
            ("user:{id}", "user:{name}", true),
            ("user:{id}", "{kind}:{id}", true),
            ("user:{id}", "order:{id}", false),
            ("user:{id}", "user:{id}:info", false),
            ("user:{id}", "user:all", true),
            ("user-{id}", "user-1", true),
            ("user-{id}", "users-{id}", false),
            ("a{x}", "ab{y}", true),
            ("{x}a", "{y}b", false),
            ("{*all}", "user:{id}:info", true),
            ("user:{*rest}", "user:{id}:info", true),
            ("user:{*rest}", "user", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(template(a).overlaps(&template(b)), expected, "{a} / {b}");
            assert_eq!(template(b).overlaps(&template(a)), expected, "{b} / {a}");
        }
    }

    #[test]
    fn a_key_is_made_of_valid_parts_only() {
        let user = template("user:{id}");
        let key = |prefix, version| user.key_of(prefix, version, |fields| fields.push("a:b"));
        assert_eq!(key("app", "v1").map(|key| key.to_string()), Ok("app:user:a%3Ab:v1".into()));
        assert!(key("a:b", "v1").is_err() && key("app", "").is_err());
        assert!(user.key_of("app", "v1", |_| ()).is_err());
    }

    #[test]
    fn a_key_fits_its_own_template_only() {
        let user = template("user:u{id}x:info");
        assert!(user.fits("user:u7x:info") && user.fits("user:ux:info"));
        for name in ["user:7x:info", "user:u7:info", "user:u7x", "user:u7x:info:more", ""] {
            assert!(!user.fits(name), "{name:?}");
        }
        assert!(template("a:{*rest}").fits("a:b:c") && !template("a:{*rest}").fits("a"));
        assert_eq!(user.field_names().collect::<Vec<_>>(), ["id"]);
    }

    proptest! {
        #[test]
        fn what_a_template_makes_fits_it(
            text in prop_oneof!["[ab:{}*]{1,16}", "([ab]{0,2}(\\{x\\})?[ab]{0,2}:?){1,3}", any::<String>()],
            field in "\\PC{0,8}",
        ) {
            if let Ok(template) = KeyTemplate::parse(&text) {
                prop_assert!(template.overlaps(&template));
                let glob = crate::key::Glob::parse(&template.glob()).expect("a valid glob");
                let count = template.field_names().count();
                let key = template.key_of("p", "v", |fields| (0..count).for_each(|_| fields.push(&field)));
                if let Ok(key) = key {
                    prop_assert!(template.fits(key.name()) && glob.matches(key.name()));
                }
            }
        }
    }
}
