//! The collection: names of fields, indexes, and what must be there.
//!
//! | document | `_id` | fields |
//! |---|---|---|
//! | an entry | the key, a string | those of [`field`] |
//! | cells of the fence, 256 each | the number of the row | `m` and the number of each that was raised |
//! | the fence | -1 | `counter`, `floor`, `origin`, and what the collection is: `format`, `schema`, `cells` |
//!
//! All stand in one collection, so that one `find` reads an entry and the fence; numbers come
//! before strings, so that the fence is read first.

mod shape;

pub(crate) use shape::{ensure, ensure_beside, marker};

use mongodb::bson::{Document, doc};

/// The version of the schema that this release reads and writes.
pub const SCHEMA_VERSION: i32 = 1;

/// What the fence's document says the collection is.
pub(crate) const FORMAT: &str = "tiers-cache";

/// The `_id` of the fence's document.
pub(crate) const FENCE: i32 = -1;

/// The fields of an entry's document.
pub(crate) mod field {
    pub(crate) const ID: &str = "_id";
    pub(crate) const KIND: &str = "kind";
    pub(crate) const CODEC: &str = "codec";
    pub(crate) const COMPRESSION: &str = "compression";
    pub(crate) const DECODED_BYTES: &str = "decoded_bytes";
    pub(crate) const CREATED: &str = "created";
    pub(crate) const FRESH_UNTIL: &str = "fresh_until";
    /// Milliseconds; infinite where the entry has no end. There where a value is.
    pub(crate) const KEPT_UNTIL: &str = "kept_until";
    pub(crate) const IDLE_MS: &str = "idle_ms";
    /// There where a value is: a document without it is no entry.
    pub(crate) const STAMP: &str = "stamp";
    /// How old the value is, there where a value is: as its stamp, or older. An update raises and
    /// stores under its own mark, but its value is as old as the change of the source that it comes
    /// with. Invalidations go by it.
    pub(crate) const SINCE: &str = "since";
    pub(crate) const TOKEN: &str = "token";
    pub(crate) const CHECKSUM: &str = "checksum";
    pub(crate) const TAGS: &str = "tags";
    pub(crate) const PAYLOAD: &str = "payload";
    pub(crate) const PAYLOAD_BYTES: &str = "payload_bytes";
    /// When it was used last, as a date; roughly.
    pub(crate) const USED_AT: &str = "used_at";
    /// From when the server may remove the document, as a date.
    pub(crate) const CLEAN_AT: &str = "clean_at";
    /// What fills have announced: an array of `ticket` and `tags`.
    pub(crate) const PENDING: &str = "pending";
    pub(crate) const PENDING_TICKET: &str = "pending.ticket";
    /// Their tags, and the prefix of the cache, which no tag is.
    pub(crate) const PENDING_TAGS: &str = "pending.tags";

    /// What makes a value; all of it comes and goes together.
    pub(crate) const VALUE: [&str; 16] = [
        KIND,
        CODEC,
        COMPRESSION,
        DECODED_BYTES,
        CREATED,
        FRESH_UNTIL,
        KEPT_UNTIL,
        IDLE_MS,
        STAMP,
        SINCE,
        TOKEN,
        CHECKSUM,
        TAGS,
        PAYLOAD,
        PAYLOAD_BYTES,
        USED_AT,
    ];
}

/// The indexes beside that of `_id`, each with its options. That of tags holds what has one: every
/// text is `$gte` the empty one, as a server sees of whoever looks for a tag.
pub(crate) fn indexes() -> [Document; 4] {
    [
        doc! { "name": "tags", "key": { "tags": 1, "_id": 1 },
        "partialFilterExpression": { "tags": { "$gte": "" } } },
        doc! { "name": "pending_tags", "key": { "pending.tags": 1 }, "sparse": true },
        doc! { "name": "clean_at", "key": { "clean_at": 1 }, "expireAfterSeconds": 0 },
        doc! { "name": "used_at", "key": { "used_at": 1, "payload_bytes": 1 } },
    ]
}

/// What the name of the collection of counters, locks and the like ends in.
pub(crate) const ATOMICS_END: &str = ".atomics";

/// Its index beside that of `_id`.
pub(crate) fn index_beside() -> Document {
    doc! { "name": "clean_at", "key": { "clean_at": 1 }, "expireAfterSeconds": 0 }
}

/// The script that makes the collection; an error where its name is not valid.
pub(crate) fn schema_script(collection: &str) -> Result<String, String> {
    validate_collection(collection).map_err(|problem| format!("`{collection}` {problem}"))?;
    Ok(include_str!("../../schema/v1.js").replace("{collection}", collection))
}

/// What is wrong with the name of a collection, completing a sentence that begins with it.
pub(crate) fn validate_collection(name: &str) -> Result<(), &'static str> {
    let first = name.bytes().next().ok_or("is empty")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !(first.is_ascii_alphabetic() || first == b'_') {
        return Err("must begin with a letter or `_`");
    }
    if !name.bytes().all(allowed) {
        return Err("may hold ASCII letters, digits, `_`, `-` and `.` only");
    }
    if name.starts_with("system.") || name.contains("..") || name.ends_with('.') {
        return Err("is not a name that MongoDB takes");
    }
    if name.len() > 64 { Err("is longer than 64 bytes") } else { Ok(()) }
}

/// As [`validate_collection`], of a database.
pub(crate) fn validate_database(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() {
        return Err("is empty");
    }
    if !name.bytes().all(allowed) {
        return Err("may hold ASCII letters, digits, `_` and `-` only");
    }
    if name.len() > 63 { Err("is longer than 63 bytes") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mongodb_would_not_take_are_refused() {
        for name in ["cache", "_x", "a-b.c1"] {
            assert_eq!(validate_collection(name), Ok(()), "{name}");
        }
        for name in ["", "1a", "a$b", "system.users", "a..b", "a.", "é", &"x".repeat(65)] {
            assert!(validate_collection(name).is_err(), "{name}");
        }
        for name in ["", "a.b", "a/b", "a$", &"x".repeat(64)] {
            assert!(validate_database(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_script_makes_every_index() {
        let script = schema_script("prices").unwrap();
        assert!(script.contains("\"prices\"") && !script.contains("{collection}"));
        for index in indexes() {
            let name = index.get_str("name").unwrap();
            assert!(script.contains(&format!("name: \"{name}\"")), "{name}");
        }
        assert!(schema_script("a\"b").is_err());
    }
}
