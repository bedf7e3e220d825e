//! Histories brought in from Parquet, and taken out again; files that are damaged.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use bytes::Bytes;
use cache_series::fill::Fill;
use cache_series::row::Candle;
use cache_series::time::Slots;
use cache_series::transfer::{
    ArrowError, ArrowExport, ArrowImport, Imported, OnDifference, ParquetError, arrow_batches,
    arrow_batches_filled, import_parquet, write_parquet,
};
use cache_series::view::View;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{ChunkReader, Length};
use proptest::prelude::*;

use crate::histories::{SPAN, any_history, assert_same, bits, block_on, holding, reading, stored};
use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, key, range};

fn written(view: &View<Candle>) -> Vec<u8> {
    let mut file = Vec::new();
    let batches = arrow_batches(view, &ArrowExport::new(&key()));
    assert_eq!(write_parquet(batches, &mut file).unwrap(), view.len());
    file
}

async fn import(world: &World, file: impl Into<Bytes>) -> Result<Imported, ParquetError> {
    import_parquet(&world.series(), file.into(), ArrowImport::new()).await
}

/// Candles of which no two are the same, and their file.
async fn history(slots: Slots) -> (BTreeMap<i64, Candle>, Vec<u8>) {
    let odd = |slot: i64| Candle::flat(93_250.25 + slot.rem_euclid(977) as f64 / 8.0, slot as f64);
    let candles: BTreeMap<i64, Candle> =
        slots.iter().filter(|slot| slot % 5 != 0).map(|slot| (slot, odd(slot))).collect();
    let world = holding(&candles).await;
    let file = written(reading(&world, slots).await.view());
    (candles, file)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Out of one cache and into another: the same slots, the same bits.
    #[test]
    fn a_history_comes_through_parquet_bit_by_bit(candles in any_history()) {
        block_on(async {
            let (one, other) = (holding(&candles).await, World::new(TestVenue::new([])));
            let file = written(reading(&one, SPAN).await.view());
            assert_eq!(import(&other, file).await.unwrap().added, candles.len() as u64);
            assert_eq!(bits(stored(&other, SPAN).await), bits(candles.clone()));
            assert_same(&one, &other).await;
        });
    }
}

/// More rows than a row group has, from and to a file on disk.
#[tokio::test]
async fn a_long_history_has_several_row_groups() {
    let slots = Slots::new(NOW - 150_000, NOW - 10);
    let world = World::new(TestVenue::new([]));
    let given = slots.iter().map(|slot| (at(slot), candle(slot)));
    world.series().import(given, OnDifference::Keep).await.unwrap();
    let view = reading(&world, slots).await.into_view();
    let mut file = tempfile::tempfile().unwrap();
    let batches = arrow_batches(&view, &ArrowExport::new(&key()));
    write_parquet(batches, &mut file).unwrap();
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap()).unwrap();
    let metadata = metadata.metadata().clone();
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert!(
        matches!(groups[..], [first, rest] if first <= 131_072 && first + rest == 149_990),
        "{groups:?}"
    );
    let bytes = file.metadata().unwrap().len();
    assert!(bytes < 149_990 * 8, "{bytes} bytes are not compressed");
    let other = World::new(TestVenue::new([]));
    let imported = import_parquet(&other.series(), file, ArrowImport::new()).await.unwrap();
    assert_eq!(imported.added, 149_990);
    let back = reading(&other, slots).await;
    assert!(back.view().iter().eq(view.iter()));
}

