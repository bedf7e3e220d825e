//! Records in a storage that fails, damages, holds back and is shared by two processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::clock::ManualClock;
use cache_core::storage::StorageErrorKind;
use cache_core::testing::{Operation, ReadDamage, TestStorage};

use super::*;
use crate::admit::{Admitted, Answer, Reach, Rules, admit};
use crate::chunk::Chunk;
use crate::head::Head;
use crate::key::{Environment, SeriesKey};
use crate::record::RecordError;
use crate::row::{Candle, ColumnKind, ColumnSchema, Columns, Row, Schema};
use crate::time::{Alignment, Grid, Slots, Time, Timeframe};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
const LATER: Time = Time::from_unix_ms(1_000_000_000);

fn series() -> SeriesKey {
    SeriesKey::new("binance", "BTC/USDT", Timeframe::Minute1).unwrap()
}

fn store(storage: &TestStorage) -> Store {
    Store::new(Arc::new(storage.clone()), Arc::new(ManualClock::new()), "candles").unwrap()
}

fn answer(slots: Slots) -> Admitted<Candle> {
    let row = |slot: i64| (MINUTES.start_of(slot), Candle::flat(slot as f64, 1.0));
    let answer = Answer { rows: slots.iter().map(row).collect(), reach: Reach::Whole };
    admit(MINUTES, slots, answer, Rules::DEFAULT, LATER)
}

async fn stored(store: &Store, index: i64) -> StoredChunk<Candle> {
    store.chunks(&series(), &[index]).await.unwrap().remove(0)
}

#[tokio::test]
async fn chunks_and_head_come_back() {
    let storage = TestStorage::new();
    let store = store(&storage);
    let answer = answer(Slots::new(-10, 10));
    for index in answer.chunks() {
        store.change_chunk(&series(), index, |known| answer.apply(known)).await.unwrap();
    }
    let chunks: Vec<StoredChunk<Candle>> = store.chunks(&series(), &[-1, 5, 0]).await.unwrap();
    assert_eq!(chunks.iter().map(|stored| stored.chunk.len()).collect::<Vec<_>>(), [10, 0, 10]);
    assert!(chunks.iter().all(|stored| !stored.damaged));
    let listed = |head: &Head| {
        let mut head = head.clone();
        head.listed(Time::EPOCH);
        head
    };
    store.change_head(&series(), listed).await.unwrap();
    assert_eq!(store.head(&series()).await.unwrap().listing(), Some(Time::EPOCH));
    // What changes nothing is not written.
    let writes = storage.calls().write;
    store.change_head(&series(), listed).await.unwrap();
    store.change_chunk(&series(), 0, |known| answer.apply(known)).await.unwrap();
    assert_eq!(storage.calls().write, writes);
    assert_eq!(storage.keys().len(), 3);
}

