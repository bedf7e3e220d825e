//! What each kind of write means, inside of a transaction.

use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, Token};
use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Write, WriteAction};
use rusqlite::{OptionalExtension, ToSql, params};

use super::Transaction;
use crate::invalidate::EXPIRED;
use crate::read::{kind_number, tags_from, tags_text, timestamp};
use crate::schema::Statements;

/// What stands in the row of a key.
struct Old {
    key: String,
    kept_until: Timestamp,
    fresh_until: Timestamp,
    stamp: u64,
    token: Token,
    size_bytes: i64,
    tags: Option<String>,
    cleanup_at: Option<i64>,
}

impl Old {
    /// Whether it is an entry of this key that is still there for readers.
    fn is_kept(&self, key: &Key, now: Timestamp) -> bool {
        self.key == key.as_str() && now < self.kept_until
    }

    fn tags(&self) -> Tags {
        self.tags.as_ref().and_then(|text| tags_from(text.as_bytes())).unwrap_or(Tags::NONE)
    }
}

/// Carries out one write.
pub(crate) fn apply(txn: &mut Transaction<'_>, write: &Write) -> rusqlite::Result<Outcome> {
    let key = &write.key;
    let id = key.digest() as i64;
    let old = old(txn, id)?;
    let kept = old.as_ref().filter(|old| old.is_kept(key, txn.now));
    match &write.action {
        WriteAction::Fill { entry, stamp } => fill(txn, key, entry, *stamp, old.as_ref()),
        WriteAction::Set { entry } => {
            let mark = raise(txn, key)?;
            if is_too_large(txn, entry) {
                return remove(txn, id, old.as_ref(), Outcome::TooLarge);
            }
            store(txn, key, entry, mark, old.as_ref())
        }
        WriteAction::Update { entry, stamp } => {
            let admitted = admits(txn, *stamp, key, &entry.tags)?
                && match kept {
                    Some(old) => admits(txn, *stamp, key, &old.tags())?,
                    None => true,
                };
            let mark = raise(txn, key)?;
            if !admitted {
                return remove(txn, id, old.as_ref(), Outcome::Fenced);
            }
            if is_too_large(txn, entry) {
                return remove(txn, id, old.as_ref(), Outcome::TooLarge);
            }
            store(txn, key, entry, mark, old.as_ref())
        }
        WriteAction::PutIfUnchanged { entry, expected, stamp } => {
            if kept.map(|old| old.token) != *expected {
                return Ok(Outcome::ConditionFailed);
            }
            let Some(replaced) = kept else {
                return fill(txn, key, entry, *stamp, old.as_ref());
            };
            // It may be made of what it takes the place of, and is no newer: an invalidation that
            // was raised before that was read, and has not come to it yet, removes what stands
            // there. It would not find what no longer bears the tag that it names.
            let newer = replaced.stamp > stamp.mark;
            let own = replaced.stamp;
            if newer
                || !admits(txn, *stamp, key, &entry.tags)?
                || !lets_go(txn, own, &replaced.tags(), &entry.tags)?
            {
                return Ok(Outcome::Fenced);
            }
            if is_too_large(txn, entry) {
                return Ok(Outcome::TooLarge);
            }
            store(txn, key, entry, own, old.as_ref())
        }
        WriteAction::Touch { token, fresh_until, kept_until } => {
            if kept.is_none_or(|old| old.token != *token || old.fresh_until == EXPIRED) {
                return Ok(Outcome::ConditionFailed);
            }
            let mut statement = txn.connection.prepare_cached(&txn.statements().touch)?;
            let times = [fresh_until, kept_until].map(|time| time.unix_ms() as i64);
            statement.execute([id, times[0], times[1]])?;
            let cleanup_at = old.as_ref().and_then(|old| old.cleanup_at);
            schedule(txn, id, cleanup_at, *kept_until)?;
            Ok(Outcome::Stored)
        }
        // An action that this release does not know changes nothing.
        _ => Ok(Outcome::ConditionFailed),
    }
}

fn fill(
    txn: &mut Transaction<'_>,
    key: &Key,
    entry: &Entry,
    stamp: Stamp,
    old: Option<&Old>,
) -> rusqlite::Result<Outcome> {
    let newer = old.is_some_and(|old| old.is_kept(key, txn.now) && old.stamp > stamp.mark);
    if (newer && !cfg!(fencing_off)) || !admits(txn, stamp, key, &entry.tags)? {
        return Ok(Outcome::Fenced);
    }
    if is_too_large(txn, entry) {
        return Ok(Outcome::TooLarge);
    }
    store(txn, key, entry, stamp.mark, old)
}

fn admits(
    txn: &mut Transaction<'_>,
    stamp: Stamp,
    key: &Key,
    tags: &Tags,
) -> rusqlite::Result<bool> {
    let (connection, statements) = (txn.connection, txn.statements());
    txn.fence.admits(connection, statements, stamp, key, tags)
}

