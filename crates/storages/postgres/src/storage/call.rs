//! One call: a statement sent within the caller's time, and again where that may help.

use std::sync::Arc;
use std::time::Instant;

use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::RetryPolicy;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Encode, Executor, Postgres, Type};
use tokio::time::{sleep, timeout};

use super::Shared;
use crate::connection::{Lease, NoLease, begin};
use crate::error::{closed, ends_connection, error, failure, late, meaning};

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
        let limit = self.options.timeout;
        let within = async {
            let mut retry = RetryPolicy::DEFAULT.begin();
            loop {
                let unsent = match self.send(sql, arguments()).await {
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
        timeout(limit, within).await.unwrap_or_else(|_| Err(late(operation, limit)))
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

    async fn send(&self, sql: &Arc<str>, arguments: Arguments) -> Result<Vec<PgRow>, Unsent> {
        let mut lease = match self.pool.lease().await {
            Ok(lease) => lease,
            Err(NoLease::Closed) => return Err(Unsent::Closed),
            Err(NoLease::Connect(error)) => {
                return Err(match error {
                    crate::connection::ConnectError::Driver(source) => Unsent::Driver(source),
                    crate::connection::ConnectError::Server(error) => Unsent::Refused(error),
                });
            }
        };
        let answer = self.send_on(&mut lease, sql, arguments).await;
        match &answer {
            Err(source) if ends_connection(source) => self.pool.forget_idle(),
            _ => lease.give_back(),
        }
        answer.map_err(Unsent::Driver)
    }

    async fn send_on(
        &self,
        lease: &mut Lease,
        sql: &Arc<str>,
        arguments: Arguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if let Some(problem) = arguments.problem {
            return Err(problem);
        }
        let sql = sqlx::AssertSqlSafe(Arc::clone(sql));
        let query = sqlx::query_with(sql, arguments.arguments);
        if self.options.prepared {
            return (&mut **lease).fetch_all(query).await;
        }
        // Between the parts of a statement that is not prepared, only a transaction keeps a
        // pooler from changing the server's connection.
        let begin = sqlx::AssertSqlSafe(begin(self.options.timeout));
        (&mut **lease).execute(sqlx::raw_sql(begin)).await?;
        match (&mut **lease).fetch_all(query.persistent(false)).await {
            Ok(rows) => {
                (&mut **lease).execute(sqlx::raw_sql("COMMIT")).await?;
                Ok(rows)
            }
            Err(source) => {
                if !ends_connection(&source) {
                    (&mut **lease).execute(sqlx::raw_sql("ROLLBACK")).await?;
                }
                Err(source)
            }
        }
    }
}
