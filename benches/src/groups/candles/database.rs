//! Reads of what is in SQLite alone, beside a table with a row for each candle.

use std::hint::black_box;

use anyhow::{Context as _, ensure};
use cache_series::row::Candle;
use cache_series::store::Scope;
use cache_series::time::Slots;
use rusqlite::{Connection, params};
use tiers::sqlite::SqliteOptions;
use tiers_benches::failures::{Failures, figure};
use tiers_benches::{Contestant, Row, Run};
use tokio::runtime::Runtime;

use super::History;
use super::history::{MINUTES, range};

pub(super) const READ: &str = "candles_database_read_over_rows";

const READ_MIN: f64 = 10.0;

/// A week and a half of minutes, so that the whole of a read is measured and not its begin.
const LENGTH: i64 = 16_384;

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime, candles: i64) -> anyhow::Result<()> {
    let history = History::new(candles);
    let folder = tempfile::tempdir().context("no folder")?;
    let file = folder.path().join("history.db");
    let opened = runtime.block_on(SqliteOptions::new(file).table("history").open())?;
    let (cache, series) = runtime.block_on(history.stored_in(opened.into_storage()))?;
    let rows = rows_of(&history, &folder.path().join("rows.db"))?;
    let all = history.slots();
    let length = LENGTH.min(all.len() as i64);
    let places = all.len() as i64 - length + 1;
    let span = |turn: &mut i64| {
        *turn = (*turn + 7_919) % places;
        Slots::new(all.start + *turn, all.start + *turn + length)
    };
    let (failures, mut here, mut there) = (Failures::default(), 0, 0);
    let mut contestants = [
        Contestant::new("chunks", |iterations| {
            runtime.block_on(async {
                for _ in 0..iterations {
                    // Out of memory with it: the database is to be read.
                    cache.forget(&Scope::all());
                    let reading = failures.kept(series.read(range(span(&mut here))).await);
                    black_box(reading.map(|reading| reading.len()));
                }
            });
        })
        .waiting(),
        Contestant::new("a row each", |iterations| {
            for _ in 0..iterations {
                black_box(failures.kept(select(&rows, span(&mut there))));
            }
        }),
    ];
    let measured = run.interleaved("a read from the database", &mut contestants);
    failures.check()?;
    let factor = figure(measured.ratio("a row each", "chunks"))?;
    Ok(run.report(&Row::at_least(READ, factor, READ_MIN, "x"))?)
}

/// A table as one would make it: by symbol, timeframe and time, the primary key.
fn rows_of(history: &History, path: &std::path::Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -64000; \
         CREATE TABLE candle (symbol TEXT NOT NULL, timeframe TEXT NOT NULL, ts INTEGER NOT NULL, \
         open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, \
         volume REAL NOT NULL, PRIMARY KEY (symbol, timeframe, ts)) WITHOUT ROWID",
    )?;
    let transaction = connection.unchecked_transaction()?;
    {
        let sql = "INSERT INTO candle VALUES ('BTCUSDT', '1m', ?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = transaction.prepare(sql)?;
        for (time, candle) in history.rows() {
            let Candle { open, high, low, close, volume } = candle;
            insert.execute(params![time.unix_ms(), open, high, low, close, volume])?;
        }
    }
    transaction.commit()?;
    Ok(connection)
}

fn select(connection: &Connection, slots: Slots) -> anyhow::Result<Vec<(i64, Candle)>> {
    let mut statement = connection.prepare_cached(
        "SELECT ts, open, high, low, close, volume FROM candle \
         WHERE symbol = 'BTCUSDT' AND timeframe = '1m' AND ts >= ?1 AND ts < ?2 ORDER BY ts",
    )?;
    let [from, to] = [slots.start, slots.end].map(|slot| MINUTES.start_of(slot).unix_ms());
    let rows = statement.query_map([from, to], |row| {
        let candle = Candle {
            open: row.get(1)?,
            high: row.get(2)?,
            low: row.get(3)?,
            close: row.get(4)?,
            volume: row.get(5)?,
        };
        Ok((row.get(0)?, candle))
    })?;
    let rows: Vec<(i64, Candle)> = rows.collect::<Result<_, _>>()?;
    ensure!(rows.len() as u64 == slots.len(), "{} rows", rows.len());
    Ok(rows)
}