/// Whether nothing was raised past `mark` of those `tags` that are not among `kept`.
fn lets_go(
    txn: &mut Transaction<'_>,
    mark: u64,
    tags: &Tags,
    kept: &Tags,
) -> rusqlite::Result<bool> {
    let (connection, statements) = (txn.connection, txn.statements());
    for tag in tags.into_iter().filter(|tag| !kept.contains(tag)) {
        if txn.fence.cell(connection, statements, cell_of_tag(tag))? > mark {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Raises the cell of a key past every load that has begun.
fn raise(txn: &mut Transaction<'_>, key: &Key) -> rusqlite::Result<u64> {
    let mark = txn.fence.advance();
    let (connection, statements) = (txn.connection, txn.statements());
    txn.fence.raise(connection, statements, [cell_of_key(key)], mark)?;
    Ok(mark)
}

/// The length of the value. A payload that should be a reference and is none counts by its own.
fn size_bytes(txn: &Transaction<'_>, entry: &Entry) -> i64 {
    let payload = &entry.payload;
    let bytes = txn.statements().place.size_bytes(payload).unwrap_or(payload.len() as u64);
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn is_too_large(txn: &Transaction<'_>, entry: &Entry) -> bool {
    size_bytes(txn, entry) > txn.shared.capabilities.value_bytes_max as i64
}

fn remove(
    txn: &mut Transaction<'_>,
    id: i64,
    old: Option<&Old>,
    outcome: Outcome,
) -> rusqlite::Result<Outcome> {
    if let Some(old) = old {
        txn.remove(id, old.size_bytes, old.tags.as_deref())?;
    }
    Ok(outcome)
}

fn store(
    txn: &mut Transaction<'_>,
    key: &Key,
    entry: &Entry,
    mark: u64,
    old: Option<&Old>,
) -> rusqlite::Result<Outcome> {
    let id = key.digest() as i64;
    let same = old.filter(|old| old.key == key.as_str());
    if let (Some(old), None) = (old, same) {
        // Another key with the same digest: one of them has to go.
        txn.remove(id, old.size_bytes, old.tags.as_deref())?;
    }
    let tags = tags_text(&entry.tags);
    put_row(txn, key, entry, mark, tags.as_deref(), same.is_some())?;
    if let Some(old) = same {
        schedule(txn, id, old.cleanup_at, entry.kept_until)?;
    }
    let old_tags = same.and_then(|old| old.tags.as_deref());
    if old_tags != tags.as_deref() {
        txn.remove_tags(id, old_tags)?;
        let mut statement = txn.connection.prepare_cached(&txn.statements().tag_insert)?;
        for tag in entry.tags.into_iter().map(Tag::as_str) {
            statement.execute(params![tag, id])?;
        }
    }
    txn.entries += i64::from(same.is_none());
    txn.replaced |= same.is_some();
    txn.payload_bytes += size_bytes(txn, entry) - same.map_or(0, |old| old.size_bytes);
    txn.bytes += entry.payload.len();
    Ok(Outcome::Stored)
}

/// When clean-up is to look at an entry that is new; `None` where it never expires.
fn cleanup_at(kept_until: Timestamp) -> Option<i64> {
    let column = kept_until.unix_ms() as i64;
    (column >= 0).then_some(column)
}

/// Has clean-up look at an entry no later than it expires. Where it looks before, nothing is
/// written: it sees then that the entry lives longer.
fn schedule(
    txn: &Transaction<'_>,
    id: i64,
    scheduled: Option<i64>,
    kept_until: Timestamp,
) -> rusqlite::Result<()> {
    let Some(needed) = cleanup_at(kept_until) else { return Ok(()) };
    if scheduled.is_some_and(|scheduled| scheduled <= needed) {
        return Ok(());
    }
    txn.connection.prepare_cached(&txn.statements().schedule)?.execute([id, needed]).map(drop)
}

fn put_row(
    txn: &Transaction<'_>,
    key: &Key,
    entry: &Entry,
    mark: u64,
    tags: Option<&str>,
    there: bool,
) -> rusqlite::Result<()> {
    let last_accessed = txn.shared.next_use(txn.now);
    let idle_ms = entry.idle.map(|idle| i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
    let (kind, payload) = (kind_number(entry.kind), &entry.payload[..]);
    let columns: [&dyn ToSql; 18] = [
        &(key.digest() as i64),
        &(entry.kept_until.unix_ms() as i64),
        &(entry.fresh_until.unix_ms() as i64),
        &(entry.created.unix_ms() as i64),
        &last_accessed,
        &idle_ms,
        &(mark as i64),
        &(entry.token.0 as i64),
        &(entry.checksum as i64),
        &kind,
        &entry.codec.number(),
        &entry.compression.number(),
        &entry.decoded_bytes,
        &size_bytes(txn, entry),
        &tags,
        &payload,
        &key.as_str(),
        &cleanup_at(entry.kept_until),
    ];
    let Statements { insert, replace, .. } = txn.statements();
    // What has an index stands last, and is not among what replaces.
    let (sql, columns) = if there { (replace, &columns[..16]) } else { (insert, &columns[..]) };
    txn.connection.prepare_cached(sql)?.execute(columns).map(drop)
}

fn old(txn: &Transaction<'_>, id: i64) -> rusqlite::Result<Option<Old>> {
    let mut statement = txn.connection.prepare_cached(&txn.statements().old)?;
    let old = statement.query_row([id], |row| {
        Ok(Old {
            key: row.get(0)?,
            kept_until: timestamp(row.get(1)?),
            fresh_until: timestamp(row.get(2)?),
            stamp: row.get::<_, i64>(3)? as u64,
            token: Token(row.get::<_, i64>(4)? as u64),
            size_bytes: row.get(5)?,
            tags: row.get(6)?,
            cleanup_at: row.get(7)?,
        })
    });
    old.optional()
}
