use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchReader,
    TimestampMillisecondArray,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

#[cfg(doc)]
use super::ArrowError;
use super::arrow_lent::{Owner, lend};
use super::names::{SERIES, SYNTHETIC, TIME, UTC};
use crate::cache::Reading;
use crate::chunk::CHUNK_SLOTS;
use crate::fill::FillRow;
use crate::key::SeriesKey;
use crate::row::{ColumnKind, Row};
use crate::time::Grid;
use crate::view::View;

/// How rows become Arrow's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrowExport {
    series: SeriesKey,
    floats: Floats,
}

/// What becomes of columns of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floats {
    /// They are lent.
    Lent,
    /// They become decimals with so many places.
    #[cfg(feature = "decimal")]
    Decimals(u8),
}

impl ArrowExport {
    /// Of rows of this series: the schema's metadata names it under `tiers.series`, and an import into
    /// another one is refused. Columns are as in memory.
    pub fn new(series: &SeriesKey) -> Self {
        Self { series: series.clone(), floats: Floats::Lent }
    }

    /// Floats become exact decimals with so many places after the point (28 at most): `Decimal128` of
    /// 38 digits. What is no number becomes null, minus zero becomes zero; every other number comes back
    /// bit by bit. This makes a copy.
    #[cfg(feature = "decimal")]
    pub fn decimals(mut self, decimals: u8) -> Self {
        self.floats = Floats::Decimals(decimals.min(super::arrow_decimal::DECIMALS_MAX));
        self
    }

    fn schema<R: Row>(&self, with_synthetic: bool) -> SchemaRef {
        let mut fields = vec![Field::new(TIME, Self::time(), false)];
        for column in R::SCHEMA.columns {
            fields.push(match (column.kind, self.floats) {
                (ColumnKind::Float, Floats::Lent) => {
                    Field::new(column.name, DataType::Float64, false)
                }
                #[cfg(feature = "decimal")]
                (ColumnKind::Float, Floats::Decimals(decimals)) => {
                    Field::new(column.name, super::arrow_decimal::data_type(decimals), true)
                }
                (ColumnKind::Integer, _) => Field::new(column.name, DataType::Int64, false),
            });
        }
        if with_synthetic {
            fields.push(Field::new(SYNTHETIC, DataType::Boolean, false));
        }
        Arc::new(Schema::new_with_metadata(fields, self.metadata()))
    }

    /// What the schema says of the series.
    pub(super) fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([(SERIES.to_owned(), self.series.to_string())])
    }

    /// The type of times.
    pub(super) fn time() -> DataType {
        DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
    }
}

/// Rows as Arrow's record batches, made one after the other as they are asked for; each has 1,024 rows
/// at most. It is a [`RecordBatchReader`], as Arrow's writers and other libraries take it.
///
/// A batch holds on to what its columns lie in, such as a chunk, as long as it lives.
pub struct ArrowBatches {
    schema: SchemaRef,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, arrow_schema::ArrowError>> + Send>,
}

impl ArrowBatches {
    pub(super) fn new(
        schema: SchemaRef,
        batches: impl Iterator<Item = Result<RecordBatch, arrow_schema::ArrowError>> + Send + 'static,
    ) -> Self {
        Self { schema, batches: Box::new(batches) }
    }
}

