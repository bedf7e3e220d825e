//! Closing drains and refuses; a panic of the writer answers everybody.

use cache_core::storage::{StorageError, StorageErrorKind};

use super::world::{Mark, Store, all, check, task};

fn is_closed<T>(answer: &Result<T, StorageError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == StorageErrorKind::Closed)
}

#[test]
fn closing_drains_what_it_took_and_refuses_the_rest() {
    check(|| async {
        // Room for one: callers also wait in front of the queue when it closes.
        let store = Store::open(1);
        let write = |mark| {
            task(&store, move |store| async move {
                let answer = store.write(vec![Mark::Set(mark)]).await;
                assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
                let stored = store.has(mark);
                assert_eq!(stored, usize::from(answer.is_ok()), "answered {answer:?}");
            })
        };
        let read = task(&store, |store| async move {
            let answer = store.read().await;
            assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
        });
        let close = || {
            task(&store, |store| async move {
                store.close().await.expect("closed");
                assert!(is_closed(&store.write(vec![Mark::Set(9)]).await));
                assert!(is_closed(&store.read().await));
                assert!(is_closed(&store.calls.checkpoint("maintain").await));
            })
        };
        all([write(1), write(2), read, close(), close()]).await;
        assert_eq!(store.has(9), 0);
    });
}

#[test]
fn who_asks_the_keeper_is_answered_also_when_it_ends() {
    check(|| async {
        let store = Store::open(8);
        let ask = || {
            task(&store, |store| async move {
                let answer = store.calls.checkpoint("maintain").await;
                assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
            })
        };
        let close = task(&store, |store| async move {
            store.close().await.expect("closed");
        });
        all([ask(), ask(), close]).await;
    });
}

/// The last handle is dropped: nobody waits, and all that was acknowledged stands.
#[test]
fn a_store_that_is_dropped_finishes_what_it_took() {
    check(|| async {
        let store = Store::open(4);
        let write = task(&store, |store| async move {
            let answer = store.write(vec![Mark::Set(1), Mark::Set(2)]).await;
            assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
            assert_eq!(store.has(2), usize::from(answer.is_ok()));
        });
        let stop = task(&store, |store| async move { store.calls.stop() });
        all([write, stop]).await;
        store.close().await.expect("it ends");
    });
}

#[test]
fn a_panic_of_the_writer_answers_everybody() {
    check(|| async {
        let store = Store::open(2);
        let write = |mark| {
            task(&store, move |store| async move {
                let answer = store.write(vec![mark]).await;
                assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
                if let (Mark::Set(mark), true) = (mark, answer.is_ok()) {
                    assert_eq!(store.has(mark), 1);
                }
            })
        };
        let read = task(&store, |store| async move {
            let answer = store.read().await;
            assert!(answer.is_ok() || is_closed(&answer), "{answer:?}");
        });
        let ask = task(&store, |store| async move {
            let _ = store.calls.checkpoint("maintain").await;
        });
        all([write(Mark::Panic), write(Mark::Set(1)), write(Mark::Set(2)), read, ask]).await;
        let error = store.close().await.expect_err("it did not end in good order");
        assert!(error.to_string().contains("unexpectedly"), "{error}");
        assert!(is_closed(&store.write(vec![Mark::Set(3)]).await));
    });
}
