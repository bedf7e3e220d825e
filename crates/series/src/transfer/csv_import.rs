use std::io::Read;

use super::chunks::{Chunks, Take, bring_in};
use super::csv_lines::Lines;
use super::{CsvError, Imported, OnDifference};
use crate::cache::Series;
use crate::row::Row;
use crate::time::Grid;

/// How CSV is brought in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvImport {
    columns: Option<Vec<String>>,
    on_difference: OnDifference,
}

impl CsvImport {
    /// The first line names the columns, in any order and without regard to case; settled rows stay.
    pub fn new() -> Self {
        Self::default()
    }

    /// No line names the columns, which are these; others than `ts` and those of the rows are passed
    /// over.
    pub fn columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// What becomes of settled rows that differ.
    pub fn on_difference(mut self, on_difference: OnDifference) -> Self {
        self.on_difference = on_difference;
        self
    }
}

/// Brings the rows of a CSV into a series: they are stored as if the venue had answered with them,
/// and nobody is asked for them. Of slots between them nothing is said: gaps stay gaps.
///
/// The input is read in a thread for blocking work, a chunk of rows at a time, so that its length
/// does not matter. Lines stand in the order of time or in the reverse. Those of which a column `synthetic`
/// says `true` were made by a fill, and are left out.
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
/// use cache_series::transfer::{CsvImport, import_csv, write_csv};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = Store::new(Arc::new(TestStorage::new()), Arc::new(SystemClock), "history")?;
/// # let cache: SeriesCache<Candle> = SeriesCache::builder(store).build();
/// # let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1)?;
/// # let minutes = cache.stored(&key, Alignment::UTC)?;
/// let file = "ts,open,close,high,low,volume\n60000,93.25,94,94.5,93,1.5\n";
/// let imported = import_csv(&minutes, file.as_bytes(), CsvImport::new()).await?;
/// assert_eq!((imported.added, imported.differing), (1, 0));
///
/// let until = Time::from_unix_ms(120_000);
/// let reading = minutes.read(Request::range(Time::from_unix_ms(60_000), until)).await?;
/// let mut copy = Vec::new();
/// write_csv(reading.view(), &mut copy)?;
/// assert_eq!(copy, file.as_bytes());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CsvError`] with line and column where the input is not what it should be. Chunks of earlier lines
/// are stored by then; of the chunk with the bad line nothing is.
pub async fn import_csv<R: Row>(
    series: &Series<R>,
    input: impl Read + Send + 'static,
    how: CsvImport,
) -> Result<Imported, CsvError> {
    let CsvImport { columns, on_difference } = how;
    let grid = series.grid();
    let read = move |take: Take<'_, R>| read_lines(input, grid, columns.as_deref(), take);
    bring_in(series, on_difference, read, |_| CsvError::Stopped).await
}

fn read_lines<R: Row>(
    input: impl Read,
    grid: Grid,
    columns: Option<&[String]>,
    take: Take<'_, R>,
) -> Result<u64, CsvError> {
    let (mut chunks, mut synthetic) = (Chunks::new(take), 0);
    for row in Lines::new(input, grid, columns)? {
        let Some(row) = row? else {
            synthetic += 1;
            continue;
        };
        if !chunks.push(row)? {
            return Ok(synthetic);
        }
    }
    chunks.end()?;
    Ok(synthetic)
}
