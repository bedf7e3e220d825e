//! Reads of several keys, which a cluster refuses for as long as their slot is being moved and some of
//! them are on one side, some on the other.

use cache_core::storage::StorageError;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

use super::{Connections, Routed};
use crate::error::{failure, is_transient};

impl Connections {
    /// As [`one`](Self::one), but gives `None` at once where the keys are apart.
    pub(crate) async fn one_unless_apart(
        &self,
        operation: &'static str,
        command: &Routed,
    ) -> Result<Option<Value>, StorageError> {
        let answer = async { unless_apart(self.repeat_one(command, is_worth_waiting).await) };
        self.within(operation, answer).await
    }

    /// As [`many`](Self::many), but gives `None` at once for those whose keys are apart.
    pub(crate) async fn many_unless_apart(
        &self,
        operation: &'static str,
        commands: Vec<Routed>,
    ) -> Result<Vec<Result<Option<Value>, StorageError>>, StorageError> {
        let answers = self.within(operation, self.repeat(commands, is_worth_waiting)).await?;
        let read = |answer| unless_apart(answer).map_err(|source| failure(operation, source));
        Ok(answers.into_iter().map(read).collect())
    }
}

fn unless_apart(answer: RedisResult<Value>) -> RedisResult<Option<Value>> {
    match answer {
        Err(source) if is_apart(&source) => Ok(None),
        answer => answer.map(Some),
    }
}

fn is_apart(source: &RedisError) -> bool {
    source.kind() == ErrorKind::Server(ServerErrorKind::TryAgain)
}

fn is_worth_waiting(source: &RedisError) -> bool {
    is_transient(source) && !is_apart(source)
}
