//! The statements of one table, as texts; connections keep them prepared.

use std::sync::Arc;

use cache_sql::{Ending, LIKE_ESCAPE};

/// The server's time as columns have it. The same during one statement.
const NOW: &str = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// Told from every other server, and from this one before it was started: a stamp is good only as
/// long as the memory of the server that gave it.
const SERVER: &str = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint";

/// The columns of an entry, in the order in which they are read; behind counter and origin.
const ENTRY: &str = "e.key, e.expire_at, e.fresh_until, e.created_at, e.idle_ms, e.stamp, e.token, \
                     e.checksum, e.kind, e.data_type, e.compressed, e.decoded_bytes, e.size_bytes, \
                     e.tags, e.value, e.last_accessed";

/// What a removal or a scan means; `$1` and `$2` are the statement's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `$3`: keys.
    Keys,
    /// `$3`: tags, of which an entry bears one.
    AnyTag,
    /// `$3`: tags, all of which an entry bears.
    AllTags,
    /// `$3` and `$4`: from and to; `$5`: `LIKE`, over prefix and name; `$6`: a version, or none.
    /// The limit is on rows that are looked at, or one that matches little would take for ever.
    Range,
}

impl Condition {
    const ALL: [Self; 4] = [Self::Keys, Self::AnyTag, Self::AllTags, Self::Range];

    /// What an index finds.
    fn found(self) -> &'static str {
        match self {
            Self::Keys => "e.key = ANY ($3::text[])",
            Self::AnyTag => "e.tags && $3::text[]",
            Self::AllTags => "e.tags @> $3::text[]",
            Self::Range => "e.key >= $3::text AND e.key < $4::text",
        }
    }

    /// What must hold of it besides.
    fn matches(self) -> String {
        match self {
            // A version holds no `:`, so that the last one ends the name.
            Self::Range => format!(
                "left(e.key, length(e.key) - strpos(reverse(e.key), ':')) \
                 LIKE $5::text ESCAPE '{LIKE_ESCAPE}' \
                 AND ($6::text IS NULL OR right(e.key, strpos(reverse(e.key), ':') - 1) = $6)"
            ),
            _ => "true".to_owned(),
        }
    }

    /// The keys of a part of what this means, `$2` rows at most, with whether each is meant.
    /// `older` stands for itself where the index finds nothing but what is meant.
    fn part(self, entries: &str, older: &str) -> String {
        let (found, matches) = (self.found(), self.matches());
        match self {
            Self::Range => format!(
                "SELECT e.key, {matches} AND {older} AS meant FROM {entries} e \
                 WHERE {found} ORDER BY e.key LIMIT $2::bigint"
            ),
            Self::Keys => format!(
                "SELECT e.key, true AS meant FROM {entries} e WHERE {found} AND {older} \
                 ORDER BY e.key LIMIT $2::bigint"
            ),
            // A plan that knows neither the tags nor the limit expects so many entries with them
            // that it would go through all in the order of their keys, were it not told to find them
            // first.
            Self::AnyTag | Self::AllTags => format!(
                "SELECT f.key, true AS meant FROM (SELECT e.key FROM {entries} e \
                 WHERE {found} AND {older} OFFSET 0) f ORDER BY f.key LIMIT $2::bigint"
            ),
        }
    }
}

/// Every statement that runs on the way of a call. The names have been validated.
#[derive(Debug)]
pub(crate) struct Statements {
    /// One row in any case: counter, origin or null, and the entry's columns or nulls. `$1` key.
    pub(crate) get: Arc<str>,
    /// At least one row, as [`get`](Self::get). `$1` keys.
    pub(crate) get_many: Arc<str>,
    /// Counter, origin or null.
    pub(crate) stamp: Arc<str>,
    /// A function; see the script.
    pub(crate) write: Arc<str>,
    /// `$1` stripes, `$2` cells or null; mark, origin.
    pub(crate) raise: Arc<str>,
    /// `$1` limit; how many were removed, and their bytes.
    pub(crate) remove_expired: Arc<str>,
    /// Whether there is anything to clean up.
    pub(crate) any_expired: Arc<str>,
    /// `$1` bound on entries, `$2` on bytes, `$3` limit; how many were evicted, their bytes, how
    /// many more are over the bound.
    pub(crate) evict: Arc<str>,
    /// `$1` keys, `$2` times, `$3` how far they must lie behind to be moved.
    pub(crate) accessed: Arc<str>,
    /// Entries, bytes of payloads, bytes of all.
    pub(crate) totals: Arc<str>,
    pub(crate) flush: Arc<str>,
    /// `$1` name, `$2` step, `$3` to `$8` what the step asks for.
    pub(crate) atomic: Arc<str>,
    /// `$1` limit; how many past their end were removed.
    pub(crate) remove_ended: Arc<str>,
    remove: [Arc<str>; 4],
    expire: [Arc<str>; 4],
    remove_fresh: [Arc<str>; 4],
    scan: [Arc<str>; 4],
}

