//! Reads of what is in memory: the whole range, the same copied out, and a screenful.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::Context as _;
use cache_series::row::{Candle, Columns, Row as _};
use cache_series::time::Slots;
use tiers::sqlite::SqliteOptions;
use tiers_benches::failures::{Failures, figure};
use tiers_benches::{Contestant, Row, Run};
use tokio::runtime::Runtime;

use super::History;
use super::history::{MINUTES, range};

pub(super) const WARM_VIEW: &str = "candles_warm_full_range";
pub(super) const COPY: &str = "candles_copy_out_over_memcpy";
pub(super) const WARM_READ: &str = "candles_warm_read_over_hash_and_sort";

const WARM_VIEW_NS_MAX: f64 = 1_000.0;
const COPY_MAX: f64 = 3.0;
const WARM_READ_MIN: f64 = 100.0;

/// What a chart shows at once.
const SCREEN: i64 = 500;

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime, candles: i64) -> anyhow::Result<()> {
    let history = History::new(candles);
    let folder = tempfile::tempdir().context("no folder")?;
    let opened = runtime.block_on(SqliteOptions::new(folder.path().join("history.db")).open())?;
    let (_cache, series) = runtime.block_on(history.stored_in(opened.into_storage()))?;
    let all = history.slots();
    let failures = Failures::default();
    if run.wants(&[WARM_VIEW]) {
        let mut contestants = [Contestant::new("full range", |iterations| {
            runtime.block_on(async {
                for _ in 0..iterations {
                    black_box(failures.kept(series.read(range(black_box(all))).await));
                }
            });
        })];
        let measured = run.interleaved("the whole history, warm", &mut contestants);
        failures.check()?;
        let nanoseconds = figure(measured.median_ns("full range"))?;
        run.report(&Row::at_most(WARM_VIEW, nanoseconds, WARM_VIEW_NS_MAX, "ns"))?;
    }
    if run.wants(&[COPY]) {
        let view = runtime.block_on(series.read(range(all)))?.into_view();
        let mut columns = Columns::new(Candle::SCHEMA);
        view.copy_columns(&mut columns);
        let flat = columns.clone();
        let mut again = columns.clone();
        let mut contestants = [
            Contestant::new("copy out", |iterations| {
                for _ in 0..iterations {
                    view.copy_columns(black_box(&mut columns));
                }
            }),
            // One copy of memory a column, into memory of its own.
            Contestant::new("memcpy", |iterations| {
                for _ in 0..iterations {
                    again.clear();
                    again.extend_from(black_box(&flat), 0, flat.rows());
                    black_box(&again);
                }
            }),
        ];
        let measured = run.interleaved("the whole history, copied out", &mut contestants);
        let factor = figure(measured.ratio("copy out", "memcpy"))?;
        run.report(&Row::at_most(COPY, factor, COPY_MAX, "x"))?;
    }
    if run.wants(&[WARM_READ]) {
        screenfuls(run, runtime, &history, &series)?;
    }
    Ok(())
}

/// The model keeps a map from time to row, looks each time up, and sorts what it found.
fn screenfuls(
    run: &mut Run<'_>,
    runtime: &Runtime,
    history: &History,
    series: &cache_series::cache::Series<Candle>,
) -> anyhow::Result<()> {
    let by_time: HashMap<i64, Candle> =
        history.rows().map(|(time, candle)| (time.unix_ms(), candle)).collect();
    let all = history.slots();
    let places = all.len() as i64 - SCREEN + 1;
    let screen = |turn: &mut i64| {
        *turn = (*turn + 7_919) % places;
        Slots::new(all.start + *turn, all.start + *turn + SCREEN)
    };
    let (failures, mut here, mut there) = (Failures::default(), 0, 0);
    let mut contestants = [
        Contestant::new("view", |iterations| {
            runtime.block_on(async {
                for _ in 0..iterations {
                    black_box(failures.kept(series.read(range(screen(&mut here))).await));
                }
            });
        }),
        Contestant::new("hash and sort", |iterations| {
            for _ in 0..iterations {
                let times = screen(&mut there).iter().map(|slot| MINUTES.start_of(slot).unix_ms());
                let mut found: Vec<(i64, Candle)> =
                    times.filter_map(|time| Some((time, *by_time.get(&time)?))).collect();
                found.sort_by_key(|(time, _)| *time);
                black_box(found);
            }
        }),
    ];
    let measured = run.interleaved("500 candles, warm", &mut contestants);
    failures.check()?;
    let factor = figure(measured.ratio("hash and sort", "view"))?;
    Ok(run.report(&Row::at_least(WARM_READ, factor, WARM_READ_MIN, "x"))?)
}
