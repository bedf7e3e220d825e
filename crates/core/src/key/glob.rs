use std::fmt;

use super::text::KeyError;

/// A pattern over text: `*` is any run of characters, `?` one character, `\` takes the next one as
/// it is. Everything else, `%`, `_` and `[` included, stands for itself.
///
/// The same on every storage: a storage may narrow its search by [`literal_head`](Self::literal_head),
/// and asks [`matches`](Self::matches) for the answer.
///
/// ```
/// use cache_core::key::Glob;
///
/// let glob = Glob::parse(r"stock_*:50\%")?;
/// assert!(glob.matches("stock_2330:50%"));
/// assert_eq!(glob.literal_head(), "stock_");
/// # Ok::<(), cache_core::key::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    parts: Vec<GlobPart>,
}

/// One part of a parsed [`Glob`], for storages that translate it into their own language.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GlobPart {
    /// Text that stands for itself.
    Literal(String),
    /// Exactly one character.
    AnyCharacter,
    /// Any run of characters, the empty one included.
    AnyRun,
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`KeyError::Pattern`] if it ends in a lone `\`; [`KeyError::Empty`] if it is empty.
    pub fn parse(pattern: &str) -> Result<Self, KeyError> {
        Self::parse_with(pattern, false)
    }

    /// Parses a pattern in which `%` is any run of characters too, as in SQL's `LIKE`.
    ///
    /// # Errors
    /// As [`Glob::parse`].
    pub fn parse_like(pattern: &str) -> Result<Self, KeyError> {
        Self::parse_with(pattern, true)
    }

    fn parse_with(pattern: &str, percent_is_any_run: bool) -> Result<Self, KeyError> {
        if pattern.is_empty() {
            return Err(KeyError::Empty { what: "pattern" });
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let part = match character {
                '*' => GlobPart::AnyRun,
                '%' if percent_is_any_run => GlobPart::AnyRun,
                '?' => GlobPart::AnyCharacter,
                '\\' => {
                    let Some(next) = characters.next() else {
                        return Err(KeyError::Pattern {
                            pattern: pattern.to_owned(),
                            reason: "it ends in a lone `\\`",
                        });
                    };
                    literal.push(next);
                    continue;
                }
                _ => {
                    literal.push(character);
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(GlobPart::Literal(std::mem::take(&mut literal)));
            }
            // Two runs in a row are one.
            if part != GlobPart::AnyRun || parts.last() != Some(&GlobPart::AnyRun) {
                parts.push(part);
            }
        }
        if !literal.is_empty() {
            parts.push(GlobPart::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The pattern that matches everything.
    pub fn any() -> Self {
        Self { parts: vec![GlobPart::AnyRun] }
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[GlobPart] {
        &self.parts
    }

    /// The text that everything it matches begins with; may be empty.
    pub fn literal_head(&self) -> &str {
        match self.parts.first() {
            Some(GlobPart::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether the whole of `text` matches. Takes time in the product of both lengths at worst.
    pub fn matches(&self, text: &str) -> bool {
        // Greedy with one point of return: the last run is widened where the rest does not fit.
        let mut part = 0;
        let mut rest = text;
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let advanced = match self.parts.get(part) {
                None if rest.is_empty() => return true,
                None => None,
                Some(GlobPart::Literal(literal)) => rest.strip_prefix(literal.as_str()),
                Some(GlobPart::AnyCharacter) => skip_character(rest),
                Some(GlobPart::AnyRun) => {
                    retry = Some((part, rest));
                    Some(rest)
                }
            };
            if let Some(remaining) = advanced {
                rest = remaining;
                part += 1;
                continue;
            }
            let Some((run, from)) = retry else { return false };
            let Some(wider) = skip_character(from) else { return false };
            retry = Some((run, wider));
            rest = wider;
            part = run + 1;
        }
    }
}

fn skip_character(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

/// Appends `text` so that a parse reads it back as a literal.
pub(super) fn escape_into(pattern: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '*' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({self})")
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pattern = String::new();
        for part in &self.parts {
            match part {
                GlobPart::Literal(text) => escape_into(&mut pattern, text),
                GlobPart::AnyCharacter => pattern.push('?'),
                GlobPart::AnyRun => pattern.push('*'),
            }
        }
        f.write_str(&pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(pattern: &str) -> Glob {
        Glob::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
    }

    /// The definition, written as plainly as possible.
    fn matches_plainly(parts: &[GlobPart], text: &str) -> bool {
        match parts.split_first() {
            None => text.is_empty(),
            Some((GlobPart::Literal(literal), rest)) => {
                text.strip_prefix(literal.as_str()).is_some_and(|text| matches_plainly(rest, text))
            }
            Some((GlobPart::AnyCharacter, rest)) => {
                skip_character(text).is_some_and(|text| matches_plainly(rest, text))
            }
            Some((GlobPart::AnyRun, rest)) => {
                let mut from = Some(text);
                while let Some(text) = from {
                    if matches_plainly(rest, text) {
                        return true;
                    }
                    from = skip_character(text);
                }
                false
            }
        }
    }

    #[test]
    fn only_star_question_mark_and_backslash_are_special() {
        assert!(glob("a%_[x]").matches("a%_[x]") && !glob("a%_[x]").matches("abcx"));
        assert!(glob(r"\*\?\\").matches(r"*?\") && !glob(r"\*").matches("a"));
        assert!(glob("a*c").matches("ac") && glob("a*c").matches("abbc"));
        assert!(glob("a?c").matches("aßc") && !glob("a?c").matches("ac"));
        assert!(Glob::parse("a\\").is_err() && Glob::parse("").is_err());
        assert!(Glob::parse_like("stock_%").expect("valid").matches("stock_2330"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "*a".repeat(60) + "b";
        assert!(!glob(&pattern).matches(&"a".repeat(500)));
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(pattern in "[ab*?\\\\é]{1,8}", text in "[abé*]{0,8}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                prop_assert_eq!(glob.matches(&text), matches_plainly(glob.parts(), &text));
                prop_assert!(!glob.matches(&text) || text.starts_with(glob.literal_head()));
            }
        }

        #[test]
        fn what_is_printed_parses_back(pattern in "\\PC{1,16}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                prop_assert_eq!(Glob::parse(&glob.to_string()), Ok(glob));
            }
        }

        #[test]
        fn escaped_text_matches_itself_alone(text in "\\PC{1,16}", other in "\\PC{1,16}") {
            let mut pattern = String::new();
            escape_into(&mut pattern, &text);
            let glob = glob(&pattern);
            prop_assert!(glob.matches(&text));
            prop_assert_eq!(glob.matches(&other), text == other);
        }
    }
}
