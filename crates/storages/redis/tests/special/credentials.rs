//! Users and passwords of groups and clusters.

use std::time::Duration;

use cache_core::storage::{Storage, StorageErrorKind};
use redis::aio::MultiplexedConnection;
use tiers_servers::{RedisCluster, RedisSentinel};

use crate::common::{
    ask, blocking, connection, eventually, holds, kind, options, remove_tag, set, works,
};

const TIMEOUT: Duration = Duration::from_secs(3);

async fn connections(ports: impl IntoIterator<Item = u16>) -> Vec<MultiplexedConnection> {
    let mut connections = Vec::new();
    for port in ports {
        connections.push(connection(port).await);
    }
    connections
}

async fn ask_all(connections: &mut [MultiplexedConnection], words: &[&str]) {
    for connection in connections {
        for words in words {
            ask::<()>(connection, words).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_and_their_servers_have_credentials_of_their_own() {
    let group = blocking(RedisSentinel::start);
    let mut data = connections(group.data().iter().map(|server| server.port())).await;
    let mut sentinels = connections(group.sentinels().map(|server| server.port())).await;
    let watcher = [
        "SENTINEL SET mymaster auth-pass word",
        "ACL SETUSER watcher on >look ~* &* +@all",
        "SENTINEL CONFIG SET sentinel-user watcher",
        "SENTINEL CONFIG SET sentinel-pass look",
    ];
    ask_all(&mut sentinels, &watcher).await;
    ask_all(&mut data, &["CONFIG SET masterauth word", "CONFIG SET requirepass word"]).await;
    ask_all(&mut sentinels, &["ACL SETUSER default off"]).await;

    let url = |credentials: &str, sentinel: &str| {
        let url = group.url().replace("://", &format!("://{credentials}"));
        options(&format!("{url}{sentinel}")).timeout(TIMEOUT)
    };
    let own = "&sentinel_username=watcher&sentinel_password=look";
    let storage = url(":word@", own).open().await.unwrap();
    set(&storage, "kept", &["tag"]).await;
    assert!(!format!("{storage:?} {:?}", url(":word@", own)).contains("look"));
    for (credentials, sentinel) in [
        ("", own),
        (":GUESSED@", own),
        (":word@", ""),
        (":word@", "&sentinel_username=watcher&sentinel_password=GUESSED"),
    ] {
        let error = url(credentials, sentinel).open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Denied, "{credentials} {sentinel}: {error}");
        assert!(!format!("{error} {error:?}").contains("GUESSED"), "{error:?}");
    }

    // An administrator lets the replica take over; the old master lives on, and follows.
    assert_eq!(ask::<u64>(&mut data[0], "WAIT 1 10000").await, 1);
    ask::<()>(&mut sentinels[0], "SENTINEL FAILOVER mymaster").await;
    eventually("the replica is the master", || async {
        // Whoever is connected to it, or about to be, is sent away meanwhile.
        let url = format!("redis://:word@127.0.0.1:{}", group.data()[1].port());
        let client = redis::Client::open(url).unwrap();
        let Ok(mut replica) = client.get_multiplexed_async_connection().await else {
            return false;
        };
        let info = redis::cmd("INFO").arg("replication").query_async::<String>(&mut replica).await;
        info.is_ok_and(|info| info.contains("role:master"))
    })
    .await;
    eventually("it is used", || works(&storage)).await;
    assert!(holds(&storage, "kept").await);
    assert_eq!(remove_tag(&storage, "tag").await.unwrap(), 1);
    assert!(!holds(&storage, "kept").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_cluster_need_what_is_documented() {
    let cluster = blocking(RedisCluster::start);
    let mut nodes = connections(cluster.nodes().iter().map(|server| server.port())).await;
    let rights = "+@read +@write +@scripting +@connection +info +time +cluster|slots";
    let user = format!("ACL SETUSER enough on >word ~shop:* -@all {rights}");
    let password = ["CONFIG SET masterauth word", "CONFIG SET requirepass word", &user];
    ask_all(&mut nodes, &password).await;

    let url = |credentials: &str| {
        let url = cluster.url().replace("://", &format!("://{credentials}"));
        options(&url).buckets(8).timeout(TIMEOUT)
    };
    assert!(works(&url(":word@").open().await.unwrap()).await);
    let storage = url("enough:word@").key_prefix("shop").open().await.unwrap();
    for number in 0..50 {
        set(&storage, &format!("n{number}"), &["tag"]).await;
    }
    assert_eq!(storage.stats().await.unwrap().entries, 50);
    assert_eq!(remove_tag(&storage, "tag").await.unwrap(), 50);
    let other = url("enough:word@").key_prefix("other").open().await;
    assert_eq!(kind(other), StorageErrorKind::Denied);
    for credentials in ["", ":GUESSED@", "nobody:GUESSED@"] {
        let error = url(credentials).open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Denied, "{credentials}: {error}");
        assert!(!format!("{error} {error:?}").contains("GUESSED"), "{error:?}");
    }
}
