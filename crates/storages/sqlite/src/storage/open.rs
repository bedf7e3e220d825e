//! Opening, and the life of the threads.

use std::sync::Arc;

use cache_core::storage::{Capabilities, Reach, StorageError, StorageErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::shared::{Opened, Shared};
use crate::calls::End;
use crate::config::{Location, SqliteOptions};
use crate::connection::{self, Role};
use crate::error::{SCHEME, error, failure};
use crate::maintain;
use crate::outside::Values;
use crate::read::{self, Pool, READERS_MAX};
use crate::sync::thread::{self, JoinHandle};
use crate::write::{Committer, Writer};

const OPERATION: &str = "open";

/// Opens a store. All that blocks happens on the thread that is to write.
pub(super) async fn open(options: SqliteOptions) -> Result<Arc<Shared>, StorageError> {
    options.validate().map_err(|problem| {
        error(OPERATION, StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
    })?;
    let (answer, answered) = oneshot::channel();
    thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || live(options, answer))
        .map_err(no_thread)?;
    answered.await.map_err(|_| {
        error(OPERATION, StorageErrorKind::Failed, "the writer's thread ended while it opened")
    })?
}

fn no_thread(source: std::io::Error) -> StorageError {
    let message = format!("no thread could be started: {source}");
    error(OPERATION, StorageErrorKind::Failed, message).with_source(source)
}

/// The whole life of a store, on the writer's thread.
fn live(options: SqliteOptions, answer: oneshot::Sender<Result<Arc<Shared>, StorageError>>) {
    let (shared, writer, own) = match prepare(options) {
        Ok(prepared) => prepared,
        // A caller that has gone away is not missed.
        Err(error) => return drop(answer.send(Err(error))),
    };
    let threads = match start_threads(&shared, own) {
        Ok(threads) => threads,
        Err(error) => {
            shared.calls.reads.close();
            shared.calls.checkpoints.close();
            shared.calls.collections.close();
            return drop(answer.send(Err(error)));
        }
    };
    let closing = Arc::clone(&shared);
    let end = End::new(Arc::clone(&shared.calls), threads, move || closing.pool.close());
    // Where the caller has gone away, what it would have dropped is dropped here.
    if let Err(Ok(shared)) = answer.send(Ok(Arc::clone(&shared))) {
        shared.calls.stop();
    }
    Writer::new(&shared.calls.writes, Committer::new(&shared, &writer)).run();
    end.orderly(|| {
        // The other connections are closed: what is left is to empty the log.
        let finished = maintain::finish(&shared, &writer);
        let closed = finished.and(writer.close().map_err(|(_, source)| source));
        closed.map_err(|source| failure("close", source))
    });
}

/// The connections of threads that work for the store itself.
struct Own {
    keeper: Connection,
    collector: Option<(Connection, Arc<dyn Values>)>,
}

fn prepare(mut options: SqliteOptions) -> Result<(Arc<Shared>, Connection, Own), StorageError> {
    let (path, folder) = match &options.location {
        Location::File(path) => (path.clone(), None),
        Location::Temporary => {
            let folder = tempfile::Builder::new().prefix("cache-sqlite-").tempdir();
            let folder = folder.map_err(|source| {
                let message = format!("no folder for temporary files: {source}");
                error(OPERATION, StorageErrorKind::Failed, message).with_source(source)
            })?;
            (folder.path().join("cache.db"), Some(folder))
        }
    };
    // The same file even if the process changes its working folder.
    let path = std::path::absolute(&path).unwrap_or(path);
    options.create |= folder.is_some();
    let file = connection::open_file(&path, options.create)?;
    let readers = READERS_MAX.min(options.pool_size);
    // No more can be in use at the same moment than there are processors.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = options.pool_size.saturating_sub(readers).clamp(1, processors.max(2));
    // The writer touches four trees for each entry, and gets half. The keeper goes by the log.
    let writer = connection::prepare(&options, &file, options.cache_bytes / 2)?;
    let share = options.cache_bytes / 2 / (at_once + readers) as u64;
    let connect = |role, cache_bytes| connection::connect(&options, &path, role, cache_bytes);
    let some = |count, role| (0..count).map(|_| connect(role, share)).collect::<Result<_, _>>();
    let pool = Pool::new(some(at_once, Role::ReadAtOnce)?, some(readers, Role::Read)?);
    let keeper = connect(Role::Write, 0)?;
    let collector = match &options.values {
        Some(values) => Some((connect(Role::Read, 0)?, Arc::clone(values))),
        None => None,
    };
    let driver = |source| failure(OPERATION, source);
    let page_bytes: i64 =
        writer.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(driver)?;
    let incremental = connection::is_incremental(&writer).map_err(driver)?;
    let mut capabilities = Capabilities::new(SCHEME, Reach::Local)
        .with_value_bytes_max(options.effective_value_bytes_max())
        .with_atomics();
    if folder.is_some() {
        capabilities = capabilities.volatile();
    }
    let page_bytes = page_bytes as u64;
    let opened = Opened { options, capabilities, incremental, page_bytes, pool, file, folder };
    Ok((Arc::new(Shared::new(opened)), writer, Own { keeper, collector }))
}

fn start_threads(shared: &Arc<Shared>, own: Own) -> Result<Vec<JoinHandle<()>>, StorageError> {
    let spawn = |name: &str, work: Box<dyn FnOnce(&Shared) + Send>| {
        let shared = Arc::clone(shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared)).map_err(no_thread)
    };
    let mut threads = Vec::new();
    for index in 0..READERS_MAX.min(shared.options.pool_size) {
        threads.push(spawn("sqlite-reader", Box::new(move |shared| read::run(shared, index)))?);
    }
    let now = shared.clock.monotonic();
    let keeper = own.keeper;
    let keep = Box::new(move |shared: &Shared| maintain::run(shared, &keeper, now));
    threads.push(spawn("sqlite-keeper", keep)?);
    if let Some((connection, values)) = own.collector {
        let collect =
            Box::new(move |shared: &Shared| maintain::collect(shared, &connection, &values));
        threads.push(spawn("sqlite-collector", collect)?);
    }
    Ok(threads)
}
