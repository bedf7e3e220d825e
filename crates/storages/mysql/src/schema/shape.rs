//! What the tables look like: compared with what the scripts make.

use std::collections::BTreeSet;

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::config::MySqlOptions;

/// A table by what its name ends in, with its columns and its keys.
struct Table {
    end: &'static str,
    /// Name, type and whether it may be null.
    columns: &'static [&'static str],
    /// Columns of each index, without which a statement is wrong or slow.
    indexes: &'static [&'static str],
}

const META: Table = Table {
    end: "_meta",
    columns: &[
        "id smallint NOT NULL",
        "origin bigint NOT NULL",
        "counter bigint NOT NULL",
        "version int NOT NULL",
        "cell_function varbinary(32) NOT NULL",
    ],
    indexes: &["unique id"],
};

const TABLES: [Table; 6] = [
    META,
    Table {
        end: "",
        columns: &[
            "key varbinary(512) NOT NULL",
            "expire_at bigint NOT NULL",
            "fresh_until bigint NOT NULL",
            "created_at bigint NOT NULL",
            "last_accessed bigint NOT NULL",
            "idle_ms bigint",
            "stamp bigint NOT NULL",
            "token bigint NOT NULL",
            "checksum bigint NOT NULL",
            "decoded_bytes bigint NOT NULL",
            "size_bytes bigint NOT NULL",
            "kind smallint NOT NULL",
            "data_type smallint NOT NULL",
            "compressed smallint NOT NULL",
            "tags mediumblob",
            "value longblob NOT NULL",
        ],
        indexes: &["unique key", "expire_at", "last_accessed,size_bytes"],
    },
    Table {
        end: "_tags",
        columns: &[
            "tag varbinary(512) NOT NULL",
            "key varbinary(512) NOT NULL",
            "cell smallint NOT NULL",
        ],
        indexes: &["unique tag,key", "key"],
    },
    Table {
        end: "_fence",
        columns: &["cell smallint NOT NULL", "mark bigint NOT NULL"],
        indexes: &["unique cell"],
    },
    Table {
        end: "_totals",
        columns: &[
            "id smallint NOT NULL",
            "entries bigint NOT NULL",
            "bytes bigint NOT NULL",
            "counted_at bigint NOT NULL",
        ],
        indexes: &["unique id"],
    },
    Table {
        end: "_atomics",
        columns: &[
            "name varbinary(512) NOT NULL",
            "number bigint NOT NULL",
            "until_us bigint NOT NULL",
            "expires_us bigint NOT NULL",
            "value longblob NOT NULL",
        ],
        indexes: &["unique name", "expires_us"],
    },
];

/// Which of the names of this storage there are in its database.
pub(super) async fn there(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
) -> sqlx::Result<BTreeSet<String>> {
    let names = TABLES.iter().map(|table| format!("'{}{}'", options.common.table, table.end));
    let names: Vec<String> = names.collect();
    let sql = format!(
        "SELECT CAST(table_name AS BINARY) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name IN ({})",
        names.join(", ")
    );
    texts(connection, sql).await
}

/// The first difference from what this release makes. Columns may stand in another order; other
/// columns that may be null or have a default, other indexes and triggers do not matter.
pub(super) async fn difference(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
) -> sqlx::Result<Option<String>> {
    for table in &TABLES {
        if let Some(difference) = difference_of(connection, options, table).await? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

/// As [`difference`], of the table that tells the version.
pub(super) async fn difference_of_meta(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
) -> sqlx::Result<Option<String>> {
    difference_of(connection, options, &META).await
}

async fn difference_of(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
    table: &Table,
) -> sqlx::Result<Option<String>> {
    let name = format!("{}{}", options.common.table, table.end);
    let of_table = format!("WHERE table_schema = DATABASE() AND table_name = '{name}'");
    let engine = format!("SELECT CAST(engine AS BINARY) FROM information_schema.tables {of_table}");
    match texts(connection, engine).await?.pop_first() {
        None => return Ok(Some(format!("there is no table `{name}`"))),
        Some(engine) if !engine.eq_ignore_ascii_case("innodb") => {
            return Ok(Some(format!("`{name}` is kept by {engine}, not by InnoDB")));
        }
        Some(_) => {}
    }
    // Widths of integers are shown by some servers, and mean nothing.
    let columns = format!(
        "SELECT CAST(CONCAT(column_name, ' ', IF(data_type LIKE '%int', data_type, column_type), \
         IF(column_type LIKE '%unsigned%', ' unsigned', ''), \
         IF(is_nullable = 'NO', ' NOT NULL', ''), \
         IF(column_default IS NULL OR column_default = 'NULL', '', ' DEFAULT')) AS BINARY) \
         FROM information_schema.columns {of_table}"
    );
    let there = texts(connection, columns).await?;
    let wanted: BTreeSet<String> = table.columns.iter().map(|&column| column.to_owned()).collect();
    if let Some(column) = wanted.difference(&there).next() {
        return Ok(Some(format!("`{name}` has no column {column}")));
    }
    let mut more = there.difference(&wanted);
    if let Some(column) = more.find(|column| column.ends_with(" NOT NULL")) {
        return Ok(Some(format!("`{name}` has a column {column}")));
    }
    let indexes = format!(
        "SELECT CAST(CONCAT(IF(MAX(non_unique) = 0, 'unique ', ''), \
         GROUP_CONCAT(column_name ORDER BY seq_in_index)) AS BINARY) \
         FROM information_schema.statistics {of_table} GROUP BY index_name"
    );
    let there = texts(connection, indexes).await?;
    let missing = table.indexes.iter().find(|&&index| !there.contains(index));
    if let Some(index) = missing {
        return Ok(Some(format!("`{name}` has no index ({index})")));
    }
    Ok(None)
}

async fn texts(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<BTreeSet<String>> {
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    let text = |row: &sqlx::mysql::MySqlRow| {
        row.try_get::<&[u8], _>(0).map(|text| String::from_utf8_lossy(text).into_owned())
    };
    rows.iter().map(text).collect()
}
