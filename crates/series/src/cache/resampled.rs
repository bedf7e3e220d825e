use super::error::SeriesError;
use super::handle::Series;
use super::reading::Reading;
use crate::request::{Request, RequestError, Window};
use crate::resample::{ResampleRow, Resampled, resample};
use crate::time::{Grid, Slots, Timeframe};

/// Rows of a longer timeframe, and the reading that they are made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResampledReading<R: crate::row::Row> {
    /// The rows, with what is known of their slots.
    pub resampled: Resampled<R>,
    /// Where their slots are.
    pub grid: Grid,
    /// What they are made of.
    pub reading: Reading<R>,
}

pub(super) async fn read_resampled<R: ResampleRow>(
    series: &Series<R>,
    timeframe: Timeframe,
    request: Request,
) -> Result<ResampledReading<R>, SeriesError> {
    let coarse = series.grid_of(timeframe);
    let closed = series.closed_end(coarse);
    let (slots, count) = match request.window {
        Window::Range { from, to } => (coarse.slots_in(from, to), None),
        Window::Since { from, count } => (Slots::new(coarse.slot_from(from), closed), count),
        Window::Until { to, count } => {
            // Without a count it reaches back to the listing, which the request asks for.
            (Slots::new(i64::MIN, coarse.slot_from(to)), count)
        }
        Window::Last { count } => (Slots::new(i64::MIN, closed), Some(count)),
    };
    let slots = Slots::new(slots.start, slots.end.min(closed));
    let forward = matches!(request.window, Window::Since { .. });
    let Some(count) = count else {
        return read_whole(series, coarse, slots, request).await;
    };
    // Longer and longer stretches, until there are rows enough or no more: it is not known beforehand
    // in which slots there are none.
    let mut length = count;
    let mut before = 0;
    loop {
        let part = match forward {
            true => Slots::new(slots.start, slots.start.saturating_add_unsigned(length)),
            false => Slots::new(slots.end.saturating_sub_unsigned(length), slots.end),
        };
        let part = part.intersection(slots);
        let mut found = read_whole(series, coarse, part, request).await?;
        let rows = found.resampled.rows.len();
        let excess = rows.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        // The listing may have been learned by reading.
        let added = rows.saturating_sub(before);
        before = rows;
        let ends = match forward {
            // Twice as much and no row more: there is none, as far as can be told.
            _ if added == 0 && length > count => true,
            true => part.end >= slots.end,
            false => part.start <= series.traded(coarse).start.max(slots.start),
        };
        if rows as u64 >= count || ends {
            match forward {
                true => found.resampled.rows.truncate(rows - excess),
                false => drop(found.resampled.rows.drain(..excess)),
            }
            return Ok(found);
        }
        let fine = found.reading.slots().len();
        if fine.saturating_mul(2) > request.slots_max {
            let (slots, slots_max) = (fine.saturating_mul(2), request.slots_max);
            let error = RequestError::TooLong { slots, slots_max };
            return Err(SeriesError::request(series.key(), error));
        }
        length = length.saturating_mul(2).max(1);
    }
}

/// The rows of these longer slots.
async fn read_whole<R: ResampleRow>(
    series: &Series<R>,
    coarse: Grid,
    slots: Slots,
    request: Request,
) -> Result<ResampledReading<R>, SeriesError> {
    let to = coarse.start_of(slots.end);
    let from = match slots.start {
        i64::MIN => {
            // From the listing on, which this learns; the longer slot that it is in may begin before.
            let window = Window::Until { to, count: None };
            let reading = series.read(Request { window, ..request }).await?;
            coarse.start_of(coarse.slot_at(series.grid().start_of(reading.slots().start)))
        }
        start => coarse.start_of(start),
    };
    let reading = series.read(Request { window: Window::Range { from, to }, ..request }).await?;
    let resampled = resample(reading.view(), coarse)
        .map_err(|source| SeriesError::Resample { series: series.key().to_string(), source })?;
    Ok(ResampledReading { resampled, grid: coarse, reading })
}
