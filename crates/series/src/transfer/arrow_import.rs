use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;

use super::arrow_rows::BatchRows;
use super::chunks::{Chunks, Take, bring_in};
use super::names::SERIES;
use super::{ArrowError, Imported, OnDifference};
use crate::cache::Series;
use crate::key::SeriesKey;
use crate::row::Row;
use crate::time::Grid;

/// How columns are brought in, from Arrow or from Parquet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrowImport {
    on_difference: OnDifference,
    names: Vec<(String, String)>,
    any_series: bool,
    #[cfg(feature = "parquet")]
    any_writer: bool,
}

impl ArrowImport {
    /// Columns are named as those of the rows, and `ts`, in any order and without regard to case;
    /// rows that say that they are of another series are refused; settled rows stay.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values of a column, such as `ts`, stand in one of another name.
    pub fn column(mut self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.names.push((column.into(), name.into()));
        self
    }

    /// Rows are taken of whatever series they say they are: as those of another environment are put
    /// into this one.
    pub fn any_series(mut self) -> Self {
        self.any_series = true;
        self
    }

    /// A Parquet file is taken as it is, although it tells of its rows what is not so: for another
    /// program has written it anew, and kept the metadata of the one that Tiers wrote. Whether it is
    /// damaged besides is not known then.
    #[cfg(feature = "parquet")]
    pub fn any_writer(mut self) -> Self {
        self.any_writer = true;
        self
    }

    /// What becomes of settled rows that differ.
    pub fn on_difference(mut self, on_difference: OnDifference) -> Self {
        self.on_difference = on_difference;
        self
    }

    /// What becomes of settled rows that differ, as was said.
    pub(super) fn difference(&self) -> OnDifference {
        self.on_difference
    }

    /// Whether what a file tells of its rows is passed over.
    #[cfg(feature = "parquet")]
    pub(super) fn takes_any_writer(&self) -> bool {
        self.any_writer
    }

    /// The name that a column has in what is read.
    pub(super) fn name_of<'name>(&'name self, column: &'name str) -> &'name str {
        let named = self.names.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(column));
        named.map_or(column, |(_, name)| name)
    }

    /// Refuses rows of another series; of those that do not say it nothing is known.
    pub(super) fn check(&self, found: Option<&str>, series: &SeriesKey) -> Result<(), ArrowError> {
        let expected = series.to_string();
        match found {
            Some(found) if found != expected && !self.any_series => {
                Err(ArrowError::Series { found: found.to_owned(), expected })
            }
            _ => Ok(()),
        }
    }
}

