use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
struct Nothing;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node()]
struct Empty;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node]
struct NoList;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String)]
struct NoTiers {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers())]
struct EmptyTiers {
    id: u64,
}

fn main() {}
