//! What no row refers to any more is deleted, by a thread of its own: that may take long, and the
//! writer waits for nobody's disk but its own.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use crate::error::failure;
use crate::outside::{Reference, Values};
use crate::storage::Shared;
use crate::write::Job;

/// References that are forgotten by one job.
const BATCH: usize = 256;
/// How often it looks for what could not be deleted, or was left by a process that was killed.
const TICK: Duration = Duration::from_secs(60);

/// Works until the storage is closed.
pub(crate) fn collect(shared: &Shared, connection: &Connection, values: &Arc<dyn Values>) {
    let mut waiting = Vec::new();
    loop {
        match delete_all(shared, connection, values.as_ref()) {
            Ok(references) if references.is_empty() && waiting.is_empty() => {}
            Ok(references) => {
                // The answer comes with the commit of the last of them.
                let _ = shared.calls.writes.push_own(Job::Forget { references, answers: waiting });
            }
            Err(source) => {
                let error = failure("collect", source);
                waiting.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
        waiting = match shared.calls.collections.take(TICK) {
            Ok(waiting) => waiting,
            Err(_) => return,
        };
    }
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
            let _ = shared.calls.writes.push_own(job);
        }
        for reference in some.iter().filter_map(|payload| Reference::from_payload(payload)) {
            if shared.calls.collections.is_closed() {
                return Ok(deleted);
            }
            if values.delete(reference) {
                deleted.push(reference);
            }
        }
    }
}
