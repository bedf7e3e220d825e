use std::fmt::{self, Display, Write};

use super::template::{KeyTemplate, Segment};
use super::text::{Key, KeyError};

/// Writes a node's fields into its key template, in the template's order.
///
/// Handed to [`Node::key_fields`](crate::node::Node::key_fields).
#[derive(Debug)]
pub struct KeyFields<'a> {
    template: &'a KeyTemplate,
    name: String,
    next_segment: usize,
    written: usize,
    whole: bool,
}

impl<'a> KeyFields<'a> {
    pub(crate) fn new(template: &'a KeyTemplate) -> Self {
        let name = String::with_capacity(template.as_str().len() + 16);
        Self { template, name, next_segment: 0, written: 0, whole: false }
    }

    /// Writes the next field: its `Display` text, with `%` and `:` escaped.
    ///
    /// Two values of a field must not print alike if they mean different things.
    pub fn push(&mut self, value: impl Display) {
        self.written += 1;
        self.literals();
        let segments = self.template.segments();
        // A failing Display leaves a short text; nothing here writes to anything that can fail.
        let _ = match segments.get(self.next_segment) {
            Some(Segment::Field { before, after, .. }) => {
                self.name.push_str(before);
                let written = write!(Escaping(&mut self.name), "{value}");
                self.name.push_str(after);
                written
            }
            Some(Segment::Rest { .. }) => write!(self.name, "{value}"),
            // One field too many: counted, and told by `finish`.
            Some(Segment::Literal(_)) | None => return,
        };
        self.next_segment += 1;
    }

    /// Gives the whole key text at once, as a node known only at run time does. It must fit the
    /// template.
    pub fn whole(&mut self, name: &str) {
        self.whole = true;
        self.name.push_str(name);
    }

    /// Writes the literal segments up to the next field, and the `:` before it.
    fn literals(&mut self) {
        while let Some(segment) = self.template.segments().get(self.next_segment) {
            if self.next_segment > 0 {
                self.name.push(':');
            }
            let Segment::Literal(text) = segment else { return };
            self.name.push_str(text);
            self.next_segment += 1;
        }
    }

    pub(crate) fn finish(mut self, prefix: &str, version: &str) -> Result<Key, KeyError> {
        if self.whole {
            if !self.template.fits(&self.name) {
                return Err(KeyError::Unfit {
                    key: self.name,
                    template: self.template.as_str().to_owned(),
                });
            }
            return Key::from_parts(prefix, &self.name, version);
        }
        let expected = self.template.field_names().count();
        if self.written != expected {
            return Err(KeyError::FieldCount {
                template: self.template.as_str().to_owned(),
                expected,
                written: self.written,
            });
        }
        self.literals();
        if !self.template.fits(&self.name) {
            // Only a `{*rest}` without text makes what does not fit.
            return Err(KeyError::Empty { what: "last field of the key" });
        }
        Key::from_parts(prefix, &self.name, version)
    }
}

/// Escapes `%` and `:` on the way into a key.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '%' => self.0.push_str("%25"),
                ':' => self.0.push_str("%3A"),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(template: &str, fields: &[&str]) -> Result<Key, KeyError> {
        let template = KeyTemplate::parse(template)?;
        let mut out = KeyFields::new(&template);
        for field in fields {
            out.push(field);
        }
        out.finish("p", "v1")
    }

    #[test]
    fn fields_land_where_the_template_says() {
        let key = render("user:u{id}x:of:{shop}:info", &["7", "a:b%"]).expect("a valid key");
        assert_eq!(key.as_str(), "p:user:u7x:of:a%3Ab%25:info:v1");
        assert_eq!(render("all", &[]).expect("a valid key").as_str(), "p:all:v1");
        assert_eq!(render("{*rest}", &["a:b"]).expect("a valid key").as_str(), "p:a:b:v1");
    }

    #[test]
    fn a_wrong_count_of_fields_is_told() {
        for fields in [&[][..], &["1", "2"][..]] {
            let error = render("user:{id}", fields).expect_err("a wrong count");
            assert!(matches!(error, KeyError::FieldCount { expected: 1, .. }), "{error}");
        }
    }

    #[test]
    fn control_characters_and_long_keys_are_refused() {
        assert!(matches!(render("u:{id}", &["a\nb"]), Err(KeyError::ControlCharacter { .. })));
        assert!(matches!(render("u:{id}", &[&"x".repeat(600)]), Err(KeyError::TooLong { .. })));
        assert!(matches!(render("{id}", &[""]), Err(KeyError::Empty { .. })));
        assert!(matches!(render("a:{*rest}", &[""]), Err(KeyError::Empty { .. })));
    }

    proptest! {
        /// Keys are injective: different fields never make the same key.
        #[test]
        fn two_nodes_never_meet(a in "\\PC{0,12}", b in "\\PC{0,12}", c in "\\PC{0,12}", d in "\\PC{0,12}") {
            let one = render("x:{a}:y{b}", &[&a, &b]);
            let two = render("x:{a}:y{b}", &[&c, &d]);
            if let (Ok(one), Ok(two)) = (one, two) {
                prop_assert_eq!(one == two, a == c && b == d);
                prop_assert_eq!(Key::parse(one.as_str()), Ok(one.clone()));
            }
        }

        /// Every key that a template makes fits it.
        #[test]
        fn a_made_key_fits(a in "\\PC{0,12}", b in "\\PC{1,12}") {
            let template = KeyTemplate::parse("x{a}:{b}").expect("a valid template");
            if let Ok(key) = render("x{a}:{b}", &[&a, &b]) {
                prop_assert!(template.fits(key.name()));
            }
        }
    }
}
