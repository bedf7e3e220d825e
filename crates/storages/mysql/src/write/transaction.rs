//! Writes that are decided one by one: locks and a look in one round trip, changes in another.

use std::collections::BTreeSet;
use std::sync::Arc;

use cache_core::fence::{Stamp, cell_of_tag};
use cache_core::storage::{Outcome, Write, WriteAction};
use cache_sql::Damaged;
use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::decide::{Change, Decision, Ground, Held, decide};
use super::entry_of;
use super::script::{Mark, Put, cell};
use crate::connection::{Answer, Script, Told, send_script};
use crate::read::{column, stamp, text};
use crate::storage::{Job, Shared};

/// A batch that looks before it writes.
pub(super) struct Transaction<'a> {
    shared: &'a Shared,
    writes: &'a [&'a Write],
    look: Arc<str>,
    /// Statements of the look before the first that is read.
    before: usize,
    /// Cells that the fence must have.
    cells: usize,
}

/// How it ended.
pub(super) enum Decided {
    /// `behind`: the counter is behind a cell.
    Done {
        outcomes: Vec<Outcome>,
        stamp: Stamp,
        behind: bool,
    },
    /// The fence lacks its identity or a cell. Nothing was done.
    Incomplete,
    Damaged(Damaged),
}

impl<'a> Transaction<'a> {
    pub(super) fn new(shared: &'a Shared, writes: &'a [&'a Write]) -> Self {
        let statements = &shared.statements;
        let raises = |write: &&Write| {
            matches!(write.action, WriteAction::Set { .. } | WriteAction::Update { .. })
        };
        let keys: BTreeSet<&str> = writes.iter().map(|write| write.key.as_str()).collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        // Of which the tags count that stand there.
        let replaces = |write: &&&Write| {
            use WriteAction::{PutIfUnchanged, Update};
            matches!(write.action, Update { .. } | PutIfUnchanged { expected: Some(_), .. })
        };
        let replaced: BTreeSet<&str> =
            writes.iter().filter(replaces).map(|write| write.key.as_str()).collect();
        let replaced: Vec<&str> = replaced.into_iter().collect();
        let entries = writes.iter().filter_map(|write| entry_of(&write.action));
        let of_tags = entries.flat_map(|entry| &entry.tags).map(|tag| cell_of_tag(tag) as i16);
        let cells: BTreeSet<i16> =
            writes.iter().map(|write| cell(&write.key)).chain(of_tags).collect();
        let cells: Vec<i16> = cells.into_iter().collect();

        let mut script = Script::default();
        script.push("SET @mark = 0; ");
        let mut before = 1;
        if writes.iter().any(raises) {
            statements.raise_counter(&mut script);
            before += 2;
        }
        before += shared.begin(&mut script);
        // Whoever writes a key locks its cell: alone on it, nothing appears under the key. Cells of
        // tags are locked with it, in one order, or raises of many cells would deadlock with this.
        script.push(&format!("SELECT cell, mark FROM {} WHERE cell IN ", statements.fence));
        script.numbers(&cells).push(" ORDER BY cell FOR UPDATE; ");
        script
            .push(&format!(
                "SELECT `key`, token, stamp, expire_at, fresh_until FROM {} WHERE `key` IN ",
                statements.entries
            ))
            .texts(&keys)
            .push(" ORDER BY `key` FOR UPDATE; ");
        script
            .push(&format!(
                "SELECT t.`key`, t.cell, f.mark, t.tag FROM {} t LEFT JOIN {} f ON f.cell = t.cell \
                 WHERE t.`key` IN ",
                statements.tags, statements.fence
            ))
            .texts(&replaced)
            .push(" LOCK IN SHARE MODE; ");
        script.push(&format!(
            "SELECT {}, CAST(@mark AS SIGNED), {} FROM {} m WHERE m.id = 1",
            statements.stamp_columns, statements.now_ms, statements.meta
        ));
        Self { shared, writes, look: script.finish(), before, cells: cells.len() }
    }

    /// What the look has told; `None` where the fence lacks something.
    fn ground(&self, told: &[Told]) -> Result<Option<Ground>, Damaged> {
        let rows = |at: usize| -> &[MySqlRow] {
            told.get(self.before + at).map_or(&[], |told| &told.rows)
        };
        let Some(last) = rows(3).first() else { return Ok(None) };
        let mut ground = Ground {
            stamp: Some(stamp(last)?),
            raised: column(last, 2, "mark")?,
            now_ms: column(last, 3, "now")?,
            ..Ground::default()
        };
        for row in rows(0) {
            ground.cells.insert(column(row, 0, "cell")?, column(row, 1, "mark")?);
        }
        if ground.cells.len() < self.cells {
            return Ok(None);
        }
        for row in rows(1) {
            let held = Held {
                token: column(row, 1, "token")?,
                stamp: column(row, 2, "stamp")?,
                expire_at: column(row, 3, "expire_at")?,
                fresh_until: column(row, 4, "fresh_until")?,
                tags: Vec::new(),
            };
            ground.entries.insert(text(row, 0, "key")?.to_owned(), held);
        }
        for row in rows(2) {
            let cell = column(row, 1, "cell")?;
            if let Some(mark) = column::<Option<i64>>(row, 2, "mark")? {
                ground.cells.insert(cell, mark);
            }
            if let Some(held) = ground.entries.get_mut(text(row, 0, "key")?) {
                held.tags.push((text(row, 3, "tag")?.to_owned(), cell));
            }
        }
        Ok(Some(ground))
    }

    /// The script that does what was decided, and ends the transaction.
    fn changes(&self, decision: &Decision<'_>, raised: i64) -> Script {
        let statements = &self.shared.statements;
        let mut script = Script::default();
        if !decision.raises.is_empty() {
            let cells: Vec<i16> = decision.raises.iter().copied().collect();
            script.push("SET @mark = ").number(raised).push("; ");
            statements.raise_cells(&mut script, Some(&cells));
        }
        let mut puts = Vec::new();
        let mut gone = Vec::new();
        for (&key, change) in &decision.changes {
            match *change {
                Change::Put { entry, mark } => {
                    puts.push(Put { key, entry, mark: Mark::Known(mark) });
                }
                Change::Remove => gone.push(key.as_str()),
            }
        }
        if !puts.is_empty() {
            statements.put(&mut script, puts, false);
        }
        if !gone.is_empty() {
            statements.remove(&mut script, &gone, "");
        }
        for (key, (token, times)) in &decision.touches {
            statements.touch(&mut script, key.as_str(), *token, *times);
        }
        script.push("COMMIT; ");
        script
    }

    async fn carry_out(&self, connection: &mut MySqlConnection) -> Result<Decided, sqlx::Error> {
        let told = match send_script(connection, &self.look).await? {
            Answer::Told(told) => told,
            Answer::Refused => return Ok(Decided::Incomplete),
        };
        let ground = match self.ground(&told) {
            Ok(Some(ground)) => ground,
            incomplete => {
                send_script(connection, &"ROLLBACK".into()).await?;
                return Ok(match incomplete {
                    Err(source) => Decided::Damaged(source),
                    Ok(_) => Decided::Incomplete,
                });
            }
        };
        let stamp = ground.stamp.unwrap_or(cache_sql::NO_STAMP);
        let behind = ground.cells.values().any(|mark| *mark > stamp.mark as i64);
        let raised = ground.raised;
        let value_bytes_max = self.shared.capabilities.value_bytes_max;
        let decision = decide(ground, self.writes, value_bytes_max);
        let script = self.changes(&decision, raised).finish();
        match send_script(connection, &script).await? {
            Answer::Told(_) => Ok(Decided::Done { outcomes: decision.outcomes, stamp, behind }),
            Answer::Refused => Ok(Decided::Incomplete),
        }
    }
}

impl Job for Transaction<'_> {
    type Output = Decided;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Decided, sqlx::Error>> {
        Box::pin(self.carry_out(connection))
    }
}
