//! What the tables look like: compared with what the scripts make.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::config::PostgresOptions;

/// Tables, by what their names end in, with each column's name, type and whether it may be null.
const TABLES: [(&str, &[(&str, &str)]); 4] = [
    (
        "",
        &[
            ("checksum", "bigint NOT NULL"),
            ("compressed", "smallint NOT NULL"),
            ("created_at", "bigint NOT NULL"),
            ("data_type", "smallint NOT NULL"),
            ("decoded_bytes", "bigint NOT NULL"),
            ("expire_at", "bigint NOT NULL"),
            ("fresh_until", "bigint NOT NULL"),
            ("idle_ms", "bigint"),
            ("key", "text C NOT NULL"),
            ("kind", "smallint NOT NULL"),
            ("last_accessed", "bigint NOT NULL"),
            ("size_bytes", "bigint NOT NULL"),
            ("stamp", "bigint NOT NULL"),
            ("tag_cells", "smallint[]"),
            ("tags", "text[] C"),
            ("token", "bigint NOT NULL"),
            ("value", "bytea NOT NULL"),
        ],
    ),
    ("_fence", &[("cell", "smallint NOT NULL"), ("mark", "bigint NOT NULL")]),
    (
        "_meta",
        &[
            ("cell_function", "text NOT NULL"),
            ("floor", "bigint NOT NULL"),
            ("id", "smallint NOT NULL"),
            ("origin", "bigint NOT NULL"),
            ("version", "integer NOT NULL"),
        ],
    ),
    (
        "_atomics",
        &[
            ("expires_us", "bigint NOT NULL"),
            ("name", "text C NOT NULL"),
            ("number", "bigint NOT NULL"),
            ("until_us", "bigint NOT NULL"),
            ("value", "bytea NOT NULL"),
        ],
    ),
];

/// Indexes with what they are over. Without one a statement is wrong or slow.
const INDEXES: [(&str, &str); 8] = [
    ("_key", "btree (key)"),
    ("_expire_at", "btree (expire_at) WHERE (expire_at >= 0)"),
    ("_last_accessed", "btree (last_accessed)"),
    ("_tags", "gin (tags) WITH (fastupdate=off) WHERE (tags IS NOT NULL)"),
    ("_fence_cell", "btree (cell)"),
    ("_meta_id", "btree (id)"),
    ("_atomics_name", "btree (name)"),
    ("_atomics_expires", "btree (expires_us) WHERE (expires_us < '9223372036854775807'::bigint)"),
];

const FUNCTIONS: [&str; 7] =
    ["_advance", "_atomic", "_evict", "_raise", "_raise_cells", "_totals", "_write"];

/// Which of the names of this storage there are in its schema.
pub(super) async fn there(
    connection: &mut PgConnection,
    options: &PostgresOptions,
) -> sqlx::Result<BTreeSet<String>> {
    let (schema, table) = (&options.schema, &options.common.table);
    let ends = TABLES.iter().map(|(end, _)| *end).chain(["_counter"]);
    let names: Vec<String> = ends.map(|end| format!("'{table}{end}'")).collect();
    let sql = format!(
        "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('\"{schema}\"') \
         AND relname IN ({})",
        names.join(", ")
    );
    texts(connection, sql).await
}

/// The first difference from what this release makes. Columns may stand in another order; other
/// columns that may be null, other indexes and triggers do not matter.
pub(super) async fn difference(
    connection: &mut PgConnection,
    options: &PostgresOptions,
) -> sqlx::Result<Option<String>> {
    let (schema, table) = (&options.schema, &options.common.table);
    for (end, wanted) in TABLES {
        let sql = format!(
            "SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) \
             || CASE WHEN l.collname = 'C' THEN ' C' ELSE '' END \
             || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END \
             FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation \
             WHERE a.attrelid = to_regclass('\"{schema}\".\"{table}{end}\"') AND a.attnum > 0 \
             AND NOT a.attisdropped"
        );
        let there = texts(connection, sql).await?;
        if there.is_empty() {
            return Ok(Some(format!("there is no table `{table}{end}`")));
        }
        let wanted: BTreeSet<String> =
            wanted.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        if let Some(column) = wanted.difference(&there).next() {
            return Ok(Some(format!("`{table}{end}` has no column {column}")));
        }
        let mut more = there.difference(&wanted);
        if let Some(column) = more.find(|column| column.ends_with(" NOT NULL")) {
            return Ok(Some(format!("`{table}{end}` has a column {column}")));
        }
    }
    let sql = format!(
        "SELECT indexname || ' ' || substr(indexdef, strpos(indexdef, ' USING ') + 7) \
         FROM pg_indexes WHERE schemaname = '{schema}'"
    );
    let there = texts(connection, sql).await?;
    for (end, over) in INDEXES {
        if !there.contains(&format!("{table}{end} {over}")) {
            return Ok(Some(format!("the index `{table}{end}` is missing or another one")));
        }
    }
    let sql = format!(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace('\"{schema}\"')"
    );
    let there = texts(connection, sql).await?;
    let missing = FUNCTIONS.iter().find(|end| !there.contains(&format!("{table}{end}")));
    if let Some(end) = missing {
        return Ok(Some(format!("there is no function `{table}{end}`")));
    }
    let sql = format!(
        "SELECT 'x' FROM pg_class WHERE oid = to_regclass('\"{schema}\".\"{table}_counter\"') \
         AND relkind = 'S'"
    );
    if texts(connection, sql).await?.is_empty() {
        return Ok(Some(format!("there is no sequence `{table}_counter`")));
    }
    Ok(None)
}

async fn texts(connection: &mut PgConnection, sql: String) -> sqlx::Result<BTreeSet<String>> {
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