#[tokio::test]
async fn rows_of_another_series_are_refused_unless_they_are_wanted() {
    let (candles, file) = history(Slots::new(NOW - 150, NOW - 100)).await;
    let world = World::new(TestVenue::new([]));
    let daily = key().with_timeframe(cache_series::time::Timeframe::Minute5);
    let series = world.cache.series(&daily).unwrap();
    let import = |how| import_parquet(&series, Bytes::from(file.clone()), how);
    let error = import(ArrowImport::new()).await.unwrap_err();
    assert!(matches!(error, ParquetError::Columns(ArrowError::Series { .. })), "{error}");
    let error = import(ArrowImport::new().any_series()).await.unwrap_err();
    assert!(
        matches!(error, ParquetError::Columns(ArrowError::Row { .. })),
        "no slot is there: {error}"
    );
    let testnet = key().with_environment(cache_series::key::Environment::Testnet);
    let other = world.cache.stored(&testnet, cache_series::time::Alignment::UTC).unwrap();
    let how = ArrowImport::new().any_series();
    let imported = import_parquet(&other, Bytes::from(file), how).await.unwrap();
    assert_eq!(imported.added, candles.len() as u64);
}

#[tokio::test]
async fn rows_that_a_fill_has_made_are_left_out() {
    let slots = Slots::new(NOW - 400, NOW - 100);
    let world = World::new(TestVenue::new(slots.iter().filter(|slot| slot % 3 != 0)));
    let request = range(slots).with_fill(Fill::Null);
    let read = world.series().read(request).await.unwrap();
    let mut file = Vec::new();
    let rows = write_parquet(arrow_batches_filled(&read, &ArrowExport::new(&key())), &mut file);
    let other = World::new(TestVenue::new([]));
    let imported = import(&other, file).await.unwrap();
    assert_eq!(imported.added, read.len());
    assert_eq!(imported.synthetic, rows.unwrap() - read.len());
    assert!(imported.synthetic > 90);
}

/// As other programs write it: other units, other columns, no word of the series.
fn foreign(slots: impl IntoIterator<Item = i64>, properties: WriterProperties) -> Vec<u8> {
    let slots: Vec<i64> = slots.into_iter().collect();
    let micros = slots.iter().map(|slot| at(*slot).unix_ms() * 1_000);
    let floats = |of: fn(Candle) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(slots.iter().map(|slot| of(candle(*slot)))))
    };
    let columns: [(&str, ArrayRef); 7] = [
        ("note", Arc::new(StringArray::from_iter_values(slots.iter().map(i64::to_string)))),
        ("Open", floats(|candle| candle.open)),
        ("High", floats(|candle| candle.high)),
        ("Low", floats(|candle| candle.low)),
        ("Close", floats(|candle| candle.close)),
        ("Volume", floats(|candle| candle.volume)),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("+08:00")),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

/// Parquet's times are moments: in which zone a program shows them does not matter.
#[tokio::test]
async fn files_of_other_programs_are_read() {
    let slots = Slots::new(NOW - 3_000, NOW - 100);
    let world = World::new(TestVenue::new([]));
    let file = foreign(slots, WriterProperties::default());
    let error = import(&world, file.clone()).await.unwrap_err();
    let ParquetError::Columns(ArrowError::Column { column, count: 0 }) = &error else {
        panic!("{error}")
    };
    assert_eq!(column, "ts");
    let how = ArrowImport::new().column("ts", "time");
    let imported = import_parquet(&world.series(), Bytes::from(file), how.clone()).await.unwrap();
    assert_eq!(imported.added, 2_900);
    let codecs = [
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        let file = foreign(slots, WriterProperties::builder().set_compression(codec).build());
        let imported = import_parquet(&world.series(), Bytes::from(file), how.clone()).await;
        assert_eq!(imported.unwrap().same, 2_900, "{codec}");
    }
    let expected: Vec<_> = slots.iter().map(|slot| (slot, candle(slot))).collect();
    assert_eq!(stored(&world, slots).await, expected);
}

