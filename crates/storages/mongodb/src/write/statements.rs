//! The statements of an `update` that writes are made of.

use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, EntryKind, Token};
use cache_core::key::{Key, Tag};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};

use crate::invalidate::EXPIRED;
use crate::schema::field;

/// How long a document without a value stays, for the fill that is on its way.
const PENDING_MS: i64 = 5 * 60 * 1000;

/// So many fills of one key may be on their way at once; older ones are refused.
const PENDING_MAX: i32 = 16;

/// The last moment that every server and driver can tell as a date: the end of the year 9999.
const LAST_DATE_MS: u64 = 253_402_300_799_999;

/// The fields of a value that are set, without its stamp.
pub(crate) fn value_of(entry: &Entry) -> Document {
    let kind = match entry.kind {
        EntryKind::Value => 0,
        EntryKind::Absent => 1,
    };
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: entry.payload.to_vec() };
    let mut value = doc! {
        field::KIND: kind,
        field::CODEC: i32::from(entry.codec.number()),
        field::COMPRESSION: i32::from(entry.compression.number()),
        field::DECODED_BYTES: i64::from(entry.decoded_bytes),
        field::CREATED: entry.created.unix_ms() as i64,
        field::FRESH_UNTIL: entry.fresh_until.unix_ms() as i64,
        field::TOKEN: entry.token.0 as i64,
        field::CHECKSUM: entry.checksum as i64,
        field::PAYLOAD: payload,
        field::PAYLOAD_BYTES: entry.payload.len() as i64,
    };
    if let Some(idle) = entry.idle {
        let ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        value.insert(field::IDLE_MS, ms);
    }
    if !entry.tags.is_empty() {
        let tags: Vec<_> = entry.tags.into_iter().map(Tag::as_str).collect();
        value.insert(field::TAGS, tags);
    }
    value.extend(end_of(entry.kept_until));
    value
}

/// The fields that say when it ends.
fn end_of(kept_until: Timestamp) -> Document {
    let mut end = Document::new();
    if kept_until.is_never() {
        // A number as the others are, so that they are compared alike.
        end.insert(field::KEPT_UNTIL, f64::INFINITY);
    } else {
        let ms = i64::try_from(kept_until.unix_ms()).unwrap_or(i64::MAX);
        end.insert(field::KEPT_UNTIL, ms);
    }
    if kept_until.unix_ms() <= LAST_DATE_MS {
        let ms = i64::try_from(kept_until.unix_ms()).unwrap_or(i64::MAX);
        end.insert(field::CLEAN_AT, DateTime::from_millis(ms));
    }
    end
}

/// What is unset with a value that does not have it.
fn without(value: &Document, names: &[&str]) -> Document {
    let missing = names.iter().filter(|name| !value.contains_key(**name));
    missing.map(|name| ((*name).to_owned(), Bson::String(String::new()))).collect()
}

const OPTIONAL: [&str; 3] = [field::IDLE_MS, field::TAGS, field::CLEAN_AT];

/// What puts a value in place, whatever was there.
fn store(entry: &Entry, stamp: u64) -> Document {
    let value = value_of(entry);
    let unset = without(&value, &OPTIONAL);
    let mut update = doc! {
        "$set": value,
        // A set that was raised earlier and arrives later must not lower it.
        "$max": { field::STAMP: stamp as i64, field::SINCE: stamp as i64 },
        "$currentDate": { field::USED_AT: true },
    };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    update
}

/// Announces a value, so that invalidations find it.
pub(super) fn announce(key: &Key, tags: &[&str], ticket: i64) -> Document {
    let mut labels = vec![key.prefix()];
    labels.extend(tags);
    let part = doc! { "ticket": ticket, "tags": labels };
    doc! {
        "q": { "_id": key.as_str() },
        "u": {
            "$push": { field::PENDING: { "$each": [part], "$slice": -PENDING_MAX } },
            "$setOnInsert": { field::CLEAN_AT: soon() },
        },
        "upsert": true,
    }
}

/// Takes an announcement back.
pub(super) fn withdraw(key: &Key, ticket: i64) -> Document {
    doc! {
        "q": { "_id": key.as_str(), field::PENDING_TICKET: ticket },
        "u": { "$pull": { field::PENDING: { "ticket": ticket } } },
    }
}

/// What must hold of a document where a value is published.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// No newer value.
    NotNewer(u64),
    /// This value, which is not newer, and within its time at a moment.
    Expected(Token, u64, i64),
    /// No value that was within its time at a moment, and none that is newer.
    Nothing(u64, i64),
    /// The value that was seen, or none where none was.
    Seen(Option<Token>),
}

