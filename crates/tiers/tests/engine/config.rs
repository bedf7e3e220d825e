//! Bad input: each has a typed error, told when it is built, bound or opened.

use std::time::Duration;

use tiers::OpenError;
use tiers::core::cache::Backend;
use tiers::key::KeyFields;
use tiers::policy::doorkeeper::DoorkeeperOptions;
use tiers::policy::early::EarlyRefresh;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, memory};

async fn refusal(world: &World, definition: NodeDefinition) -> ConfigError {
    let cache = world.cache().await;
    cache.bind_as::<UserNode>(definition, Versions::new()).map(|_| ()).expect_err("refused")
}

fn tier(name: &str) -> TierDefinition {
    TierDefinition::new(name)
}

#[tokio::test]
async fn definitions_that_make_no_sense_are_refused() {
    let world = World::new();
    let users = UserNode::definition;
    let with_tier = |tier| users().tiers([tier]);
    let ms = Duration::from_millis;
    let cases: Vec<(NodeDefinition, &str)> = vec![
        (
            with_tier(tier("redis")),
            "uses the storage `redis`, which is not registered (registered: memory, sqlite)",
        ),
        (users().tiers([]), "has no tiers"),
        (users().tiers([tier("sqlite"), tier("sqlite")]), "uses `sqlite` twice"),
        (users().tiers([tier("memory"), tier("memory")]), "uses a memory twice"),
        (with_tier(tier("memory").ttl(ms(0))), "`ttl` must be at least a millisecond"),
        (with_tier(tier("sqlite").idle(ms(0))), "`idle` must be at least a millisecond"),
        (
            with_tier(tier("sqlite").value_bytes_min(2).value_bytes_max(1)),
            "`value_bytes_min` must not be larger",
        ),
        (users().absent_ttl(Some(ms(0))), "`absent_ttl` must be at least a millisecond"),
        (users().load_timeout(Some(ms(0))), "`load_timeout` must be at least a millisecond"),
        (users().loads_max(0), "`loads_max` must be larger than zero"),
        (users().refreshes_max(0), "`refreshes_max` must be larger than zero"),
        (users().prefetches_max(0), "`prefetches_max` must be larger than zero"),
        (
            users().stale(StaleOptions::new().if_error(ms(0))),
            "`stale.if_error` must be at least a millisecond",
        ),
        (users().early_refresh(EarlyRefresh::AtShare(1.0)), "`early_refresh` a share of the TTL"),
        (users().jitter(1.5), "`jitter` must lie between 0 and 1"),
        (users().jitter(f64::NAN), "`jitter` must lie between 0 and 1"),
        (users().doorkeeper(DoorkeeperOptions::new(0, 0.1)), "`doorkeeper` a doorkeeper's size"),
        (users().version("a:b"), "version \"a:b\" holds a ':'"),
        (users().version(""), "version is empty"),
        (users().tag(""), "tag is empty"),
        (NodeDefinition::new("x", "{a}{b}").tier(tier("memory")), "more than one field"),
        (NodeDefinition::new("x", "").tier(tier("memory")), "key template is empty"),
        (NodeDefinition::new("", "x").tier(tier("memory")), "`name` must not be empty"),
    ];
    for (definition, expected) in cases {
        let shown = format!("{definition:?}");
        let error = refusal(&world, definition).await.to_string();
        assert!(error.contains(expected), "{error}\ninstead of: {expected}\nfor {shown}");
    }
}

#[cfg(not(feature = "lz4"))]
#[tokio::test]
async fn a_compression_that_is_left_out_names_its_feature() {
    let world = World::new();
    let definition = UserNode::definition().compression(CompressionPolicy::new(Compression::Lz4));
    let error = refusal(&world, definition).await.to_string();
    assert!(error.contains("enable feature `lz4`"), "{error}");
}

#[tokio::test]
async fn two_types_never_share_a_key() {
    let world = World::new();
    let cache = world.cache().await;
    cache.bind::<UserNode>(Versions::new()).expect("binds");
    let again = cache.bind::<UserNode>(Versions::new()).map(|_| ()).expect_err("bound already");
    assert_eq!(again, ConfigError::AlreadyBound { node: "UserNode".to_owned() });
    for key in ["user:{id}", "user:{name}", "{kind}:{id}", "user:7", "{*all}"] {
        let definition = NodeDefinition::new("other", key).tier(tier("memory"));
        let error = cache.bind_as::<UserNode>(definition, Versions::new()).map(|_| ());
        let error = error.expect_err("the same keys");
        assert!(matches!(error, ConfigError::KeysOverlap { .. }), "{key}: {error}");
    }
}

#[tokio::test]
async fn a_node_without_a_codec_may_use_memory_only() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Plain;
    impl Node for Plain {
        type Value = std::sync::Mutex<u8>;
        fn definition() -> NodeDefinition {
            NodeDefinition::new("Plain", "plain").tier(tier("memory")).tier(tier("sqlite"))
        }
        fn key_fields(&self, _: &mut KeyFields<'_>) {}
    }
    let source = || source_fn(|_: Plain| async { Ok::<_, LoadError>(std::sync::Mutex::new(7)) });
    let world = World::new();
    let cache = world.cache().await;
    let error = cache.bind::<Plain>(source()).map(|_| ()).expect_err("no codec");
    assert!(error.to_string().contains("may use memory only, not `sqlite`"), "{error}");
    let in_memory = Plain::definition().tiers([tier("memory")]);
    let plain = cache.bind_as::<Plain>(in_memory, source()).expect("binds");
    *plain.get(&Plain).await.expect("loads").lock().expect("not poisoned") += 1;
    assert_eq!(*plain.get(&Plain).await.expect("is there").lock().expect("not poisoned"), 8);
}