/// Brings the rows of Arrow's record batches into a series: they are stored as if the venue had
/// answered with them, and nobody is asked for them. Of slots between them nothing is said: gaps
/// stay gaps.
///
/// Columns are found by name: `ts`, timestamps of any unit in UTC that are whole milliseconds; those of
/// floats, as `Float64` or as decimals of 128 bits; those of integers, as `Int64`. Others are passed over.
/// No value in a column of floats is as NaN: not known, which a volume may be and a price may not. Rows
/// that a column `synthetic` says a fill has made are left out, and counted.
///
/// Batches come from anything that is a [`RecordBatchReader`], such as Arrow's own readers of IPC, or
/// [`RecordBatchIterator`](arrow_array::RecordBatchIterator) around some that are there. They are read in
/// a thread for blocking work, a few chunks ahead. Rows stand in the order of time or in the reverse.
///
/// Must be called within a Tokio runtime. A future that is dropped stops after the chunk at hand; the
/// same import again does no harm.
///
/// ```
/// # use std::sync::Arc;
/// # use cache_core::clock::SystemClock;
/// # use cache_core::testing::TestStorage;
/// # use cache_series::cache::SeriesCache;
/// # use cache_series::key::SeriesKey;
/// # use cache_series::request::Request;
/// # use cache_series::row::Candle;
/// # use cache_series::store::Store;
/// # use cache_series::time::{Alignment, Time, Timeframe};
/// use arrow_array::{
///     Float64Array, RecordBatch, RecordBatchIterator, TimestampMillisecondArray, ArrayRef,
/// };
/// use cache_series::transfer::{ArrowImport, import_arrow};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = Store::new(Arc::new(TestStorage::new()), Arc::new(SystemClock), "history")?;
/// # let cache: SeriesCache<Candle> = SeriesCache::builder(store).build();
/// # let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1)?;
/// # let minutes = cache.stored(&key, Alignment::UTC)?;
/// let price = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
/// let times = TimestampMillisecondArray::from(vec![60_000]).with_timezone("UTC");
/// let batch = RecordBatch::try_from_iter([
///     ("ts", Arc::new(times) as ArrayRef),
///     ("open", price(93.25)),
///     ("high", price(94.5)),
///     ("low", price(93.0)),
///     ("close", price(94.0)),
///     ("volume", price(1.5)),
/// ])?;
/// let schema = batch.schema();
/// let batches = RecordBatchIterator::new([Ok(batch)], schema);
/// let imported = import_arrow(&minutes, batches, ArrowImport::new()).await?;
/// assert_eq!((imported.added, imported.differing), (1, 0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ArrowError`] with row and column where the batches are not what they should be. Chunks of earlier
/// rows are stored by then; of the chunk with the bad row nothing is.
pub async fn import_arrow<R: Row>(
    series: &Series<R>,
    batches: impl RecordBatchReader + Send + 'static,
    how: ArrowImport,
) -> Result<Imported, ArrowError> {
    let (key, grid) = (series.key().clone(), series.grid());
    let on_difference = how.difference();
    let read = move |take: Take<'_, R>| read_batches(batches, &key, grid, &how, take);
    bring_in(series, on_difference, read, |_| ArrowError::Stopped).await
}

fn read_batches<R: Row>(
    batches: impl RecordBatchReader,
    key: &SeriesKey,
    grid: Grid,
    how: &ArrowImport,
    take: Take<'_, R>,
) -> Result<u64, ArrowError> {
    let schema = batches.schema();
    how.check(schema.metadata().get(SERIES).map(String::as_str), key)?;
    let mut reading = BatchReading::begin(&schema, grid, how, take)?;
    for batch in batches {
        if !reading.push(&batch.map_err(ArrowError::Read)?)? {
            return Ok(reading.synthetic);
        }
    }
    reading.end()
}

/// Record batches that are being read.
pub(super) struct BatchReading<'read, R> {
    chunks: Chunks<'read, R>,
    grid: Grid,
    how: &'read ArrowImport,
    rows: u64,
    /// How many rows a fill had made.
    pub(super) synthetic: u64,
}

impl<'read, R: Row> BatchReading<'read, R> {
    /// Looks whether the columns are what rows need, be there a batch or not.
    pub(super) fn begin(
        schema: &SchemaRef,
        grid: Grid,
        how: &'read ArrowImport,
        take: Take<'read, R>,
    ) -> Result<Self, ArrowError> {
        let none = RecordBatch::new_empty(Arc::clone(schema));
        BatchRows::<R>::new(&none, 0, grid, how)?;
        Ok(Self { chunks: Chunks::new(take), grid, how, rows: 0, synthetic: 0 })
    }

    /// The next batch; `false` if nobody waits for more.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<bool, ArrowError> {
        let mut of_batch = BatchRows::new(batch, self.rows, self.grid, self.how)?;
        self.rows += batch.num_rows() as u64;
        for row in 0..batch.num_rows() {
            let Some(row) = of_batch.read(row)? else {
                self.synthetic += 1;
                continue;
            };
            if !self.chunks.push(row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// There are no more; answers how many rows a fill had made.
    pub(super) fn end(self) -> Result<u64, ArrowError> {
        self.chunks.end()?;
        Ok(self.synthetic)
    }
}
