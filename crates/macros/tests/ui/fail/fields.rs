use cache_macros::Node;

use std::marker::PhantomData;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{idd}:{name}", value = String, tiers(memory))]
struct Unknown {
    id: u64,
    color: u8,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct Left {
    id: u64,
    name: String,
    marker: PhantomData<u8>,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{2}", value = String, tiers(memory))]
struct Tuple(u64, String);

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct Unit;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{owner.id}", value = String, tiers(memory))]
struct Nested {
    owner: Owner,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct Skipped {
    id: u64,
    #[node(skip)]
    name: String,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Owner {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
enum Enum {
    One { id: u64 },
}

#[derive(Node)]
#[node(key = "user:{id}", value = String, tiers(memory))]
union Union {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct Borrowed<'a> {
    id: &'a str,
}

fn main() {}
