//! Stores recorded candles in chunks and tells what that takes.
//!
//! ```text
//! zcat BTCUSD-1m-*.csv.gz | \
//!     cargo run --release -p cache-series --example measure -- 1m ts,open,close,high,low,volume
//! ```
//!
//! Lines are read from standard input; `ts` is in milliseconds since 1970, and a first line that is
//! no numbers is passed over. Every chunk is read back and compared bit by bit.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_series::chunk::Chunk;
use cache_series::coverage::{Coverage, State};
use cache_series::row::{Candle, Columns, Row};
use cache_series::session::SessionCalendar;
use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};
use cache_series::view::Directory;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let timeframe: Timeframe = arguments.next().as_deref().unwrap_or("1m").parse()?;
    let columns = arguments.next().unwrap_or_else(|| "ts,open,high,low,close,volume".to_owned());
    let grid = Grid::new(timeframe, Alignment::UTC);
    let rows = read(grid, &columns.split(',').collect::<Vec<_>>())?;
    let (Some((first, _)), Some((last, _))) = (rows.first_key_value(), rows.last_key_value())
    else {
        return Err("no candles".into());
    };
    let history = Slots::new(*first, *last + 1);
    println!(
        "{} candles in {} slots, {} to {}",
        rows.len(),
        history.len(),
        grid.start_of(history.start),
        grid.end_of(*last)
    );
    let directory = store(grid, &rows, history)?;
    look(&directory, history);
    look_up();
    Ok(())
}

fn read(grid: Grid, columns: &[&str]) -> Result<BTreeMap<i64, Candle>, Box<dyn Error>> {
    let at = |name: &str| {
        let found = columns.iter().position(|column| *column == name);
        found.ok_or_else(|| format!("no column is named {name}"))
    };
    let [ts, open, high, low, close, volume] =
        [at("ts")?, at("open")?, at("high")?, at("low")?, at("close")?, at("volume")?];
    let (mut rows, mut refused) = (BTreeMap::new(), 0u64);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let fields: Vec<&str> = line.split(',').collect();
        let number = |column: usize| fields.get(column).and_then(|text| text.parse::<f64>().ok());
        let time = fields.get(ts).and_then(|text| text.parse::<i64>().ok());
        let candle = (|| {
            Some(Candle {
                open: number(open)?,
                high: number(high)?,
                low: number(low)?,
                close: number(close)?,
                volume: number(volume)?,
            })
        })();
        let (Some(time), Some(candle)) = (time, candle) else {
            if rows.is_empty() {
                continue;
            }
            return Err(format!("{line:?} is no candle").into());
        };
        match grid.exact_slot(Time::from_unix_ms(time)).filter(|_| candle.problem().is_none()) {
            Some(slot) => {
                rows.insert(slot, candle);
            }
            None => refused += 1,
        }
    }
    if refused > 0 {
        println!("{refused} refused: impossible, or at no slot's start");
    }
    Ok(rows)
}

/// Encodes and decodes every chunk.
fn store(
    grid: Grid,
    rows: &BTreeMap<i64, Candle>,
    history: Slots,
) -> Result<Arc<Directory<Candle>>, Box<dyn Error>> {
    let (mut bytes, mut encoding, mut decoding) = (0, Duration::ZERO, Duration::ZERO);
    let mut chunks = Vec::new();
    for index in Chunk::<Candle>::indices_of(history) {
        let slots = Chunk::<Candle>::slots_of(index).intersection(history);
        let coverage = Coverage::from_iter([(slots, State::Fetched)]);
        let within = rows.range(slots.start..slots.end).map(|(slot, candle)| (*slot, *candle));
        let chunk = Chunk::build(index, within, coverage)?;
        let began = Instant::now();
        let record = chunk.encode();
        encoding += began.elapsed();
        let began = Instant::now();
        let back = Chunk::decode(index, &record)?;
        decoding += began.elapsed();
        if back != chunk {
            return Err(format!("chunk {index} did not come back as it was").into());
        }
        bytes += record.len();
        chunks.push(Arc::new(back));
    }
    let count = rows.len() as f64;
    let each = |time: Duration| time.as_nanos() as f64 / count;
    println!("{} chunks, all came back bit by bit", chunks.len());
    println!("stored    {:8.3} bytes a candle", bytes as f64 / count);
    println!("encoding  {:8.1} ns a candle", each(encoding));
    println!("decoding  {:8.1} ns a candle", each(decoding));
    let directory = Directory::new(grid, Arc::new(SessionCalendar::ALWAYS)).with_chunks(chunks);
    println!("in memory {:8.3} bytes a candle", directory.bytes() as f64 / count);
    Ok(Arc::new(directory))
}

/// Takes views and copies columns out.
fn look(directory: &Arc<Directory<Candle>>, history: Slots) {
    const VIEWS: u32 = 10_000;
    for length in [500, history.len() as i64] {
        let began = Instant::now();
        for step in 0..VIEWS {
            let start = history.start + i64::from(step) % (history.len() as i64 - length + 1);
            black_box(directory.view(black_box(Slots::new(start, start + length))));
        }
        println!("view      {:8.1} ns, of {length} slots", nanoseconds(began) / f64::from(VIEWS));
    }
    let view = directory.view(history);
    let mut columns = Columns::new(Candle::SCHEMA);
    view.copy_columns(&mut columns);
    let again = columns.clone();
    let mut best = [f64::INFINITY; 2];
    for _ in 0..5 {
        let began = Instant::now();
        view.copy_columns(black_box(&mut columns));
        best[0] = best[0].min(nanoseconds(began));
        let began = Instant::now();
        columns.clear();
        columns.extend_from(black_box(&again), 0, again.rows());
        best[1] = best[1].min(nanoseconds(began));
    }
    let rows = again.rows() as f64;
    println!("copying   {:8.2} ns a candle", best[0] / rows);
    println!("memcpy    {:8.2} ns a candle, of the same bytes", best[1] / rows);
}

/// Looks slots up among ever more spans.
fn look_up() {
    const LOOKUPS: u32 = 100_000;
    for spans in [1_000i64, 10_000, 100_000, 1_000_000] {
        let coverage: Coverage =
            (0..spans).map(|span| (Slots::new(3 * span, 3 * span + 2), State::Fetched)).collect();
        let (mut slot, began) = (1i64, Instant::now());
        for _ in 0..LOOKUPS {
            slot = slot * 48_271 % 2_147_483_647;
            black_box(coverage.at(slot % (3 * spans)));
        }
        println!(
            "lookup    {:8.1} ns, among {spans} spans",
            nanoseconds(began) / f64::from(LOOKUPS)
        );
    }
}

fn nanoseconds(began: Instant) -> f64 {
    began.elapsed().as_nanos() as f64
}
