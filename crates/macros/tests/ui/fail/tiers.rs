use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory, memory(ttl = "1s")))]
struct Tiers0;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers("memory", memory))]
struct Tiers1;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(""))]
struct Tiers2;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers("a:b"))]
struct Tiers3;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(tll = "1s")))]
struct Tiers4;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(ttl = "1s", ttl = "2s")))]
struct Tiers5;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(ttl = "0s")))]
struct Tiers6;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(ttl = "soon")))]
struct Tiers7;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(ttl = none)))]
struct Tiers8;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory ttl = "1s"))]
struct Tiers9;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(value_bytes_min = 10, value_bytes_max = 9)))]
struct Tiers10;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(value_bytes_max = 0)))]
struct Tiers11;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(on_failure = panic)))]
struct Tiers12;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(30))]
struct Tiers13;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers(memory(ttl = "x", idle = 5), sqlite(idel = "1s")))]
struct Tiers14;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a", value = String, tiers = memory)]
struct Assigned;

fn main() {}
