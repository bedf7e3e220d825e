//! Chunks beside a plain map of slots: what is built, merged, stored and read again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::coverage::any_state;
use crate::record::{RecordError, Writer};
use crate::row::{Candle, ColumnKind, ColumnSchema, Prediction, Schema};

/// Rows that are not candles: floats of any bits, and whole numbers.
#[derive(Clone, Debug, PartialEq)]
struct Odd {
    float: f64,
    near: f64,
    count: i64,
}

impl Row for Odd {
    const SCHEMA: &'static Schema = &Schema {
        name: "odd",
        columns: &[
            ColumnSchema::new("float", ColumnKind::Float),
            ColumnSchema::new("near", ColumnKind::Float).near(Prediction::Same(0)),
            ColumnSchema::new("count", ColumnKind::Integer),
        ],
    };

    fn write(&self, columns: &mut Columns) {
        columns.push_float(0, self.float);
        columns.push_float(1, self.near);
        columns.push_integer(2, self.count);
    }

    fn read(columns: &Columns, row: usize) -> Self {
        Self {
            float: columns.float(0)[row],
            near: columns.float(1)[row],
            count: columns.integer(2)[row],
        }
    }
}

fn price() -> impl Strategy<Value = f64> {
    prop_oneof![
        12 => (1i64..1_000_000_000).prop_map(|cents| cents as f64 / 100.0),
        4 => (1i64..1_000_000_000_000).prop_map(|mantissa| mantissa as f64 / 1e8),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(-0.0),
        1 => Just(f64::from_bits(0x7ff8_0000_dead_beef)),
        1 => Just(0.1 + 0.2),
    ]
}

fn candle() -> impl Strategy<Value = Candle> {
    proptest::array::uniform5(price()).prop_map(|[open, high, low, close, volume]| Candle {
        open,
        high,
        low,
        close,
        volume,
    })
}

fn odd() -> impl Strategy<Value = Odd> {
    (any::<u64>(), price(), any::<i64>(), 0u32..64).prop_map(|(bits, near, count, shift)| Odd {
        float: f64::from_bits(bits),
        near,
        count: count >> shift,
    })
}

/// Each slot's state and row.
type Plain<R> = BTreeMap<i64, (State, Option<R>)>;

fn plain<R: Row>(index: i64, row: impl Strategy<Value = R>) -> impl Strategy<Value = Plain<R>> {
    let span = (0i64..CHUNK_SLOTS, 1i64..300, any_state());
    let spans = proptest::collection::vec(span, 0..6);
    let rows = proptest::collection::btree_map(0i64..CHUNK_SLOTS, row, 0..120);
    (spans, rows).prop_map(move |(spans, rows)| {
        let slots = Chunk::<R>::slots_of(index);
        let mut plain = Plain::new();
        for (start, length, state) in spans {
            for slot in start..(start + length).min(CHUNK_SLOTS) {
                plain.insert(slots.start + slot, (state, None));
            }
        }
        for (slot, row) in rows {
            if let Some((state, has)) = plain.get_mut(&(slots.start + slot))
                && state.has_rows()
            {
                *has = Some(row);
            }
        }
        plain
    })
}

fn chunk_of<R: Row>(index: i64, plain: &Plain<R>) -> Chunk<R> {
    let coverage = plain.iter().map(|(slot, (state, _))| (Slots::one(*slot), *state)).collect();
    let rows = plain.iter().filter_map(|(slot, (_, row))| Some((*slot, row.clone()?)));
    Chunk::build(index, rows, coverage).unwrap()
}

fn assert_same<R: Row>(chunk: &Chunk<R>, plain: &Plain<R>) -> Result<(), TestCaseError> {
    let expected = chunk_of(chunk.index(), plain);
    prop_assert_eq!(chunk.coverage(), expected.coverage());
    prop_assert!(*chunk == expected);
    let slots: Vec<i64> =
        plain.iter().filter(|(_, (_, row))| row.is_some()).map(|(slot, _)| *slot).collect();
    prop_assert_eq!(chunk.slots_with_rows().collect::<Vec<_>>(), slots.clone());
    for (row, slot) in slots.iter().enumerate() {
        prop_assert_eq!(chunk.rows_before(*slot), row);
        prop_assert_eq!(chunk.slot_of(row), Some(*slot));
        prop_assert!(chunk.has(*slot));
    }
    Ok(())
}