/// A file as another program writes it anew that keeps all metadata: so many of its rows, in smaller row
/// groups.
fn rewritten(file: &[u8], rows: usize, created_by: &str) -> Vec<u8> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file)).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().cloned();
    assert!(metadata.iter().flatten().any(|entry| entry.key.starts_with("tiers.digest.")));
    let properties = WriterProperties::builder()
        .set_created_by(created_by.to_owned())
        .set_key_value_metadata(metadata)
        .set_max_row_group_row_count(Some(100))
        .build();
    let (schema, mut file, mut left) = (reader.schema().clone(), Vec::new(), rows);
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).unwrap();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let taken = batch.slice(0, left.min(batch.num_rows()));
        left -= taken.num_rows();
        writer.write(&taken).unwrap();
    }
    writer.close().unwrap();
    file
}

#[tokio::test]
async fn what_another_program_has_written_anew_is_taken_from_that() {
    let (candles, file) = history(Slots::new(NOW - 600, NOW - 100)).await;
    let part: BTreeMap<i64, Candle> = candles.into_iter().take(250).collect();
    let other = rewritten(&file, 250, "parquet-cpp-arrow version 21.0.0");
    let world = World::new(TestVenue::new([]));
    assert_eq!(import(&world, other.clone()).await.unwrap().added, 250);
    assert_eq!(bits(stored(&world, SPAN).await), bits(part));
    let series = world.cache.series(&key().with_timeframe(cache_series::time::Timeframe::Minute5));
    let import_there =
        import_parquet(&series.unwrap(), Bytes::from(other), ArrowImport::new()).await;
    let error = import_there.unwrap_err();
    assert!(matches!(error, ParquetError::Columns(ArrowError::Series { .. })), "{error}");
    // That one may as well be damaged.
    let unclear = rewritten(&file, 250, "Polars");
    let error = import(&world, unclear.clone()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ParquetError::Damaged { .. }), "{text}");
    assert!(text.contains("`Polars`") && text.contains("any_writer"), "{text}");
    let how = ArrowImport::new().any_writer();
    let imported = import_parquet(&world.series(), Bytes::from(unclear), how).await.unwrap();
    assert_eq!(imported.same, 250);
}

