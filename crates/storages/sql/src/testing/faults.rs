//! Faults on a real server: errors say what they are, nothing hangs, the storage comes back by
//! itself, nothing torn is read.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::key::Key;
use cache_core::storage::{InvalidationMode, Selector, Storage, StorageErrorKind};
use cache_core::testing::reads_go_on_by_the_source;

use super::{Database, blocking, change, key, read, set, store, value, write};

/// A server that can be hurt, and a proxy in front of it; written by
/// [`database_faults!`](crate::database_faults).
pub trait Faults: Database {
    /// The server.
    type Server: Send + Sync + 'static;
    /// The proxy.
    type Proxy: Send + Sync + 'static;

    /// Ends the server as if its machine had died.
    fn kill(server: &Self::Server);

    /// Starts it again.
    fn restart(server: &Self::Server);

    /// Lets nothing through from now on.
    fn stall(proxy: &Self::Proxy);

    /// Lets everything through again, and what waits.
    fn let_go_on(proxy: &Self::Proxy);

    /// Cuts all connections.
    fn cut(proxy: &Self::Proxy);

    /// Cuts one connection after so many bytes of the server's.
    fn cut_after_reply_bytes(proxy: &Self::Proxy, bytes: u32);

    /// Refuses new connections, or takes them again.
    fn refuse(proxy: &Self::Proxy, refusing: bool);

    /// How many connections there have been.
    fn connections(proxy: &Self::Proxy) -> u64;
}

/// Reads until the server answers again.
pub async fn recovered(storage: &dyn Storage, key: &Key) {
    let begun = Instant::now();
    while storage.get(key).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the storage did not come back");
    }
}

