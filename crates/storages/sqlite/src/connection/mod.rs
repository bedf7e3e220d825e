//! Connections: opened with the options, on a file that was found or made sound.

mod file;

pub(crate) use file::DatabaseFile;

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cache_core::clock::Clock;
use cache_core::fence::CELL_FUNCTION;
use cache_core::storage::{StorageError, StorageErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::config::{IntegrityCheck, JournalMode, Location, SqliteOptions};
use crate::error::{error, failure};
use crate::fence::micros;
use crate::schema::{self, Found, SCHEMA_VERSION, Statements};

const OPERATION: &str = "open";
/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS_MAX: usize = 64;

/// What SQLite needs to work on a few pages at once.
const CACHE_KIB_MIN: u64 = 256;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Write,
    /// Refuses to write, and waits for a lock.
    Read,
    /// Refuses to write, and never waits: used on threads that must not be held up.
    ReadAtOnce,
}

/// Opens one more connection to a file that has been prepared.
pub(crate) fn connect(
    options: &SqliteOptions,
    path: &Path,
    role: Role,
    cache_bytes: u64,
) -> Result<Connection, StorageError> {
    // The file is there already: without CREATE none is made where one was taken away.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        // Until the file is known to be ours and sound, closing it must not change it.
        leave_log(&connection, true)?;
        match configure(&connection, options, role, cache_bytes) {
            Ok(()) => Ok(connection),
            Err(source) => {
                refuse(&connection, path);
                Err(source)
            }
        }
    };
    open().map_err(|source| failure(OPERATION, source))
}

fn configure(
    connection: &Connection,
    options: &SqliteOptions,
    role: Role,
    cache_bytes: u64,
) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Some of the settings look into the file, and may have to wait for it.
    connection.busy_timeout(options.timeout)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let cache_kib = (cache_bytes / 1024).max(CACHE_KIB_MIN);
    connection.execute_batch(&format!(
        "PRAGMA query_only = {};\nPRAGMA cache_size = -{cache_kib};\nPRAGMA temp_store = {};\n\
         PRAGMA synchronous = {};\nPRAGMA mmap_size = {};\nPRAGMA wal_autocheckpoint = 0;\n\
         PRAGMA journal_size_limit = {};\nPRAGMA cell_size_check = ON;",
        role != Role::Write,
        options.temp_store.name(),
        options.synchronous.name(),
        options.mmap_bytes,
        options.wal_bytes_max,
    ))?;
    if role == Role::ReadAtOnce {
        connection.busy_timeout(Duration::ZERO)?;
    }
    Ok(())
}

/// Whether closing the last connection to a file leaves the log beside it as it is. Otherwise it is
/// brought into the file, which a file that is refused must be spared: what a newer release or
/// another program wrote is theirs, and a damaged file may be worth saving.
fn leave_log(connection: &Connection, leave: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave).map(drop)
}

/// Before the connection to a file that was refused is closed: with nothing in the log, closing
/// changes nothing, and leaves no empty log behind either.
fn refuse(connection: &Connection, path: &Path) {
    if file::wal_bytes(path) == 0 {
        // If it cannot be said, the empty log stays.
        let _ = leave_log(connection, false);
    }
}

/// Opens a file to look at it; changes nothing.
pub(crate) fn examine(options: &SqliteOptions) -> Result<(DatabaseFile, Connection), StorageError> {
    let Location::File(path) = &options.location else {
        return Err(error(OPERATION, StorageErrorKind::Invalid, "a temporary file has no path"));
    };
    let file = open_file(path, false)?;
    let connection = connect(options, path, Role::Read, options.cache_bytes)?;
    let looked = schema::inspect(&connection, &options.table)
        .and_then(|_| check(&connection, IntegrityCheck::Full));
    refuse(&connection, file.path());
    looked.map(|()| (file, connection))
}

/// Opens the file, or makes it where the options allow that.
pub(crate) fn open_file(path: &Path, create: bool) -> Result<DatabaseFile, StorageError> {
    DatabaseFile::open(path, create).map_err(|source| {
        let kind = match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StorageErrorKind::Denied
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageErrorKind::Full,
            io::ErrorKind::NotFound
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotADirectory => StorageErrorKind::Invalid,
            _ => StorageErrorKind::Failed,
        };
        let message = format!("the file {} cannot be opened: {source}", path.display());
        error(OPERATION, kind, message).with_source(source)
    })
}

/// Finds out what the file is, brings it to the current version, and gives the connection that is
/// to write to it.
pub(crate) fn prepare(
    options: &SqliteOptions,
    file: &DatabaseFile,
    cache_bytes: u64,
) -> Result<Connection, StorageError> {
    let mut connection = connect(options, file.path(), Role::Write, cache_bytes)?;
    match accept(options, &mut connection) {
        Ok(()) => Ok(connection),
        Err(error) => {
            refuse(&connection, file.path());
            Err(error)
        }
    }
}

