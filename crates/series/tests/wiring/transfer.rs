//! Histories brought in from CSV, and taken out again.

use std::io::{self, Read};

use cache_series::admit::Reason;
use cache_series::coverage::Kind;
use cache_series::fill::{Fill, Volume};
use cache_series::row::Candle;
use cache_series::time::Slots;
use cache_series::transfer::{
    CsvError, CsvImport, ImportError, Imported, OnDifference, import_csv, write_csv,
    write_csv_filled, write_known_csv,
};
use cache_series::venue::Listing;
use proptest::prelude::*;

use crate::histories::{
    SPAN, any_history, assert_same, bits, block_on, holding, kinds, reading, stored,
};
use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, range, rows};

const HEADER: &str = "ts,open,high,low,close,volume";

fn line(slot: i64, candle: Candle) -> String {
    let Candle { open, high, low, close, volume } = candle;
    format!("{},{open},{high},{low},{close},{volume}\n", at(slot).unix_ms())
}

fn file(slots: impl IntoIterator<Item = i64>) -> String {
    let lines: String = slots.into_iter().map(|slot| line(slot, candle(slot))).collect();
    format!("{HEADER}\n{lines}")
}

async fn import(world: &World, file: impl Into<String>) -> Result<Imported, CsvError> {
    import_with(world, file, CsvImport::new()).await
}

async fn import_with(
    world: &World,
    file: impl Into<String>,
    how: CsvImport,
) -> Result<Imported, CsvError> {
    import_csv(&world.series(), io::Cursor::new(file.into()), how).await
}

#[tokio::test]
async fn what_was_imported_is_read_without_a_call() {
    let mut world = World::new(TestVenue::new([]));
    let slots = Slots::new(NOW - 5_000, NOW - 10);
    let imported = import(&world, file(slots)).await.unwrap();
    assert_eq!((imported.added, imported.same, imported.differing), (4_990, 0, 0));
    for _ in 0..2 {
        let reading = world.series().read(range(slots)).await.unwrap();
        let expected: Vec<_> = slots.iter().map(|slot| (slot, candle(slot))).collect();
        assert_eq!(rows(&reading), expected);
        assert!(world.venue.calls().is_empty());
        world.restart();
    }
    let again = import(&world, file(slots)).await.unwrap();
    assert_eq!((again.added, again.same, again.differing), (0, 4_990, 0));
}

#[tokio::test]
async fn gaps_of_a_file_stay_gaps_and_are_asked_for() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let (first, hole) = (NOW - 200, Slots::new(NOW - 150, NOW - 140));
    let slots = Slots::new(first, NOW - 100);
    import(&world, file(slots.iter().filter(|slot| !hole.contains(*slot)))).await.unwrap();
    let expected = [
        (Slots::new(first, hole.start), Kind::Present),
        (hole, Kind::Unknown),
        (Slots::new(hole.end, slots.end), Kind::Present),
    ];
    assert_eq!(kinds(&world, slots).await, expected);
    let reading = world.series().read(range(slots)).await.unwrap();
    assert_eq!(reading.len(), 100);
    assert_eq!(world.venue.calls().len(), 1);
}

#[tokio::test]
async fn a_settled_row_stays_unless_it_is_to_be_replaced() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let slots = Slots::new(NOW - 150, NOW - 100);
    world.series().read(range(slots)).await.unwrap();
    let (other, odd) = (Candle::flat(7.0, 1.0), NOW - 120);
    let file = format!("{HEADER}\n{}{}", line(odd, other), line(odd + 1, candle(odd + 1)));
    let kept = import(&world, file.clone()).await.unwrap();
    assert_eq!((kept.added, kept.same, kept.differing), (0, 1, 1));
    assert_eq!(kept.first_differing, Some(at(odd)));
    assert_eq!(stored(&world, Slots::one(odd)).await, [(odd, candle(odd))]);
    let how = CsvImport::new().on_difference(OnDifference::Replace);
    let replaced = import_with(&world, file, how).await.unwrap();
    assert_eq!((replaced.same, replaced.differing), (1, 1));
    assert_eq!(stored(&world, Slots::one(odd)).await, [(odd, other)]);
    assert_eq!(rows(&world.series().read(range(Slots::one(odd))).await.unwrap()), [(odd, other)]);
}

/// The growing slot is left out, and the last minute may still be revised: it is asked for again.
#[tokio::test]
async fn what_is_not_settled_is_not_taken_for_settled() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let imported = import(&world, file(NOW - 3..=NOW)).await.unwrap();
    assert_eq!((imported.added, imported.growing), (3, 1));
    world.advance(600);
    world.series().read(range(Slots::new(NOW - 3, NOW - 1))).await.unwrap();
    assert!(world.venue.calls().is_empty());
    world.series().read(range(Slots::new(NOW - 3, NOW))).await.unwrap();
    let calls = world.venue.calls();
    assert!(matches!(&calls[..], [slots] if slots.contains(NOW - 1)), "{calls:?}");
}

