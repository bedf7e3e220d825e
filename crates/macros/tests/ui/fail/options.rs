use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), verzion = "v2")]
struct Option0;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), colour = 1)]
struct Option1;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), version = "v2", version = "v3")]
struct Option2;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), version = "a:b")]
struct Option3;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), version = "")]
struct Option4;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), version = 2)]
struct Option5;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), name = "")]
struct Option6;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), codec = "json")]
struct Option7;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), compression = gzip)]
struct Option8;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), compression = zst)]
struct Option9;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), compression = none, compression_threshold_bytes = 10)]
struct Option10;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), compression_threshold_bytes = -1)]
struct Option11;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), jitter = 1.5)]
struct Option12;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), jitter = -0.1)]
struct Option13;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), jitter = "0.1")]
struct Option14;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), absent_ttl = "0s")]
struct Option15;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), absent_ttl = never)]
struct Option16;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), load_timeout = 10)]
struct Option17;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), load_timeout = "10s" "20s")]
struct Option18;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), load_timeout = "10us")]
struct Option19;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), loads_max = 0)]
struct Option20;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), loads_max = 1.5)]
struct Option21;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), doorkeeper(false_positive_rate = 0.1))]
struct Option22;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), doorkeeper(size = 0, false_positive_rate = 1))]
struct Option23;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), doorkeeper = 10)]
struct Option24;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), abandoned = cancle)]
struct Option25;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), decoded_bytes_max = 5_000_000_000)]
struct Option26;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), crate = "core")]
struct Option27;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), "codec")]
struct Option28;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), codec = json jitter = 1)]
struct Option29;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), jitter = 2, loads_max = 0, version = "v1" "v2", codec = json)]
struct Option30;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), stale())]
struct Option31;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), stale(soft_timeout = "1s"))]
struct Option32;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), stale(if_error = "0ms", for = "1s"))]
struct Option33;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), early_refresh(share = 1))]
struct Option34;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), early_refresh(share = 0.5, beta = 1))]
struct Option35;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), refreshes_max = 0, prefetches_max = 0)]
struct Option36;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), across(ttl = "1s"))]
struct Option37;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory), write_behind(delay = "1s", when_full = wait))]
struct Option38;

fn main() {}
