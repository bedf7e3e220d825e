//! Tags as one column of text, and the cells of keys and tags.

use std::borrow::Cow;

use cache_core::fence::{cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tag, Tags};

use crate::columns::Damaged;

const DAMAGED: Damaged = Damaged { column: "tags" };

/// Tags as a JSON array of texts, sorted; `None` where there are none.
pub fn tags_to_json(tags: &Tags) -> Option<String> {
    let labels: Vec<&str> = tags.into_iter().map(Tag::as_str).collect();
    // Strings can always be written as JSON.
    (!labels.is_empty()).then(|| serde_json::to_string(&labels).unwrap_or_default())
}

/// The tags that a JSON array of texts names.
///
/// # Errors
/// [`Damaged`] if it is none, or names what is no tag.
pub fn tags_from_json(text: &str) -> Result<Tags, Damaged> {
    let labels: Vec<Cow<'_, str>> = serde_json::from_str(text).map_err(|_| DAMAGED)?;
    let tags = labels.iter().map(|label| Tag::parse(label)).collect::<Result<_, _>>();
    tags.map(Tags::new).map_err(|_| DAMAGED)
}

/// The fence's cells of a key and of some tags: what a fill has to find no higher than its stamp.
/// Sorted, each once, so that whoever locks them does so in one order.
pub fn cells_of(key: &Key, tags: &Tags) -> Vec<i16> {
    let cells = tags.into_iter().map(cell_of_tag).chain([cell_of_key(key)]);
    // 4,096 cells fit.
    let mut cells: Vec<i16> = cells.map(|cell| cell as i16).collect();
    cells.sort_unstable();
    cells.dedup();
    cells
}

#[cfg(test)]
mod tests {
    use cache_core::fence::CELLS;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tags_come_back(labels in prop::collection::vec("[^\\p{Cc}]{1,8}", 0..5)) {
            let tags = labels.iter().map(|label| Tag::new("p", label).unwrap()).collect();
            let tags = Tags::new(tags);
            match tags_to_json(&tags) {
                None => prop_assert!(tags.is_empty()),
                Some(text) => prop_assert_eq!(tags_from_json(&text), Ok(tags)),
            }
        }

        #[test]
        fn any_text_is_tags_or_damage(text in any::<String>()) {
            let _ = tags_from_json(&text);
        }
    }

    #[test]
    fn what_is_no_tag_is_damage() {
        for text in ["", "{}", "[1]", "[\"no-prefix\"]", "[\"p:\\u0000\"]"] {
            assert_eq!(tags_from_json(text), Err(DAMAGED), "{text}");
        }
    }

    #[test]
    fn cells_are_in_order_and_each_once() {
        assert!(CELLS <= i16::MAX as usize);
        let key = Key::parse("p:k:v1").unwrap();
        let tags: Vec<Tag> = (0..200).map(|at| Tag::new("p", &format!("t{at}")).unwrap()).collect();
        let tags = Tags::new(tags);
        let cells = cells_of(&key, &tags);
        assert!(cells.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(cells.contains(&(cell_of_key(&key) as i16)));
        assert!((&tags).into_iter().all(|tag| cells.contains(&(cell_of_tag(tag) as i16))));
        assert_eq!(cells_of(&key, &Tags::NONE), [cell_of_key(&key) as i16]);
    }
}
