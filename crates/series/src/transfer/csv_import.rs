use std::collections::BTreeSet;
use std::io::Read;

use tokio::sync::mpsc;

use super::csv_lines::{Line, Lines};
use super::{CsvError, Imported, OnDifference};
use crate::admit::Reason;
use crate::cache::Series;
use crate::chunk::Chunk;
use crate::row::{Row, same_bits};
use crate::time::{Grid, Time};

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

/// So many chunks may be read ahead of the database.
const READ_AHEAD: usize = 4;

/// Brings the rows of a CSV into a series: they are stored as if the venue had answered with them,
/// and nobody is asked for them. Of slots between them nothing is said: gaps stay gaps.
///
/// The input is read in a thread for blocking work, a chunk of rows at a time, so that its length
/// does not matter. Lines stand in the order of time or in the reverse.
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
    let (to, mut batches) = mpsc::channel(READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let send = |rows| to.blocking_send(rows).is_ok();
        read_batches(input, grid, columns.as_deref(), send)
    });
    let mut imported = Imported::default();
    while let Some(rows) = batches.recv().await {
        imported += series.import(rows, on_difference).await?;
    }
    match reading.await {
        Ok(read) => read.map(|()| imported),
        Err(_) => Err(CsvError::Stopped),
    }
}

/// Reads rows and sends those of a chunk together, until all are read or nobody takes them.
fn read_batches<R: Row>(
    input: impl Read,
    grid: Grid,
    columns: Option<&[String]>,
    send: impl Fn(Vec<(Time, R)>) -> bool,
) -> Result<(), CsvError> {
    let mut batch: Vec<Line<R>> = Vec::new();
    let mut sent = BTreeSet::new();
    for line in Lines::new(input, grid, columns)? {
        let line = line?;
        let index = Chunk::<R>::index_of(line.slot);
        let last = batch.last().map(|last| Chunk::<R>::index_of(last.slot));
        if let Some(last) = last.filter(|last| *last != index) {
            sent.insert(last);
            if !send(rows(std::mem::take(&mut batch))?) {
                return Ok(());
            }
        }
        if sent.contains(&index) {
            return Err(CsvError::Order { line: line.line, time: line.time });
        }
        batch.push(line);
    }
    if !batch.is_empty() {
        send(rows(batch)?);
    }
    Ok(())
}

/// The rows of lines of one chunk; two of one slot must be the same.
fn rows<R: Row>(mut lines: Vec<Line<R>>) -> Result<Vec<(Time, R)>, CsvError> {
    // Stable: of one slot the later line comes later.
    lines.sort_by_key(|line| line.slot);
    let differ = |pair: &[Line<R>]| {
        let [one, other] = pair else { return false };
        one.slot == other.slot && !same_bits(&one.row, &other.row)
    };
    if let Some([_, Line { line, time, .. }]) = lines.windows(2).find(|pair| differ(pair)) {
        return Err(CsvError::Row { line: *line, time: *time, reason: Reason::Repeated });
    }
    Ok(lines.into_iter().map(|line| (line.time, line.row)).collect())
}
