use std::path::Path;

use cache_series::cache::Reading;
use cache_series::key::Market;
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::time::{Alignment, Grid, Timeframe};
use tiers_local_venue::{History, Interval};

use crate::recording::{self, Recording};
use crate::step::{Step, table, tell};
use crate::world::{World, key};
use crate::{AnyError, Arguments};

const SYMBOL: &str = "RECORDED";
/// So long after the last candle the replay takes place, when all of them are final.
const LATER_MS: i64 = 30 * 86_400_000;

/// Reads a recorded history through, and once more after a restart.
pub(crate) async fn run(arguments: &Arguments, file: &Path) -> Result<(), AnyError> {
    let timeframe: Timeframe = arguments.timeframe.parse()?;
    let interval = Interval::named(timeframe.text())
        .ok_or_else(|| format!("Binance has no candles of {timeframe}"))?;
    let grid = Grid::new(timeframe, Alignment::UTC);
    let recording = recording::read(file, arguments.columns.as_deref(), grid)?;
    if recording.refused > 0 {
        eprintln!(
            "{} lines were passed over: no such candle can be, or none begins then",
            recording.refused
        );
    }
    let steps = replay(&recording, timeframe, interval, grid, arguments.json).await?;
    if !arguments.json {
        println!("{} candles of {}\n{}", recording.candles.len(), file.display(), table(&steps));
    }
    Ok(())
}

async fn replay(
    recording: &Recording,
    timeframe: Timeframe,
    interval: Interval,
    grid: Grid,
    json: bool,
) -> Result<[Step; 2], AnyError> {
    let slots = recording.candles.keys();
    let (Some(first), Some(last)) = (slots.clone().next(), slots.clone().next_back()) else {
        return Err("there is no candle".into());
    };
    let (from, to) = (grid.start_of(*first), grid.end_of(*last));
    let folder = tempfile::tempdir()?;
    let now_ms = to.unix_ms() + LATER_MS;
    let mut world = World::start(&folder.path().join("history.db"), now_ms, None).await?;
    let candles = recording.candles.iter().map(|(slot, candle)| {
        let Candle { open, high, low, close, volume } = *candle;
        let candle = tiers_local_venue::Candle { open, high, low, close, volume };
        (grid.start_of(*slot).unix_ms(), candle)
    });
    world.venue.list(SYMBOL, History::recorded(interval, candles));

    let key = key(SYMBOL, Market::Spot, timeframe)?;
    let whole = Request::range(from, to).with_slots_max(u64::MAX);
    let what = format!("all of it, {from} to {to}");
    let (cold, reading) = world.read("cold", &what, &key, whole).await?;
    compare(recording, &reading)?;
    tell(json, &cold);
    drop(reading);
    world.restart().await?;
    let (again, reading) = world.read("again", "the same after a restart", &key, whole).await?;
    compare(recording, &reading)?;
    tell(json, &again);
    world.close().await?;
    Ok([cold, again])
}

/// Every candle came as it was recorded, bit by bit, and no other.
fn compare(recording: &Recording, reading: &Reading<Candle>) -> Result<(), AnyError> {
    let bits = |candle: &Candle| {
        [candle.open, candle.high, candle.low, candle.close, candle.volume].map(f64::to_bits)
    };
    let mut expected = recording.candles.iter();
    for (slot, candle) in reading.view().iter() {
        let same = expected
            .next()
            .is_some_and(|(known, recorded)| *known == slot && bits(recorded) == bits(&candle));
        if !same {
            return Err(format!("the candle in slot {slot} is not what was recorded").into());
        }
    }
    match expected.next() {
        Some((slot, _)) => Err(format!("the candle in slot {slot} is missing").into()),
        None => Ok(()),
    }
}
