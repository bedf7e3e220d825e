//! Nodes known only at run time: key text and bytes.

use std::time::Duration;

use bytes::Bytes;
use tiers::key::KeyError;
use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, user};

fn define(name: &str, key: &str) -> NodeDefinition {
    NodeDefinition::new(name, key)
        .tier(TierDefinition::new("memory").ttl(Duration::from_secs(30)))
        .tier(TierDefinition::new("sqlite").ttl(Duration::from_secs(600)))
}

fn upper() -> impl Source<DynamicNode> {
    source_fn(|node: DynamicNode| async move {
        Ok::<_, LoadError>(Bytes::from(node.key().to_uppercase()))
    })
}

#[tokio::test]
async fn key_text_and_bytes_go_through_all_tiers() {
    let world = World::new();
    let cache = world.cache().await;
    let pages = cache.bind_as(define("pages", "page:{*path}"), upper()).expect("binds");
    let node = DynamicNode::new("page:a/b:c");
    assert_eq!(*pages.get(&node).await.expect("loads"), Bytes::from_static(b"PAGE:A/B:C"));
    world.pass(Duration::from_secs(31));
    assert_eq!(*pages.get(&node).await.expect("is in the file"), Bytes::from_static(b"PAGE:A/B:C"));
    assert_eq!(pages.stats().loads(), 1);
    assert_eq!(pages.key(&node).expect("valid").as_str(), "tiers:page:a/b:c:v1");
    pages.set(&node, Bytes::from_static(&[0, 255, 1])).await.expect("sets");
    assert_eq!(*pages.get(&node).await.expect("was set"), Bytes::from_static(&[0, 255, 1]));
}

/// Each has its own definition: they share neither tiers nor keys nor statistics.
#[tokio::test]
async fn dynamic_types_have_definitions_of_their_own() {
    let world = World::new();
    let cache = world.cache().await;
    let one = define("one", "one:{id}").version("v7");
    let two = NodeDefinition::new("two", "two:{id}").tier(TierDefinition::new("memory"));
    let one = cache.bind_as(one, upper()).expect("binds");
    let two = cache.bind_as(two, upper()).expect("binds");
    assert_eq!((one.definition().version.as_str(), one.definition().tiers.len()), ("v7", 2));
    assert_eq!((two.definition().version.as_str(), two.definition().tiers.len()), ("v1", 1));
    one.get(&DynamicNode::new("one:1")).await.expect("loads");
    assert_eq!((one.stats().requests(), two.stats().requests()), (1, 0));
    assert!(!two.contains(&DynamicNode::new("two:1")).await.expect("looks"));
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused() {
    let world = World::new();
    let cache = world.cache().await;
    let pages = cache.bind_as(define("pages", "page:{name}"), upper()).expect("binds");
    for key in [
        "",
        "page:",
        "page",
        "user:1",
        "page:a:b",
        "page:a\n",
        &format!("page:{}", "x".repeat(600)),
    ] {
        let node = DynamicNode::new(key);
        let answers = [
            pages.get(&node).await.map(|_| ()),
            pages.set(&node, Bytes::new()).await,
            pages.invalidate(&node).await.map(|_| ()),
            pages.entry(&node).await.map(|_| ()),
            pages.refresh(&node).await.map(|_| ()),
        ];
        for answer in answers {
            if key == "page:" {
                // An empty field is a name like another.
                continue;
            }
            let error = answer.expect_err(key);
            let Error::Key { node, source } = &error else { panic!("{error}") };
            assert_eq!(node, "pages");
            assert!(!matches!(source, KeyError::Template { .. }), "{error}");
        }
    }
}

/// Operator tools read by text what a program wrote typed, where they know its codec.
#[tokio::test]
async fn a_typed_entry_is_not_taken_for_bytes() {
    let world = World::new();
    let cache = world.cache().await;
    cache.bind::<UserNode>(Versions::new()).expect("binds").get(&user(1)).await.expect("loads");
    let other = world.cache_without_memory().await;
    let definition = NodeDefinition::new("users", "user:{id}").tier(TierDefinition::new("sqlite"));
    let users = other.bind_as(definition, upper()).expect("binds");
    assert_eq!(
        *users.get(&DynamicNode::new("user:1")).await.expect("loads"),
        Bytes::from_static(b"USER:1")
    );
    assert_eq!(users.stats().tier("sqlite").expect("a tier").damaged, 1);
}