#[tokio::test]
async fn rows_before_the_listing_move_it() {
    let world = World::new(TestVenue::new(NOW - 100..NOW));
    world.venue.change(|said| said.listing = Listing { first: Some(at(NOW - 100)), last: None });
    world.series().read(range(Slots::new(NOW - 300, NOW - 50))).await.unwrap();
    let early = Slots::new(NOW - 4_000, NOW - 3_990);
    assert_eq!(kinds(&world, early).await, [(early, Kind::BeforeListing)]);
    import(&world, file(early)).await.unwrap();
    assert_eq!(world.series().listing().await.unwrap().first, Some(at(early.start)));
    assert_eq!(kinds(&world, early).await, [(early, Kind::Present)]);
    assert_eq!(stored(&world, early).await.len(), 10);
}

#[tokio::test]
async fn a_file_may_run_backwards_but_not_to_and_fro() {
    let slots = Slots::new(NOW - 4_000, NOW - 1_000);
    let world = World::new(TestVenue::new([]));
    let imported = import(&world, file(slots.iter().rev())).await.unwrap();
    assert_eq!(imported.added, 3_000);
    let world = World::new(TestVenue::new([]));
    let to_and_fro = [slots.start, slots.end - 1, slots.start + 1];
    let error = import(&world, file(to_and_fro)).await.unwrap_err();
    let time = at(slots.start + 1);
    assert!(matches!(error, CsvError::Order { line: 4, time: of } if of == time), "{error}");
}

#[tokio::test]
async fn columns_are_found_by_name_or_told() {
    let (slot, world) = (NOW - 500, World::new(TestVenue::new([])));
    let ms = at(slot).unix_ms();
    let named = format!("\u{feff}Close, trades ,TS,volume,low,high,open\n2.5,9,{ms},1,1,3,2\n");
    import(&world, named).await.unwrap();
    let expected = Candle { open: 2.0, high: 3.0, low: 1.0, close: 2.5, volume: 1.0 };
    assert_eq!(stored(&world, Slots::one(slot)).await, [(slot, expected)]);
    let how = CsvImport::new().columns(["close", "x", "ts", "volume", "low", "high", "open"]);
    let told = format!("2.5,9,{ms},1,1,3,2\n");
    assert_eq!(import_with(&world, told, how).await.unwrap().same, 1);
}

#[tokio::test]
async fn bad_input_names_line_and_column_and_leaves_nothing_of_its_chunk() {
    let first = (NOW - 5_000).div_euclid(1_024) * 1_024;
    let ms = at(first + 1).unix_ms();
    let bad = |text: &str| format!("{}{text}\n{}", file([first]), line(first + 2, candle(first)));
    let cases = [
        (bad(&format!("{ms},1,x,1,1,1")), "line 3, column `high`: \"x\" is not a number"),
        (bad(&format!("{ms},1,,1,1,1")), "line 3, column `high`: \"\" is not a number"),
        (bad("soon,1,1,1,1,1"), "line 3, column `ts`: \"soon\" is not a time in milliseconds"),
        (bad("9223372036854775807,1,1,1,1,1"), "line 3, column `ts`"),
        (bad(&format!("{ms},1,1,1,1")), "line 3: 5 fields, not 6"),
        (bad(&format!("{},1,1,1,1,1", ms + 1)), "no slot begins at its time"),
        (bad(&format!("{ms},1,0,1,1,1")), "high and low do not enclose open and close"),
        (bad(&line(first, Candle::flat(1.0, 1.0))), "line 3: the row of"),
        ("ts,open,high,low,close\n".to_owned(), "0 columns are named `volume`, not one"),
        (format!("{HEADER},Open\n"), "2 columns are named `open`, not one"),
    ];
    for (file, expected) in cases {
        let world = World::new(TestVenue::new([]));
        let error = import(&world, file).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error} is not {expected}");
        assert!(!error.is_transient());
        assert_eq!(stored(&world, Slots::new(first, first + 10)).await, []);
    }
    // The chunk before was whole, and is kept.
    let world = World::new(TestVenue::new([]));
    let two = format!("{}{ms},x,1,1,1,1\n", file(first - 3..=first));
    assert!(matches!(import(&world, two).await, Err(CsvError::Value { line: 6, .. })));
    assert_eq!(stored(&world, Slots::new(first - 10, first + 10)).await.len(), 3);
}

