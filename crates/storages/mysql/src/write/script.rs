//! Scripts of writes.

use std::collections::BTreeSet;

use cache_core::entry::Entry;
use cache_core::fence::cell_of_key;
use cache_core::key::Key;
use cache_core::storage::{Write, WriteAction};
use cache_sql::{EntryColumns, cells_of, tags_to_json, time_column};

use crate::connection::Script;
use crate::fence::REFUSE;
use crate::schema::Statements;
use crate::storage::Shared;

/// An entry to be stored.
pub(super) struct Put<'a> {
    pub(super) key: &'a Key,
    pub(super) entry: &'a Entry,
    pub(super) mark: Mark,
}

/// The mark under which an entry is stored.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Known(i64),
    /// The one that the script has raised the counter to.
    Raised,
}

/// Columns of an entry but its key and stamp, in the order in which they are written.
const COLUMNS: [&str; 14] = [
    "expire_at",
    "fresh_until",
    "created_at",
    "last_accessed",
    "idle_ms",
    "token",
    "checksum",
    "decoded_bytes",
    "size_bytes",
    "kind",
    "data_type",
    "compressed",
    "tags",
    "value",
];

/// Stores loads, or refuses all of them. They have one origin and a key each.
pub(super) fn fills(shared: &Shared, writes: &[&Write]) -> Script {
    let statements = &shared.statements;
    let mut cells = BTreeSet::new();
    let (mut lowest, mut highest, mut origin) = (i64::MAX, i64::MIN, 0);
    let mut puts = Vec::with_capacity(writes.len());
    for write in writes {
        let WriteAction::Fill { entry, stamp } = &write.action else { continue };
        let mark = stamp.mark as i64;
        (lowest, highest, origin) = (lowest.min(mark), highest.max(mark), stamp.origin as i64);
        cells.extend(cells_of(&write.key, &entry.tags));
        puts.push(Put { key: &write.key, entry, mark: Mark::Known(mark) });
    }
    let cells: Vec<i16> = cells.into_iter().collect();
    let mut script = Script::default();
    statements.check_origin(&mut script, origin, highest);
    shared.begin(&mut script);
    // Where the marks differ, the lowest is asked for: what that refuses is looked at one by one.
    statements.check_cells(&mut script, &cells, lowest);
    statements.put(&mut script, puts, true);
    script.push("COMMIT; ");
    script
}

/// Raises the cells of keys and stores, whatever was there. Each has a key of its own. The last
/// statement tells the stamp.
pub(super) fn sets(shared: &Shared, writes: &[&Write]) -> Script {
    let statements = &shared.statements;
    let cells: BTreeSet<i16> = writes.iter().map(|write| cell(&write.key)).collect();
    let cells: Vec<i16> = cells.into_iter().collect();
    let mut puts = Vec::with_capacity(writes.len());
    for write in writes {
        if let WriteAction::Set { entry } = &write.action {
            puts.push(Put { key: &write.key, entry, mark: Mark::Raised });
        }
    }
    let mut script = Script::default();
    statements.raise_counter(&mut script);
    shared.begin(&mut script);
    statements.raise_cells(&mut script, Some(&cells));
    statements.put(&mut script, puts, false);
    script.push("COMMIT; ").push(&statements.stamp);
    script
}

/// Moves times. A statement for each, before the commit.
pub(super) fn touches(shared: &Shared, writes: &[&Write]) -> Script {
    let mut script = Script::default();
    shared.begin(&mut script);
    for write in writes {
        if let WriteAction::Touch { token, fresh_until, kept_until } = &write.action {
            let times = (time_column(*fresh_until), time_column(*kept_until));
            let token = token.0 as i64;
            shared.statements.touch(&mut script, write.key.as_str(), token, times);
        }
    }
    script.push("COMMIT; ");
    script
}

/// The cell of a key.
pub(super) fn cell(key: &Key) -> i16 {
    // 4,096 cells fit.
    cell_of_key(key) as i16
}

