//! I7: tags, patterns and prefixes reach what they name and nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, memory, user};

fn files(tiers: [&str; 2]) -> NodeDefinition {
    let tiers = tiers.map(|tier| TierDefinition::new(tier).ttl(Duration::from_secs(60)));
    NodeDefinition::new("files", "file:{*path}").tiers(tiers)
}

fn no_source() -> impl Source<DynamicNode> {
    source_fn(|_: DynamicNode| async { Ok::<_, LoadError>(Loaded::<Bytes>::absent()) })
}

async fn put(handle: &Handle<DynamicNode>, keys: &[&str]) {
    let values = keys.iter().map(|key| (DynamicNode::new(*key), Bytes::from_static(b"x")));
    for stored in handle.set_many(values).await {
        stored.expect("sets");
    }
}

async fn left(handle: &Handle<DynamicNode>) -> Vec<String> {
    let keys: Vec<_> = handle.keys().try_collect().await.expect("lists");
    let mut names: Vec<String> = keys.iter().map(|key| key.name().to_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn trap_27_what_users_write_into_keys_is_data() {
    let keys = [
        "file:100%",
        "file:100x",
        "file:a_b",
        "file:axb",
        "file:[a]",
        "file:a",
        "file:*",
        "file:?",
        r"file:\",
    ];
    let cases: [(&str, &[&str]); 7] = [
        ("file:100%", &["file:100%"]),
        ("file:a_b", &["file:a_b"]),
        ("file:[a]", &["file:[a]"]),
        (r"file:\*", &["file:*"]),
        (r"file:\?", &["file:?"]),
        (r"file:\\", &[r"file:\"]),
        ("file:?", &["file:?", "file:a", "file:*", r"file:\"]),
    ];
    for (pattern, gone) in cases {
        let world = World::new();
        let cache = world.cache().await;
        let handle = cache.bind_as(files(["memory", "sqlite"]), no_source()).expect("binds");
        put(&handle, &keys).await;
        assert!(cache.invalidate_pattern(pattern).await.expect("invalidates").is_done());
        let mut expected: Vec<String> =
            keys.iter().filter(|key| !gone.contains(key)).map(ToString::to_string).collect();
        expected.sort_unstable();
        assert_eq!(left(&handle).await, expected, "{pattern}");
        for key in gone {
            let found = handle.entry(&DynamicNode::new(*key)).await.expect("looks");
            assert!(
                found.is_none(),
                "{pattern} left {key} in {:?}",
                found.map(|entry| entry.storage)
            );
        }
    }
}

#[tokio::test]
async fn two_caches_in_one_storage_never_touch_each_other() {
    let world = World::new();
    let shared_memory = memory();
    let mut caches = Vec::new();
    for prefix in ["shop", "sho", "shop2"] {
        let cache = Cache::builder()
            .prefix(prefix)
            .clock(std::sync::Arc::new(world.clock.clone()))
            .storage("memory", shared_memory.clone())
            .storage("sqlite", world.sqlite().await)
            .build()
            .expect("a valid cache");
        let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
        users.get(&user(1)).await.expect("loads");
        caches.push((cache, users));
    }
    for way in 0..4 {
        let (cache, users) = &caches[0];
        let done = match way {
            0 => cache.invalidate_tag("users").await,
            1 => cache.invalidate_pattern("*").await,
            2 => cache.clear().await,
            _ => users.clear().await,
        };
        assert!(done.expect("invalidates").is_done());
        assert!(!users.contains(&user(1)).await.expect("looks"));
        for (other, others) in &caches[1..] {
            let entry = others.entry(&user(1)).await.expect("looks").expect("is there");
            assert_eq!(entry.storage, "memory", "{way}: {} lost it from memory", other.prefix());
            assert_eq!(others.stats().loads(), 1);
            let count = other.stats().await.storages[0].stats.clone().expect("tells").entries;
            assert!(count >= 2, "{way}: the file lost another cache's entry");
        }
        users.get(&user(1)).await.expect("loads");
    }
}

#[tokio::test]
async fn a_type_is_cleared_without_its_neighbours_or_other_versions() {
    let world = World::new();
    let cache = world.cache().await;
    let tiers = || [TierDefinition::new("memory"), TierDefinition::new("sqlite")];
    let define = |name: &str, key: &str| NodeDefinition::new(name, key).tiers(tiers());
    let old = cache.bind_as(define("old", "user:{id}"), no_source()).expect("binds");
    let new = cache
        .bind_as(define("new", "user:{id}").version("v2"), no_source())
        .expect("another version has other keys");
    let mail = cache.bind_as(define("mail", "user:{id}:mail"), no_source()).expect("binds");
    put(&old, &["user:1", "user:2"]).await;
    put(&new, &["user:1"]).await;
    put(&mail, &["user:1:mail"]).await;
    assert!(old.clear().await.expect("clears").is_done());
    assert_eq!(left(&old).await, [""; 0]);
    assert_eq!(
        (left(&new).await, left(&mail).await),
        (vec!["user:1".into()], vec!["user:1:mail".into()])
    );
    for (handle, key) in [(&new, "user:1"), (&mail, "user:1:mail")] {
        let entry = handle.entry(&DynamicNode::new(key)).await.expect("looks").expect("is there");
        assert_eq!(entry.storage, "memory");
    }
}

#[tokio::test]
async fn any_tag_and_all_tags_mean_what_they_say() {
    let world = World::new();
    let cache = world.cache().await;
    let handle = cache.bind_as(files(["memory", "sqlite"]), no_source()).expect("binds");
    let put = async || {
        for (key, tags) in
            [("file:a", &["x"][..]), ("file:b", &["x", "y"]), ("file:c", &["y"]), ("file:d", &[])]
        {
            let options = tags.iter().fold(SetOptions::new(), |options, tag| options.tag(*tag));
            let value = Bytes::from_static(b"v");
            handle.set_with(&DynamicNode::new(key), value, options).await.expect("sets");
        }
    };
    put().await;
    assert_eq!(cache.invalidate_all_tags(["x", "y"]).await.expect("invalidates").entries, 1);
    assert_eq!(left(&handle).await, ["file:a", "file:c", "file:d"]);
    put().await;
    assert_eq!(cache.invalidate_any_tag(["y", "nobody"]).await.expect("invalidates").entries, 2);
    assert_eq!(left(&handle).await, ["file:a", "file:d"]);
    let none: [&str; 0] = [];
    assert_eq!(cache.invalidate_all_tags(none).await.expect("invalidates").entries, 0);
    assert_eq!(cache.invalidate_any_tag(none).await.expect("invalidates").entries, 0);
    assert_eq!(left(&handle).await, ["file:a", "file:d"]);
}
