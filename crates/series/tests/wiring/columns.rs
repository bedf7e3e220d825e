//! Histories brought in from Arrow's record batches, and taken out again.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, RecordBatchIterator,
    RecordBatchReader, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, cast::AsArray,
};
use arrow_schema::Schema;
use cache_series::admit::Reason;
use cache_series::fill::{Fill, Volume};
use cache_series::row::Candle;
use cache_series::time::Slots;
use cache_series::transfer::{
    ArrowError, ArrowExport, ArrowImport, Imported, OnDifference, arrow_batches,
    arrow_batches_filled, arrow_batches_known, import_arrow,
};
use proptest::prelude::*;

use crate::histories::{
    SPAN, any_history, assert_same, bits, block_on, holding, kinds, reading, stored,
};
use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, key, range, rows};

type Columns = Vec<(&'static str, ArrayRef)>;

fn times(slots: impl IntoIterator<Item = i64>) -> Vec<i64> {
    slots.into_iter().map(|slot| at(slot).unix_ms()).collect()
}

fn utc(times: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(times).with_timezone("UTC"))
}

/// The venue's candles of some slots.
fn columns(slots: impl IntoIterator<Item = i64>) -> Columns {
    let slots: Vec<i64> = slots.into_iter().collect();
    let floats = |of: fn(Candle) -> f64| -> ArrayRef {
        let values = slots.iter().map(|slot| of(candle(*slot)));
        Arc::new(Float64Array::from_iter_values(values))
    };
    vec![
        ("ts", utc(times(slots.iter().copied()))),
        ("open", floats(|candle| candle.open)),
        ("high", floats(|candle| candle.high)),
        ("low", floats(|candle| candle.low)),
        ("close", floats(|candle| candle.close)),
        ("volume", floats(|candle| candle.volume)),
    ]
}

fn with(mut columns: Columns, name: &str, array: impl Array + 'static) -> Columns {
    let place = columns.iter().position(|(own, _)| *own == name).unwrap();
    columns[place].1 = Arc::new(array);
    columns
}

async fn import(world: &World, batches: Vec<Columns>) -> Result<Imported, ArrowError> {
    import_with(world, batches, ArrowImport::new()).await
}

async fn import_with(
    world: &World,
    batches: Vec<Columns>,
    how: ArrowImport,
) -> Result<Imported, ArrowError> {
    let batches: Vec<RecordBatch> =
        batches.into_iter().map(|columns| RecordBatch::try_from_iter(columns).unwrap()).collect();
    let schema = batches[0].schema();
    let batches = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    import_arrow(&world.series(), batches, how).await
}

#[tokio::test]
async fn what_was_imported_is_read_without_a_call() {
    let world = World::new(TestVenue::new([]));
    let slots = Slots::new(NOW - 5_000, NOW - 10);
    // Batches need not be cut where chunks are.
    let slots_of: Vec<i64> = slots.iter().collect();
    let batches: Vec<Columns> =
        slots_of.chunks(700).map(|slots| columns(slots.iter().copied())).collect();
    let imported = import(&world, batches.clone()).await.unwrap();
    assert_eq!((imported.added, imported.same, imported.differing), (4_990, 0, 0));
    let read = world.series().read(range(slots)).await.unwrap();
    let expected: Vec<_> = slots.iter().map(|slot| (slot, candle(slot))).collect();
    assert_eq!(rows(&read), expected);
    assert!(world.venue.calls().is_empty());
    assert_eq!(import(&world, batches).await.unwrap().same, 4_990);
}

