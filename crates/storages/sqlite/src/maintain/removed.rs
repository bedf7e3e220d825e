//! What no row refers to any more is deleted, by a thread of its own: that may take long, and the
//! writer waits for nobody's disk but its own.

use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::StorageError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::failure;
use crate::outside::{Reference, Values};
use crate::queue::Bell;
use crate::storage::Shared;
use crate::write::Job;

/// References that are forgotten by one job.
const BATCH: usize = 256;
/// How often it looks for what could not be deleted, or was left by a process that was killed.
const TICK: Duration = Duration::from_secs(60);

type Answer = oneshot::Sender<Result<(), StorageError>>;

/// Who waits for what was removed to be deleted.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    wanted: Bell,
    waiting: Mutex<Vec<Answer>>,
}

impl Removed {
    /// After a commit that has removed references, or to look whether it is to stop.
    pub(crate) fn wake(&self) {
        self.wanted.ring();
    }

    pub(crate) fn ask(&self, answer: Answer) {
        self.waiting.lock().push(answer);
        self.wake();
    }
}

/// Works until the storage is closed.
pub(crate) fn collect(shared: &Shared, connection: &Connection, values: &Arc<dyn Values>) {
    while !shared.is_stopping() {
        let waiting = std::mem::take(&mut *shared.removed.waiting.lock());
        let done = delete_all(shared, connection, values.as_ref());
        match done {
            Ok(references) => {
                // The answer comes with the commit of the last of them.
                let job = Job::Forget { references, answers: waiting };
                let _ = shared.writes.push_own(job);
            }
            Err(source) => {
                let error = failure("collect", source);
                waiting.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
        shared.removed.wanted.wait_for(TICK);
    }
    // Their senders are dropped, which tells them.
    shared.removed.waiting.lock().clear();
}

/// Deletes whatever is to be deleted; what the last job is to forget.
fn delete_all(
    shared: &Shared,
    connection: &Connection,
    values: &dyn Values,
) -> rusqlite::Result<Vec<Reference>> {
    let (mut after, mut deleted) = (Vec::new(), Vec::new());
    loop {
        let some: Vec<Vec<u8>> = {
            let mut statement = connection.prepare_cached(&shared.statements.removed)?;
            let rows = statement.query_map((&after, BATCH as i64), |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let Some(last) = some.last() else { return Ok(deleted) };
        after.clone_from(last);
        if !deleted.is_empty() {
            let references = std::mem::take(&mut deleted);
            let job = Job::Forget { references, answers: Vec::new() };
            let _ = shared.writes.push_own(job);
        }
        for reference in some.iter().filter_map(|payload| Reference::from_payload(payload)) {
            if shared.is_stopping() {
                return Ok(deleted);
            }
            if values.delete(reference) {
                deleted.push(reference);
            }
        }
    }
}
