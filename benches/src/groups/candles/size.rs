//! What a candle takes where it is stored.

use anyhow::ensure;
use cache_series::chunk::Chunk;
use cache_series::coverage::{Coverage, State};
use cache_series::row::Candle;
use tiers_benches::{Row, Run};

use super::History;

pub(super) const BYTES: &str = "candles_bytes_per_candle";

const BYTES_MAX: f64 = 12.0;

pub(super) fn measure(run: &mut Run<'_>, candles: i64) -> anyhow::Result<()> {
    let history = History::new(candles);
    let all = history.slots();
    let mut bytes = 0;
    for index in Chunk::<Candle>::indices_of(all) {
        let slots = Chunk::<Candle>::slots_of(index).intersection(all);
        let of = |slot: i64| (slot, history.candles[(slot - all.start) as usize]);
        let coverage = Coverage::from_iter([(slots, State::Fetched)]);
        let chunk = Chunk::build(index, slots.iter().map(of), coverage)?;
        let record = chunk.encode();
        ensure!(Chunk::decode(index, &record)? == chunk, "chunk {index} is not as it was");
        bytes += record.len();
    }
    let each = bytes as f64 / all.len() as f64;
    Ok(run.report(&Row::at_most(BYTES, each, BYTES_MAX, "B"))?)
}
