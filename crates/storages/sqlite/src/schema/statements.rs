//! The statements of one table, as texts; connections keep them prepared.

use crate::outside::Place;

/// Every statement that runs on the way of a call. The table's name has been validated.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) place: Place,
    /// One row in any case: the entry's columns or nulls, counter, origin.
    /// `?1` id, `?2` the longest value to be read.
    pub(crate) get: String,
    /// The entry's columns alone, with the same parameters.
    pub(crate) get_entry: String,
    /// Counter and origin.
    pub(crate) stamp: String,
    pub(crate) meta: String,
    pub(crate) meta_create: String,
    pub(crate) meta_update: String,
    pub(crate) meta_flush: String,
    pub(crate) cell: String,
    pub(crate) cell_raise: String,
    pub(crate) old: String,
    pub(crate) insert: String,
    pub(crate) replace: String,
    pub(crate) touch: String,
    /// When clean-up looks at an entry.
    pub(crate) schedule: String,
    pub(crate) expire: String,
    pub(crate) delete: String,
    pub(crate) delete_expired: String,
    pub(crate) tag_insert: String,
    pub(crate) tag_delete: String,
    pub(crate) tags_delete_id: String,
    pub(crate) page_by_id: String,
    pub(crate) page_by_key: String,
    pub(crate) page_by_tag: String,
    /// What clean-up is to look at.
    pub(crate) due: String,
    pub(crate) recency: String,
    pub(crate) candidate: String,
    pub(crate) accessed: String,
    pub(crate) totals: String,
    /// References that no row holds any more.
    pub(crate) removed: String,
    pub(crate) removed_forget: String,
    /// Whether there is a log of events.
    pub(crate) events_exist: String,
    pub(crate) events_create: String,
    /// One row: the number of the last event, or null.
    pub(crate) events_last: String,
    pub(crate) events_insert: String,
    /// `?1` the last number that may go, `?2` how many rows.
    pub(crate) events_trim: String,
    /// At least one row: the last number; number and event, or nulls. `?1` after, `?2` limit.
    pub(crate) events: String,
    pub(crate) references: String,
    pub(crate) sample_insert: String,
    pub(crate) samples_delete: String,
    pub(crate) samples: String,
    /// What stands under a name: a counter, a lock or the like.
    pub(crate) atomic: String,
    pub(crate) atomic_put: String,
    pub(crate) atomic_delete: String,
    /// Those past their ends.
    pub(crate) atomics_delete: String,
}

/// The columns of an entry, in the order in which they are read, up to its value.
const ENTRY: &str = "e.key, e.expire_at, e.fresh_until, e.created_at, e.idle_ms, e.stamp, e.token, \
                     e.checksum, e.kind, e.data_type, e.compressed, e.decoded_bytes, \
                     e.size_bytes, e.tags";

/// Those without its value.
const DETAILS: &str = "e.id, e.key, e.expire_at, e.fresh_until, e.created_at, e.kind, \
                       e.size_bytes, e.tags, e.stamp";