#[tokio::test]
async fn what_is_no_parquet_is_an_error() {
    let world = World::new(TestVenue::new([]));
    let (_, file) = history(Slots::new(NOW - 150, NOW - 100)).await;
    let cut = file[..file.len() / 2].to_vec();
    for bytes in [Vec::new(), b"ts,open".to_vec(), b"PAR1".to_vec(), vec![0; 1_000], cut] {
        let error = import(&world, bytes).await.unwrap_err();
        assert!(matches!(error, ParquetError::Read(_)), "{error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no room"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    block_on(async {
        let world = holding(&BTreeMap::from([(NOW - 500, candle(NOW - 500))])).await;
        let read = reading(&world, SPAN).await;
        let batches = arrow_batches(read.view(), &ArrowExport::new(&key()));
        let error = write_parquet(batches, Full).unwrap_err();
        assert!(matches!(&error, ParquetError::Write(_)), "{error}");
        assert!(error.to_string().contains("no room"), "{error}");
    });
}

#[cfg(feature = "decimal")]
#[tokio::test]
async fn a_number_that_is_not_the_decimal_is_an_error() {
    let world = holding(&BTreeMap::from([(NOW - 500, Candle::flat(0.125, 1.0))])).await;
    let read = reading(&world, SPAN).await;
    let how = ArrowExport::new(&key());
    let batches = arrow_batches(read.view(), &how.clone().decimals(2));
    let error = write_parquet(batches, io::sink()).unwrap_err();
    assert!(
        matches!(error, ParquetError::Columns(ArrowError::Decimal { decimals: 2, .. })),
        "{error}"
    );
    let (mut file, other) = (Vec::new(), World::new(TestVenue::new([])));
    write_parquet(arrow_batches(read.view(), &how.decimals(3)), &mut file).unwrap();
    import(&other, file).await.unwrap();
    assert_same(&world, &other).await;
}

/// An input whose reading panics.
struct Broken(u64);

impl Length for Broken {
    fn len(&self) -> u64 {
        self.0
    }
}

impl ChunkReader for Broken {
    type T = io::Empty;

    fn get_read(&self, _: u64) -> parquet::errors::Result<io::Empty> {
        panic!("index out of bounds")
    }

    fn get_bytes(&self, _: u64, _: usize) -> parquet::errors::Result<Bytes> {
        panic!("index out of bounds")
    }
}

#[test]
fn a_reader_that_panics_is_an_error() {
    let error = block_on(async {
        let world = World::new(TestVenue::new([]));
        let input = Broken(1_000);
        import_parquet(&world.series(), input, ArrowImport::new()).await.unwrap_err()
    });
    let ParquetError::Panicked { problem } = &error else { panic!("{error}") };
    assert_eq!(problem, "index out of bounds");
    assert!(!error.is_transient());
}

/// What became of a file that is not what was written.
async fn of_damaged(
    file: Vec<u8>,
    candles: &BTreeMap<i64, Candle>,
) -> Result<Imported, ParquetError> {
    let world = World::new(TestVenue::new([]));
    let result = import(&world, file).await;
    let found = bits(stored(&world, SPAN).await);
    match &result {
        // Such as what programs say of themselves.
        Ok(_) => assert_eq!(found, bits(candles.clone()), "no error, and other rows"),
        Err(error) => {
            assert!(!error.is_transient(), "{error}");
            assert_eq!(found, [], "{error}");
        }
    }
    result
}

/// Each byte of a file in turn is another one: an error, or it did not matter. Never another row.
#[tokio::test]
async fn no_byte_that_is_damaged_becomes_a_row() {
    let (candles, file) = history(Slots::new(NOW - 60, NOW - 20)).await;
    let mut harmless = 0;
    for place in 0..file.len() {
        let mut file = file.clone();
        file[place] ^= if place % 2 == 0 { 0xff } else { 1 << (place % 8) };
        harmless += usize::from(of_damaged(file, &candles).await.is_ok());
    }
    // Statistics and page indexes, which nobody reads here.
    assert!(harmless < file.len() / 2, "{harmless} of {} changes were not seen", file.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes are overwritten, taken out and put in.
    #[test]
    fn a_damaged_file_is_an_error(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..3, 1usize..40), 1..5),
    ) {
        block_on(async {
            let (candles, mut file) = history(Slots::new(NOW - 2_100, NOW - 20)).await;
            let whole = file.clone();
            for (place, byte, how, length) in edits {
                let start = place.index(file.len());
                let end = (start + length).min(file.len());
                match how {
                    0 => file[start..end].fill(byte),
                    1 => drop(file.drain(start..end)),
                    _ => drop(file.splice(start..start, std::iter::repeat_n(byte, length))),
                }
            }
            prop_assume!(file != whole);
            let _ = of_damaged(file, &candles).await;
            Ok(())
        })?;
    }

    /// Files of others tell nothing of their rows. What is in them cannot be known, but nothing panics.
    #[test]
    fn a_damaged_file_of_another_program_never_panics(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        split in any::<bool>(),
    ) {
        block_on(async {
            let encoding = if split { Encoding::BYTE_STREAM_SPLIT } else { Encoding::PLAIN };
            let properties = WriterProperties::builder()
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_dictionary_enabled(false)
                .set_column_encoding("Close".into(), encoding)
                .set_key_value_metadata(Some(vec![KeyValue::new("a".to_owned(), "b".to_owned())]))
                .build();
            let mut file = foreign(NOW - 60..NOW - 20, properties);
            for (place, byte) in places {
                let place = place.index(file.len());
                file[place] = byte;
            }
            let world = World::new(TestVenue::new([]));
            let how = ArrowImport::new().column("ts", "time");
            let _ = import_parquet(&world.series(), Bytes::from(file), how).await;
            assert!(stored(&world, SPAN).await.len() <= 40);
        });
    }
}
