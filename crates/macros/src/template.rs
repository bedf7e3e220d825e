//! Key templates and tags as text: which fields they name. The rules of keys are those of
//! `cache_core::key::KeyTemplate`; a test holds the two together.

/// A field that a key template names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyField<'a> {
    /// What stands between the braces, without the `*`.
    pub(crate) name: &'a str,
}

/// A piece of a tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TagPiece<'a> {
    Literal(&'a str),
    Field(&'a str),
}

/// The fields of a key template, in order.
pub(crate) fn key_fields(text: &str) -> Result<Vec<KeyField<'_>>, String> {
    refuse_empty_and_control("key", text)?;
    let mut fields = Vec::new();
    let mut segments = text.split(':').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() {
            return Err("a segment of the key, between two `:`, is empty".to_owned());
        }
        let pieces = pieces(segment)?;
        let mut named = pieces.iter().filter_map(|piece| match piece {
            TagPiece::Field(name) => Some(*name),
            TagPiece::Literal(_) => None,
        });
        let Some(name) = named.next() else { continue };
        if named.next().is_some() {
            return Err(format!(
                "`{segment}` holds more than one field: put a `:` between two fields, \
                 or two nodes could meet in one key"
            ));
        }
        let name = match name.strip_prefix('*') {
            None => name,
            Some(name) if pieces.len() > 1 => {
                return Err(format!("`{{*{name}}}` must stand alone in its segment"));
            }
            Some(_) if segments.peek().is_some() => {
                return Err(format!("`{segment}` must be the last segment"));
            }
            Some(name) => name,
        };
        refuse_no_name(name)?;
        fields.push(KeyField { name });
    }
    Ok(fields)
}

/// The pieces of a tag, which may name as many fields as it likes: tags may meet.
pub(crate) fn tag_pieces(text: &str) -> Result<Vec<TagPiece<'_>>, String> {
    refuse_empty_and_control("tag", text)?;
    let pieces = pieces(text)?;
    for piece in &pieces {
        if let TagPiece::Field(name) = piece {
            refuse_no_name(name)?;
        }
    }
    Ok(pieces)
}

fn pieces(text: &str) -> Result<Vec<TagPiece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (literal, tail) = match rest.split_once('{') {
            Some((literal, tail)) => (literal, Some(tail)),
            None => (rest, None),
        };
        if literal.contains('}') {
            return Err(format!("`{text}` closes a field that it did not open"));
        }
        if !literal.is_empty() {
            pieces.push(TagPiece::Literal(literal));
        }
        rest = match tail {
            None => "",
            Some(tail) => {
                let (name, rest) = tail
                    .split_once('}')
                    .ok_or_else(|| format!("the field in `{text}` is not closed"))?;
                pieces.push(TagPiece::Field(name));
                rest
            }
        };
    }
    Ok(pieces)
}

fn refuse_empty_and_control(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    match text.chars().find(|character| character.is_control()) {
        Some(character) => {
            Err(format!("the {what} holds the control character U+{:04X}", u32::from(character)))
        }
        None => Ok(()),
    }
}

fn refuse_no_name(name: &str) -> Result<(), String> {
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    if name.is_empty() || !is_name {
        return Err(format!("`{{{name}}}` does not name a field"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache_core::key::KeyTemplate;
    use proptest::prelude::*;

    fn template() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "a", "{a}", "{b.c}", "{0}", ":", ":", ":", "{*a}", "*", "{", "}", "{}", "{*}", "{a b}",
            "\u{1}",
        ];
        prop::collection::vec(prop::sample::select(PIECES), 0..6).prop_map(|all| all.concat())
    }

    proptest! {
        /// What compiles can be bound, and the fields are written in the order that core reads.
        #[test]
        fn keys_are_taken_as_core_takes_them(text in template()) {
            let core = KeyTemplate::parse(&text);
            let ours = key_fields(&text);
            prop_assert_eq!(core.is_ok(), ours.is_ok(), "{:?}: {:?} / {:?}", text, core, ours);
            if let (Ok(core), Ok(ours)) = (core, ours) {
                let ours: Vec<_> = ours.iter().map(|field| field.name).collect();
                prop_assert_eq!(core.field_names().collect::<Vec<_>>(), ours);
            }
        }
    }

    #[test]
    fn tags_name_any_number_of_fields() {
        use TagPiece::{Field, Literal};
        assert_eq!(tag_pieces("{a}{b.c}-x"), Ok(vec![Field("a"), Field("b.c"), Literal("-x")]));
        for text in ["", "{", "}", "a}", "{}", "{*a}", "{a b}", "{{a}}", "a\n"] {
            assert!(tag_pieces(text).is_err(), "{text:?}");
        }
    }
}
