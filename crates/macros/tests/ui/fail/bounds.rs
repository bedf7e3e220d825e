use cache_macros::Node;

// Not the marker of the standard library: it holds something.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PhantomData<T>(T);

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user", value = String, tiers(memory))]
struct Marked {
    marker: PhantomData<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Plain;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = String, tiers(memory))]
struct NoDisplay {
    id: Plain,
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "user", value = String, tiers(memory), codec = jsn)]
struct NoCodec;

#[derive(Node)]
#[node(key = "user", value = String, tiers(memory))]
struct NotEqual;

fn main() {}