#[tokio::test]
async fn rows_from_elsewhere_are_all_looked_at_first() {
    let world = World::new(TestVenue::new([]));
    let slot = NOW - 500;
    let twice = [(at(slot), candle(slot)), (at(slot), candle(slot + 1))];
    let error = world.series().import(twice, OnDifference::Keep).await.unwrap_err();
    assert!(matches!(error, ImportError::Row { reason: Reason::Repeated, .. }), "{error}");
    let impossible = Candle { high: 0.0, ..candle(slot) };
    let bad = [(at(slot), candle(slot)), (at(slot + 1), impossible)];
    let error = world.series().import(bad, OnDifference::Keep).await.unwrap_err();
    assert!(matches!(error, ImportError::Row { reason: Reason::Impossible(_), .. }), "{error}");
    assert_eq!(stored(&world, Slots::new(slot, slot + 2)).await, []);
    let same = [(at(slot), candle(slot)), (at(slot), candle(slot))];
    assert_eq!(world.series().import(same, OnDifference::Keep).await.unwrap().added, 1);
}

/// What a fill has made is told apart, and is never brought in.
#[tokio::test]
async fn rows_that_a_fill_has_made_are_left_out() {
    let slots = Slots::new(NOW - 400, NOW - 100);
    let world = World::new(TestVenue::new(slots.iter().filter(|slot| slot % 3 != 0)));
    let request = range(slots).with_fill(Fill::PreviousClose(Volume::Zero));
    let read = world.series().read(request).await.unwrap();
    let (filled, mut text) = (read.filled(), Vec::new());
    assert_eq!(write_csv_filled(&read, &mut text).unwrap(), filled.len() as u64);
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("ts,open,close,high,low,volume,synthetic\n"), "{text}");
    assert!(
        text.lines()
            .skip(1)
            .zip(&filled.synthetic)
            .all(|(line, made)| { line.ends_with(if *made { ",0,true" } else { ",2,false" }) })
    );
    let other = World::new(TestVenue::new([]));
    let imported = import(&other, text.clone()).await.unwrap();
    assert_eq!(
        (imported.added, imported.added + imported.synthetic),
        (read.len(), filled.len() as u64)
    );
    assert_eq!(stored(&other, slots).await, rows(&read));
    let error = import(&other, text.replacen("false", "no", 1)).await.unwrap_err();
    assert!(error.to_string().contains("\"no\" is not true or false"), "{error}");
}

#[tokio::test]
async fn what_is_known_is_written_as_it_is_told() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let (from, to) = (NOW - 150, NOW - 100);
    import(&world, file((from..to).filter(|slot| *slot != from + 7))).await.unwrap();
    let known = world.series().known(at(from), at(to)).await.unwrap();
    let mut text = Vec::new();
    assert_eq!(write_known_csv(known, &mut text).unwrap(), 3);
    let ms = |slot: i64| at(slot).unix_ms();
    let expected = format!(
        "from,to,slots,kind\n{},{hole},7,present\n{hole},{after},1,unknown\n{after},{},42,present\n",
        ms(from),
        ms(to),
        hole = ms(from + 7),
        after = ms(from + 8),
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let gaps = world.series().gaps(at(from), at(to)).await.unwrap();
    let mut text = Vec::new();
    assert_eq!(write_known_csv(gaps, &mut text).unwrap(), 1);
    assert!(String::from_utf8(text).unwrap().ends_with(",1,unknown\n"));
}

/// Fails after so many bytes.
struct Torn(io::Cursor<String>);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

#[tokio::test]
async fn an_input_that_breaks_off_is_an_error() {
    let world = World::new(TestVenue::new([]));
    let torn = Torn(io::Cursor::new(file(NOW - 100..NOW - 50)));
    let error = import_csv(&world.series(), torn, CsvImport::new()).await.unwrap_err();
    assert!(matches!(&error, CsvError::Read(source) if source.to_string().contains("gone")));
    assert_eq!(stored(&world, Slots::new(NOW - 100, NOW)).await, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Out of one cache and into another: the same slots, the same bits.
    #[test]
    fn a_history_comes_through_csv_bit_by_bit(candles in any_history()) {
        block_on(async {
            let (one, other) = (holding(&candles).await, World::new(TestVenue::new([])));
            let mut text = Vec::new();
            let reading = reading(&one, SPAN).await;
            assert_eq!(write_csv(reading.view(), &mut text).unwrap(), candles.len() as u64);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(import(&other, text).await.unwrap().added, candles.len() as u64);
            assert_eq!(bits(stored(&other, SPAN).await), bits(candles.clone()));
            assert_same(&one, &other).await;
        });
    }
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no room"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let world = World::new(TestVenue::new([]));
    let reading = block_on(async {
        import(&world, file(NOW - 100..NOW - 50)).await.unwrap();
        world.series().read(range(Slots::new(NOW - 100, NOW - 50))).await.unwrap()
    });
    assert!(matches!(write_csv(reading.view(), Full), Err(CsvError::Write(_))));
}
