//! Counters, registers, locks and limits: a transaction of two round trips, in the first of which
//! the row is locked and read, and in the second what was decided is written.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::atomics::{self, AtomicName, Atomics, Change, Operation, Slot};
use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::Damaged;
use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use crate::connection::{Answer, Script, Told, send_script};
use crate::error::{damaged, error};
use crate::read::column;
use crate::storage::{Job, MySql, Shared};

/// One step on one name.
struct Step<'a> {
    shared: &'a Shared,
    name: &'a AtomicName,
    operation: &'a Operation,
    look: Arc<str>,
    /// Statements of the look before the one that is read.
    before: usize,
}

/// How it ended.
enum Stepped {
    Done(atomics::Answer),
    Damaged(Damaged),
    /// The server refused what no condition of ours asked it to.
    Refused,
}

#[async_trait]
impl Atomics for MySql {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<atomics::Answer, StorageError> {
        let label = operation.name();
        let shared = self.shared();
        let stepped = shared.run(label, Step::new(shared, name, operation)).await;
        let answer = stepped.and_then(|stepped| match stepped {
            Stepped::Done(answer) => Ok(answer),
            Stepped::Damaged(source) => Err(damaged(label, source)),
            Stepped::Refused => {
                Err(error(label, StorageErrorKind::Failed, "the server has refused a condition"))
            }
        });
        answer.map_err(|error| error.with_key(name.key()))
    }
}

impl<'a> Step<'a> {
    fn new(shared: &'a Shared, name: &'a AtomicName, operation: &'a Operation) -> Self {
        let statements = &shared.statements;
        let (atomics, now_us) = (&statements.atomics, statements.now_us);
        let mut script = Script::default();
        let mut before = 0;
        if !operation.only_reads() {
            before = shared.begin(&mut script) + 1;
            // Locks the row, and makes one where there is none: two who come first wait for each
            // other, which they would not on a row that is not there.
            script.push(&format!(
                "INSERT INTO {atomics} (name, number, until_us, expires_us, value) VALUES ("
            ));
            script.bytes(name.as_str().as_bytes());
            script.push(",0,0,0,'') ON DUPLICATE KEY UPDATE ");
            script.push(&format!("number = {atomics}.number; "));
        }
        script.push(&format!(
            "SELECT a.number, a.until_us, a.expires_us, a.value, CAST({now_us} AS SIGNED) \
             FROM (SELECT 1) one LEFT JOIN {atomics} a ON a.name = "
        ));
        script.bytes(name.as_str().as_bytes()).push("; ");
        Self { shared, name, operation, look: script.finish(), before }
    }

    /// What stands under the name, and the server's time.
    fn ground(&self, told: &[Told]) -> Result<(Option<Slot>, u64), Damaged> {
        let row = told.get(self.before).and_then(|told| told.rows.first());
        let row: &MySqlRow = row.ok_or(Damaged { column: "now" })?;
        let unsigned = |at, name| -> Result<u64, Damaged> {
            let number: i64 = column(row, at, name)?;
            u64::try_from(number).map_err(|_| Damaged { column: name })
        };
        let now_us = unsigned(4, "now")?;
        let number: Option<i64> = column(row, 0, "number")?;
        let Some(number) = number else { return Ok((None, now_us)) };
        let value: &[u8] = column(row, 3, "value")?;
        let slot = Slot {
            number,
            value: Bytes::copy_from_slice(value),
            until_us: unsigned(1, "until_us")?,
            expires_us: unsigned(2, "expires_us")?,
        };
        Ok((Some(slot), now_us))
    }

    /// The script that does what was decided, and ends the transaction.
    fn change(&self, change: &Change) -> Script {
        let atomics = &self.shared.statements.atomics;
        let mut script = Script::default();
        match change {
            // A row that was made only to be locked goes with it.
            Change::Keep => {
                script.push("ROLLBACK; ");
                return script;
            }
            Change::Put(slot) => {
                let times = [slot.until_us, slot.expires_us].map(|time| time as i64);
                script.push(&format!("UPDATE {atomics} SET number = ")).number(slot.number);
                script.push(", until_us = ").number(times[0]);
                script.push(", expires_us = ").number(times[1]);
                script.push(", value = ").bytes(&slot.value);
            }
            Change::Remove => {
                script.push(&format!("DELETE FROM {atomics}"));
            }
        }
        script.push(" WHERE name = ").bytes(self.name.as_str().as_bytes()).push("; COMMIT; ");
        script
    }

    async fn carry_out(&self, connection: &mut MySqlConnection) -> Result<Stepped, sqlx::Error> {
        let told = match send_script(connection, &self.look).await? {
            Answer::Told(told) => told,
            Answer::Refused => return Ok(Stepped::Refused),
        };
        let ground = self.ground(&told);
        let (change, stepped) = match ground {
            Ok((slot, now_us)) => {
                let (change, answer) = self.operation.apply(slot.as_ref(), now_us);
                (change, Stepped::Done(answer))
            }
            Err(source) => (Change::Keep, Stepped::Damaged(source)),
        };
        if self.operation.only_reads() {
            return Ok(stepped);
        }
        match send_script(connection, &self.change(&change).finish()).await? {
            Answer::Told(_) => Ok(stepped),
            Answer::Refused => Ok(Stepped::Refused),
        }
    }
}

impl Job for Step<'_> {
    type Output = Stepped;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Stepped, sqlx::Error>> {
        Box::pin(self.carry_out(connection))
    }
}

impl Shared {
    /// Removes some of what is past its end; how many.
    pub(crate) async fn remove_ended(
        &self,
        operation: &'static str,
        limit: u64,
    ) -> Result<u64, StorageError> {
        let (atomics, now_us) = (&self.statements.atomics, self.statements.now_us);
        let mut script = Script::default();
        script.push(&format!(
            "DELETE FROM {atomics} WHERE expires_us <= {now_us} ORDER BY expires_us LIMIT "
        ));
        script.number(i64::try_from(limit).unwrap_or(i64::MAX)).push("; ");
        match self.script(operation, script).await? {
            Answer::Told(told) => Ok(told.iter().map(|told| told.affected).sum()),
            Answer::Refused => Ok(0),
        }
    }
}
