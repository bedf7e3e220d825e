use std::time::Duration;

use futures_util::stream::StreamExt;

use super::*;
use crate::clock::ManualClock;
use crate::storage::{InvalidationMode, Outcome, Selector, Storage, Write, WriteAction};
use crate::testing::suite::value;

fn key(name: &str) -> Key {
    Key::parse(&format!("p:{name}:v1")).expect("a valid key")
}

fn set(storage: &TestStorage, key: &Key) -> Write {
    let entry = value(key, b"payload", &[], storage.client.clock.wall());
    Write { key: key.clone(), action: WriteAction::Set { entry } }
}

async fn write(storage: &TestStorage, key: &Key) {
    let outcomes = storage.write(vec![set(storage, key)]).await.expect("written");
    assert!(matches!(outcomes[..], [Ok(Outcome::Stored)]));
}

#[tokio::test]
async fn a_planned_failure_changes_nothing_and_a_lost_answer_does() {
    let (storage, key) = (TestStorage::new(), key("a"));
    storage.fail_next(Operation::Write, 1, StorageErrorKind::Full);
    let error = storage.write(vec![set(&storage, &key)]).await.expect_err("planned");
    assert_eq!((error.kind(), error.operation()), (StorageErrorKind::Full, "write"));
    assert_eq!(storage.stored(&key), None);
    storage.lose_next_answers(Operation::Write, 1, StorageErrorKind::Unavailable);
    let error = storage.write(vec![set(&storage, &key)]).await.expect_err("planned");
    assert!(error.is_transient());
    assert!(storage.stored(&key).is_some());
    assert_eq!((storage.calls().write, storage.calls().writes), (2, 2));
    write(&storage, &key).await;
}

#[tokio::test]
async fn one_key_of_a_batch_fails_alone() {
    let (storage, a, b) = (TestStorage::new(), key("a"), key("b"));
    storage.fail_next_of_key(&b, 2, StorageErrorKind::Failed);
    let writes = vec![set(&storage, &a), set(&storage, &b)];
    let outcomes = storage.write(writes).await.expect("the batch itself");
    assert!(matches!(&outcomes[..], [Ok(Outcome::Stored), Err(error)] if error.key() == Some(&b)));
    let lookups = storage.get_many(&[b.clone(), a]).await.expect("the batch itself");
    assert!(lookups[0].is_err() && lookups[1].as_ref().is_ok_and(|found| found.entry.is_some()));
    assert!(storage.get(&b).await.is_ok());
}

#[tokio::test]
async fn damage_is_read_and_not_stored() {
    let (storage, key) = (TestStorage::new(), key("a"));
    write(&storage, &key).await;
    for damage in [ReadDamage::FlippedBit, ReadDamage::Torn, ReadDamage::WrongChecksum] {
        storage.damage_next(damage, 1);
        let damaged = storage.get(&key).await.expect("read").entry.expect("there");
        assert!(damaged.verify(&key).is_err(), "{damage:?}");
        let whole = storage.get(&key).await.expect("read").entry.expect("there");
        assert_eq!(whole.verify(&key), Ok(()));
    }
    storage.damage_next(ReadDamage::Detected, 1);
    let error = storage.get(&key).await.expect_err("planned");
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
}

#[tokio::test]
async fn a_call_that_is_to_panic_changes_nothing() {
    let (storage, a) = (TestStorage::new(), key("a"));
    storage.panic_next(Operation::Write, 1);
    let call = tokio::spawn({
        let (storage, a) = (storage.clone(), a.clone());
        async move { write(&storage, &a).await }
    });
    assert!(call.await.expect_err("it panics").is_panic());
    assert!(storage.stored(&a).is_none());
    write(&storage, &a).await;
}

/// Writes a key in a task, and tells whether it had landed when the call came to the gate.
async fn landed_at(gate: Gate, storage: &TestStorage, key: &Key) -> bool {
    let call = tokio::spawn({
        let (storage, key) = (storage.clone(), key.clone());
        async move { write(&storage, &key).await }
    });
    gate.arrived(1).await;
    let landed = storage.stored(key).is_some();
    assert!(!call.is_finished());
    storage.heal();
    call.await.expect("written");
    landed
}

#[tokio::test]
async fn a_held_call_waits_before_and_a_held_answer_after() {
    let (storage, a, b) = (TestStorage::new(), key("a"), key("b"));
    assert!(!landed_at(storage.hold(Operation::Write), &storage, &a).await);
    assert!(landed_at(storage.hold_answers(Operation::Write), &storage, &b).await);
    // Healed, it holds nothing any more.
    write(&storage, &a).await;
}

#[tokio::test]
async fn a_delayed_call_waits_for_the_clock() {
    let clock = ManualClock::new();
    let storage = TestStorage::builder().clock(clock.clone()).build();
    storage.delay_next(Operation::Stats, 1, Duration::from_secs(3));
    let call = tokio::spawn({
        let storage = storage.clone();
        async move { storage.stats().await }
    });
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    clock.advance(Duration::from_secs(3));
    assert!(call.await.expect("no panic").is_ok());
    assert!(storage.stats().await.is_ok());
}

#[tokio::test]
async fn another_client_shares_entries_and_nothing_else() {
    let (one, key) = (TestStorage::new(), key("a"));
    let other = one.second_client();
    one.fail_next(Operation::Get, 1, StorageErrorKind::Failed);
    write(&one, &key).await;
    assert!(other.get(&key).await.expect("read").entry.is_some());
    assert_eq!((one.calls().get, other.calls().get, other.calls().round_trips()), (0, 1, 1));
    one.close().await.expect("closed");
    assert!(one.stats().await.is_err() && other.stats().await.is_ok());
    assert_eq!(other.keys(), [key]);
}

#[tokio::test]
async fn what_is_lost_takes_its_stamps_along() {
    let (storage, key) = (TestStorage::new(), key("a"));
    write(&storage, &key).await;
    let stamp = storage.get(&key).await.expect("read").stamp;
    storage.lose_everything();
    let WriteAction::Set { entry } = set(&storage, &key).action else { return };
    let fill = |stamp| Write {
        key: key.clone(),
        action: WriteAction::Fill { entry: entry.clone(), stamp },
    };
    let outcomes = storage.write(vec![fill(stamp)]).await.expect("answered");
    assert!(matches!(outcomes[..], [Ok(Outcome::Fenced)]));
    let stamp = storage.get(&key).await.expect("read").stamp;
    let outcomes = storage.write(vec![fill(stamp)]).await.expect("answered");
    assert!(matches!(outcomes[..], [Ok(Outcome::Stored)]));
}

#[tokio::test]
async fn a_storage_that_does_not_list_says_so() {
    let storage = TestStorage::builder().scan(false).build();
    let everything = Selector::Namespace("p".to_owned());
    let first = storage.scan(&everything).next().await.expect("an answer");
    assert_eq!(first.expect_err("refused").kind(), StorageErrorKind::Invalid);
    storage.fail_next(Operation::Invalidate, 1, StorageErrorKind::Unavailable);
    let failed = storage.invalidate(&everything, InvalidationMode::Remove).await;
    assert!(failed.is_err());
}
