//! Connections that break, passwords, TLS.

use std::time::Duration;

use cache_core::storage::{Storage, StorageErrorKind};
use cache_redis::RedisOptions;
use tiers_servers::{Proxy, RedisTls};

use crate::common::{
    ask, blocking, connection, eventually, holds, key, kind, options, remove_key, server, set,
    set_write, works, write,
};
use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_cut_is_never_taken_for_a_value() {
    let server = server();
    let proxy = blocking(|| Proxy::to(server.port()));
    let timeout = Duration::from_secs(2);
    let storage =
        RedisOptions::server("127.0.0.1", proxy.port()).timeout(timeout).open().await.unwrap();
    let payload = vec![7u8; 200_000];
    write(&storage, set_write("long", payload.clone(), &["tag"])).await.unwrap();
    for bytes in [0, 1, 5, 100, 60_000, 199_999] {
        proxy.cut_after_reply_bytes(bytes);
        // The call is made again on a new connection.
        let found = storage.get(&key("long")).await.unwrap().entry.unwrap();
        assert_eq!(found.payload, payload);
    }
    let before = proxy.connections();
    let load = Load::on(&storage, timeout);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.cut();
    }
    let met = load.stopped().await;
    assert!(met.done > 0, "{met:?}");
    assert!(proxy.connections() > before);
    eventually("it works again", || works(&storage)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_silent_or_refused_are_left() {
    let server = server();
    let proxy = blocking(|| Proxy::to(server.port()));
    let timeout = Duration::from_millis(300);
    let storage =
        RedisOptions::server("127.0.0.1", proxy.port()).timeout(timeout).open().await.unwrap();
    set(&storage, "a", &[]).await;
    proxy.stall();
    assert_eq!(kind(storage.get(&key("a")).await), StorageErrorKind::Unavailable);
    let before = proxy.connections();
    proxy.resume();
    eventually("it works again", || works(&storage)).await;
    assert!(proxy.connections() > before, "a silent connection is not trusted any more");
    proxy.refuse(true);
    proxy.cut();
    assert_eq!(kind(storage.get(&key("a")).await), StorageErrorKind::Unavailable);
    proxy.refuse(false);
    eventually("it works again", || works(&storage)).await;
    assert!(holds(&storage, "a").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_are_opened_only_when_they_are_needed() {
    let server = server();
    let storage = options(&server.url()).pool_size(3).open().await.unwrap();
    set(&storage, "a", &[]).await;
    let mut connection = connection(server.port()).await;
    let clients = |list: String| list.lines().count() - 1;
    assert_eq!(clients(ask(&mut connection, "CLIENT LIST").await), 1);
    let reads = (0..400).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move { assert!(holds(&storage, "a").await) })
    });
    for read in reads.collect::<Vec<_>>() {
        read.await.unwrap();
    }
    let busy = clients(ask(&mut connection, "CLIENT LIST").await);
    assert!((1..=3).contains(&busy), "{busy} connections");
    storage.close().await.unwrap();
    eventually("all are closed", || {
        let mut connection = connection.clone();
        async move { clients(ask(&mut connection, "CLIENT LIST").await) == 0 }
    })
    .await;
    assert_eq!(kind(storage.get(&key("a")).await), StorageErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_asked_for_and_never_shown() {
    let server = server();
    let mut connection = connection(server.port()).await;
    ask::<()>(&mut connection, "CONFIG SET requirepass right-one").await;
    let at = |credentials: &str| format!("redis://{credentials}127.0.0.1:{}", server.port());
    for credentials in ["", ":WRONG@", "nobody:WRONG@"] {
        let error = options(&at(credentials)).open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
        assert!(!format!("{error} {error:?}").contains("WRONG"), "{error:?}");
    }
    let storage = options(&at(":right-one@")).open().await.unwrap();
    assert!(works(&storage).await);
    assert!(!format!("{storage:?}").contains("right-one"));
    // Changed while in use: told when a connection has to be made.
    ask::<()>(&mut connection, "CONFIG SET requirepass another").await;
    ask::<()>(&mut connection, "CLIENT KILL TYPE normal SKIPME yes").await;
    eventually("it is told", || async {
        storage.get(&key("a")).await.is_err_and(|error| error.kind() == StorageErrorKind::Denied)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_needs_what_is_documented_and_no_more() {
    let server = server();
    let mut connection = connection(server.port()).await;
    let user = |name: &str| format!("redis://{name}:word@127.0.0.1:{}", server.port());
    let rights = "+@read +@write +@scripting +@connection +info +time";
    ask::<()>(&mut connection, &format!("ACL SETUSER enough on >word ~shop:* -@all {rights}"))
        .await;
    let storage = options(&user("enough")).key_prefix("shop").open().await.unwrap();
    assert!(works(&storage).await);
    set(&storage, "a", &["tag"]).await;
    assert_eq!(storage.stats().await.unwrap().entries, 1);
    storage.maintain(cache_core::storage::Budget::UNLIMITED).await.unwrap();
    assert_eq!(remove_key(&storage, "a").await.unwrap(), 1);
    // Keys of another prefix are none of its own.
    let other = options(&user("enough")).key_prefix("other").open().await;
    assert_eq!(kind(other), StorageErrorKind::Denied);
    let less = "ACL SETUSER less on >word ~* +@all -info";
    ask::<()>(&mut connection, less).await;
    let error = options(&user("less")).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("info"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_to_whom_is_trusted() {
    let server = blocking(RedisTls::start);
    let storage = RedisOptions::from_url(&server.user_url()).unwrap();
    let storage = storage.key_prefix("cache").open().await.unwrap();
    assert!(works(&storage).await);
    // The system's authorities do not know this server's.
    let (url, _) =
        server.url().split_once('?').map(|(url, rest)| (url.to_owned(), rest.to_owned())).unwrap();
    let error = options(&url).timeout(Duration::from_secs(2)).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    let missing = options(&format!("{url}?tls_ca=/nowhere/ca.pem")).open().await;
    assert_eq!(kind(missing), StorageErrorKind::Invalid);
    // Without TLS, the server hangs up.
    let plain = url.replace("rediss://", "redis://");
    let plain = options(&plain).timeout(Duration::from_secs(1)).open().await;
    assert_eq!(kind(plain), StorageErrorKind::Unavailable);
}
