//! Callers that go away: the others get their value, whatever the policy.

use cache_core::node::{Abandoned, Node};
use futures_util::future::{Either, select};
use shuttle::future::yield_now;

use crate::check::check;
use crate::world::{ITEM, Item, all, all_landed, only_memory, task, version_of, versions};

async fn two_leave_one_stays(policy: Abandoned) {
    let source = versions();
    let (cache, items) = only_memory(Item::definition().abandoned(policy), source.clone());
    let leave = |turns: usize| {
        task(&items, move |items| async move {
            let patience = async {
                for _ in 0..turns {
                    yield_now().await;
                }
            };
            let get = std::pin::pin!(items.get(&ITEM));
            if let Either::Left((got, _)) = select(get, std::pin::pin!(patience)).await {
                assert_eq!(version_of(&got.expect("a value")), 1);
            }
        })
    };
    let stay = task(&items, |items| async move {
        assert_eq!(version_of(&items.get(&ITEM).await.expect("a value")), 1);
    });
    all([leave(1), leave(2), stay]).await;
    assert_eq!(version_of(&items.get(&ITEM).await.expect("a value")), 1);
    if policy == Abandoned::Finish {
        assert_eq!(source.loads(), 1);
    }
    all_landed(&cache).await;
}

#[test]
fn the_load_is_cancelled_with_its_last_waiter() {
    check(|| two_leave_one_stays(Abandoned::Cancel));
}

#[test]
fn the_load_finishes_without_waiters() {
    check(|| two_leave_one_stays(Abandoned::Finish));
}
