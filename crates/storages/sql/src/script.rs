//! Scripts with places for names.

/// A place in a script that nobody has named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the script has a place `{{{name}}}` that is not known")]
pub struct UnknownPlaceholder {
    /// The place's name.
    pub name: String,
}

/// Replaces each `{name}` of a script by its value. Braces around anything but lower-case letters
/// stay as they are, so that a script may hold JSON or arrays.
///
/// # Errors
/// [`UnknownPlaceholder`] for a place that `values` does not name.
pub fn fill_in(script: &str, values: &[(&str, &str)]) -> Result<String, UnknownPlaceholder> {
    let mut filled = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let name = from[1..].split('}').next().unwrap_or_default();
        let closed = from.len() > name.len() + 1;
        let is_place = closed
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_place {
            let value = values.iter().find(|(other, _)| *other == name);
            let Some((_, value)) = value else {
                return Err(UnknownPlaceholder { name: name.to_owned() });
            };
            filled.push_str(value);
            rest = &from[name.len() + 2..];
        } else {
            filled.push('{');
            rest = &from[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let values = [("table", "prices"), ("schema", "app")];
        let filled = fill_in("\"{schema}\".\"{table}_fence\" '{}' '{1,2}' {", &values);
        assert_eq!(filled.unwrap(), "\"app\".\"prices_fence\" '{}' '{1,2}' {");
        let unknown = fill_in("{tables}", &values).unwrap_err();
        assert_eq!(unknown.to_string(), "the script has a place `{tables}` that is not known");
        // A value is not read again.
        assert_eq!(fill_in("{table}", &[("table", "{schema}")]).unwrap(), "{schema}");
    }

    proptest! {
        #[test]
        fn any_script_is_filled_or_refused(script in "[a{}_é]{0,20}") {
            if let Ok(filled) = fill_in(&script, &[("a", "x")]) {
                let place = ["{", "a", "}"].concat();
                prop_assert!(!filled.contains(&place));
            }
        }
    }
}