impl Statements {
    pub(crate) fn new(table: &str, place: Place) -> Self {
        // A reference is short, however long what it refers to.
        let value = match place {
            Place::Inside => "CASE WHEN e.size_bytes <= ?2 THEN e.value END",
            Place::Outside => "CASE WHEN length(e.value) <= ?2 THEN e.value END",
        };
        let entries = format!("\"{table}\"");
        let [tags, fence, meta, stats, removed, atomics] =
            ["tags", "fence", "meta", "stats", "removed", "atomics"]
                .map(|end| format!("\"{table}_{end}\""));
        Self {
            place,
            get: if cfg!(fencing_off) {
                format!(
                    "SELECT {ENTRY}, {value}, 0, 0 FROM (SELECT 1) \
                     LEFT JOIN {entries} e ON e.id = ?1"
                )
            } else {
                format!(
                    "SELECT {ENTRY}, {value}, m.counter, m.origin \
                     FROM {meta} m LEFT JOIN {entries} e ON e.id = ?1 WHERE m.id = 1"
                )
            },
            get_entry: format!("SELECT {ENTRY}, {value} FROM {entries} e WHERE e.id = ?1"),
            stamp: format!("SELECT counter, origin FROM {meta} WHERE id = 1"),
            meta: format!(
                "SELECT counter, floor, origin, entries, payload_bytes FROM {meta} WHERE id = 1"
            ),
            // The stamps that stand in the table were given out by the row that is gone.
            meta_create: format!(
                "INSERT INTO {meta} SELECT 1, n, n, ?2, c, b, ?3, 0, ?4 FROM (SELECT \
                 max(?1, coalesce(max(stamp), 0) + 1) n, count(*) c, \
                 coalesce(sum(size_bytes), 0) b FROM {entries})"
            ),
            meta_update: format!(
                "UPDATE {meta} SET counter = ?1, floor = ?2, entries = ?3, payload_bytes = ?4 \
                 WHERE id = 1"
            ),
            events_exist: format!(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower(name) = '{}_events'",
                table.to_ascii_lowercase()
            ),
            events_create: crate::schema::events_script(table),
            events_last: format!("SELECT max(id) FROM \"{table}_events\""),
            events_insert: format!("INSERT INTO \"{table}_events\" VALUES (?1, ?2)"),
            events_trim: format!(
                "DELETE FROM \"{table}_events\" WHERE id IN (SELECT id FROM \"{table}_events\" \
                 WHERE id <= ?1 ORDER BY id LIMIT ?2)"
            ),
            events: format!(
                "SELECT l.id, e.id, e.event FROM (SELECT max(id) AS id FROM \"{table}_events\") l \
                 LEFT JOIN (SELECT id, event FROM \"{table}_events\" WHERE id > ?1 \
                 ORDER BY id LIMIT ?2) e ON true ORDER BY e.id"
            ),
            meta_flush: format!("UPDATE {meta} SET flushed_at = ?1 WHERE id = 1"),
            cell: format!("SELECT mark FROM {fence} WHERE cell = ?1"),
            cell_raise: format!(
                "INSERT INTO {fence} VALUES (?1, ?2) ON CONFLICT (cell) DO UPDATE \
                 SET mark = max(mark, excluded.mark)"
            ),
            old: format!(
                "SELECT key, expire_at, fresh_until, stamp, token, size_bytes, tags, cleanup_at \
                 FROM {entries} WHERE id = ?1"
            ),
            insert: format!(
                "INSERT INTO {entries} (id, expire_at, fresh_until, created_at, last_accessed, \
                 idle_ms, stamp, token, checksum, kind, data_type, compressed, decoded_bytes, \
                 size_bytes, tags, value, key, cleanup_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
                 ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
            ),
            // What has an index is not assigned: it would be written for nothing.
            replace: format!(
                "UPDATE {entries} SET expire_at = ?2, fresh_until = ?3, created_at = ?4, \
                 last_accessed = ?5, idle_ms = ?6, stamp = ?7, token = ?8, checksum = ?9, \
                 kind = ?10, data_type = ?11, compressed = ?12, decoded_bytes = ?13, \
                 size_bytes = ?14, tags = ?15, value = ?16 WHERE id = ?1"
            ),
            touch: format!("UPDATE {entries} SET fresh_until = ?2, expire_at = ?3 WHERE id = ?1"),
            schedule: format!("UPDATE {entries} SET cleanup_at = ?2 WHERE id = ?1"),
            expire: format!("UPDATE {entries} SET fresh_until = ?2 WHERE id = ?1"),
            delete: format!("DELETE FROM {entries} WHERE id = ?1"),
            // The condition stands in the statement itself: what was renewed stays.
            delete_expired: format!(
                "DELETE FROM {entries} WHERE id = ?1 AND expire_at BETWEEN 0 AND ?2"
            ),
            tag_insert: format!("INSERT OR IGNORE INTO {tags} VALUES (?1, ?2)"),
            tag_delete: format!("DELETE FROM {tags} WHERE tag = ?1 AND id = ?2"),
            tags_delete_id: format!("DELETE FROM {tags} WHERE id = ?1"),
            page_by_id: format!("SELECT {DETAILS} FROM {entries} e WHERE e.id = ?1"),
            page_by_key: format!(
                "SELECT {DETAILS} FROM {entries} e WHERE e.key >= ?1 AND e.key < ?2 \
                 ORDER BY e.key LIMIT ?3"
            ),
            page_by_tag: format!(
                "SELECT {DETAILS} FROM {tags} t CROSS JOIN {entries} e ON e.id = t.id \
                 WHERE t.tag = ?1 AND t.id >= ?2 ORDER BY t.id LIMIT ?3"
            ),
            due: format!(
                "SELECT id, size_bytes, tags, expire_at FROM {entries} \
                 WHERE cleanup_at <= ?1 ORDER BY cleanup_at LIMIT ?2"
            ),
            recency: format!(
                "SELECT id, last_accessed FROM {entries} WHERE id >= ?1 AND id <= ?2 \
                 ORDER BY id LIMIT ?3"
            ),
            candidate: format!(
                "SELECT size_bytes, tags, last_accessed FROM {entries} WHERE id = ?1"
            ),
            accessed: format!(
                "UPDATE {entries} SET access_count = access_count + ?2, \
                 last_accessed = max(last_accessed, ?3) WHERE id = ?1"
            ),
            totals: format!("SELECT count(*), coalesce(sum(size_bytes), 0) FROM {entries}"),
            removed: format!(
                "SELECT reference FROM {removed} WHERE reference > ?1 ORDER BY reference LIMIT ?2"
            ),
            removed_forget: format!("DELETE FROM {removed} WHERE reference = ?1"),
            references: format!(
                "SELECT id, key, value FROM {entries} WHERE id >= ?1 ORDER BY id LIMIT ?2"
            ),
            sample_insert: format!(
                "INSERT INTO {stats} (timestamp, operation, calls, hits, misses, failures, \
                 total_us, longest_us, entries, payload_bytes, stored_bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            ),
            samples_delete: format!(
                "DELETE FROM {stats} WHERE id IN (SELECT id FROM {stats} \
                 WHERE timestamp < ?1 ORDER BY timestamp LIMIT ?2)"
            ),
            samples: format!(
                "SELECT timestamp, operation, calls, hits, misses, failures, total_us, \
                 longest_us, entries, payload_bytes, stored_bytes FROM {stats} \
                 WHERE timestamp >= ?1 ORDER BY timestamp, id LIMIT ?2"
            ),
            atomic: format!(
                "SELECT number, value, until_us, expires_us FROM {atomics} WHERE name = ?1"
            ),
            atomic_put: format!(
                "INSERT INTO {atomics} VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE \
                 SET number = excluded.number, value = excluded.value, \
                 until_us = excluded.until_us, expires_us = excluded.expires_us"
            ),
            atomic_delete: format!("DELETE FROM {atomics} WHERE name = ?1"),
            atomics_delete: format!(
                "DELETE FROM {atomics} WHERE name IN (SELECT name FROM {atomics} \
                 WHERE expires_us <= ?1 AND expires_us < 9223372036854775807 \
                 ORDER BY expires_us LIMIT ?2)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::schema::schema_script;

    /// Bugs 2 and 3 of the stock system that came before: each change counted all rows, and tags
    /// stood in one text that was searched through, so that no index helped.
    #[test]
    fn stock_bugs_2_and_3_what_is_run_on_the_way_of_a_call_goes_through_no_table() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&schema_script("cache").unwrap()).unwrap();
        let statements = Statements::new("cache", Place::Inside);
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.raw_query();
            let mut plan = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                plan.push(row.get(3).unwrap());
            }
            plan
        };
        for sql in [
            &statements.get,
            &statements.get_entry,
            &statements.stamp,
            &statements.meta,
            &statements.meta_update,
            &statements.cell,
            &statements.cell_raise,
            &statements.old,
            &statements.insert,
            &statements.replace,
            &statements.touch,
            &statements.delete,
            &statements.delete_expired,
            &statements.tag_insert,
            &statements.tag_delete,
            &statements.page_by_id,
            &statements.page_by_key,
            &statements.page_by_tag,
            &statements.due,
            &statements.accessed,
            &statements.atomic,
            &statements.atomic_put,
            &statements.atomic_delete,
        ] {
            let plan = plan(sql);
            assert!(!plan.iter().any(|step| step.contains("SCAN")), "{sql}: {plan:?}");
        }
        // By the tag itself, and from there to each entry.
        let by_tag = plan(&statements.page_by_tag).concat();
        assert!(by_tag.contains("SEARCH t") && by_tag.contains("tag=?"), "{by_tag}");
        assert!(plan(&statements.totals).concat().contains("SCAN"), "a plan tells");
    }
}
