use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetStatisticsPolicy,
};
use parquet::file::reader::ChunkReader;

use super::arrow_import::BatchReading;
use super::arrow_rows::Places;
use super::chunks::{Take, bring_in};
use super::parquet_digest::{GROUP_ROWS_MAX, Told};
use super::parquet_input::Input;
use super::{ArrowImport, Imported, ParquetError};
use crate::cache::Series;
use crate::chunk::CHUNK_SLOTS;
use crate::key::SeriesKey;
use crate::row::Row;
use crate::time::Grid;

/// Brings the rows of a Parquet file into a series, as [`import_arrow`](super::import_arrow) does those
/// of record batches: an open [`File`](std::fs::File), or [`Bytes`](bytes::Bytes). Columns that rows do
/// not have are not read. Any program may have written the file, compressed by zstd, Snappy, gzip, LZ4
/// or not at all.
///
/// A file of [`write_parquet`](super::write_parquet) tells what was written to it: each row group is
/// compared with that before a row of it is stored. One that another program has written anew is a file
/// of that program, whatever metadata it has kept; where it does not tell its name,
/// [`ArrowImport::any_writer`] says so.
///
/// The input is read in a thread for blocking work, a few chunks ahead of the database. What a row group's
/// pages take up is what is in memory; a file that was made to do harm can make it 2 GiB a page.
///
/// Must be called within a Tokio runtime. A future that is dropped stops after the chunk at hand; the
/// same import again does no harm.
///
/// # Errors
/// [`ParquetError`] if the file is none or damaged, or its rows are not what they should be. The library
/// that reads Parquet is known to panic on some damaged files: that ends the task that reads, and is
/// [`ParquetError::Panicked`], as long as panics unwind. Chunks of earlier rows are stored by then; of the
/// chunk with the bad row nothing is.
pub async fn import_parquet<R: Row>(
    series: &Series<R>,
    input: impl ChunkReader + 'static,
    how: ArrowImport,
) -> Result<Imported, ParquetError> {
    let (key, grid) = (series.key().clone(), series.grid());
    let on_difference = how.difference();
    let read = move |take: Take<'_, R>| {
        let file = File::open::<R>(Input::new(input), &key, &how)?;
        read_rows(&file, grid, &how, take)
    };
    bring_in(series, on_difference, read, ParquetError::stopped).await
}

/// A file whose columns were found.
struct File<In> {
    input: Input<In>,
    metadata: ArrowReaderMetadata,
    columns: ProjectionMask,
    told: Told,
}

impl<In: ChunkReader + 'static> File<In> {
    fn open<R: Row>(
        input: Input<In>,
        key: &SeriesKey,
        how: &ArrowImport,
    ) -> Result<Self, ParquetError> {
        // What is not needed is not read either: less can be wrong with it.
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_page_index_policy(PageIndexPolicy::Skip)
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = ArrowReaderMetadata::load(&input, options).map_err(ParquetError::Read)?;
        plausible(metadata.metadata())?;
        let schema = metadata.parquet_schema();
        let names: Vec<&str> =
            schema.root_schema().get_fields().iter().map(|field| field.name()).collect();
        let of_file = metadata.metadata();
        let entries = of_file.file_metadata().key_value_metadata();
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        let created_by = of_file.file_metadata().created_by();
        let told = match how.takes_any_writer() {
            true => Told::series_of(entries),
            false => Told::read(entries, created_by, &names, of_file.num_row_groups())?,
        };
        how.check(told.series.as_deref(), key)?;
        let places = Places::find::<R>(&names, how)?;
        let columns = ProjectionMask::roots(schema, places.all());
        Ok(Self { input, metadata, columns, told })
    }

    /// The batches of one row group.
    fn group(&self, group: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
        let (input, metadata) = (self.input.clone(), self.metadata.clone());
        ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata)
            .with_row_groups(vec![group])
            .with_projection(self.columns.clone())
            .with_batch_size(CHUNK_SLOTS as usize)
            .build()
            .map_err(ParquetError::Read)
    }

    /// The batches of one row group, which are what was written.
    fn checked(&self, group: usize) -> Result<Vec<RecordBatch>, ParquetError> {
        let rows = self.metadata.metadata().row_group(group).num_rows();
        if usize::try_from(rows).is_ok_and(|rows| rows > GROUP_ROWS_MAX) {
            let problem = format!("row group {group} has {rows} rows, more than are written");
            return Err(ParquetError::damaged(problem));
        }
        let batches: Result<Vec<RecordBatch>, _> = self.group(group)?.collect();
        let batches = batches.map_err(ParquetError::read)?;
        self.told.check(group, &batches)?;
        Ok(batches)
    }
}

/// Where columns are said to lie before the file begins, its reader would panic.
fn plausible(metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    for (place, group) in metadata.row_groups().iter().enumerate() {
        let is_wrong = |column: &ColumnChunkMetaData| {
            let first = column.dictionary_page_offset().unwrap_or_default();
            first < 0 || column.data_page_offset() < 0 || column.compressed_size() < 0
        };
        if group.num_rows() < 0 || group.columns().iter().any(is_wrong) {
            let problem = format!("row group {place} is said to begin or end before the file does");
            return Err(ParquetError::damaged(problem));
        }
    }
    Ok(())
}

fn read_rows<R: Row, In: ChunkReader + 'static>(
    file: &File<In>,
    grid: Grid,
    how: &ArrowImport,
    take: Take<'_, R>,
) -> Result<u64, ParquetError> {
    let mut reading = BatchReading::begin(file.metadata.schema(), grid, how, take)?;
    for group in 0..file.metadata.metadata().num_row_groups() {
        if file.told.is_checked() {
            for batch in file.checked(group)? {
                if !reading.push(&batch)? {
                    return Ok(reading.synthetic);
                }
            }
            continue;
        }
        for batch in file.group(group)? {
            if !reading.push(&batch.map_err(ParquetError::read)?)? {
                return Ok(reading.synthetic);
            }
        }
    }
    Ok(reading.end()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ColumnChunkMetaDataBuilder;

    use super::*;

    fn metadata() -> ParquetMetaData {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("number", column)]).unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load(&Bytes::from(file), options).unwrap();
        metadata.metadata().as_ref().clone()
    }

    #[test]
    fn columns_before_the_begin_of_a_file_are_damage() {
        let metadata = metadata();
        assert!(plausible(&metadata).is_ok());
        let changes: [fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder; 3] = [
            |column| column.set_data_page_offset(-1),
            |column| column.set_dictionary_page_offset(Some(-1)),
            |column| column.set_total_compressed_size(-1),
        ];
        for change in changes {
            let group = metadata.row_group(0).clone();
            let column = change(group.column(0).clone().into_builder()).build().unwrap();
            let group = group.into_builder().set_column_metadata(vec![column]).build().unwrap();
            let metadata = ParquetMetaData::new(metadata.file_metadata().clone(), vec![group]);
            assert!(matches!(plausible(&metadata), Err(ParquetError::Damaged { .. })));
        }
    }
}