#[tokio::test]
async fn columns_are_found_by_name_in_any_order_and_unit() {
    let (slot, world) = (NOW - 500, World::new(TestVenue::new([])));
    let ms = at(slot).unix_ms();
    let price = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let others = || -> Columns {
        vec![
            ("Close", price(2.5)),
            ("trades", Arc::new(StringArray::from(vec!["nine"]))),
            ("VOLUME", price(1.0)),
            ("low", price(1.0)),
            ("high", price(3.0)),
            ("open", price(2.0)),
        ]
    };
    let units: [ArrayRef; 4] = [
        Arc::new(TimestampSecondArray::from(vec![ms / 1_000]).with_timezone("Etc/UTC")),
        Arc::new(TimestampMillisecondArray::from(vec![ms]).with_timezone("+00:00")),
        Arc::new(TimestampMicrosecondArray::from(vec![ms * 1_000]).with_timezone("Z")),
        Arc::new(TimestampNanosecondArray::from(vec![ms * 1_000_000]).with_timezone("UTC")),
    ];
    for (index, unit) in units.into_iter().enumerate() {
        let mut columns = others();
        columns.insert(3, ("TS", unit));
        let imported = import(&world, vec![columns]).await.unwrap();
        assert_eq!((imported.added, imported.same), if index == 0 { (1, 0) } else { (0, 1) });
    }
    let expected = Candle { open: 2.0, high: 3.0, low: 1.0, close: 2.5, volume: 1.0 };
    assert_eq!(stored(&world, Slots::one(slot)).await, [(slot, expected)]);
    let mut columns = others();
    columns.push(("open_time", utc(vec![ms])));
    let how = ArrowImport::new().column("ts", "Open_Time").column("volume", "close");
    let imported = import_with(&world, vec![columns], how).await.unwrap();
    assert_eq!((imported.differing, imported.first_differing), (1, Some(at(slot))));
}

/// Rows are counted over all batches, and of the chunk with the bad one nothing is stored.
#[tokio::test]
async fn bad_input_names_row_and_column_and_leaves_nothing_of_its_chunk() {
    let first = (NOW - 5_000).div_euclid(1_024) * 1_024;
    let (time, base) = (at(first + 1).unix_ms(), || columns(first..first + 3));
    let ms = times(first..first + 3);
    let of = |slot: i64| Some(candle(slot).open);
    let prices = |middle: Option<f64>| Float64Array::from(vec![of(first), middle, of(first + 2)]);
    let zone = |zone: Option<&str>| {
        TimestampMillisecondArray::from(ms.clone()).with_timezone_opt(zone.map(str::to_owned))
    };
    let ts = |values: [Option<i64>; 3]| {
        TimestampMillisecondArray::from(values.to_vec()).with_timezone("UTC")
    };
    let nanoseconds = times(first..first + 3).into_iter().map(|ms| ms * 1_000_000 + 1);
    let without =
        |name: &str| -> Columns { base().into_iter().filter(|(own, _)| *own != name).collect() };
    let twice = |name: &'static str| -> Columns {
        base().into_iter().chain([(name, Arc::new(prices(None)) as ArrayRef)]).collect()
    };
    let cases: [(Columns, &str); 17] = [
        (without("volume"), "0 columns are named `volume`, not one"),
        (without("ts"), "0 columns are named `ts`, not one"),
        (twice("Open"), "2 columns are named `open`, not one"),
        (
            with(base(), "close", Float32Array::from(vec![1.0; 3])),
            "`close` is of type Float32, not floats",
        ),
        (
            with(base(), "ts", Int64Array::from(ms.clone())),
            "`ts` is of type Int64, not timestamps in UTC",
        ),
        (
            with(base(), "ts", zone(None)),
            "the times of the column `ts` are in no time zone, not in UTC",
        ),
        (with(base(), "ts", zone(Some("Asia/Taipei"))), "are in Asia/Taipei, not in UTC"),
        (
            with(base(), "ts", ts([Some(ms[0]), None, Some(ms[2])])),
            "row 1, column `ts`: there is no value",
        ),
        (with(base(), "close", prices(None)), "row 1, column `close`: there is no value"),
        (
            with(base(), "ts", ts([Some(ms[0]), Some(i64::MAX), None])),
            "row 1, column `ts`: 9223372036854775807",
        ),
        (
            with(
                base(),
                "ts",
                TimestampNanosecondArray::from_iter_values(nanoseconds).with_timezone("UTC"),
            ),
            "is no time in whole milliseconds",
        ),
        (
            with(base(), "ts", TimestampSecondArray::from(vec![i64::MAX; 3]).with_timezone("UTC")),
            "row 0, column `ts`: 9223372036854775807",
        ),
        (with(base(), "ts", ts([Some(ms[0]), Some(time + 1), None])), "row 1: the row of"),
        (with(base(), "high", prices(Some(0.0))), "high and low do not enclose open and close"),
        (with(base(), "volume", prices(Some(-1.0))), "the volume is not an amount"),
        (with(base(), "close", prices(Some(f64::NAN))), "row 1: the row of"),
        (
            with(base(), "ts", ts([Some(ms[0]), Some(ms[0]), Some(ms[2])])),
            "a later row of the same slot",
        ),
    ];
    for (columns, expected) in cases {
        let world = World::new(TestVenue::new([]));
        let error = import(&world, vec![columns]).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error} is not {expected}");
        assert!(!error.is_transient());
        assert_eq!(stored(&world, Slots::new(first, first + 10)).await, []);
    }
    // The chunk before was whole, and is kept.
    let world = World::new(TestVenue::new([]));
    let bad = with(base(), "close", prices(None));
    let error = import(&world, vec![columns(first - 3..first), bad]).await.unwrap_err();
    assert!(matches!(error, ArrowError::Null { row: 4, .. }), "{error}");
    assert_eq!(stored(&world, Slots::new(first - 10, first + 10)).await.len(), 3);
}

