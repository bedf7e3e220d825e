//! What becomes of views as Arrow's columns.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{RecordBatch, RecordBatchReader};
use proptest::prelude::*;
use std::sync::Arc;

use super::{ArrowBatches, ArrowExport, arrow_batches};
use crate::chunk::{CHUNK_SLOTS, Chunk};
use crate::coverage::{Coverage, State};
use crate::key::SeriesKey;
use crate::row::{Candle, ColumnKind, ColumnSchema, Columns, Row, Schema};
use crate::session::SessionCalendar;
use crate::time::{Alignment, Grid, Slots, Timeframe};
use crate::view::tests::{plain, row_of, span};
use crate::view::{Directory, View};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

fn export() -> ArrowExport {
    ArrowExport::new(&SeriesKey::new("binance", "BTC/USDT", Timeframe::Minute1).unwrap())
}

fn all(batches: ArrowBatches) -> Vec<RecordBatch> {
    let schema = batches.schema();
    let batches: Vec<RecordBatch> = batches.collect::<Result<_, _>>().unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    assert!(batches.iter().all(|batch| (1..=1_024).contains(&batch.num_rows())));
    batches
}

fn times(batch: &RecordBatch) -> &[i64] {
    batch["ts"].as_primitive::<TimestampMillisecondType>().values()
}

fn floats<'batch>(batch: &'batch RecordBatch, column: &str) -> &'batch [f64] {
    batch[column].as_primitive::<Float64Type>().values()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What is looked at is the chunks' own memory: the addresses are the same.
    #[test]
    fn columns_are_lent_where_they_lie(plain in plain(), asked in span()) {
        let view = plain.directory().view(asked);
        let batches = all(arrow_batches(&view, &export()));
        let segments: Vec<_> = view.segments().collect();
        prop_assert_eq!(batches.len(), segments.len());
        for (batch, segment) in batches.iter().zip(&segments) {
            prop_assert_eq!(batch.num_rows(), segment.len());
            for (index, column) in Candle::SCHEMA.columns.iter().enumerate() {
                let (lent, own) = (floats(batch, column.name), segment.float(index));
                prop_assert_eq!((lent.as_ptr(), lent.len()), (own.as_ptr(), own.len()));
            }
        }
        let rows: Vec<(i64, f64)> = batches
            .iter()
            .flat_map(|batch| times(batch).iter().copied().zip(floats(batch, "close").iter().copied()))
            .collect();
        let expected: Vec<(i64, f64)> = plain
            .rows_in(asked)
            .into_iter()
            .map(|slot| (MINUTES.start_of(slot).unix_ms(), row_of(slot).close))
            .collect();
        prop_assert_eq!(rows, expected);
    }
}

fn view<R: Row>(rows: impl IntoIterator<Item = (i64, R)>) -> View<R> {
    let fetched = Coverage::from_iter([(Slots::new(0, CHUNK_SLOTS), State::Fetched)]);
    let chunk = Chunk::build(0, rows, fetched).unwrap();
    let directory = Directory::new(MINUTES, Arc::new(SessionCalendar::ALWAYS));
    Arc::new(directory.with_chunks([Arc::new(chunk)])).view(Slots::new(0, CHUNK_SLOTS))
}

#[test]
fn a_batch_outlives_all_that_it_was_made_of() {
    let view = view((0..100).map(|slot| (slot, row_of(slot))));
    let chunk = Arc::downgrade(view.segments().next().unwrap().chunk());
    let mut batches = arrow_batches(&view, &export());
    drop(view);
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    drop(batches);
    assert_eq!(floats(&batch, "open")[99], row_of(99).open);
    let last = batch.slice(99, 1);
    drop(batch);
    assert_eq!(floats(&last, "low")[0], row_of(99).low);
    assert!(chunk.upgrade().is_some());
    drop(last);
    assert!(chunk.upgrade().is_none(), "nobody looks at it any more");
}

#[test]
fn the_schema_says_what_the_rows_are_and_of_which_series() {
    let batches = arrow_batches(&view([(7, Candle::flat(1.5, f64::NAN))]), &export());
    let schema = batches.schema();
    let fields: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{} {} {}", field.name(), field.data_type(), field.is_nullable()))
        .collect();
    let expected =
        ["open", "close", "high", "low", "volume"].map(|name| format!("{name} Float64 false"));
    assert_eq!(fields[0], "ts Timestamp(ms, \"UTC\") false");
    assert_eq!(fields[1..], expected);
    assert_eq!(schema.metadata()["tiers.series"], "binance/live/spot/trade/BTC~2FUSDT/1m/raw");
    let batches = all(batches);
    assert_eq!(times(&batches[0]), [7 * 60_000]);
    assert!(floats(&batches[0], "volume")[0].is_nan());
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Funding {
    rate: f64,
    payers: i64,
}

impl Row for Funding {
    const SCHEMA: &'static Schema = &Schema {
        name: "funding",
        columns: &[
            ColumnSchema::new("rate", ColumnKind::Float),
            ColumnSchema::new("payers", ColumnKind::Integer),
        ],
    };

    fn write(&self, columns: &mut Columns) {
        columns.push_float(0, self.rate);
        columns.push_integer(1, self.payers);
    }

    fn read(columns: &Columns, row: usize) -> Self {
        Self { rate: columns.float(0)[row], payers: columns.integer(1)[row] }
    }
}

#[test]
fn other_rows_have_columns_of_their_own() {
    let rows = (0..9).map(|slot| (slot, Funding { rate: 0.5, payers: slot * 10 }));
    let view = view(rows);
    let batches = all(arrow_batches(&view, &export()));
    let payers = batches[0]["payers"].as_primitive::<Int64Type>();
    assert_eq!(payers.values()[..], [0, 10, 20, 30, 40, 50, 60, 70, 80]);
    let own = view.segments().next().unwrap().integer(1);
    assert_eq!(payers.values().as_ptr(), own.as_ptr());
}

#[cfg(feature = "decimal")]
mod decimals {
    use arrow_array::Array;
    use arrow_array::types::Decimal128Type;

    use super::*;
    use crate::time::Time;
    use crate::transfer::ArrowError;

    #[test]
    fn decimals_are_exact_and_what_is_no_number_is_null() {
        let candle = Candle { volume: f64::NAN, ..Candle::flat(93_250.25, 0.0) };
        let batches = all(arrow_batches(&view([(7, candle)]), &export().decimals(2)));
        let close = batches[0]["close"].as_primitive::<Decimal128Type>();
        assert_eq!(close.value_as_string(0), "93250.25");
        assert!(batches[0]["volume"].is_null(0));
    }

    #[test]
    fn what_is_no_such_decimal_is_an_error_with_its_time() {
        let candle = Candle::flat(93_250.25, 1.125);
        let mut batches = arrow_batches(&view([(7, candle)]), &export().decimals(2));
        let arrow_schema::ArrowError::ExternalError(error) = batches.next().unwrap().unwrap_err()
        else {
            panic!("another error");
        };
        let error = *error.downcast::<ArrowError>().unwrap();
        let ArrowError::Decimal { time, column, value, decimals } = error else {
            panic!("another error");
        };
        assert_eq!((time, value, decimals), (Time::from_unix_ms(7 * 60_000), 1.125, 2));
        assert_eq!(column, "volume");
    }
}
