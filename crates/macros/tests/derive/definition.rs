use std::time::Duration;

use cache_core::entry::{Compression, CompressionPolicy};
use cache_core::node::{
    Abandoned, Across, Node, NodeDefinition, PeerChange, TierDefinition, TierFailure,
};
use cache_core::policy::doorkeeper::DoorkeeperOptions;
use cache_core::policy::early::EarlyRefresh;
use cache_core::policy::stale::StaleOptions;
use cache_core::policy::write_behind::{WhenFull, WriteBehind};
use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct Plain {
    id: u64,
}

#[test]
fn what_is_not_said_is_left_to_the_defaults_of_core() {
    let by_hand = NodeDefinition::new("Plain", "user:{id}").tier(TierDefinition::new("memory"));
    assert_eq!(Plain::definition(), by_hand);
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(
    key = "user:{id}:info",
    value = String,
    version = "v2",
    name = "users",
    tiers(
        memory(ttl = "30s"),
        sqlite(
            ttl = "10d",
            idle = "1d",
            value_bytes_min = 10,
            value_bytes_max = 1_048_576,
            on_failure = error
        ),
        "my-redis"(ttl = "1h 30m", on_failure = miss),
        r#type,
    ),
    compression = lz4,
    compression_threshold_bytes = 2048,
    tags("users", "user:{id}", "all"),
    jitter = 0.1,
    absent_ttl = "5ms",
    load_timeout = "10s",
    loads_max = 16,
    doorkeeper(size = 100_000, false_positive_rate = 0.02),
    stale(while_revalidate = "30s", if_error = "1d", throttle = "5s", soft_timeout = "200ms"),
    early_refresh(share = 0.8),
    refreshes_max = 8,
    prefetches_max = 2,
    across(storage = "redis", ttl = "5s", wait_max = "20s"),
    write_behind(
        to = source,
        queued_max = 100,
        batch_max = 10,
        delay = none,
        when_full = refuse,
        retry_for = "5m"
    ),
    abandoned = cancel,
    on_peer_change = reread,
    decoded_bytes_max = 4096,
)]
struct Full {
    id: u64,
}

#[test]
fn every_option_reaches_the_definition() {
    let by_hand = NodeDefinition::new("users", "user:{id}:info")
        .version("v2")
        .tier(TierDefinition::new("memory").ttl(Duration::from_secs(30)))
        .tier(
            TierDefinition::new("sqlite")
                .ttl(Duration::from_secs(10 * 86_400))
                .idle(Duration::from_secs(86_400))
                .value_bytes_min(10)
                .value_bytes_max(1_048_576)
                .on_failure(TierFailure::Error),
        )
        .tier(TierDefinition::new("my-redis").ttl(Duration::from_secs(5400)))
        .tier(TierDefinition::new("type"))
        .tag("users")
        .tag("all")
        .absent_ttl(Some(Duration::from_millis(5)))
        .jitter(0.1)
        .doorkeeper(DoorkeeperOptions::new(100_000, 0.02))
        .load_timeout(Some(Duration::from_secs(10)))
        .loads_max(16)
        .stale(
            StaleOptions::new()
                .while_revalidate(Duration::from_secs(30))
                .if_error(Duration::from_secs(86_400))
                .throttle(Duration::from_secs(5))
                .soft_timeout(Duration::from_millis(200)),
        )
        .early_refresh(EarlyRefresh::AtShare(0.8))
        .refreshes_max(8)
        .prefetches_max(2)
        .across(Across::new("redis").ttl(Duration::from_secs(5)).wait_max(Duration::from_secs(20)))
        .write_behind(
            WriteBehind::to_source()
                .queued_max(100)
                .batch_max(10)
                .delay(Duration::ZERO)
                .when_full(WhenFull::Refuse)
                .retry_for(Duration::from_secs(300)),
        )
        .abandoned(Abandoned::Cancel)
        .on_peer_change(PeerChange::ReRead)
        .compression(CompressionPolicy::new(Compression::Lz4).above(2048))
        .decoded_bytes_max(4096);
    assert_eq!(Full::definition(), by_hand);
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "early", value = String, tiers(memory), early_refresh(beta = 1.5))]
#[node(stale(if_error = "1m"), across = "shared", write_behind = storages)]
struct Early;

#[test]
fn what_is_left_out_of_the_stale_options_has_its_default() {
    let early = Early::definition();
    assert_eq!(early.across, Some(Across::new("shared")));
    assert_eq!(early.write_behind, Some(WriteBehind::to_storages()));
    assert_eq!(early.early_refresh, Some(EarlyRefresh::XFetch { beta: 1.5 }));
    assert_eq!(early.stale, StaleOptions::new().if_error(Duration::from_secs(60)));
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "off", value = String)]
#[node(compression = none, absent_ttl = none, load_timeout = none, jitter = 0, abandoned = finish)]
#[node(tiers(memory(on_failure = miss)), doorkeeper(size = 10))]
struct Off;

#[test]
fn policies_can_be_switched_off_and_attributes_split() {
    let by_hand = NodeDefinition::new("Off", "off")
        .tier(TierDefinition::new("memory"))
        .absent_ttl(None)
        .load_timeout(None)
        .doorkeeper(DoorkeeperOptions::new(10, 0.01))
        .compression(CompressionPolicy::NONE);
    assert_eq!(Off::definition(), by_hand);
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "small", value = String, tiers(memory), compression_threshold_bytes = 64)]
struct Threshold;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "small", value = String, tiers(memory), compression = zstd)]
struct Zstd;

#[test]
fn method_and_threshold_of_compression_stand_alone() {
    let threshold = Threshold::definition().compression;
    assert_eq!(threshold, CompressionPolicy::default().above(64));
    assert_eq!(Zstd::definition().compression, CompressionPolicy::new(Compression::Zstd));
}