/// A batch may be other than the reader's schema says; that is no reason to panic.
#[tokio::test]
async fn each_batch_is_looked_at() {
    let (world, first) = (World::new(TestVenue::new([])), NOW - 500);
    let other: Columns = columns([first + 1]).into_iter().skip(1).collect();
    let error = import(&world, vec![columns([first]), other]).await.unwrap_err();
    assert!(matches!(&error, ArrowError::Column { column, count: 0 } if column == "ts"), "{error}");
    let schema = RecordBatch::try_from_iter(columns([first])).unwrap().schema();
    let broken = arrow_schema::ArrowError::IpcError("the end is missing".to_owned());
    let batches = RecordBatchIterator::new([Err(broken)], schema);
    let error = import_arrow(&world.series(), batches, ArrowImport::new()).await.unwrap_err();
    assert!(matches!(error, ArrowError::Read(_)), "{error}");
    let none = RecordBatchIterator::new([], Arc::new(Schema::empty()));
    let error = import_arrow(&world.series(), none, ArrowImport::new()).await.unwrap_err();
    assert!(matches!(error, ArrowError::Column { .. }), "{error}");
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_not_known() {
    let (world, slot) = (World::new(TestVenue::new([])), NOW - 500);
    let nothing = with(columns([slot]), "volume", Float64Array::from(vec![None]));
    import(&world, vec![nothing]).await.unwrap();
    let expected = Candle { volume: f64::NAN, ..candle(slot) };
    assert_eq!(bits(stored(&world, Slots::one(slot)).await), bits([(slot, expected)]));
}

#[tokio::test]
async fn rows_may_run_backwards_but_not_to_and_fro() {
    let slots = Slots::new(NOW - 4_000, NOW - 1_000);
    let world = World::new(TestVenue::new([]));
    let imported = import(&world, vec![columns(slots.iter().rev())]).await.unwrap();
    assert_eq!(imported.added, 3_000);
    let world = World::new(TestVenue::new([]));
    let to_and_fro = [slots.start, slots.end - 1, slots.start + 1];
    let error = import(&world, vec![columns(to_and_fro)]).await.unwrap_err();
    let time = at(slots.start + 1);
    assert!(matches!(error, ArrowError::Order { row: 2, time: of } if of == time), "{error}");
}

#[tokio::test]
async fn settled_rows_stay_unless_they_are_to_be_replaced() {
    let (world, slot) = (World::new(TestVenue::new([])), NOW - 500);
    import(&world, vec![columns([slot])]).await.unwrap();
    let other = || with(columns([slot]), "volume", Float64Array::from(vec![7.0]));
    assert_eq!(import(&world, vec![other()]).await.unwrap().differing, 1);
    assert_eq!(stored(&world, Slots::one(slot)).await, [(slot, candle(slot))]);
    let how = ArrowImport::new().on_difference(OnDifference::Replace);
    assert_eq!(import_with(&world, vec![other()], how).await.unwrap().differing, 1);
    let expected = Candle { volume: 7.0, ..candle(slot) };
    assert_eq!(stored(&world, Slots::one(slot)).await, [(slot, expected)]);
}

#[tokio::test]
async fn rows_of_another_series_are_refused_unless_they_are_wanted() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let read = world.series().read(range(Slots::new(NOW - 150, NOW - 100))).await.unwrap();
    let live = key().with_environment(cache_series::key::Environment::Testnet);
    let batches = || arrow_batches(read.view(), &ArrowExport::new(&live));
    let error = import_arrow(&world.series(), batches(), ArrowImport::new()).await.unwrap_err();
    let ArrowError::Series { found, expected } = &error else { panic!("{error}") };
    assert_eq!((found, expected), (&live.to_string(), &key().to_string()));
    let how = ArrowImport::new().any_series();
    assert_eq!(import_arrow(&world.series(), batches(), how).await.unwrap().same, 50);
}

