//! One call: what is sent within the caller's time, and again where that may help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{NoLease, RetryPolicy, Turn};
use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::{Arguments as _, AssertSqlSafe, Executor};
use tokio::time::{sleep, timeout};

use super::Shared;
use crate::connection::{Answer, ConnectError, Script, Told, send_script};
use crate::error::{closed, ends_connection, error, failure, gave_way, in_use, late, meaning};

/// What is done with one connection, and as a whole once more where it was undone.
pub(crate) trait Job: Send + Sync {
    type Output: Send;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Self::Output, sqlx::Error>>;
}

/// What gave way to others is tried again soon, and for as long as the caller waits: one of those
/// in a deadlock goes on in any case.
const DEADLOCKS: RetryPolicy = RetryPolicy {
    attempts_max: u32::MAX,
    first: Duration::from_millis(4),
    longest: Duration::from_millis(200),
};

/// Why a job was not carried out.
enum Unsent {
    Closed,
    Driver(sqlx::Error),
    Refused(StorageError),
}

/// A statement with `?` for each argument.
struct Read<'a> {
    sql: &'a Arc<str>,
    arguments: &'a [&'a str],
    prepared: bool,
}

impl Job for Read<'_> {
    type Output = Vec<MySqlRow>;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Vec<MySqlRow>, sqlx::Error>> {
        if !self.prepared {
            let text = AssertSqlSafe(in_text(self.sql, self.arguments));
            return connection.fetch_all(sqlx::raw_sql(text));
        }
        let mut arguments = MySqlArguments::default();
        for argument in self.arguments {
            if let Err(source) = arguments.add(argument.as_bytes()) {
                return Box::pin(async { Err(sqlx::Error::Encode(source)) });
            }
        }
        connection.fetch_all(sqlx::query_with(AssertSqlSafe(Arc::clone(self.sql)), arguments))
    }
}

/// A statement with its arguments in their places. None of ours has a `?` elsewhere.
fn in_text(sql: &str, arguments: &[&str]) -> Arc<str> {
    let mut script = Script::default();
    let mut arguments = arguments.iter();
    for (at, part) in sql.split('?').enumerate() {
        if at > 0 {
            match arguments.next() {
                Some(text) => script.bytes(text.as_bytes()),
                None => script.push("NULL"),
            };
        }
        script.push(part);
    }
    script.finish()
}

/// A script, which is a transaction or leaves none open.
struct Scripted {
    text: Arc<str>,
}

impl Job for Scripted {
    type Output = Answer;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Answer, sqlx::Error>> {
        Box::pin(send_script(connection, &self.text))
    }
}

impl Shared {
    /// Sends a read, with a text for each `?`, and gives its rows.
    pub(crate) async fn rows(
        &self,
        operation: &'static str,
        sql: &Arc<str>,
        arguments: &[&str],
    ) -> Result<Vec<MySqlRow>, StorageError> {
        self.run(operation, Read { sql, arguments, prepared: self.options.common.prepared }).await
    }

    /// Sends a script.
    pub(crate) async fn script(
        &self,
        operation: &'static str,
        script: Script,
    ) -> Result<Answer, StorageError> {
        self.run(operation, Scripted { text: script.finish() }).await
    }

    /// Sends a script that refuses where the fence lacks what it needs; then mends it, and sends
    /// the script once more.
    pub(crate) async fn fenced_script(
        &self,
        operation: &'static str,
        script: Script,
    ) -> Result<Vec<Told>, StorageError> {
        let scripted = Scripted { text: script.finish() };
        if let Answer::Told(told) = self.run(operation, &scripted).await? {
            return Ok(told);
        }
        self.mend(operation).await?;
        match self.run(operation, &scripted).await? {
            Answer::Told(told) => Ok(told),
            Answer::Refused => {
                let message = "the fence's tables do not keep what is written to them";
                Err(error(operation, StorageErrorKind::Failed, message))
            }
        }
    }

    /// Makes what is missing of the fence.
    pub(crate) async fn mend(&self, operation: &'static str) -> Result<(), StorageError> {
        self.script(operation, self.statements.mend()).await.map(drop)
    }

    /// Does a job on a connection, within the caller's time, and again where that may help.
    pub(crate) async fn run<J: Job>(
        &self,
        operation: &'static str,
        job: J,
    ) -> Result<J::Output, StorageError> {
        let begun = Instant::now();
        let limit = self.options.common.timeout;
        let turn = Turn::default();
        let within = async {
            let mut retry = RetryPolicy::DEFAULT.begin();
            let mut retry_of_lock = DEADLOCKS.begin();
            loop {
                let unsent = match self.attempt(&job, &turn).await {
                    Ok(output) => return Ok(output),
                    Err(unsent) => unsent,
                };
                let gave_way = matches!(&unsent, Unsent::Driver(source) if gave_way(source));
                let (error, again) = match unsent {
                    Unsent::Closed => (closed(operation), false),
                    Unsent::Driver(source) => {
                        let again = meaning(&source).undone;
                        (failure(operation, source), again)
                    }
                    Unsent::Refused(error) => {
                        let again = error.is_transient();
                        (error, again)
                    }
                };
                let left = limit.saturating_sub(begun.elapsed());
                let retry = if gave_way { &mut retry_of_lock } else { &mut retry };
                let wait = if again { retry.wait(fastrand::f64(), left) } else { None };
                let Some(wait) = wait else { return Err(error) };
                sleep(wait).await;
            }
        };
        timeout(limit, within).await.unwrap_or_else(|_| {
            if let Some(waited) = turn.took_most(limit, Instant::now()) {
                return Err(in_use(operation, waited, self.pool.size()));
            }
            // Behind an address that has moved, or a firewall that forgets, no connection answers,
            // and each would cost a caller its time.
            self.pool.forget_idle();
            Err(late(operation, limit))
        })
    }

    async fn attempt<J: Job>(&self, job: &J, turn: &Turn) -> Result<J::Output, Unsent> {
        let mut lease = match self.pool.lease_in_turn(turn).await {
            Ok(lease) => lease,
            Err(NoLease::Closed) => return Err(Unsent::Closed),
            Err(NoLease::Connect(ConnectError::Driver(source))) => {
                return Err(Unsent::Driver(source));
            }
            Err(NoLease::Connect(ConnectError::Server(error))) => {
                return Err(Unsent::Refused(error));
            }
        };
        let answer = job.run(&mut lease).await;
        match &answer {
            Err(source) if ends_connection(source) => self.pool.forget_idle(),
            // What the server refused was rolled back with it; after another error something may
            // be left open, and ends with the connection.
            Ok(_) | Err(sqlx::Error::Database(_)) => lease.give_back(),
            Err(_) => {}
        }
        answer.map_err(Unsent::Driver)
    }
}

impl<J: Job> Job for &J {
    type Output = J::Output;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Self::Output, sqlx::Error>> {
        (**self).run(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_their_places() {
        assert_eq!(&*in_text("k = ? AND n < ?;", &["a'?", ""]), "k = x'61273f' AND n < x''");
    }
}
