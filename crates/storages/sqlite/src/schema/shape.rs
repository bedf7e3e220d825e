//! What tables and indexes look like: compared with those that the scripts make.

use rusqlite::Connection;

use super::{MIGRATIONS, for_table};

const TABLES: [&str; 6] = ["", "_tags", "_fence", "_meta", "_stats", "_atomics"];
const INDEXES: [&str; 4] = ["_key", "_cleanup_at", "_stats_timestamp", "_atomics_expires"];

/// The names of all tables and indexes of the storage `table`, in lower case as SQLite compares.
pub(super) fn names(table: &str) -> Vec<String> {
    TABLES.iter().chain(&INDEXES).map(|end| format!("{table}{end}").to_ascii_lowercase()).collect()
}

/// The first difference from what this release makes. Columns may stand in another order where
/// they are asked for by name; other tables, indexes and triggers do not matter.
pub(super) fn difference(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let expected = Connection::open_in_memory()?;
    for migration in &MIGRATIONS {
        expected.execute_batch(&for_table(migration.script, table))?;
    }
    for end in TABLES {
        let name = format!("{table}{end}");
        let (wanted, there) = (columns(&expected, &name)?, columns(connection, &name)?);
        if there.is_empty() {
            return Ok(Some(format!("there is no table `{name}`")));
        }
        if let Some(column) = wanted.iter().find(|column| !there.contains(column)) {
            return Ok(Some(format!("`{name}` has no column {column}")));
        }
        if let Some(column) = there.iter().find(|column| !wanted.contains(column)) {
            return Ok(Some(format!("`{name}` has a column {column}")));
        }
    }
    for end in INDEXES {
        let name = format!("{table}{end}");
        let (wanted, there) = (index_columns(&expected, &name)?, index_columns(connection, &name)?);
        if wanted != there {
            return Ok(Some(format!("the index `{name}` is missing or another one")));
        }
    }
    Ok(None)
}

/// Each column with its type and constraints.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([table], |row| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let (not_null, key): (bool, i64) = (row.get(2)?, row.get(3)?);
        let not_null = if not_null { " NOT NULL" } else { "" };
        let key = if key > 0 { format!(" PRIMARY KEY {key}") } else { String::new() };
        Ok(format!("{name} {kind}{not_null}{key}"))
    })?;
    columns.collect()
}

fn index_columns(connection: &Connection, index: &str) -> rusqlite::Result<Vec<Option<String>>> {
    let mut statement =
        connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    statement.query_map([index], |row| row.get(0))?.collect()
}
