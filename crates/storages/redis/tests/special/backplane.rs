//! Caches that hear of each other by a log on servers that change, and over TLS.

use std::time::Duration;

use bytes::Bytes;
use cache_core::backplane::{Backplane, BackplaneStats};
use cache_core::cache::{Cache, Invalidation};
use cache_core::clock::{Clock, SystemClock};
use cache_core::error::Error;
use cache_core::handle::Handle;
use cache_core::node::{DynamicNode, NodeDefinition, TierDefinition};
use cache_core::source::{LoadError, source_fn};
use cache_core::storage::Reach;
use cache_core::testing::TestStorage;
use cache_redis::RedisOptions;
use tiers_servers::{Redis, RedisSentinel, RedisTls};

use crate::common::{ask, blocking, connection, eventually, options};

/// A cache as a process of its own has it: a tier that nobody else reaches, before the server.
struct Process {
    cache: Cache,
    articles: Handle<DynamicNode>,
    near: TestStorage,
}

fn article(id: u64) -> DynamicNode {
    DynamicNode::new(format!("article:{id}"))
}

impl Process {
    async fn on(options: &RedisOptions) -> Self {
        let far = options.clone().open().await.unwrap();
        let near = TestStorage::builder().clock(SystemClock).reach(Reach::Local).build();
        let cache = Cache::builder()
            .prefix("t")
            .storage("near", near.clone())
            .storage("far", far.into_storage())
            .backplane(Backplane::on("far"))
            .build()
            .unwrap();
        let tier = |name: &str| TierDefinition::new(name).ttl(Duration::from_secs(3_600));
        let definition =
            NodeDefinition::new("Article", "article:{id}").tiers([tier("near"), tier("far")]);
        let source =
            source_fn(|_: DynamicNode| async { Ok::<_, LoadError>(Bytes::from_static(b"x")) });
        let articles = cache.bind_as::<DynamicNode>(definition, source).unwrap();
        cache.backplane_joined().await;
        Self { cache, articles, near }
    }

    /// Reads it, so that the near tier holds it.
    async fn read(&self, id: u64) {
        eventually("the near tier holds what was read", || async {
            self.articles.get(&article(id)).await.unwrap();
            self.holds(id)
        })
        .await;
    }

    fn holds(&self, id: u64) -> bool {
        let key = self.articles.key(&article(id)).unwrap();
        self.near.stored(&key).is_some_and(|entry| entry.is_kept(SystemClock.wall()))
    }

    async fn invalidate(&self, id: u64) -> Result<Invalidation, Error> {
        self.articles.invalidate(&article(id)).await
    }

    async fn backplane(&self) -> BackplaneStats {
        self.cache.stats().await.backplane.unwrap()
    }
}

/// What one invalidates leaves what only the other reaches, without its forgetting all the rest.
async fn hear_of_each_other(here: &Process, there: &Process, first_id: u64) {
    let [told, left] = [first_id, first_id + 1];
    there.read(told).await;
    there.read(left).await;
    let gaps = there.backplane().await.gaps;
    let done = here.invalidate(told).await.unwrap();
    assert!(done.is_done() && done.unannounced.is_none(), "{done:?}");
    eventually("it is heard", || async { !there.holds(told) }).await;
    assert_eq!(there.backplane().await.gaps, gaps);
    assert!(there.holds(left), "nothing else went");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidations_are_heard_over_tls() {
    let server = blocking(RedisTls::start);
    // By a user that may touch nothing but this prefix.
    let options = options(&server.user_url()).key_prefix("cache");
    let (here, there) = (Process::on(&options).await, Process::on(&options).await);
    hear_of_each_other(&here, &there, 1).await;
    hear_of_each_other(&there, &here, 11).await;
    for process in [here, there] {
        process.cache.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidations_are_heard_whoever_is_the_master() {
    let group = blocking(RedisSentinel::start);
    let options = options(&group.url()).timeout(Duration::from_secs(2));
    let (here, there) = (Process::on(&options).await, Process::on(&options).await);
    hear_of_each_other(&here, &there, 1).await;

    // The master dies, and something is invalidated before another one is there.
    there.read(5).await;
    blocking(|| group.data()[0].kill());
    let invalidated = here.invalidate(5).await.unwrap();
    assert!(!invalidated.is_done(), "{invalidated:?}");
    eventually("what was invalidated meanwhile lands, and is heard", || async {
        let storages = here.cache.stats().await.storages;
        storages.iter().all(|storage| storage.pending_invalidations == 0) && !there.holds(5)
    })
    .await;
    for process in [&here, &there] {
        eventually("the other server's log is followed", || async {
            let backplane = process.backplane().await;
            backplane.joined && backplane.trusted && backplane.appends
        })
        .await;
    }
    hear_of_each_other(&here, &there, 11).await;

    // The old one comes back, and takes over in good order: it was never away for its readers.
    blocking(|| group.data()[0].restart());
    let sentinel = group.sentinels().next().unwrap().port();
    let sentinel = connection(sentinel).await;
    eventually("it can take over", || async {
        let mut sentinel = sentinel.clone();
        let asked: Result<(), _> = redis::cmd("SENTINEL")
            .arg("FAILOVER")
            .arg(RedisSentinel::MASTER)
            .query_async(&mut sentinel)
            .await;
        asked.is_ok()
    })
    .await;
    eventually("it has taken over", || async {
        let port = group.data()[0].port();
        group.master().is_some_and(|master| master.port() == port)
            // What the other still takes as a master is lost, which is a gap.
            && follows(&group.data()[1])
            && is_named(&mut sentinel.clone(), port).await
    })
    .await;
    let received = there.backplane().await.received;
    eventually("both follow it", || async {
        let done = here.invalidate(20).await.unwrap();
        let backplane = there.backplane().await;
        done.is_done()
            && done.unannounced.is_none()
            && backplane.joined
            && backplane.trusted
            && backplane.received > received
    })
    .await;
    hear_of_each_other(&here, &there, 21).await;
    hear_of_each_other(&there, &here, 31).await;
    for process in [here, there] {
        process.cache.close().await.unwrap();
    }
}

/// Whether a server follows another, and has all of it.
fn follows(server: &Redis) -> bool {
    let info = server.ask("INFO replication").unwrap_or_default();
    info.contains("role:slave") && info.contains("master_link_status:up")
}

/// Whether the sentinels name the server on this port.
async fn is_named(sentinel: &mut redis::aio::MultiplexedConnection, port: u16) -> bool {
    let master = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {}", RedisSentinel::MASTER);
    let [_, named]: [String; 2] = ask(sentinel, &master).await;
    named == port.to_string()
}
