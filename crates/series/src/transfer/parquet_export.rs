use std::io::Write;

use arrow_array::RecordBatchReader;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError as FileError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::names::{SERIES, TIME};
use super::parquet_digest::{GROUP_ROWS_MAX, GroupDigest, Told, WRITER};
use super::{ArrowBatches, ParquetError};

/// Writes record batches as Parquet: the same columns, compressed by zstd, in row groups of
/// 131,072 rows. Answers how many rows there were.
///
/// The file's metadata name the series, and of each column in each row group what was written, so that
/// an import tells a damaged file from a whole one. Other programs pass both over.
///
/// Rows are written as they are read: a row group, compressed, is what is kept in memory. Writing may
/// block: within a runtime, do so in [`tokio::task::spawn_blocking`].
///
/// ```
/// # use std::sync::Arc;
/// # use cache_series::chunk::Chunk;
/// # use cache_series::coverage::{Coverage, State};
/// # use cache_series::key::SeriesKey;
/// # use cache_series::row::{Candle, Row};
/// # use cache_series::session::SessionCalendar;
/// # use cache_series::time::{Alignment, Grid, Slots, Timeframe};
/// # use cache_series::view::Directory;
/// use cache_series::transfer::{ArrowExport, arrow_batches, write_parquet};
///
/// # let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// # let fetched = Coverage::from_iter([(Slots::new(0, 10), State::Fetched)]);
/// # let chunk = Chunk::build(0, (0..10).map(|slot| (slot, Candle::flat(slot as f64, 1.0))), fetched)?;
/// # let directory = Directory::new(grid, Arc::new(SessionCalendar::ALWAYS));
/// # let view = Arc::new(directory.with_chunks([Arc::new(chunk)])).view(Slots::new(2, 8));
/// let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1)?;
/// let mut file = Vec::new();
/// let rows = write_parquet(arrow_batches(&view, &ArrowExport::new(&key)), &mut file)?;
/// assert_eq!(rows, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ParquetError::Write`] if the output fails; [`ParquetError::Columns`] if a number is not the decimal
/// that was asked for.
pub fn write_parquet(
    batches: ArrowBatches,
    output: impl Write + Send,
) -> Result<u64, ParquetError> {
    let schema = batches.schema();
    let series = schema.metadata().get(SERIES);
    let series = series.map(|series| KeyValue::new(SERIES.to_owned(), series.clone()));
    let is_sorted = schema.fields().first().is_some_and(|first| first.name() == TIME);
    let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let time = ColumnPath::from(TIME);
    let properties = WriterProperties::builder()
        // By it an import knows that nobody else has written it anew.
        .set_created_by(WRITER.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Row groups are ended below, where their digests are.
        .set_max_row_group_row_count(None)
        // Times that lie equally far apart take next to nothing.
        .set_column_dictionary_enabled(time.clone(), false)
        .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
        .set_sorting_columns(is_sorted.then(|| vec![sorted]))
        .set_key_value_metadata(Some(series.into_iter().collect()))
        .build();
    // Parquet's own types say all there is to say.
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let write = |error: FileError| ParquetError::Write(error);
    let mut writer =
        ArrowWriter::try_new_with_options(output, schema.clone(), options).map_err(write)?;
    let mut digest = GroupDigest::new(schema.fields().len());
    let mut digests: Vec<Vec<u64>> = vec![Vec::new(); schema.fields().len()];
    let mut end_group = |digest: &mut GroupDigest| {
        digests.iter_mut().zip(digest.finish()).for_each(|(digests, of_group)| {
            digests.push(of_group);
        });
    };
    let (mut rows, mut in_group) = (0, 0);
    for batch in batches {
        let batch = batch.map_err(ParquetError::batch)?;
        if in_group + batch.num_rows() > GROUP_ROWS_MAX {
            writer.flush().map_err(write)?;
            end_group(&mut digest);
            in_group = 0;
        }
        digest.add(&batch);
        writer.write(&batch).map_err(write)?;
        in_group += batch.num_rows();
        rows += batch.num_rows() as u64;
    }
    if in_group > 0 {
        end_group(&mut digest);
    }
    for (field, digests) in schema.fields().iter().zip(&digests) {
        writer.append_key_value_metadata(Told::write(field.name(), digests));
    }
    writer.close().map_err(write)?;
    Ok(rows)
}
