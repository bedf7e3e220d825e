//! What a selector means in rows, page by page: for scans, and for invalidations.

use cache_core::key::{Key, Tag};
use cache_core::storage::Selector;
use rusqlite::{Connection, params};

use super::row::Details;
use crate::outside::{Reference, Referring};
use crate::schema::Statements;

/// Where the next page begins. It stays right while rows come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// The first page.
    Start,
    /// This one of the selector's keys.
    Key(usize),
    /// Keys from this text on.
    Text(String),
    /// This one of the selector's tags, ids from this one on.
    Tag(usize, i64),
}

/// Some of what was selected, and where the rest begins.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Details>,
    pub(crate) next: Option<Cursor>,
}

const EMPTY: Page = Page { rows: Vec::new(), next: None };

/// Reads at most `limit` rows. A page may be empty and yet have a next one.
pub(crate) fn page(
    connection: &Connection,
    statements: &Statements,
    selector: &Selector,
    cursor: &Cursor,
    limit: usize,
) -> rusqlite::Result<Page> {
    match selector {
        Selector::Keys(keys) => by_keys(connection, statements, keys, cursor, limit),
        Selector::AnyTag(tags) => {
            by_tags(connection, statements, tags, cursor, limit, |index, row| {
                // Listed under the first of the wanted tags that it bears.
                row.tags().is_none_or(|own| !tags[..index].iter().any(|tag| own.contains(tag)))
            })
        }
        Selector::AllTags(tags) => {
            // The one whose cell was raised; of an empty list nothing.
            let first = tags.iter().min().map(std::slice::from_ref).unwrap_or_default();
            by_tags(connection, statements, first, cursor, limit, |_, row| {
                row.tags().is_none_or(|own| tags.iter().all(|tag| own.contains(tag)))
            })
        }
        Selector::Pattern(pattern) => {
            let head = pattern.literal_head();
            by_range(connection, statements, &head, cursor, limit, |row| {
                Key::parse(&row.key).is_ok_and(|key| pattern.matches(&key))
            })
        }
        Selector::Namespace(prefix) => {
            let head = format!("{prefix}:");
            by_range(connection, statements, &head, cursor, limit, |_| true)
        }
        _ => Ok(EMPTY),
    }
}

fn by_keys(
    connection: &Connection,
    statements: &Statements,
    keys: &[Key],
    cursor: &Cursor,
    limit: usize,
) -> rusqlite::Result<Page> {
    let start = if let Cursor::Key(index) = cursor { *index } else { 0 };
    let end = keys.len().min(start + limit);
    let mut statement = connection.prepare_cached(&statements.page_by_id)?;
    let mut rows = Vec::new();
    for (index, key) in keys.iter().enumerate().take(end).skip(start) {
        let mut found = statement.query([key.digest() as i64])?;
        if let Some(row) = found.next()? {
            let row = Details::read(row)?;
            // A key that was given twice is meant once.
            if row.key == key.as_str() && !keys[start..index].contains(key) {
                rows.push(row);
            }
        }
    }
    Ok(Page { rows, next: (end < keys.len()).then_some(Cursor::Key(end)) })
}

fn by_range(
    connection: &Connection,
    statements: &Statements,
    head: &str,
    cursor: &Cursor,
    limit: usize,
    selects: impl Fn(&Details) -> bool,
) -> rusqlite::Result<Page> {
    let start = if let Cursor::Text(text) = cursor { text } else { head };
    let mut statement = connection.prepare_cached(&statements.page_by_key)?;
    let mut found = statement.query(params![start, after_all_with(head), limit as i64])?;
    let (mut rows, mut read, mut last) = (Vec::new(), 0, None);
    while let Some(row) = found.next()? {
        let row = Details::read(row)?;
        read += 1;
        if read == limit {
            // No key holds a zero character, so this is the next text after it.
            last = Some(Cursor::Text(format!("{}\0", row.key)));
        }
        if selects(&row) {
            rows.push(row);
        }
    }
    Ok(Page { rows, next: last })
}

fn by_tags(
    connection: &Connection,
    statements: &Statements,
    tags: &[Tag],
    cursor: &Cursor,
    limit: usize,
    selects: impl Fn(usize, &Details) -> bool,
) -> rusqlite::Result<Page> {
    let (index, id) =
        if let Cursor::Tag(index, id) = cursor { (*index, *id) } else { (0, i64::MIN) };
    let Some(tag) = tags.get(index) else { return Ok(EMPTY) };
    let mut statement = connection.prepare_cached(&statements.page_by_tag)?;
    let mut found = statement.query(params![tag.as_str(), id, limit as i64])?;
    let (mut rows, mut read, mut last) = (Vec::new(), 0, None);
    while let Some(row) = found.next()? {
        let row = Details::read(row)?;
        read += 1;
        last = row.id.checked_add(1);
        if selects(index, &row) {
            rows.push(row);
        }
    }
    let next = match last.filter(|_| read == limit) {
        Some(id) => Some(Cursor::Tag(index, id)),
        None => (index + 1 < tags.len()).then_some(Cursor::Tag(index + 1, i64::MIN)),
    };
    Ok(Page { rows, next })
}

/// The rows of an index after one of them.
pub(super) fn references(
    connection: &Connection,
    statements: &Statements,
    after: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<Referring>> {
    let first = match after {
        None => i64::MIN,
        Some(i64::MAX) => return Ok(Vec::new()),
        Some(after) => after + 1,
    };
    let mut statement = connection.prepare_cached(&statements.references)?;
    let rows = statement.query_map([first, limit as i64], |row| {
        let (key, payload): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
        Ok(Referring {
            row: row.get(0)?,
            key: Key::parse(&key).ok(),
            reference: Reference::from_payload(&payload),
        })
    })?;
    rows.collect()
}

/// The first text after all those that begin with `head`, in the order of code points.
fn after_all_with(head: &str) -> String {
    let mut characters: Vec<char> = head.chars().collect();
    while let Some(last) = characters.pop() {
        // Steps over the surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return characters.into_iter().collect();
        }
    }
    // Only a head of nothing but the last character of all comes here; no key is as long as this.
    char::MAX.to_string().repeat(cache_core::key::KEY_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_a_range_steps_over_what_is_no_character() {
        assert_eq!(after_all_with("a:"), "a;");
        assert_eq!(after_all_with("a\u{D7FF}"), "a\u{E000}");
        assert_eq!(after_all_with("a\u{10FFFF}"), "b");
    }

    proptest! {
        #[test]
        fn a_range_holds_all_that_begin_with_its_head_and_nothing_else(
            head in "[a-c\u{D7FF}\u{10FFFF}]{1,3}",
            text in "[a-c\u{D7FF}\u{E000}\u{10FFFF}]{0,5}",
        ) {
            let inside = text.as_str() >= head.as_str() && text < after_all_with(&head);
            prop_assert_eq!(inside, text.starts_with(&head));
        }
    }
}