/// Two processes read the same chunk, and the one that is slower finds it changed.
#[tokio::test]
async fn who_was_slower_merges_with_what_is_there() {
    let storage = TestStorage::new();
    let (near, far) = (store(&storage), store(&storage.second_client()));
    let (one, other) = (answer(Slots::new(0, 10)), answer(Slots::new(10, 20)));
    let attempts = AtomicUsize::new(0);
    let gate = storage.hold(Operation::Write);
    let series = series();
    let slower = near.change_chunk(&series, 0, |known: &Chunk<Candle>| {
        attempts.fetch_add(1, Ordering::Relaxed);
        one.apply(known)
    });
    let faster = async {
        gate.arrived(1).await;
        far.change_chunk(&series, 0, |known| other.apply(known)).await.unwrap();
        gate.open();
    };
    let (changed, ()) = tokio::join!(slower, faster);
    assert_eq!(changed.unwrap().len(), 20);
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    let both = stored(&far, 0).await.chunk;
    assert_eq!(both.slots_with_rows().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

/// Bug 8 of the model: a storage that failed was an empty history.
#[tokio::test]
async fn bug_8_a_failing_storage_is_an_error() {
    let storage = TestStorage::new();
    let store = store(&storage);
    let answer = answer(Slots::new(0, 10));
    store.change_chunk(&series(), 0, |known| answer.apply(known)).await.unwrap();
    storage.fail_next(Operation::GetMany, 1, StorageErrorKind::Unavailable);
    let error = store.chunks::<Candle>(&series(), &[0]).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("BTC~2FUSDT"), "{error}");
    storage.fail_next(Operation::Write, 1, StorageErrorKind::Full);
    let more = self::answer(Slots::new(10, 20));
    let failed = store.change_chunk(&series(), 0, |known| more.apply(known)).await;
    assert!(matches!(failed, Err(StoreError::Storage { .. })));
    // An answer that was lost may have come in; the same once more is right either way.
    storage.lose_next_answers(Operation::Write, 1, StorageErrorKind::Unavailable);
    assert!(store.change_chunk(&series(), 0, |known| more.apply(known)).await.is_err());
    let chunk = store.change_chunk(&series(), 0, |known| more.apply(known)).await.unwrap();
    assert_eq!(chunk.len(), 20);
}

#[tokio::test]
async fn a_damaged_record_is_unknown_and_replaced() {
    let storage = TestStorage::new();
    let store = store(&storage);
    let answer = answer(Slots::new(0, 10));
    let change = |known: &Chunk<Candle>| answer.apply(known);
    store.change_chunk(&series(), 0, change).await.unwrap();
    for damage in [ReadDamage::FlippedBit, ReadDamage::Torn, ReadDamage::Detected] {
        storage.damage_next(damage, 1);
        let found = stored(&store, 0).await;
        assert!(found.damaged && found.chunk.coverage().is_empty(), "{damage:?}");
        assert!(!stored(&store, 0).await.damaged, "it was in reading");
        storage.damage_next(damage, 1);
        let before = storage.stored(&storage.keys()[0]).unwrap().token;
        store.change_chunk(&series(), 0, change).await.unwrap();
        assert_ne!(storage.stored(&storage.keys()[0]).unwrap().token, before, "{damage:?}");
        assert_eq!(stored(&store, 0).await.chunk.len(), 10);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Other;

impl Row for Other {
    const SCHEMA: &'static Schema =
        &Schema { name: "other", columns: &[ColumnSchema::new("one", ColumnKind::Integer)] };

    fn write(&self, columns: &mut Columns) {
        columns.push_integer(0, 1);
    }

    fn read(_: &Columns, _: usize) -> Self {
        Self
    }
}

#[tokio::test]
async fn a_record_of_other_rows_is_left_as_it_is() {
    let storage = TestStorage::new();
    let store = store(&storage);
    let answer = answer(Slots::new(0, 10));
    store.change_chunk(&series(), 0, |known| answer.apply(known)).await.unwrap();
    let error = store.chunks::<Other>(&series(), &[0]).await.unwrap_err();
    assert!(matches!(error, StoreError::Record { source: RecordError::Schema { .. }, .. }));
    let changed = store.change_chunk(&series(), 0, |_: &Chunk<Other>| Chunk::empty(0)).await;
    assert!(matches!(changed, Err(StoreError::Record { .. })));
    assert_eq!(stored(&store, 0).await.chunk.len(), 10);
}

#[tokio::test]
async fn a_record_too_large_for_the_storage_is_told() {
    let storage = TestStorage::builder().value_bytes_max(50).build();
    let answer = answer(Slots::new(0, 10));
    let store = store(&storage);
    let changed = store.change_chunk(&series(), 0, |known| answer.apply(known)).await;
    assert!(matches!(changed, Err(StoreError::TooLarge { bytes: 51.., .. })), "{changed:?}");
}

#[tokio::test]
async fn clearing_takes_what_is_meant_and_nothing_else() {
    let minutes = series();
    let all = [
        minutes.clone(),
        minutes.clone().with_timeframe(Timeframe::Month1),
        minutes.clone().with_environment(Environment::Testnet),
        SeriesKey::new("binance", "BTC*USDT", Timeframe::Minute1).unwrap(),
        SeriesKey::new("binance", "BTC", Timeframe::Minute1).unwrap(),
        SeriesKey::new("kraken", "BTC/USDT", Timeframe::Minute1).unwrap(),
    ];
    let scopes = [
        Scope::all(),
        Scope::all().of_venue("Binance"),
        Scope::all().of_symbol("BTC/USDT"),
        Scope::all().of_symbol("BTC"),
        Scope::all().of_symbol("BTC*USDT"),
        Scope::all().of_symbol("btc/usdt"),
        Scope::all().of_timeframe(Timeframe::Minute1),
        Scope::all().of_timeframe(Timeframe::Month1).of_venue("kraken"),
        Scope::all().of_venue("*"),
        Scope::all().of_symbol(""),
        Scope::series(&minutes),
        Scope::series(&minutes).of_venue("kraken"),
    ];
    for scope in scopes {
        let storage = TestStorage::new();
        let store = store(&storage);
        let answer = answer(Slots::new(0, 10));
        for series in &all {
            store.change_chunk(series, 0, |known| answer.apply(known)).await.unwrap();
        }
        let cleared = store.clear(&scope).await.unwrap();
        let mut expected = 0;
        for series in &all {
            let gone = store.chunks::<Candle>(series, &[0]).await.unwrap()[0].chunk.is_empty();
            assert_eq!(gone, scope.selects(series), "{scope:?} {series}");
            expected += u64::from(gone);
        }
        assert_eq!(cleared.records, expected, "{scope:?}");
    }
}

/// A fill that began before its history was cleared does not bring back what it had read.
#[tokio::test]
async fn what_was_cleared_in_between_does_not_come_back() {
    let storage = TestStorage::new();
    let store = store(&storage);
    let (old, new) = (answer(Slots::new(0, 10)), answer(Slots::new(10, 20)));
    store.change_chunk(&series(), 0, |known| old.apply(known)).await.unwrap();
    let gate = storage.hold(Operation::Write);
    let filling = {
        let store = store.clone();
        async move { store.change_chunk(&series(), 0, |known| new.apply(known)).await }
    };
    let clearing = async {
        gate.arrived(1).await;
        store.clear(&Scope::all()).await.unwrap();
        gate.open();
    };
    let (filled, ()) = tokio::join!(filling, clearing);
    assert_eq!(filled.unwrap().slots_with_rows().collect::<Vec<_>>(), (10..20).collect::<Vec<_>>());
    assert_eq!(stored(&store, 0).await.chunk.len(), 10);
}
