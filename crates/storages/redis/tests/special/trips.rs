//! How many commands calls take: each is a part of one round trip.

use cache_core::atomics::{AtomicKind, AtomicName, Atomics, Operation};
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage};
use redis::aio::MultiplexedConnection;

use cache_core::key::Key;
use cache_redis::Redis;

use crate::common::{
    ask, connection, fill, key, opened, put, remove_key, remove_tag, server, set, set_write, stamp,
};
use crate::tags::calls;

/// Commands since the last time, scripts as one; those that scripts call do not count.
async fn commands(connection: &mut MultiplexedConnection) -> [u64; 3] {
    let info: String = ask(connection, "INFO commandstats").await;
    ask::<()>(connection, "CONFIG RESETSTAT").await;
    ["mget", "evalsha", "eval"].map(|command| calls(&info, command))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_takes_one_round_trip() {
    let server = server();
    let storage = opened(&server).await;
    let writes = || (0..100).map(|number| set_write(&format!("n{number}"), "x", &["a", "b"]));
    let keys: Vec<_> = (0..100).map(|number| key(&format!("n{number}"))).collect();
    // The server learns the scripts.
    storage.write(writes().collect()).await.unwrap();
    remove_tag(&storage, "a").await.unwrap();
    remove_key(&storage, "n0").await.unwrap();
    let mut connection = connection(server.port()).await;
    commands(&mut connection).await;

    storage.write(writes().collect()).await.unwrap();
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "a batch of writes");
    storage.get(&keys[0]).await.unwrap();
    assert_eq!(commands(&mut connection).await, [1, 0, 0], "a read");
    let at = storage.get(&key("filled")).await.unwrap().stamp;
    assert_eq!(commands(&mut connection).await, [1, 0, 0], "a miss, with its stamp");
    assert_eq!(fill(&storage, "filled", &[], at).await, Outcome::Stored);
    commands(&mut connection).await;
    assert_eq!(fill(&storage, "filled", &[], at).await, Outcome::Stored);
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "a fill");
    // What bore a tag bears it no more, which the script of single fills leaves to the other.
    set(&storage, "tagged", &["left"]).await;
    let at = stamp(&storage, "tagged").await;
    commands(&mut connection).await;
    assert_eq!(fill(&storage, "tagged", &[], at).await, Outcome::Stored);
    assert_eq!(commands(&mut connection).await, [0, 2, 0], "a fill in place of a tagged entry");
    assert_eq!(remove_tag(&storage, "left").await.unwrap(), 0);
    commands(&mut connection).await;
    storage.get_many(&keys).await.unwrap();
    assert_eq!(commands(&mut connection).await, [1, 0, 0], "a batch of reads");
    let selector = Selector::Keys(keys[..50].to_vec());
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "a removal of keys");
    remove_tag(&storage, "b").await.unwrap();
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "a removal of a small tag");

    let name = AtomicName::new("t", "n", AtomicKind::Counter).unwrap();
    let add = Operation::Add { delta: 1, ttl: None, renew: false };
    storage.apply(&name, &add).await.unwrap();
    commands(&mut connection).await;
    storage.apply(&name, &add).await.unwrap();
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "an addition");
    storage.apply(&name, &Operation::Count).await.unwrap();
    assert_eq!(commands(&mut connection).await, [0, 1, 0], "a look at a counter");
}

/// A get by a task of its own, as its caller sees it: whether the entry was there.
fn began(storage: &Redis, key: Key) -> tokio::task::JoinHandle<Result<bool, ()>> {
    let storage = storage.clone();
    tokio::spawn(async move {
        let found = storage.get(&key).await.map_err(|error| assert_eq!(error.key(), Some(&key)))?;
        Ok(found.entry.is_some_and(|entry| entry.verify(&key).is_ok()))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_at_once_share_commands_and_nothing_else() {
    const GETS: usize = 200;
    let server = server();
    let storage = opened(&server).await;
    let name = |number: usize| format!("n{number}");
    let even = (0..GETS).step_by(2);
    let writes = even.map(|number| set_write(&name(number), name(number), &[]));
    storage.write(writes.collect()).await.unwrap();
    let mut connection = connection(server.port()).await;
    put(&mut connection, "tiers:{0}:e:t:n4:v1", b"torn").await;
    commands(&mut connection).await;
    let mut fewest = u64::MAX;
    for _ in 0..20 {
        let gets: Vec<_> = (0..GETS).map(|number| began(&storage, key(&name(number)))).collect();
        // Those that are given up take no other with them.
        gets[6].abort();
        for (number, get) in gets.into_iter().enumerate() {
            match (number, get.await) {
                (4, answer) => assert_eq!(answer.unwrap(), Err(()), "it is damaged, and alone"),
                (6, _) => {}
                (_, answer) => assert_eq!(answer.unwrap(), Ok(number % 2 == 0), "{number}"),
            }
        }
        fewest = fewest.min(commands(&mut connection).await[0]);
    }
    assert!(fewest < GETS as u64 / 2, "{fewest} commands for {GETS} gets at once");
}

/// Whoever waits for a task of another's runtime asks by itself once that has ended.
#[test]
fn a_get_outlives_the_runtime_of_another() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    };
    let main = runtime();
    let server = main.block_on(async { tokio::spawn(async { server() }).await.unwrap() });
    let storage = main.block_on(opened(&server));
    main.block_on(storage.write(vec![set_write("a", "x", &[])])).unwrap();
    for _ in 0..20 {
        let other = runtime();
        for _ in 0..100 {
            let storage = storage.clone();
            other.spawn(async move { storage.get(&key("a")).await });
        }
        let _entered = main.enter();
        let gets: Vec<_> = (0..100).map(|_| began(&storage, key("a"))).collect();
        other.shutdown_background();
        for get in gets {
            assert_eq!(main.block_on(get).unwrap(), Ok(true));
        }
    }
}
