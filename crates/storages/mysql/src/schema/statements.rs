//! The statements of one table, as texts; connections keep those of reads prepared.

use std::sync::Arc;

use cache_sql::LIKE_ESCAPE;

/// Keys that one statement reads at most; more are read by several.
pub(crate) const READ_KEYS_MAX: usize = 8192;

/// Every statement that runs on the way of a call, or what it is put together from. The table's
/// name has been validated.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) entries: String,
    pub(crate) tags: String,
    pub(crate) fence: String,
    pub(crate) meta: String,
    pub(crate) totals: String,
    /// Counters, locks and the like.
    pub(crate) atomics: String,
    /// The server's time in microseconds, whatever the session's time zone.
    pub(crate) now_us: &'static str,
    /// The server's time as columns have it.
    pub(crate) now_ms: &'static str,
    /// The origin that stamps have; of the meta row `m`.
    pub(crate) origin: &'static str,
    /// Counter and origin; of the meta row `m`.
    pub(crate) stamp_columns: String,
    /// Whether the entry `e` is not past its time, by the server's clock.
    pub(crate) kept: String,
    /// One row, or none where the fence has lost its identity.
    pub(crate) stamp: Arc<str>,
    /// For 1, 2, 4, .. keys: one row for each entry that is there, or one of nulls behind counter
    /// and origin; none where the fence has lost its identity.
    get: Vec<Arc<str>>,
}

/// The columns of an entry, in the order in which they are read; behind counter and origin.
const ENTRY: &str = "e.`key`, e.expire_at, e.fresh_until, e.created_at, e.idle_ms, e.stamp, \
                     e.token, e.checksum, e.kind, e.data_type, e.compressed, e.decoded_bytes, \
                     e.size_bytes, e.tags, e.value, e.last_accessed";

const NOW_US: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))";
const NOW_MS: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) DIV 1000";

/// A number that tells the server from another one with a copy of the table.
pub(crate) const SERVER: &str = "CRC32(CONCAT(@@hostname, ':', @@port, ':', @@server_id))";

/// The table's identity, told from that of another server: a stamp is good only with the server
/// that gave it.
const ORIGIN: &str =
    "CAST(m.origin ^ CRC32(CONCAT(@@hostname, ':', @@port, ':', @@server_id)) AS SIGNED)";
/// The same where a connection has found out [`SERVER`] when it began.
const ORIGIN_OF_SESSION: &str = "CAST(m.origin ^ @tiers_server AS SIGNED)";

/// What the key of an entry is besides its prefix and name; a version holds no `:`.
const VERSION: &str = "SUBSTRING_INDEX(e.`key`, ':', -1)";

impl Statements {
    /// `prepared`: connections have a session of their own, which [`SERVER`] is kept in.
    pub(crate) fn new(table: &str, prepared: bool) -> Self {
        let origin = if prepared { ORIGIN_OF_SESSION } else { ORIGIN };
        let name = |end: &str| format!("`{table}{end}`");
        let (entries, meta) = (name(""), name("_meta"));
        let kept = format!("(e.expire_at < 0 OR e.expire_at > {NOW_MS})");
        let stamp_columns = format!("m.counter, {origin}");
        let get = |exponent: u32| -> Arc<str> {
            let places = vec!["?"; 1 << exponent].join(",");
            let key = if exponent == 0 { "= ?".to_owned() } else { format!("IN ({places})") };
            format!(
                "SELECT {stamp_columns}, {ENTRY} FROM {meta} m LEFT JOIN {entries} e \
                 ON e.`key` {key} AND {kept} WHERE m.id = 1"
            )
            .into()
        };
        Self {
            stamp: format!("SELECT {stamp_columns} FROM {meta} m WHERE m.id = 1").into(),
            get: (0..=READ_KEYS_MAX.ilog2()).map(get).collect(),
            tags: name("_tags"),
            fence: name("_fence"),
            totals: name("_totals"),
            atomics: name("_atomics"),
            now_us: NOW_US,
            now_ms: NOW_MS,
            origin,
            stamp_columns,
            kept,
            entries,
            meta,
        }
    }

    /// The statement that reads so many keys, and how many it has places for: a power of two, so
    /// that few statements are kept prepared.
    pub(crate) fn get(&self, keys: usize) -> (&Arc<str>, usize) {
        let places = keys.max(1).next_power_of_two().min(READ_KEYS_MAX);
        (&self.get[places.ilog2() as usize], places)
    }

    /// `FROM .. WHERE ..` of the entries `e` that bear a tag, all of some others, and none of some,
    /// behind a key. Arguments: the tag, the others, those not borne, the key.
    pub(crate) fn rows_of_tag(&self, others: usize, none: usize) -> String {
        let Self { entries, tags, .. } = self;
        let mut sql = format!(
            "FROM {tags} t STRAIGHT_JOIN {entries} e ON e.`key` = t.`key` WHERE t.tag = ? "
        );
        let bears =
            format!("EXISTS (SELECT 1 FROM {tags} o WHERE o.tag = ? AND o.`key` = t.`key`)");
        sql.push_str(&format!("AND {bears} ").repeat(others));
        sql.push_str(&format!("AND NOT {bears} ").repeat(none));
        sql + "AND t.`key` > ?"
    }

    /// `FROM .. WHERE ..` of the entries `e` in a range, behind a key. Arguments: from, to, the key.
    pub(crate) fn rows_of_range(&self) -> String {
        format!("FROM {} e WHERE e.`key` >= ? AND e.`key` < ? AND e.`key` > ?", self.entries)
    }

    /// `FROM .. WHERE ..` of the entries `e` with some keys, behind a key. Arguments: the keys, the
    /// key.
    pub(crate) fn rows_of_keys(&self, keys: usize) -> String {
        let places = vec!["?"; keys].join(",");
        format!("FROM {} e WHERE e.`key` IN ({places}) AND e.`key` > ?", self.entries)
    }
}

/// Whether prefix and name of the entry `e` are like a pattern. Arguments: the pattern, and the
/// version where one is asked for.
pub(crate) fn is_like(version: bool) -> String {
    // Characters, not bytes, are what `_` stands for; nothing is folded.
    let name = format!("LEFT(e.`key`, LENGTH(e.`key`) - LENGTH({VERSION}) - 1)");
    let mut sql = format!(
        "CONVERT({name} USING utf8mb4) COLLATE utf8mb4_bin \
         LIKE CONVERT(? USING utf8mb4) COLLATE utf8mb4_bin ESCAPE '{LIKE_ESCAPE}'"
    );
    if version {
        sql += &format!(" AND {VERSION} = ?");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_has_places_for_all_of_its_keys() {
        let statements = Statements::new("t", true);
        for (keys, places) in [(1, 1), (2, 2), (3, 4), (100, 128), (READ_KEYS_MAX, READ_KEYS_MAX)] {
            let (sql, found) = statements.get(keys);
            assert_eq!(found, places);
            assert_eq!(sql.matches('?').count(), places);
        }
    }
}
