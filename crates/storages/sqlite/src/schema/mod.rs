//! The tables: their script, their version, what is in a file already.

mod shape;
mod statements;

pub(crate) use statements::Statements;

use std::path::Path;

use cache_core::fence::CELL_FUNCTION;
use cache_core::storage::{StorageError, StorageErrorKind};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::config::SqliteOptions;
use crate::connection;
use crate::error::{error, failure};
use crate::outside::Place;

/// The version of the tables that this release makes. Older ones are migrated when they are opened,
/// newer ones refused.
pub const SCHEMA_VERSION: u32 = 2;

/// What the header of a file of this storage holds as `application_id`: `Tier` in ASCII.
pub const APPLICATION_ID: i32 = 0x5469_6572;

const OPERATION: &str = "open";

/// A step from one version to the next.
struct Migration {
    version: u32,
    script: &'static str,
}

/// In order, without gaps. A script is never changed once it is released.
const MIGRATIONS: [Migration; SCHEMA_VERSION as usize] = [
    Migration { version: 1, script: include_str!("../../schema/v1.sql") },
    Migration { version: 2, script: include_str!("../../schema/v2.sql") },
];

/// What an index of values outside has besides.
const OUTSIDE: &str = include_str!("../../schema/outside_v1.sql");

/// The log of events.
const EVENTS: &str = include_str!("../../schema/events_v1.sql");

/// What makes the log of events where there is none.
pub(crate) fn events_script(table: &str) -> String {
    for_table(EVENTS, table)
}

/// What opening found in a file, and what it has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing at all: a new file.
    Empty,
    /// A file of ours without this table.
    NoTable,
    /// The table, in this version.
    Table(u32),
}

/// The SQL that makes the tables of the storage named `table`, as an administrator would run it on
/// a new file. [`open`](SqliteOptions::open) makes the same by itself.
///
/// # Errors
/// [`StorageError`] of kind `Invalid` if `table` is not a valid name.
pub fn schema_script(table: &str) -> Result<String, StorageError> {
    validate_table(table).map_err(|problem| {
        error("schema", StorageErrorKind::Invalid, format!("the table name `{table}` {problem}"))
    })?;
    let mut script = format!(
        "PRAGMA application_id = {APPLICATION_ID};\nPRAGMA auto_vacuum = INCREMENTAL;\n\
         PRAGMA journal_mode = WAL;\n\nBEGIN IMMEDIATE;\n\n"
    );
    for migration in &MIGRATIONS {
        script.push_str(&for_table(migration.script, table));
        script.push('\n');
    }
    script.push_str(&events_script(table));
    script.push_str("\nCOMMIT;\n");
    Ok(script)
}

/// Checks that the file at `path` is a sound database with the tables of the storage `table`, in
/// the version that this release makes. Reads the whole file and changes nothing; blocks.
///
/// # Errors
/// [`StorageError`] that says what is wrong, as [`open`](SqliteOptions::open) would.
pub fn check_schema(path: impl AsRef<Path>, table: &str) -> Result<(), StorageError> {
    validate_table(table).map_err(|problem| {
        error("check", StorageErrorKind::Invalid, format!("the table name `{table}` {problem}"))
    })?;
    let options = SqliteOptions::new(path.as_ref()).table(table).create(false);
    let (_file, connection) = connection::examine(&options)?;
    match inspect(&connection, table)? {
        Found::Table(SCHEMA_VERSION) => verify(&connection, table),
        Found::Table(version) => Err(incompatible(format!(
            "table `{table}` has schema version {version}; {SCHEMA_VERSION} is current"
        ))),
        _ => Err(incompatible(format!("there is no table `{table}`"))),
    }
}

/// Says what is wrong with a table name.
pub(crate) fn validate_table(table: &str) -> Result<(), &'static str> {
    const NAME_BYTES_MAX: usize = 48;
    let plain = table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if table.is_empty() || table.len() > NAME_BYTES_MAX {
        Err("must have 1 to 48 characters")
    } else if !plain || table.as_bytes()[0].is_ascii_digit() {
        Err("must consist of ASCII letters, digits and `_`, and not begin with a digit")
    } else if table.to_ascii_lowercase().starts_with("sqlite_") {
        Err("must not begin with `sqlite_`")
    } else {
        Ok(())
    }
}

fn for_table(script: &str, table: &str) -> String {
    script.replace("{table}", table)
}

fn incompatible(message: impl Into<String>) -> StorageError {
    error(OPERATION, StorageErrorKind::Incompatible, message)
}

