/// Checks a version or the name of a storage by the rules of `cache_core::key::validate_name`; a
/// test holds the two together.
pub(super) fn check(what: &str, text: &str) -> Result<(), String> {
    const BYTES_MAX: usize = 64;
    if text.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if text.len() > BYTES_MAX {
        let bytes = text.len();
        return Err(format!("the {what} takes {bytes} bytes, more than the {BYTES_MAX} allowed"));
    }
    if text.contains(':') {
        return Err(format!("the {what} holds a `:`, which parts names from one another"));
    }
    match text.chars().find(|character| character.is_control()) {
        Some(character) => {
            Err(format!("the {what} holds the control character U+{:04X}", u32::from(character)))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache_core::key::validate_name;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_taken_as_core_takes_them(text in "[v1:%\u{1}é -]{0,4}", times in 1usize..=30) {
            let text = text.repeat(times);
            prop_assert_eq!(check("name", &text).is_ok(), validate_name("name", &text).is_ok());
        }
    }
}
