//! What an entry takes on disk.

use std::fs;

use rusqlite::{Connection, params};
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::database::fill;
use crate::groups::rows::{Rows, VALUE_BYTES};

/// How much of a plain table's bytes an entry may take: it has its metadata, and two indexes.
const OF_PLAIN_MAX: f64 = 2.5;

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let count = run.sized(1_000_000, 100_000, 2000);
    run.note(&format!("sqlite: bytes of {count} rows on disk"));
    let rows = Rows::new(count, VALUE_BYTES)?;
    let folder = tempfile::tempdir()?;
    let (path, plain_path) = (folder.path().join("tiers.db"), folder.path().join("plain.db"));
    runtime.block_on(fill(&path, &rows))?;

    // What one would write by hand.
    let mut plain = Connection::open(&plain_path)?;
    plain.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
         CREATE TABLE cache (key TEXT PRIMARY KEY, expire_at INTEGER NOT NULL, value BLOB NOT NULL)",
    )?;
    for keys in rows.keys().chunks(10_000) {
        let transaction = plain.transaction()?;
        for key in keys {
            let entry = rows.entry(key);
            transaction.prepare_cached("INSERT INTO cache VALUES (?1, ?2, ?3)")?.execute(
                params![key.as_str(), entry.kept_until.unix_ms() as i64, &entry.payload[..]],
            )?;
        }
        transaction.commit()?;
    }
    plain.close().map_err(|(_, error)| error)?;

    let keys_bytes: usize = rows.keys().iter().map(|key| key.as_str().len()).sum();
    let content = keys_bytes as f64 / count as f64 + VALUE_BYTES as f64;
    let per_row = |bytes: u64| bytes as f64 / count as f64;
    let (own, plain) =
        (per_row(fs::metadata(path)?.len()), per_row(fs::metadata(plain_path)?.len()));
    run.note(&format!(
        "  a row: {own:.0} B, of a plain table {plain:.0} B, key and value alone {content:.0} B"
    ));
    let (beyond, bound) = (own - content, plain * OF_PLAIN_MAX - content);
    Ok(run.report(&Row::at_most("sqlite_disk_bytes_per_entry", beyond, bound, "B"))?)
}
