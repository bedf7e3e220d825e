//! Scripts that must not be carried out twice.

use cache_core::storage::StorageError;
use redis::cluster_routing::Slot;
use redis::{RedisResult, Value};

use super::backoff::Backoff;
use super::{Connections, Routed, is_unknown_script};
use crate::error::is_refused_for_now;
use crate::script::Call;

impl Connections {
    /// Runs a script, and tries again only where the server has said that it did not: where a
    /// connection breaks or no answer comes, nobody knows.
    ///
    /// # Errors
    /// [`StorageError`] if it failed, or it is not known whether it was run.
    pub(crate) async fn run_once(
        &self,
        operation: &'static str,
        slot: Slot,
        call: &Call,
    ) -> Result<Value, StorageError> {
        let run = async {
            let mut backoff = Backoff::new();
            let mut command = call.by_digest();
            loop {
                match self.send_one(&Routed { slot, command: command.clone() }).await {
                    Err(source) if is_unknown_script(&source) => command = call.with_text(),
                    Err(source) if is_refused_for_now(&source) => match backoff.next() {
                        Some(pause) => pause.await,
                        None => return RedisResult::Err(source),
                    },
                    answer => return answer,
                }
            }
        };
        self.within(operation, run).await
    }
}
