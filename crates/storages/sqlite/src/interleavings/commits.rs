//! What is acknowledged is committed; what fails fails alone; who goes away takes nothing along.

use futures_util::future::{Either, select};

use super::world::{Mark, Store, all, check, task, turns};

#[test]
fn an_acknowledged_write_is_committed_and_seen_by_the_next_read() {
    check(|| async {
        let store = Store::open(8);
        let write = |mark| {
            task(&store, move |store| async move {
                store.write(vec![Mark::Set(mark)]).await.expect("written");
                assert_eq!(store.has(mark), 1, "answered before it was committed");
                assert!(store.read().await.expect("read").contains(&mark));
            })
        };
        all([write(1), write(2), write(3)]).await;
        store.close().await.expect("closed");
    });
}

#[test]
fn a_job_that_fails_fails_alone() {
    check(|| async {
        let store = Store::open(8);
        let write = |mark| {
            task(&store, move |store| async move {
                store.write(vec![Mark::Set(mark), Mark::Set(mark + 10)]).await.expect("written");
                assert_eq!((store.has(mark), store.has(mark + 10)), (1, 1), "all, and once");
            })
        };
        let bad = task(&store, |store| async move {
            assert!(store.write(vec![Mark::Bad]).await.is_err());
            // Of several parts those that can be done are done.
            let parts = vec![Mark::Set(7), Mark::Bad, Mark::Set(8)];
            assert_eq!(store.write(parts).await.expect("each for itself"), 3);
            assert_eq!((store.has(7), store.has(8)), (1, 1));
        });
        all([write(1), bad, write(2)]).await;
        store.close().await.expect("closed");
    });
}

/// Room for one mark: whoever waits for it is woken, also by those who give up.
#[test]
fn callers_that_go_away_give_back_their_room() {
    check(|| async {
        let store = Store::open(1);
        let leave = |mark, patience| {
            task(&store, move |store| async move {
                let write = std::pin::pin!(store.write(vec![Mark::Set(mark)]));
                if let Either::Left((done, _)) =
                    select(write, std::pin::pin!(turns(patience))).await
                {
                    done.expect("written");
                    assert_eq!(store.has(mark), 1);
                }
                let read = std::pin::pin!(store.read());
                let _ = select(read, std::pin::pin!(turns(patience))).await;
            })
        };
        let stay = task(&store, |store| async move {
            store.write(vec![Mark::Set(3)]).await.expect("written");
            assert!(store.read().await.expect("read").contains(&3));
        });
        all([leave(1, 1), leave(2, 3), stay]).await;
        // The queue is as good as new.
        store.write(vec![Mark::Set(4)]).await.expect("written");
        store.read().await.expect("read");
        store.close().await.expect("closed");
        assert!(store.has(1) <= 1 && store.has(2) <= 1 && store.has(4) == 1);
    });
}

/// Two readers that take two at once: what one leaves wakes the other.
#[test]
fn every_read_is_answered() {
    check(|| async {
        let store = Store::open(8);
        let read = || {
            task(&store, |store| async move {
                drop(store.read().await.expect("read"));
            })
        };
        all([read(), read(), read(), read(), read()]).await;
        store.close().await.expect("closed");
    });
}