impl Statements {
    /// Stores entries with their tags. If `guarded`, all is refused where a newer one is there.
    pub(super) fn put(&self, script: &mut Script, mut puts: Vec<Put<'_>>, guarded: bool) {
        // In one order, so that two batches wait for each other and nothing worse.
        puts.sort_unstable_by_key(|put| put.key);
        let Self { entries, now_ms, .. } = self;
        script.push(&format!(
            "SET @now = {now_ms}; INSERT INTO {entries} (`key`, stamp, {}) VALUES ",
            COLUMNS.join(", ")
        ));
        for (at, put) in puts.iter().enumerate() {
            script.push(if at == 0 { "(" } else { ",(" });
            push_row(script, put);
            script.push(")");
        }
        // Assignments are made in their order, and the first looks at what was there.
        script.push(" ON DUPLICATE KEY UPDATE stamp = ");
        if guarded {
            script.push(&format!(
                "IF({entries}.stamp <= VALUES(stamp) OR {entries}.expire_at BETWEEN 0 AND @now, \
                 VALUES(stamp), {REFUSE})"
            ));
        } else {
            script.push("VALUES(stamp)");
        }
        for column in COLUMNS {
            script.push(&format!(", {column} = VALUES({column})"));
        }
        script.push("; ");
        self.put_tags(script, &puts);
    }

    /// Replaces the tags of entries whose rows are locked.
    fn put_tags(&self, script: &mut Script, puts: &[Put<'_>]) {
        let tags = &self.tags;
        let keys: Vec<&str> = puts.iter().map(|put| put.key.as_str()).collect();
        script.push(&format!("DELETE FROM {tags} WHERE `key` IN ")).texts(&keys).push("; ");
        let mut is_first = true;
        for put in puts {
            for tag in &put.entry.tags {
                if is_first {
                    script.push(&format!("INSERT INTO {tags} (tag, `key`, cell) VALUES ("));
                } else {
                    script.push(",(");
                }
                is_first = false;
                let cell = cache_core::fence::cell_of_tag(tag) as i64;
                script.bytes(tag.as_str().as_bytes()).push(",");
                script.bytes(put.key.as_str().as_bytes()).push(",").number(cell).push(")");
            }
        }
        if !is_first {
            script.push("; ");
        }
    }

    /// Moves the times of an entry that is there, has this token, and was not made stale.
    pub(super) fn touch(&self, script: &mut Script, key: &str, token: i64, times: (i64, i64)) {
        let Self { entries, now_ms, .. } = self;
        script.push(&format!("UPDATE {entries} SET fresh_until = ")).number(times.0);
        script.push(", expire_at = ").number(times.1);
        script.push(" WHERE `key` = ").bytes(key.as_bytes()).push(" AND token = ").number(token);
        script
            .push(&format!(" AND fresh_until <> 0 AND (expire_at < 0 OR expire_at > {now_ms}); "));
    }
}

fn push_row(script: &mut Script, put: &Put<'_>) {
    let columns = EntryColumns::new(put.entry, 0);
    script.bytes(put.key.as_str().as_bytes()).push(",");
    match put.mark {
        Mark::Known(mark) => script.number(mark),
        Mark::Raised => script.push("@mark"),
    };
    for number in [columns.expire_at, columns.fresh_until, columns.created_at] {
        script.push(",").number(number);
    }
    script.push(",@now,").number_or_null(columns.idle_ms);
    let small = [columns.kind, columns.data_type, columns.compressed].map(i64::from);
    let numbers = [columns.token, columns.checksum, columns.decoded_bytes, columns.size_bytes];
    for number in numbers.into_iter().chain(small) {
        script.push(",").number(number);
    }
    script.push(",");
    match tags_to_json(&put.entry.tags) {
        Some(tags) => script.bytes(tags.as_bytes()),
        None => script.push("NULL"),
    };
    script.push(",").bytes(&put.entry.payload);
}
