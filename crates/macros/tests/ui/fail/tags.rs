use cache_macros::Node;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags(""))]
struct Tags0 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("a", "a"))]
struct Tags1 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags(users))]
struct Tags2 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("user:{idd}"))]
struct Tags3 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("user:{id"))]
struct Tags4 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("user:}"))]
struct Tags5 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("{}"))]
struct Tags6 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("{*id}"))]
struct Tags7 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("{id.}"))]
struct Tags8 {
    id: u64,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "a:{id}", value = String, tiers(memory), tags("{id.self}"))]
struct Tags9 {
    id: u64,
}

fn main() {}