fn accept(options: &SqliteOptions, connection: &mut Connection) -> Result<(), StorageError> {
    // The timeout is bounded, so that there is such a moment.
    let deadline = Instant::now() + options.timeout;
    let driver = |source| failure(OPERATION, source);
    if connection.is_readonly(c"main").map_err(driver)? {
        return Err(error(OPERATION, StorageErrorKind::Denied, "the file is read-only"));
    }
    let found = retry(deadline, || schema::inspect(connection, &options.table))?;
    match found {
        Found::Empty => {
            // Has its effect only before the first page is written.
            let mode = options.auto_vacuum.name();
            connection.execute_batch(&format!("PRAGMA auto_vacuum = {mode}")).map_err(driver)?;
        }
        Found::NoTable => check(connection, options.integrity_check)?,
        Found::Table(version) => {
            check(connection, options.integrity_check)?;
            if version == SCHEMA_VERSION {
                schema::verify(connection, &options.table)?;
                schema::verify_place(connection, &options.table, options.place())?;
            }
        }
    }
    retry(deadline, || set_journal_mode(connection, options.journal_mode))?;
    retry(deadline, || initialise(connection, options))?;
    leave_log(connection, false).map_err(driver)
}

/// Makes or migrates the tables if that has not been done, and the row of the fence if it is gone.
fn initialise(connection: &mut Connection, options: &SqliteOptions) -> Result<(), StorageError> {
    let driver = |source| failure(OPERATION, source);
    let statements = Statements::new(&options.table, options.place());
    let ready = |connection: &Connection| -> Result<bool, StorageError> {
        if schema::inspect(connection, &options.table)? != Found::Table(SCHEMA_VERSION) {
            return Ok(false);
        }
        let meta = connection.query_row(&statements.meta, [], |row| Ok((row.get(3)?, row.get(4)?)));
        let Some(meta) = meta.optional().map_err(driver)? else { return Ok(false) };
        // The check has read the whole file already; the totals cost less.
        Ok(options.integrity_check == IntegrityCheck::Off
            || totals(connection, &statements).map_err(driver)? == meta)
    };
    if ready(connection)? {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(driver)?;
    // Another process may have been faster.
    let found = schema::inspect(&transaction, &options.table)?;
    schema::migrate(&transaction, &options.table, found, options.place())?;
    schema::verify(&transaction, &options.table)?;
    schema::verify_place(&transaction, &options.table, options.place())?;
    create_meta(&transaction, &statements, options.clock.as_ref()).map_err(driver)?;
    recount(&transaction, &statements).map_err(driver)?;
    transaction.commit().map_err(driver)
}

/// Makes the fence's row if it is not there: nothing that was handed out before is admitted.
pub(crate) fn create_meta(
    connection: &Connection,
    statements: &Statements,
    clock: &dyn Clock,
) -> rusqlite::Result<()> {
    if connection.prepare_cached(&statements.meta)?.exists([])? {
        return Ok(());
    }
    let values = params![micros(clock.wall()), fastrand::i64(..), SCHEMA_VERSION, CELL_FUNCTION];
    connection.execute(&statements.meta_create, values).map(drop)
}

fn recount(connection: &Connection, statements: &Statements) -> rusqlite::Result<()> {
    let (entries, payload_bytes) = totals(connection, statements)?;
    let (counter, floor): (i64, i64) =
        connection.query_row(&statements.meta, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let values = params![counter, floor, entries, payload_bytes];
    connection.execute(&statements.meta_update, values).map(drop)
}

fn totals(connection: &Connection, statements: &Statements) -> rusqlite::Result<(i64, i64)> {
    connection.query_row(&statements.totals, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn check(connection: &Connection, how: IntegrityCheck) -> Result<(), StorageError> {
    let sql = match how {
        IntegrityCheck::Off => return Ok(()),
        IntegrityCheck::Quick => "PRAGMA quick_check(1)",
        IntegrityCheck::Full => "PRAGMA integrity_check(1)",
    };
    let answer: String = connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(|source| failure(OPERATION, source))?;
    if answer == "ok" {
        return Ok(());
    }
    let message = format!("the database is damaged: {}", answer.replace('\n', " "));
    Err(error(OPERATION, StorageErrorKind::Corrupt, message))
}

fn set_journal_mode(connection: &Connection, mode: JournalMode) -> Result<(), StorageError> {
    let sql = format!("PRAGMA journal_mode = {}", mode.name());
    let answer: String = connection
        .query_row(&sql, [], |row| row.get(0))
        .map_err(|source| failure(OPERATION, source))?;
    if answer.eq_ignore_ascii_case(mode.name()) {
        return Ok(());
    }
    let message = format!(
        "the file stays in journal mode `{answer}` where `{}` was asked for: its file system may \
         not allow it",
        mode.name()
    );
    Err(error(OPERATION, StorageErrorKind::Incompatible, message))
}

/// Repeats what failed only because of a lock, with pauses that double up to 100 ms. SQLite waits
/// for most locks by itself, but not for those around the first use of a file.
fn retry<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    const PAUSE_MAX: Duration = Duration::from_millis(100);
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(error) if error.is_transient() && Instant::now() < deadline => {}
            done => return done,
        }
        // Two processes that began together are not to stay in step.
        sleep(pause.mul_f64(0.5 + fastrand::f64()));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether pages can be given back by `PRAGMA incremental_vacuum`.
pub(crate) fn is_incremental(connection: &Connection) -> rusqlite::Result<bool> {
    const INCREMENTAL: i64 = 2;
    let mode: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
    Ok(mode == INCREMENTAL)
}