impl Statements {
    pub(crate) fn new(schema: &str, table: &str) -> Self {
        let name = |end: &str| format!("\"{schema}\".\"{table}{end}\"");
        let entries = name("");
        let (meta, counter) = (name("_meta"), name("_counter"));
        // Each found once for a statement, however many rows there are.
        let counter = format!("(SELECT c.last_value FROM {counter} c)");
        let origin = format!(
            "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN m.origin # {SERVER} END \
             FROM {meta} m WHERE m.id = 1)"
        );
        let (counter, origin) = if cfg!(fencing_off) {
            ("0::bigint".to_owned(), "0::bigint".to_owned())
        } else {
            (counter, origin)
        };
        let kept = format!("e.expire_at NOT BETWEEN 0 AND (SELECT {NOW})");
        let get = |key: &str| {
            format!(
                "SELECT {counter}, {origin}, {ENTRY} FROM (SELECT) one \
                 LEFT JOIN {entries} e ON {key} AND {kept}"
            )
            .into()
        };
        // `$1` mark, `$2` limit: a part of those that are older than the mark; how many there
        // were, how many of them were still kept, and the last key.
        let end = |ending: Ending, condition: Condition| {
            let older = match ending.spares_stale() {
                true => "e.fresh_until <> 0 AND e.stamp < $1::bigint",
                false => "e.stamp < $1::bigint",
            };
            let change = match ending {
                Ending::Remove | Ending::RemoveFresh => {
                    format!("DELETE FROM {entries} e USING part")
                }
                Ending::Expire => format!("UPDATE {entries} e SET fresh_until = 0 FROM part"),
            };
            format!(
                "WITH part AS MATERIALIZED ({part}), \
                 ended AS ({change} WHERE part.meant AND e.key = part.key AND {older} \
                 RETURNING {kept} AS kept) \
                 SELECT (SELECT count(*) FROM part), count(*) FILTER (WHERE kept), \
                 (SELECT max(part.key) FROM part) FROM ended",
                part = condition.part(&entries, older)
            )
            .into()
        };
        // `$1` the last key that was seen, `$2` limit; what is meant, and the last row in any case.
        let scan = |condition: Condition| {
            format!(
                "WITH part AS MATERIALIZED (SELECT e.key, e.expire_at, e.fresh_until, \
                 e.created_at, e.kind, e.size_bytes, e.tags, {matches} AND {kept} AS meant \
                 FROM {entries} e WHERE {found} AND e.key > $1::text \
                 ORDER BY e.key LIMIT $2::bigint) \
                 SELECT key, expire_at, fresh_until, created_at, kind, size_bytes, tags, meant \
                 FROM part WHERE meant OR key = (SELECT max(key) FROM part) ORDER BY key",
                matches = condition.matches(),
                found = condition.found()
            )
            .into()
        };
        Self {
            get: get("e.key = $1::text"),
            get_many: get("e.key = ANY ($1::text[])"),
            stamp: format!("SELECT {counter}, {origin}").into(),
            write: format!(
                "SELECT o_wave, o_key, o_outcome, o_counter, o_origin FROM {}({})",
                name("_write"),
                (1..=26).map(|at| format!("${at}")).collect::<Vec<_>>().join(", "),
            )
            .into(),
            raise: format!("SELECT o_mark, o_origin FROM {}($1, $2)", name("_raise")).into(),
            atomic: format!(
                "SELECT o_answer, o_number, o_other, o_value FROM {}\
                 ($1, $2, $3, $4, $5, $6, $7, $8)",
                name("_atomic")
            )
            .into(),
            remove_ended: format!(
                "WITH ended AS MATERIALIZED (SELECT a.name FROM {atomics} a \
                 WHERE a.expires_us < 9223372036854775807 AND a.expires_us <= {NOW} * 1000 \
                 ORDER BY a.expires_us LIMIT $1::bigint FOR UPDATE SKIP LOCKED), \
                 gone AS (DELETE FROM {atomics} a USING ended WHERE a.name = ended.name \
                 AND a.expires_us <= {NOW} * 1000 RETURNING 1) SELECT count(*) FROM gone",
                atomics = name("_atomics")
            )
            .into(),
            remove_expired: format!(
                "WITH old AS MATERIALIZED (SELECT e.key FROM {entries} e \
                 WHERE e.expire_at >= 0 AND e.expire_at <= {NOW} ORDER BY e.expire_at \
                 LIMIT $1::bigint FOR UPDATE SKIP LOCKED), \
                 gone AS (DELETE FROM {entries} e USING old WHERE e.key = old.key \
                 AND e.expire_at BETWEEN 0 AND {NOW} RETURNING e.size_bytes) \
                 SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM gone"
            )
            .into(),
            any_expired: format!(
                "SELECT EXISTS (SELECT 1 FROM {entries} e WHERE e.expire_at >= 0 \
                 AND e.expire_at <= {NOW})"
            )
            .into(),
            evict: format!("SELECT o_evicted, o_bytes, o_left FROM {}($1, $2, $3)", name("_evict"))
                .into(),
            accessed: format!(
                "UPDATE {entries} e SET last_accessed = u.at \
                 FROM unnest($1::text[], $2::bigint[]) u (key, at) \
                 WHERE e.key = u.key AND e.last_accessed <= u.at - $3::bigint"
            )
            .into(),
            totals: format!(
                "SELECT o_entries, o_bytes, pg_total_relation_size('{entries}'::regclass) FROM {}()",
                name("_totals")
            )
            .into(),
            // A logged change, whose commit takes with it all that was committed before.
            flush: format!("UPDATE {meta} SET version = version WHERE id = 1").into(),
            remove: Condition::ALL.map(|condition| end(Ending::Remove, condition)),
            expire: Condition::ALL.map(|condition| end(Ending::Expire, condition)),
            remove_fresh: Condition::ALL.map(|condition| end(Ending::RemoveFresh, condition)),
            scan: Condition::ALL.map(scan),
        }
    }

    pub(crate) fn end(&self, condition: Condition, ending: Ending) -> &Arc<str> {
        let statements = match ending {
            Ending::Remove => &self.remove,
            Ending::Expire => &self.expire,
            Ending::RemoveFresh => &self.remove_fresh,
        };
        &statements[condition as usize]
    }

    pub(crate) fn scan(&self, condition: Condition) -> &Arc<str> {
        &self.scan[condition as usize]
    }
}