/// Publishes an announced value under `stamp`.
pub(super) fn publish(
    key: &Key,
    entry: &Entry,
    ticket: i64,
    stamp: u64,
    condition: Condition,
) -> Document {
    let mut q = doc! { "_id": key.as_str(), field::PENDING_TICKET: ticket };
    let not_newer = |mark: u64| doc! { "$not": { "$gt": mark as i64 } };
    match condition {
        Condition::NotNewer(mark) => drop(q.insert(field::STAMP, not_newer(mark))),
        Condition::Expected(token, mark, now_ms) => {
            q.insert(field::STAMP, doc! { "$lte": mark as i64 });
            q.insert(field::TOKEN, token.0 as i64);
            q.insert(field::KEPT_UNTIL, doc! { "$gt": now_ms });
        }
        Condition::Nothing(mark, now_ms) => {
            q.insert(field::STAMP, not_newer(mark));
            // Where there is no value there is no end either.
            q.insert(field::KEPT_UNTIL, doc! { "$not": { "$gt": now_ms } });
        }
        Condition::Seen(Some(token)) => drop(q.insert(field::TOKEN, token.0 as i64)),
        Condition::Seen(None) => drop(q.insert(field::TOKEN, doc! { "$exists": false })),
    }
    let mut u = store(entry, stamp);
    u.insert("$pull", doc! { field::PENDING: { "ticket": ticket } });
    doc! { "q": q, "u": u }
}

/// Notes that what is published is not as new as its stamp, but only as `mark`.
pub(super) fn since(mark: u64, mut publication: Document) -> Document {
    if let Ok(u) = publication.get_document_mut("u") {
        if let Ok(max) = u.get_document_mut("$max") {
            max.remove(field::SINCE);
        }
        if let Ok(set) = u.get_document_mut("$set") {
            set.insert(field::SINCE, mark as i64);
        }
    }
    publication
}

/// That there is a value which is older than `mark`.
pub(crate) fn is_older(mark: u64) -> Document {
    doc! { field::SINCE: { "$lt": mark as i64 } }
}

/// Stores whatever is there.
pub(super) fn set(key: &Key, entry: &Entry, stamp: u64) -> Document {
    doc! { "q": { "_id": key.as_str() }, "u": store(entry, stamp), "upsert": true }
}

/// Removes the value, unless it is newer, and what is announced. What is left is cleaned up later:
/// a fill may be about to announce itself there.
pub(super) fn remove(key: &Key, mark: u64) -> Document {
    let mut unset = without(&Document::new(), &field::VALUE);
    unset.insert(field::PENDING, "");
    doc! {
        // Without a value, too.
        "q": { "_id": key.as_str(), field::SINCE: { "$not": { "$gte": mark as i64 } } },
        "u": { "$unset": unset, "$set": { field::CLEAN_AT: soon() } },
    }
}

/// When a document without a value may go. Only clean-up goes by this clock.
fn soon() -> DateTime {
    DateTime::from_millis(DateTime::now().timestamp_millis().saturating_add(PENDING_MS))
}

/// Moves the times of the value with this token; changes nothing of one past its own.
pub(super) fn touch(
    key: &Key,
    token: Token,
    fresh_until: Timestamp,
    kept_until: Timestamp,
) -> Document {
    let mut end = end_of(kept_until);
    end.entry(field::CLEAN_AT.to_owned()).or_insert_with(|| "$$REMOVE".into());
    end.insert(field::FRESH_UNTIL, fresh_until.unix_ms() as i64);
    let is_kept = doc! { "$gt": [format!("${}", field::KEPT_UNTIL), { "$toLong": "$$NOW" }] };
    // By the server's time in the change, for in the filter it would keep the server from looking
    // for nothing but the key.
    let moved = end.into_iter().map(|(name, end)| {
        let change = doc! { "$cond": [is_kept.clone(), end, format!("${name}")] };
        (name, Bson::Document(change))
    });
    let moved: Document = moved.collect();
    doc! {
        "q": {
            "_id": key.as_str(),
            field::TOKEN: token.0 as i64,
            // Invalidated since it was read.
            field::FRESH_UNTIL: { "$ne": EXPIRED },
        },
        "u": [{ "$set": moved }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_an_end_has_no_date() {
        for far in [Timestamp::NEVER, Timestamp::from_unix_ms(i64::MAX as u64)] {
            let end = end_of(far);
            assert_eq!(end.keys().collect::<Vec<_>>(), [field::KEPT_UNTIL], "no date tells that");
        }
        let never = end_of(Timestamp::NEVER);
        assert!(never.get_f64(field::KEPT_UNTIL).is_ok_and(|end| end > i64::MAX as f64));
        assert_eq!(end_of(Timestamp::from_unix_ms(5)).len(), 2);
    }

    #[test]
    fn a_removal_takes_every_field_of_a_value() {
        let key = Key::parse("p:k:v1").unwrap();
        let removal = remove(&key, 7);
        let unset = removal.get_document("u").unwrap().get_document("$unset").unwrap();
        assert!(field::VALUE.iter().all(|name| unset.contains_key(*name)));
        assert!(unset.contains_key(field::PENDING));
    }
}