/// What a merge must say of one slot, in words of its own.
fn merged<R: Row>(
    known: Option<&(State, Option<R>)>,
    new: Option<&(State, Option<R>)>,
) -> Option<(State, Option<R>)> {
    let (Some(known), Some(new)) = (known, new) else { return known.or(new).cloned() };
    let settling = |state: State| matches!(state, State::Settling { .. });
    if known.0.has_rows() && known.1.is_none() && new.1.is_some() {
        return Some(new.clone());
    }
    let state = known.0.merge(new.0);
    let as_much = known.0 == new.0 || (settling(known.0) && settling(new.0));
    if as_much {
        return Some((state, new.1.clone().or(known.1.clone())));
    }
    Some(if state == new.0 { new.clone() } else { known.clone() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_chunk_of_candles_comes_back_bit_by_bit(index in -3i64..3, plain in plain(0, candle())) {
        let start = index * CHUNK_SLOTS;
        let plain: Plain<Candle> =
            plain.into_iter().map(|(slot, value)| (start + slot, value)).collect();
        let chunk = chunk_of(index, &plain);
        assert_same(&chunk, &plain)?;
        let back = Chunk::<Candle>::decode(index, &chunk.encode()).unwrap();
        prop_assert!(back == chunk);
        assert_same(&back, &plain)?;
    }

    #[test]
    fn so_does_one_of_any_floats_and_whole_numbers(plain in plain(7, odd())) {
        let chunk = chunk_of(7, &plain);
        let back = Chunk::<Odd>::decode(7, &chunk.encode()).unwrap();
        prop_assert!(back == chunk);
    }

    #[test]
    fn a_merge_is_that_of_its_slots(known in plain(2, candle()), new in plain(2, candle())) {
        let chunk = chunk_of(2, &known).merge(&chunk_of(2, &new));
        let slots: std::collections::BTreeSet<i64> = known.keys().chain(new.keys()).copied().collect();
        let expected: Plain<Candle> = slots
            .into_iter()
            .filter_map(|slot| Some((slot, merged(known.get(&slot), new.get(&slot))?)))
            .collect();
        assert_same(&chunk, &expected)?;
    }

    #[test]
    fn a_merge_with_itself_or_nothing_changes_nothing(known in plain(2, candle())) {
        let chunk = chunk_of(2, &known);
        prop_assert!(chunk.merge(&chunk) == chunk);
        prop_assert!(chunk.merge(&Chunk::empty(2)) == chunk);
        prop_assert!(Chunk::empty(2).merge(&chunk) == chunk);
        prop_assert!(chunk.merge(&Chunk::empty(3)) == chunk, "of another place");
    }

    /// Bytes that were altered and given a new checksum: nothing panics, and what is read is whole.
    #[test]
    fn altered_bytes_are_a_whole_chunk_or_a_typed_error(
        plain in plain(0, odd()),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let bytes = chunk_of(0, &plain).encode();
        let mut body = bytes[4..bytes.len() - 8].to_vec();
        for (at, byte) in changes {
            // Beyond the schema's digest, which is compared first.
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        prop_assert_eq!(
            Chunk::<Odd>::decode(0, &[&bytes[..4], &body[..], b"checksum"].concat()).err(),
            Some(RecordError::Checksum)
        );
        if let Ok(chunk) = Chunk::<Odd>::decode(0, &sealed(&body)) {
            let again = Chunk::<Odd>::decode(0, &chunk.encode()).unwrap();
            prop_assert!(again == chunk);
            let outside = chunk.slots_with_rows().find(|slot| !chunk.state(*slot).is_some_and(State::has_rows));
            prop_assert_eq!(outside, None);
        }
    }

    #[test]
    fn any_bytes_are_a_typed_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Chunk::<Candle>::decode(0, &bytes).is_err());
        let mut body = Candle::SCHEMA.digest().to_le_bytes().to_vec();
        body.extend(&bytes);
        let _ = Chunk::<Candle>::decode(0, &sealed(&body));
    }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(*b"TSC", 1);
    writer.raw(body);
    writer.seal()
}

fn golden_chunk() -> Chunk<Candle> {
    let start = Chunk::<Candle>::slots_of(-2).start;
    let coverage = [
        (Slots::new(start, start + 100), State::BeforeListing),
        (Slots::new(start + 100, start + 104), State::Fetched),
        (
            Slots::new(start + 104, start + 110),
            State::Empty { checks: 1, check_at: Some(crate::time::Time::from_unix_ms(1_000)) },
        ),
    ];
    let first = Candle { open: 93.25, high: 93.3, low: 93.25, close: 93.3, volume: 33.67686227 };
    let odd = Candle { open: 93.3, high: 100.0, low: 93.3, close: 0.1 + 0.2, volume: f64::NAN };
    let rows = [(start + 100, first), (start + 101, first), (start + 103, odd)];
    Chunk::build(-2, rows, coverage.into_iter().collect()).unwrap()
}

#[test]
fn the_first_version_is_read_for_ever() {
    let golden = include_str!("golden_v1.hex").trim();
    let bytes: Vec<u8> = (0..golden.len() / 2)
        .map(|at| u8::from_str_radix(&golden[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    // NaN is not equal to itself but bit by bit, which is how chunks are compared.
    assert_eq!(Chunk::<Candle>::decode(-2, &bytes), Ok(golden_chunk()));
}

#[test]
fn a_chunk_of_another_kind_or_place_is_refused() {
    let bytes = golden_chunk().encode();
    assert_eq!(
        Chunk::<Candle>::decode(-1, &bytes),
        Err(RecordError::Place { expected: -1, found: -2 })
    );
    assert!(matches!(Chunk::<Odd>::decode(-2, &bytes), Err(RecordError::Schema { .. })));
    let newer = [b"TSC\x02".as_slice(), &bytes[4..]].concat();
    assert_eq!(
        Chunk::<Candle>::decode(-2, &newer),
        Err(RecordError::Version { found: 2, known: 1 })
    );
}

#[test]
fn rows_and_coverage_must_not_contradict_each_other() {
    let candle = Candle::flat(1.0, 1.0);
    let fetched = |slots| Coverage::from_iter([(slots, State::Fetched)]);
    let build = |rows: &[i64], coverage| {
        Chunk::build(0, rows.iter().map(|slot| (*slot, candle)), coverage).err()
    };
    let ten = fetched(Slots::new(0, 10));
    assert_eq!(build(&[1, 2], ten.clone()), None);
    assert_eq!(build(&[2, 2], ten.clone()), Some(ChunkError::Order { slot: 2 }));
    assert_eq!(build(&[2, 1], ten.clone()), Some(ChunkError::Order { slot: 1 }));
    assert_eq!(build(&[9, 10], ten.clone()), Some(ChunkError::NotCovered { slot: 10 }));
    assert_eq!(build(&[-1], ten), Some(ChunkError::Outside { slot: -1, index: 0 }));
    let over = fetched(Slots::new(0, CHUNK_SLOTS + 1));
    assert_eq!(build(&[], over), Some(ChunkError::Outside { slot: CHUNK_SLOTS, index: 0 }));
    let closed = Coverage::from_iter([(Slots::new(0, 10), State::Closed)]);
    assert_eq!(build(&[3], closed.clone()), Some(ChunkError::NotCovered { slot: 3 }));
    let chunk = Chunk::build(0, [(3, candle)], fetched(Slots::new(0, 10))).unwrap();
    assert_eq!(chunk.with_coverage(closed).err(), Some(ChunkError::NotCovered { slot: 3 }));
    assert!(chunk.with_coverage(fetched(Slots::one(3))).is_ok());
}

/// Decimals of one scale take few bytes, and one float that is none does not make the others longer.
#[test]
fn decimals_are_short() {
    let all = Slots::new(0, CHUNK_SLOTS);
    let row = |slot: i64| {
        let cents = 4_000_000 + slot * 37 % 101;
        Candle::flat(cents as f64 / 100.0, (slot * 7_919 % 1_000) as f64 / 1e4)
    };
    let build = |odd: Option<i64>| {
        let rows = all.iter().map(|slot| match odd {
            Some(odd) if odd == slot => (slot, Candle::flat(f64::NAN, 1.0 / 3.0)),
            _ => (slot, row(slot)),
        });
        let coverage = Coverage::from_iter([(all, State::Fetched)]);
        Chunk::build(0, rows, coverage).unwrap().encode().len()
    };
    let (plain, odd) = (build(None), build(Some(500)));
    assert!(plain < CHUNK_SLOTS as usize * 5, "{plain}");
    assert!(odd < plain + 150, "{odd} instead of {plain}");
}