/// What a fill has made is told apart, and is never brought in.
#[tokio::test]
async fn rows_that_a_fill_has_made_are_left_out() {
    let slots = Slots::new(NOW - 3_000, NOW - 100);
    let traded = slots.iter().filter(|slot| slot % 3 != 0);
    let world = World::new(TestVenue::new(traded.clone()));
    let request = range(slots).with_fill(Fill::PreviousClose(Volume::Zero));
    let read = world.series().read(request).await.unwrap();
    let (filled, export) = (read.filled(), ArrowExport::new(&key()));
    let made = filled.synthetic.iter().filter(|made| **made).count() as u64;
    assert!(made > 900 && read.len() + made == filled.len() as u64);
    let mut slot = 0;
    for batch in arrow_batches_filled(&read, &export) {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= 1_024);
        let (ts, close) = (
            batch["ts"].as_primitive::<TimestampMillisecondType>(),
            batch["close"].as_primitive::<Float64Type>(),
        );
        for row in 0..batch.num_rows() {
            assert_eq!(ts.value(row), at(filled.slots[slot]).unix_ms());
            assert_eq!(close.value(row), filled.columns.float(Candle::CLOSE)[slot]);
            assert_eq!(batch["synthetic"].as_boolean().value(row), filled.synthetic[slot]);
            slot += 1;
        }
    }
    assert_eq!(slot, filled.len());
    let other = World::new(TestVenue::new([]));
    let batches = arrow_batches_filled(&read, &export);
    let imported = import_arrow(&other.series(), batches, ArrowImport::new()).await.unwrap();
    assert_eq!((imported.added, imported.synthetic), (read.len(), made));
    let expected: Vec<_> = traded.map(|slot| (slot, candle(slot))).collect();
    assert_eq!(stored(&other, slots).await, expected);
    let wrong = Int64Array::from(vec![1]);
    let mut columns = columns([NOW - 500]);
    columns.push(("synthetic", Arc::new(wrong)));
    let error = import(&other, vec![columns]).await.unwrap_err();
    assert!(matches!(&error, ArrowError::Type { column, .. } if column == "synthetic"), "{error}");
}