impl std::fmt::Debug for ArrowBatches {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ArrowBatches").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Iterator for ArrowBatches {
    type Item = Result<RecordBatch, arrow_schema::ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

impl RecordBatchReader for ArrowBatches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The rows of a view as Arrow's record batches, one a chunk, in the order of time: `ts`, a
/// timestamp in milliseconds (UTC), then the columns as they are named.
///
/// Columns of floats and integers are not copied: a batch looks at the chunk's own memory. Times, which
/// no chunk holds, are made for each batch.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::Float64Array;
/// # use cache_series::chunk::Chunk;
/// # use cache_series::coverage::{Coverage, State};
/// # use cache_series::key::SeriesKey;
/// # use cache_series::row::{Candle, Row};
/// # use cache_series::session::SessionCalendar;
/// # use cache_series::time::{Alignment, Grid, Slots, Timeframe};
/// # use cache_series::view::Directory;
/// use cache_series::transfer::{ArrowExport, arrow_batches};
///
/// # let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// # let fetched = Coverage::from_iter([(Slots::new(0, 10), State::Fetched)]);
/// # let chunk = Chunk::build(0, (0..10).map(|slot| (slot, Candle::flat(slot as f64, 1.0))), fetched)?;
/// # let directory = Directory::new(grid, Arc::new(SessionCalendar::ALWAYS));
/// # let view = Arc::new(directory.with_chunks([Arc::new(chunk)])).view(Slots::new(2, 8));
/// let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1)?;
/// for batch in arrow_batches(&view, &ArrowExport::new(&key)) {
///     let batch = batch?;
///     let closes = batch.column_by_name("close").unwrap();
///     let closes = closes.as_any().downcast_ref::<Float64Array>().unwrap();
///     assert_eq!(closes.values()[..], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Batches as they are in memory cannot fail. Decimals can, with [`ArrowError::Decimal`] as the
/// source.
pub fn arrow_batches<R: Row>(view: &View<R>, how: &ArrowExport) -> ArrowBatches {
    let (grid, slots) = (view.directory().grid(), view.slots());
    let form = Form::<R>::new(how, false);
    let schema = Arc::clone(&form.schema);
    let chunks: Vec<_> = view.segments().map(|segment| Arc::clone(segment.chunk())).collect();
    let batches = chunks.into_iter().map(move |chunk| {
        let rows = chunk.rows_before(slots.start)..chunk.rows_before(slots.end);
        let in_view = chunk.slots_with_rows().skip(rows.start).take(rows.len());
        form.batch(times(grid, in_view), &chunk, rows, None)
    });
    ArrowBatches::new(schema, batches)
}

/// The rows of a reading and what its request puts in slots without one, as Arrow's record batches: as
/// [`arrow_batches`], with a column `synthetic` that tells which rows were made. An import leaves
/// those out.
///
/// The rows are copied when they are filled ([`Reading::filled`]), all at once, and not again.
///
/// # Errors
/// As [`arrow_batches`].
pub fn arrow_batches_filled<R: FillRow>(reading: &Reading<R>, how: &ArrowExport) -> ArrowBatches {
    let grid = reading.view().directory().grid();
    let form = Form::<R>::new(how, true);
    let schema = Arc::clone(&form.schema);
    let filled = Arc::new(reading.filled());
    let starts = (0..filled.len()).step_by(CHUNK_SLOTS as usize);
    let batches = starts.map(move |start| {
        let rows = start..(start + CHUNK_SLOTS as usize).min(filled.len());
        let times = times(grid, filled.slots[rows.clone()].iter().copied());
        let synthetic = BooleanArray::from(filled.synthetic[rows.clone()].to_vec());
        form.batch(times, &filled, rows, Some(synthetic))
    });
    ArrowBatches::new(schema, batches)
}

fn times(grid: Grid, slots: impl Iterator<Item = i64>) -> Vec<i64> {
    slots.map(|slot| grid.start_of(slot).unix_ms()).collect()
}

/// How a batch is put together.
struct Form<R> {
    schema: SchemaRef,
    floats: Floats,
    row: PhantomData<fn() -> R>,
}

impl<R: Row> Form<R> {
    fn new(how: &ArrowExport, with_synthetic: bool) -> Self {
        let schema = how.schema::<R>(with_synthetic);
        Self { schema, floats: how.floats, row: PhantomData }
    }

    fn batch<O: Owner>(
        &self,
        times: Vec<i64>,
        owner: &Arc<O>,
        rows: Range<usize>,
        synthetic: Option<BooleanArray>,
    ) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let times: ScalarBuffer<i64> = times.into();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        arrays.push(Arc::new(
            TimestampMillisecondArray::try_new(times.clone(), None)?.with_timezone(UTC),
        ));
        for (index, column) in R::SCHEMA.columns.iter().enumerate() {
            let lent = lend(owner, index, rows.clone());
            arrays.push(match (column.kind, self.floats) {
                (ColumnKind::Float, Floats::Lent) => {
                    Arc::new(Float64Array::try_new(lent.into(), None)?)
                }
                #[cfg(feature = "decimal")]
                (ColumnKind::Float, Floats::Decimals(decimals)) => {
                    let values: ScalarBuffer<f64> = lent.into();
                    Arc::new(super::arrow_decimal::array(column.name, &times, &values, decimals)?)
                }
                (ColumnKind::Integer, _) => Arc::new(Int64Array::try_new(lent.into(), None)?),
            });
        }
        arrays.extend(synthetic.map(|synthetic| Arc::new(synthetic) as ArrayRef));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}