/// Looks at a file without changing it.
pub(crate) fn inspect(connection: &Connection, table: &str) -> Result<Found, StorageError> {
    let look = || -> rusqlite::Result<(i32, bool, Vec<String>)> {
        // All in one snapshot: another may make its tables in this very moment.
        let snapshot = connection.is_autocommit().then(|| connection.unchecked_transaction());
        let _snapshot = snapshot.transpose()?;
        let id = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let empty = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
        let empty = connection.query_row(empty, [], |row| row.get(0))?;
        let mut names = connection.prepare("SELECT lower(name) FROM sqlite_schema")?;
        let names = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok((id, empty, names))
    };
    let (id, empty, names) = look().map_err(|source| failure(OPERATION, source))?;
    if id != APPLICATION_ID {
        return if empty && id == 0 {
            Ok(Found::Empty)
        } else {
            Err(incompatible("the file is a database of another program"))
        };
    }
    let own = shape::names(table);
    if !names.iter().any(|name| own.contains(name)) {
        return Ok(Found::NoTable);
    }
    let version = if names.contains(&format!("{table}_meta").to_ascii_lowercase()) {
        let sql = format!("SELECT version FROM \"{table}_meta\" WHERE id = 1");
        connection.query_row(&sql, [], |row| row.get(0)).optional()
    } else {
        Err(rusqlite::Error::QueryReturnedNoRows)
    };
    match version {
        // Without its row the version is not known; the shape decides.
        Ok(None) if names.contains(&format!("{table}_atomics").to_ascii_lowercase()) => {
            Ok(Found::Table(SCHEMA_VERSION))
        }
        Ok(None) => Ok(Found::Table(1)),
        Ok(Some(version)) if version > SCHEMA_VERSION => Err(incompatible(format!(
            "table `{table}` has schema version {version}, newer than {SCHEMA_VERSION}, which \
             this release knows"
        ))),
        Ok(Some(version)) => Ok(Found::Table(version)),
        Err(source) if says_another_shape(&source) => {
            Err(another_shape(table, "it does not say its version"))
        }
        Err(source) => Err(failure(OPERATION, source)),
    }
}

/// Whether a statement failed because there is no such table or column, or no such number in it.
fn says_another_shape(source: &rusqlite::Error) -> bool {
    matches!(source.sqlite_error_code(), None | Some(ErrorCode::Unknown))
}

fn another_shape(table: &str, difference: &str) -> StorageError {
    incompatible(format!(
        "table `{table}` has another shape than this release expects: {difference}"
    ))
}

/// Brings a file to the current version, inside of the caller's write transaction.
pub(crate) fn migrate(
    connection: &Connection,
    table: &str,
    found: Found,
    place: Place,
) -> Result<(), StorageError> {
    let from = match found {
        Found::Empty | Found::NoTable => 0,
        Found::Table(version) => version,
    };
    let run = || -> rusqlite::Result<()> {
        if found == Found::Empty {
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
            connection.execute_batch(&for_table(migration.script, table))?;
            let sql = format!("UPDATE \"{table}_meta\" SET version = ?1");
            connection.execute(&sql, [migration.version])?;
        }
        if from == 0 && place == Place::Outside {
            connection.execute_batch(&for_table(OUTSIDE, table))?;
        }
        Ok(())
    };
    run().map_err(|source| failure(OPERATION, source))
}

/// Checks a table of the current version: its shape, and how keys are put onto cells.
pub(crate) fn verify(connection: &Connection, table: &str) -> Result<(), StorageError> {
    let difference =
        shape::difference(connection, table).map_err(|source| failure(OPERATION, source))?;
    if let Some(difference) = difference {
        return Err(another_shape(table, &difference));
    }
    let sql = format!("SELECT cell_function FROM \"{table}_meta\" WHERE id = 1");
    let function: Option<String> = connection
        .query_row(&sql, [], |row| row.get(0))
        .optional()
        .map_err(|source| failure(OPERATION, source))?;
    match function {
        Some(function) if function != CELL_FUNCTION => Err(incompatible(format!(
            "the fence of table `{table}` uses the cells `{function}`, this release `{CELL_FUNCTION}`"
        ))),
        _ => Ok(()),
    }
}

/// Checks that values lie where the options say: rows of the one kind mean nothing to the other.
pub(crate) fn verify_place(
    connection: &Connection,
    table: &str,
    place: Place,
) -> Result<(), StorageError> {
    // By what the triggers do, not by names alone: others may well have a table `{table}_removed`.
    let sql = "SELECT count(*) FILTER (WHERE type = 'trigger' AND lower(tbl_name) = ?1 \
                                       AND lower(name) IN (?2, ?3) AND instr(lower(sql), ?4)), \
                      count(*) FILTER (WHERE type = 'table' AND lower(name) = ?4) \
               FROM sqlite_schema";
    let table_name = table.to_ascii_lowercase();
    let [deleted, replaced, removed] =
        ["deleted", "replaced", "removed"].map(|end| format!("{table_name}_{end}"));
    let counts: (i64, i64) = connection
        .query_row(sql, [table_name, deleted, replaced, removed], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(|source| failure(OPERATION, source))?;
    match (place, counts) {
        (Place::Inside, (0, _)) | (Place::Outside, (2, 1)) => Ok(()),
        (Place::Inside, _) => {
            Err(another_shape(table, "it is an index of values that lie elsewhere"))
        }
        (Place::Outside, _) => {
            Err(another_shape(table, "it is no index of values that lie elsewhere"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_plain() {
        for name in ["cache", "_c", "Cache_2", &"x".repeat(48)] {
            assert_eq!(validate_table(name), Ok(()), "{name}");
        }
        for name in ["", "1c", "a-b", "a b", "a\"b", "ä", "sqlite_x", "SQLite_x", &"x".repeat(49)]
        {
            assert!(validate_table(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_printed_script_makes_what_opening_expects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&schema_script("prices").unwrap()).unwrap();
        drop(connection);
        check_schema(&path, "prices").unwrap();
        let missing = check_schema(&path, "other").unwrap_err();
        assert_eq!(missing.kind(), StorageErrorKind::Incompatible);
        assert!(schema_script("a\"b").is_err() && check_schema(&path, "a b").is_err());
    }

    #[test]
    fn versions_have_no_gaps() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1);
        }
    }
}