#[tokio::test]
async fn what_is_known_becomes_columns() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    // More spans than a batch has rows.
    let (from, to) = (NOW - 3_000, NOW - 100);
    let every_other = columns((from..to).filter(|slot| slot % 2 == 0));
    import(&world, vec![every_other]).await.unwrap();
    let known = world.series().known(at(from), at(to)).await.unwrap();
    let batches = arrow_batches_known(known.iter().copied(), &ArrowExport::new(&key()));
    assert_eq!(batches.schema().metadata()["tiers.series"], key().to_string());
    let batches: Vec<RecordBatch> = batches.collect::<Result<_, _>>().unwrap();
    assert!(batches.len() == 3 && batches.iter().all(|batch| batch.num_rows() <= 1_024));
    let mut spans = known.iter();
    for batch in &batches {
        let times = |name: &str| batch[name].as_primitive::<TimestampMillisecondType>().values();
        for row in 0..batch.num_rows() {
            let span = spans.next().unwrap();
            assert_eq!(times("from")[row], span.from.unix_ms());
            assert_eq!(times("to")[row], span.to.unix_ms());
            assert_eq!(batch["slots"].as_primitive::<Int64Type>().value(row), 1);
            let kind = if span.slots.start % 2 == 0 { "present" } else { "unknown" };
            assert_eq!(batch["kind"].as_string::<i32>().value(row), kind);
        }
    }
    assert!(spans.next().is_none());
    let gaps = world.series().gaps(at(from), at(to)).await.unwrap();
    let rows: usize = arrow_batches_known(gaps, &ArrowExport::new(&key()))
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(rows, known.len() / 2);
}

#[tokio::test]
async fn what_is_not_settled_is_not_taken_for_settled() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let imported = import(&world, vec![columns(NOW - 3..=NOW)]).await.unwrap();
    assert_eq!((imported.added, imported.growing), (3, 1));
    assert_eq!(kinds(&world, Slots::new(NOW - 3, NOW)).await.len(), 1);
}

#[test]
fn a_reader_that_panics_is_an_error() {
    let error = block_on(async {
        let world = World::new(TestVenue::new([]));
        let schema = RecordBatch::try_from_iter(columns([NOW - 500])).unwrap().schema();
        let broken = std::iter::from_fn(|| panic!("no more"));
        let batches = RecordBatchIterator::new(broken, schema);
        import_arrow(&world.series(), batches, ArrowImport::new()).await.unwrap_err()
    });
    assert!(matches!(error, ArrowError::Stopped), "{error}");
}

#[test]
fn a_row_is_refused_for_what_is_wrong_with_it() {
    let error = block_on(async {
        let world = World::new(TestVenue::new([]));
        let odd = with(
            columns([NOW - 500]),
            "ts",
            match utc(vec![1]).as_any().downcast_ref() {
                Some(times) => TimestampMillisecondArray::clone(times),
                None => unreachable!("it was made as such"),
            },
        );
        import(&world, vec![odd]).await.unwrap_err()
    });
    assert!(matches!(error, ArrowError::Row { row: 0, reason: Reason::Unaligned, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Out of one cache and into another: the same slots, the same bits.
    #[test]
    fn a_history_comes_through_arrow_bit_by_bit(candles in any_history()) {
        block_on(async {
            let (one, other) = (holding(&candles).await, World::new(TestVenue::new([])));
            let batches =
                arrow_batches(reading(&one, SPAN).await.view(), &ArrowExport::new(&key()));
            let imported = import_arrow(&other.series(), batches, ArrowImport::new()).await;
            assert_eq!(imported.unwrap().added, candles.len() as u64);
            assert_eq!(bits(stored(&other, SPAN).await), bits(candles.clone()));
            assert_same(&one, &other).await;
        });
    }
}

#[cfg(feature = "decimal")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Decimals are the same prices, bit by bit.
    #[test]
    fn a_history_comes_through_decimals(
        cents in proptest::collection::btree_map(SPAN.start..SPAN.end, (1i64..1 << 50, 0u32..9), 0..40),
    ) {
        block_on(async {
            let candles = cents.iter().map(|(slot, (whole, places))| {
                let price: f64 = format!("{whole}e-{places}").parse().unwrap();
                (*slot, Candle::flat(price, if slot % 3 == 0 { f64::NAN } else { price }))
            });
            let (one, other) = (holding(&candles.collect()).await, World::new(TestVenue::new([])));
            let how = ArrowExport::new(&key()).decimals(8);
            let batches = arrow_batches(reading(&one, SPAN).await.view(), &how);
            import_arrow(&other.series(), batches, ArrowImport::new()).await.unwrap();
            assert_same(&one, &other).await;
        });
    }
}
