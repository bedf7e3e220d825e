use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "", value = String, tiers(memory))]
struct Key0 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user::{id}", value = String, tiers(memory))]
struct Key1 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}:", value = String, tiers(memory))]
struct Key2 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{id}{id}", value = String, tiers(memory))]
struct Key3 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{id", value = String, tiers(memory))]
struct Key4 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "id}", value = String, tiers(memory))]
struct Key5 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{}:{id}", value = String, tiers(memory))]
struct Key6 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{i d}:{id}", value = String, tiers(memory))]
struct Key7 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{*id}:all", value = String, tiers(memory))]
struct Key8 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "x{*id}", value = String, tiers(memory))]
struct Key9 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user\n:{id}", value = String, tiers(memory))]
struct Key10 {
    id: u64,
}

fn main() {}
