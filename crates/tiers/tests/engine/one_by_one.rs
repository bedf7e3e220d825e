//! `get_many` from a source without a `load_many` of its own: each node is loaded, lands and fails
//! by itself.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tiers::prelude::*;
use tokio::sync::{Barrier, watch};

use crate::support::{User, UserNode, World, until, user, within};

fn loaded(id: u64, version: u64) -> User {
    User { id, version }
}

/// A cache whose loads may ask it for more.
async fn asking<F, L>(
    world: &World,
    definition: NodeDefinition,
    load: F,
) -> (Cache, Handle<UserNode>)
where
    F: Fn(Handle<UserNode>, u64) -> L + Send + Sync + 'static,
    L: Future<Output = Result<User, LoadError>> + Send,
{
    let cache = world.cache().await;
    let asked = cache.clone();
    let source =
        source_fn(move |node: UserNode| load(asked.handle::<UserNode>().expect("bound"), node.id));
    let users = cache.bind_as::<UserNode>(definition, source).expect("binds");
    (cache, users)
}

fn in_words(answers: &[Result<Arc<User>, Error>]) -> Vec<String> {
    let in_words = |answer: &Result<Arc<User>, Error>| match answer {
        Ok(user) => format!("{} of {}", user.version, user.id),
        Err(Error::Load { source, .. }) => source.to_string(),
        Err(error) => error.to_string(),
    };
    answers.iter().map(in_words).collect()
}

#[tokio::test]
async fn one_may_ask_for_another_of_the_same_call() {
    for loads_max in [1, 1024] {
        let world = World::new();
        let loads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&loads);
        let definition = UserNode::definition().loads_max(loads_max);
        let (_cache, users) = asking(&world, definition, move |users, id| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match id {
                    0 => Ok(loaded(0, 1)),
                    id => Ok(loaded(id, users.get(&user(id - 1)).await?.version + 1)),
                }
            }
        })
        .await;
        let nodes = [user(2), user(0), user(1)];
        let answers = within(users.get_many(&nodes)).await;
        assert_eq!(in_words(&answers), ["3 of 2", "1 of 0", "2 of 1"]);
        assert_eq!(loads.load(Ordering::SeqCst), 3, "each once");
    }
}

#[tokio::test]
async fn those_that_wait_for_each_other_are_an_error() {
    let world = World::new();
    let meet = Arc::new(Barrier::new(2));
    let (cache, users) = asking(&world, UserNode::definition(), move |users, id| {
        let meet = Arc::clone(&meet);
        async move {
            if id > 2 {
                return Ok(loaded(id, 1));
            }
            meet.wait().await;
            Ok(User::clone(&*users.get(&user(3 - id)).await?))
        }
    })
    .await;
    let answers = within(users.get_many(&[user(1), user(2), user(3)])).await;
    assert!(answers[0].is_err() && answers[1].is_err(), "neither has a value");
    assert!(in_words(&answers).concat().contains("would wait for itself"));
    assert_eq!(answers[2].as_ref().expect("is not concerned").version, 1);
    // The same with one of another call.
    let (batch, one) = ([user(1), user(4)], user(2));
    let (batch, one) =
        within(async { tokio::join!(users.get_many(&batch), users.get(&one)) }).await;
    assert!(batch[0].is_err() && batch[1].is_ok() && one.is_err());
    assert_eq!(cache.loads_in_flight(), 0);
}

#[tokio::test]
async fn one_that_is_loaded_does_not_wait_for_the_others() {
    let world = World::new();
    let held = watch::Sender::new(true);
    let hold = held.clone();
    let (cache, users) = asking(&world, UserNode::definition(), move |_, id| {
        let mut held = hold.subscribe();
        async move {
            if id == 1 {
                held.wait_for(|held| !held).await?;
            }
            Ok(loaded(id, 1))
        }
    })
    .await;
    let many = tokio::spawn({
        let users = users.clone();
        async move { users.get_many(&[user(1), user(2)]).await }
    });
    within(async {
        while !users.contains(&user(2)).await.expect("looks") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(users.get(&user(2))).await.expect("is there");
    until(|| cache.loads_in_flight() == 1).await;
    assert!(!many.is_finished());
    held.send_replace(false);
    let answers = within(many).await.expect("no panic");
    assert_eq!(in_words(&answers), ["1 of 1", "1 of 2"]);
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    let world = World::new();
    let definition = UserNode::definition().load_timeout(Some(Duration::from_secs(5)));
    let hangs = watch::Sender::new(false);
    let hanging = hangs.clone();
    let (cache, users) = asking(&world, definition, move |_, id| {
        let hanging = hanging.clone();
        async move {
            match id {
                1 => Err(LoadError::message("no such user")),
                2 => panic!("no such shard"),
                3 => {
                    hanging.send_replace(true);
                    std::future::pending().await
                }
                id => Ok(loaded(id, 1)),
            }
        }
    })
    .await;
    let nodes = [user(1), user(2), user(3), user(4)];
    let passing = async {
        hangs.subscribe().wait_for(|hangs| *hangs).await.expect("the source lives");
        // Its time-out began in the same poll.
        tokio::task::yield_now().await;
        world.pass(Duration::from_secs(5));
    };
    let (answers, ()) = within(async { tokio::join!(users.get_many(&nodes), passing) }).await;
    let words = in_words(&answers);
    assert_eq!(words[0], "no such user");
    assert!(
        matches!(&answers[1], Err(Error::LoadPanicked { message, .. }) if message.contains("shard"))
    );
    assert!(matches!(&answers[2], Err(Error::LoadTimeout { .. })), "{words:?}");
    assert_eq!(words[3], "1 of 4");
    assert!(users.contains(&user(4)).await.expect("looks"));
    assert_eq!(cache.loads_in_flight(), 0);
    let stats = users.stats();
    assert_eq!((stats.loads(), stats.loads_failed), (4, 3));
}

#[tokio::test]
async fn they_count_one_by_one_among_those_that_run_at_once() {
    let world = World::new();
    let running = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let definition = UserNode::definition().loads_max(3);
    let (_cache, users) = asking(&world, definition, move |_, id| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(loaded(id, 1))
        }
    })
    .await;
    let nodes: Vec<UserNode> = (0..20).map(user).collect();
    assert!(within(users.get_many(&nodes)).await.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

/// Of a batch that the source loads as one, nobody has a part before the rest.
#[tokio::test]
async fn a_batch_of_the_source_that_waits_for_itself_is_an_error() {
    struct Batches(Cache);
    impl Source<UserNode> for Batches {
        async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
            Ok(loaded(node.id, 1).into())
        }
        async fn load_many(&self, nodes: &[UserNode]) -> Vec<Result<Loaded<User>, LoadError>> {
            let users = self.0.handle::<UserNode>().expect("bound");
            let other = users.get(&nodes[1]).await;
            let first = other.map(|user| Loaded::new(User::clone(&user))).map_err(Into::into);
            vec![first, Ok(loaded(nodes[1].id, 1).into())]
        }
    }
    let world = World::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(Batches(cache.clone())).expect("binds");
    let answers = within(users.get_many(&[user(1), user(2)])).await;
    assert!(in_words(&answers)[0].contains("would wait for itself"), "{answers:?}");
    assert!(answers[1].is_ok());
}
