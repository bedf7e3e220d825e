//! How many commands calls take: each is a part of one round trip.

use cache_core::atomics::{AtomicKind, AtomicName, Atomics, Operation};
use cache_core::storage::{InvalidationMode, Selector, Storage};
use redis::aio::MultiplexedConnection;

use crate::common::{ask, connection, key, opened, remove_key, remove_tag, server, set_write};
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