#[tokio::test]
async fn caches_that_make_no_sense_are_refused() {
    let build = |prefix: &str, names: &[&str]| {
        let builder = Cache::builder().prefix(prefix);
        names.iter().fold(builder, |builder, name| builder.storage(*name, memory())).build()
    };
    assert!(build("app", &["a", "b"]).is_ok());
    for (prefix, names) in [("", &["a"][..]), ("a:b", &["a"]), ("a\n", &["a"]), ("app", &[""])] {
        assert!(
            matches!(build(prefix, names), Err(ConfigError::Name { .. })),
            "{prefix:?} {names:?}"
        );
    }
    // Registering again is not ignored.
    let twice = build("app", &["a", "a"]).map(|_| ()).expect_err("registered twice");
    assert_eq!(twice, ConfigError::DuplicateStorage { name: "a".to_owned() });
}

#[test]
fn a_cache_needs_a_runtime() {
    let error = Cache::builder().storage("memory", memory()).build().map(|_| ());
    assert_eq!(error.expect_err("no runtime"), ConfigError::NoRuntime);
}

#[tokio::test]
async fn urls_that_cannot_be_opened_say_why() {
    let cases = [
        #[cfg(not(feature = "redis"))]
        ("redis://user:hunter2@localhost", "enable feature `redis`"),
        #[cfg(not(feature = "redis"))]
        ("rediss-cluster://localhost", "enable feature `redis`"),
        #[cfg(feature = "redis")]
        ("redis://user:hunter2@localhost?pool_size=0", "pool_size"),
        #[cfg(feature = "redis")]
        ("valkey-cluster://user:hunter2@localhost/3", "database"),
        (
            "postgres://user:hunter2@localhost/db?pool_size=0",
            if cfg!(feature = "postgres") { "pool_size" } else { "enable feature `postgres`" },
        ),
        (
            "mysql://user:hunter2@localhost/db?pool_size=0",
            if cfg!(feature = "mysql") { "pool_size" } else { "enable feature `mysql`" },
        ),
        #[cfg(not(feature = "mongodb"))]
        ("mongodb://user:hunter2@localhost", "enable feature `mongodb`"),
        #[cfg(feature = "mongodb")]
        ("mongodb://user:hunter2@localhost/?pool_size=0", "pool_size"),
        #[cfg(feature = "mongodb")]
        ("mongodb://user:hunter2/@localhost", "percent-encoded"),
        #[cfg(not(feature = "filesystem"))]
        ("file:///tmp/x", "enable feature `filesystem`"),
        #[cfg(feature = "filesystem")]
        ("file://host/tmp/x", "names a host"),
        #[cfg(feature = "filesystem")]
        ("file:///tmp/x?pool_size=0", "pool_size"),
        ("ftp://user:hunter2@localhost", "none that is known"),
        ("cache.db", "no scheme"),
        ("", "no scheme"),
        ("memory://random?max_entries=10", "memory"),
        ("memory://lru?max_entries=0", "max_entries"),
        ("memory://lru?max_entries=many", "max_entries"),
        ("memory://lru?max_entires=10", "max_entires"),
        ("sqlite://cache.db?table=drop table", "table"),
        ("sqlite://cache.db?pool_size=0", "pool_size"),
        ("sqlite://cache.db?pool=10", "pool"),
        ("sqlite://cache.db?backup_interval=10", "backup_interval"),
    ];
    for (url, expected) in cases {
        let error = tiers::open(url).await.map(|_| ()).expect_err(url);
        assert!(matches!(error, OpenError::Config(_)), "{url}: {error:?}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{url}: {shown}");
        assert!(!shown.contains("hunter2"), "{url}: {shown}");
    }
}

#[tokio::test]
async fn urls_open_what_they_name() {
    let world = World::new();
    let file = format!("sqlite://{}?table=cache&pool_size=10", world.path().display());
    let absolute = format!("sqlite:///{}?table=other", world.path().display());
    for url in [
        "memory://?max_entries=10000",
        "memory://adaptive?max_entries=10000",
        "memory://tinylfu?max_entries=10000&engine=moka",
        "memory://sieve?max_entries=10",
        "memory://lru?max_bytes=1000000",
        "local://tlfu",
        "local://lru",
    ] {
        assert!(matches!(tiers::open(url).await, Ok(Backend::Memory(_))), "{url}");
    }
    for url in [file, absolute] {
        let backend = tiers::open(&url).await;
        assert!(matches!(backend, Ok(Backend::Storage(_))), "{url}: {backend:?}");
    }
    assert!(world.path().exists());
    #[cfg(feature = "filesystem")]
    {
        let folder = world.path().with_file_name("values");
        let backend = tiers::open(&format!("file://{}?max_bytes=1GiB", folder.display())).await;
        assert!(matches!(backend, Ok(Backend::Storage(_))), "{backend:?}");
        assert!(folder.join("index.db").exists());
    }
}