/// Batches that a server dies in are written whole or not at all, and reads fail `within` that time.
pub async fn a_server_killed_in_the_middle_of_batches_leaves_whole_entries<D: Faults>(
    server: &Arc<D::Server>,
    storage: &D::Storage,
    within: Duration,
) {
    let keys: Vec<Key> = (0..50).map(|at| key(&format!("k{at}"))).collect();
    let (ending, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4u8)
        .map(|number| {
            let (storage, keys) = (storage.clone(), keys.clone());
            let (ending, written) = (Arc::clone(&ending), Arc::clone(&written));
            tokio::spawn(async move {
                while !ending.load(Ordering::SeqCst) {
                    let batch = keys.iter().map(|key| set(key, value(key, [number; 5_000], &[])));
                    match storage.write(batch.collect()).await {
                        Ok(_) => drop(written.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => assert!(error.is_transient(), "{error}"),
                    }
                }
            })
        })
        .collect();
    while written.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let hurt = Arc::clone(server);
    blocking(move || D::kill(&hurt)).await;
    let begun = Instant::now();
    let error = storage.get(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < within, "took {:?}", begun.elapsed());
    let hurt = Arc::clone(server);
    blocking(move || D::restart(&hurt)).await;
    recovered(storage, &keys[0]).await;
    let landed = written.load(Ordering::SeqCst);
    while written.load(Ordering::SeqCst) < landed + 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ending.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    for key in &keys {
        let entry = read(storage, key).await.unwrap();
        assert!(entry.payload.iter().all(|byte| *byte == entry.payload[0]), "{key} is torn");
    }
}

/// A write on a connection that takes none, as after the server behind it has become a replica, is
/// carried out by another one that does; where none does, this is told `within` that time.
///
/// The sessions of the storage that begin now take no writes; after `take_writes` those that begin do.
pub async fn a_write_goes_on_by_a_connection_that_takes_it<D: Database>(
    admin: &mut D::Connection,
    storage: &D::Storage,
    take_writes: &str,
    within: Duration,
) {
    let key = key("primary");
    let begun = Instant::now();
    let error = write(storage, set(&key, value(&key, "x", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < within, "took {:?}", begun.elapsed());
    assert_eq!(read(storage, &key).await, None);
    D::execute(admin, take_writes).await;
    // The session that has read is there still, and takes none.
    store(storage, vec![set(&key, value(&key, "y", &[]))]).await;
    assert_eq!(&read(storage, &key).await.unwrap().payload[..], b"y");
    storage.close().await.unwrap();
}

/// What was removed stays so through a crash; what was flushed, too.
pub async fn an_invalidation_outlives_a_crash_of_the_server<D: Faults>(
    server: &Arc<D::Server>,
    storage: &D::Storage,
) {
    let (key, other) = (key("gone"), key("kept"));
    store(storage, vec![set(&key, value(&key, "x", &[])), set(&other, value(&other, "x", &[]))])
        .await;
    storage.flush().await.unwrap();
    let selector = Selector::Keys(vec![key.clone()]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    let hurt = Arc::clone(server);
    blocking(move || {
        D::kill(&hurt);
        D::restart(&hurt);
    })
    .await;
    recovered(storage, &key).await;
    assert_eq!(read(storage, &key).await, None, "back after a crash of the server");
    assert!(read(storage, &other).await.is_some(), "lost by a crash although it was flushed");
    storage.close().await.unwrap();
}

/// Calls by a storage of two connections are all given up `within` that time, and those after them
/// are answered.
pub async fn a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout<D: Faults>(
    proxy: &D::Proxy,
    storage: &D::Storage,
    within: Duration,
) {
    let key = key("still");
    store(storage, vec![set(&key, value(&key, "x", &[]))]).await;
    D::stall(proxy);
    let selector = Selector::Keys(vec![key.clone()]);
    let begun = Instant::now();
    // More than there are connections: those that wait for one are answered, too.
    let reads = (0..6).map(|_| storage.get(&key));
    let (reads, writes, invalidated) = tokio::join!(
        futures_util::future::join_all(reads),
        storage.write(vec![set(&key, value(&key, "y", &[]))]),
        storage.invalidate(&selector, InvalidationMode::Remove),
    );
    assert!(begun.elapsed() < within, "took {:?}", begun.elapsed());
    for read in reads {
        assert_eq!(read.unwrap_err().kind(), StorageErrorKind::Unavailable);
    }
    assert_eq!(writes.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert_eq!(invalidated.unwrap_err().kind(), StorageErrorKind::Unavailable);
    D::let_go_on(proxy);
    recovered(storage, &key).await;
    store(storage, vec![set(&key, value(&key, "z", &[]))]).await;
    storage.close().await.unwrap();
}

/// Reads and writes whose answers are cut off are tried again, and fail where nobody is reached.
pub async fn a_connection_cut_in_the_middle_of_a_reply_is_replaced<D: Faults>(
    proxy: &D::Proxy,
    storage: &D::Storage,
) {
    let keys: Vec<Key> = (0..3).map(|at| key(&format!("cut{at}"))).collect();
    store(storage, keys.iter().map(|key| set(key, value(key, [7; 100_000], &[]))).collect()).await;
    for bytes in [1, 60, 300, 50_000, 99_000] {
        let connections = D::connections(proxy);
        D::cut_after_reply_bytes(proxy, bytes);
        for lookup in storage.get_many(&keys).await.unwrap() {
            let entry = lookup.unwrap().entry.unwrap();
            assert_eq!(entry.payload.len(), 100_000, "after {bytes} bytes");
        }
        assert!(D::connections(proxy) > connections, "nothing was cut after {bytes} bytes");
    }
    // A write whose answer is lost is carried out again, and once is as good as twice.
    D::cut_after_reply_bytes(proxy, 5);
    store(storage, vec![set(&keys[0], value(&keys[0], "again", &[]))]).await;
    assert_eq!(&read(storage, &keys[0]).await.unwrap().payload[..], b"again");
    D::refuse(proxy, true);
    D::cut(proxy);
    let error = storage.get(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    D::refuse(proxy, false);
    recovered(storage, &keys[0]).await;
}

/// Who waits for the only connection is answered when who has it is, after what is `expected`; and is
/// told that it was the connection that was missing.
pub async fn a_pool_that_is_used_up_waits_until_the_timeout<D: Database>(
    url: &str,
    options: &D::Options,
    storage: &D::Storage,
    expected: Range<Duration>,
) {
    let key = key("busy");
    let mut other = D::connect(url).await;
    change::<D>(&mut other, options, D::LOCK).await;
    let begun = Instant::now();
    let calls = (0..4).map(|_| storage.get(&key));
    let answers = futures_util::future::join_all(calls).await;
    let took = begun.elapsed();
    let mut waited = 0;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
        waited += usize::from(error.to_string().contains("`pool_size` is 1"));
    }
    assert_eq!(waited, 3, "all but the one that had it");
    assert!(expected.contains(&took), "took {took:?}");
    D::execute(&mut other, D::UNLOCK).await;
    assert_eq!(read(storage, &key).await, None);
    storage.close().await.unwrap();
}

/// Readers are given values by the source while the server is dead, and by the storage after that.
pub async fn reads_go_on_by_the_source_while_the_server_is_dead<D: Faults>(
    server: &Arc<D::Server>,
    storage: &D::Storage,
    read_max: Duration,
) {
    let hurt = |hurt: fn(&D::Server)| {
        let server = Arc::clone(server);
        async move || blocking(move || hurt(&server)).await
    };
    let storage = Arc::new(storage.clone());
    reads_go_on_by_the_source(storage, read_max, hurt(D::kill), hurt(D::restart)).await;
}

/// The same while it can be reached and does not answer.
pub async fn reads_go_on_by_the_source_while_the_server_stands_still<D: Faults>(
    proxy: &D::Proxy,
    storage: &D::Storage,
    read_max: Duration,
) {
    let stall = async || D::stall(proxy);
    let let_go_on = async || D::let_go_on(proxy);
    reads_go_on_by_the_source(Arc::new(storage.clone()), read_max, stall, let_go_on).await;
}

/// [`Faults`](crate::testing::faults::Faults) for a server and the proxy of `tiers-servers`, and
/// `proxy`, which puts one in front of the other.
#[macro_export]
macro_rules! database_faults {
    ($database:ty, $server:ty) => {
        impl $crate::testing::faults::Faults for $database {
            type Server = $server;
            type Proxy = ::tiers_servers::Proxy;

            fn kill(server: &$server) {
                server.kill().unwrap();
            }

            fn restart(server: &$server) {
                server.restart().unwrap();
            }

            fn stall(proxy: &::tiers_servers::Proxy) {
                proxy.stall();
            }

            fn let_go_on(proxy: &::tiers_servers::Proxy) {
                proxy.resume();
            }

            fn cut(proxy: &::tiers_servers::Proxy) {
                proxy.cut();
            }

            fn cut_after_reply_bytes(proxy: &::tiers_servers::Proxy, bytes: u32) {
                proxy.cut_after_reply_bytes(bytes);
            }

            fn refuse(proxy: &::tiers_servers::Proxy, refusing: bool) {
                proxy.refuse(refusing);
            }

            fn connections(proxy: &::tiers_servers::Proxy) -> u64 {
                proxy.connections()
            }
        }

        /// A proxy in front of a server, and the URL of what it leads to.
        async fn proxy(
            server: &::std::sync::Arc<$server>,
        ) -> (::tiers_servers::Proxy, ::std::string::String) {
            let port = server.port();
            let proxy = move || ::tiers_servers::Proxy::to(port).unwrap();
            let proxy = $crate::testing::blocking(proxy).await;
            let url = server.url().replace(&format!(":{port}"), &format!(":{}", proxy.port()));
            (proxy, url)
        }
    };
}
