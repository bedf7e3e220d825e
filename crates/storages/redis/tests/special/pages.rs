//! Servers that are replaced between two pages of a walk: the place where a page ended means nothing
//! to another process.

use std::time::Duration;

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{InvalidationMode, Selector, Storage};
use cache_redis::{Redis, RedisOptions};
use futures_util::TryStreamExt as _;
use tiers_servers::Redis as Server;

use crate::common::{blocking, opened, remove_tag, server_with, set_write};
use crate::gate::Gate;

const ENTRIES: u64 = 5_000;

fn kept_server() -> Server {
    server_with(&["--appendonly", "yes", "--appendfsync", "always"])
}

async fn through(gate: &Gate) -> Redis {
    let options = RedisOptions::server("127.0.0.1", gate.port()).pool_size(1);
    options.timeout(Duration::from_secs(60)).open().await.unwrap()
}

async fn store_all(storage: &Redis, tags: &[&str]) {
    for first in (0..ENTRIES).step_by(1_000) {
        let writes =
            (first..first + 1_000).map(|number| set_write(&format!("n{number}"), "x", tags));
        for outcome in storage.write(writes.collect()).await.unwrap() {
            outcome.unwrap();
        }
    }
}

/// Carries out a call whose second request with this text in it meets another process.
async fn with_restart_between<T: Send + 'static>(
    server: &Server,
    gate: &Gate,
    text: &'static str,
    call: impl Future<Output = T> + Send + 'static,
) -> T {
    gate.hold_at(text, 2);
    let call = tokio::spawn(call);
    gate.held().await;
    blocking(|| server.kill());
    blocking(|| server.restart());
    gate.open();
    call.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_removed_whole_though_the_server_is_restarted_between_pages() {
    let server = kept_server();
    let gate = Gate::to(server.port()).await;
    let (storage, direct) = (through(&gate).await, opened(&server).await);
    store_all(&direct, &["tag"]).await;
    let removal = async move { remove_tag(&storage, "tag").await };
    let removed = with_restart_between(&server, &gate, "EVALSHA", removal).await;
    assert_eq!(removed.unwrap(), ENTRIES);
    assert_eq!(direct.stats().await.unwrap().entries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_finds_all_though_the_server_is_restarted_between_pages() {
    let server = kept_server();
    let gate = Gate::to(server.port()).await;
    let (storage, direct) = (through(&gate).await, opened(&server).await);
    let selector = Selector::Pattern(KeyPattern::new("t", Glob::parse("n*").unwrap(), None));
    // The text of a page's pattern; no key has it.
    let page = "{0}:e:t:n*";
    store_all(&direct, &[]).await;

    // The server knows the script, or it would be asked for the first page twice.
    assert_eq!(direct.stats().await.unwrap().entries, ENTRIES);
    let listing = {
        let (storage, selector) = (storage.clone(), selector.clone());
        async move { storage.scan(&selector).try_collect::<Vec<_>>().await }
    };
    let listed = with_restart_between(&server, &gate, page, listing).await.unwrap();
    assert_eq!(listed.len() as u64, ENTRIES);

    assert_eq!(direct.stats().await.unwrap().entries, ENTRIES);
    let counting = {
        let storage = storage.clone();
        async move { storage.stats().await }
    };
    let stats = with_restart_between(&server, &gate, "{0}:e:*", counting).await.unwrap();
    assert_eq!(stats.entries, ENTRIES);

    let removal = async move { storage.invalidate(&selector, InvalidationMode::Remove).await };
    let removed = with_restart_between(&server, &gate, page, removal).await.unwrap();
    assert_eq!(removed.entries, ENTRIES);
    assert_eq!(direct.stats().await.unwrap().entries, 0);
}
