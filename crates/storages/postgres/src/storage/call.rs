//! One call: a statement sent within the caller's time, and again where that may help.

use std::sync::Arc;
use std::time::Instant;

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{NoLease, RetryPolicy, Turn};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Arguments as _, Encode, Executor, Postgres, Type};
use tokio::time::{sleep, timeout};

use super::Shared;
use crate::connection::{ConnectError, begin};
use crate::error::{closed, ends_connection, error, failure, in_use, late, meaning};

/// The arguments of a statement; the first that cannot be encoded is kept as an error.
#[derive(Default)]
pub(crate) struct Arguments {
    arguments: PgArguments,
    problem: Option<sqlx::Error>,
}

impl Arguments {
    pub(crate) fn with<'a, T>(mut self, value: T) -> Self
    where
        T: Encode<'a, Postgres> + Type<Postgres>,
    {
        if let Err(source) = self.arguments.add(value) {
            self.problem.get_or_insert(sqlx::Error::Encode(source));
        }
        self
    }
}

/// Why a statement was not carried out.
enum Unsent {
    Closed,
    Driver(sqlx::Error),
    Refused(StorageError),
}

impl Shared {
    /// Sends a statement, and gives its rows. `arguments` is asked again for every try.
    pub(crate) async fn rows(
        &self,
        operation: &'static str,
        sql: &Arc<str>,
        arguments: impl Fn() -> Arguments + Send + Sync,
    ) -> Result<Vec<PgRow>, StorageError> {
        let begun = Instant::now();
        let limit = self.options.common.timeout;
        let turn = Turn::default();
        let within = async {
            let mut retry = RetryPolicy::DEFAULT.begin();
            loop {
                let unsent = match self.send(sql, arguments(), &turn).await {
                    Ok(rows) => return Ok(rows),
                    Err(unsent) => unsent,
                };
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

    /// Sends a statement whose answer is one row in any case.
    pub(crate) async fn row(
        &self,
        operation: &'static str,
        sql: &Arc<str>,
        arguments: impl Fn() -> Arguments + Send + Sync,
    ) -> Result<PgRow, StorageError> {
        self.rows(operation, sql, arguments).await?.pop().ok_or_else(|| {
            error(operation, StorageErrorKind::Failed, "the server has answered without a row")
        })
    }

    async fn send(
        &self,
        sql: &Arc<str>,
        arguments: Arguments,
        turn: &Turn,
    ) -> Result<Vec<PgRow>, Unsent> {
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
        if let Some(problem) = arguments.problem {
            lease.give_back();
            return Err(Unsent::Driver(problem));
        }
        let sql = sqlx::AssertSqlSafe(Arc::clone(sql));
        let query = sqlx::query_with(sql, arguments.arguments);
        let (answer, is_idle) = if self.options.common.prepared {
            ((&mut *lease).fetch_all(query).await, true)
        } else {
            self.send_unprepared(&mut lease, query.persistent(false)).await
        };
        match &answer {
            Err(source) if ends_connection(source) => self.pool.forget_idle(),
            _ if is_idle => lease.give_back(),
            _ => {}
        }
        answer.map_err(Unsent::Driver)
    }

    /// Also tells whether the transaction around it has ended.
    ///
    /// Between the parts of a statement that is not prepared, only a transaction keeps a pooler
    /// from changing the server's connection.
    async fn send_unprepared(
        &self,
        connection: &mut PgConnection,
        query: Query<'_, Postgres, PgArguments>,
    ) -> (Result<Vec<PgRow>, sqlx::Error>, bool) {
        let begin = sqlx::AssertSqlSafe(begin(self.options.common.timeout));
        if let Err(source) = (&mut *connection).execute(sqlx::raw_sql(begin)).await {
            return (Err(source), false);
        }
        let answer = (&mut *connection).fetch_all(query).await;
        let end = match &answer {
            Ok(_) => "COMMIT",
            Err(source) if ends_connection(source) => return (answer, false),
            Err(_) => "ROLLBACK",
        };
        match connection.execute(sqlx::raw_sql(end)).await {
            Ok(_) => (answer, true),
            // What was to be undone is, with the connection; what was to be committed may be.
            Err(source) => (answer.and(Err(source)), false),
        }
    }
}
