//! The core crate may be reached by any path.

mod hidden {
    pub use cache_core as engine;
}

mod inner {
    use cache_macros::Node;

    #[derive(Node, Clone, PartialEq, Eq, Hash)]
    #[node(crate = crate::hidden::engine, key = "user:{id}", value = String)]
    #[node(tiers(memory(ttl = "30s")), tags("user:{id}"), codec = none)]
    pub struct User {
        pub id: u64,
    }
}

// Names that the generated code must not stumble over.
#[allow(dead_code, non_camel_case_types)]
mod shadowed {
    mod core {}
    mod std {}
    struct Option;
    struct Duration;
    struct u64;

    use cache_macros::Node;

    #[derive(Node, Clone, PartialEq, Eq, Hash)]
    #[node(key = "shadowed", value = ::std::string::String, tiers(memory(ttl = "1s")))]
    #[node(absent_ttl = "1s", load_timeout = none, weight = super::weight)]
    pub struct Shadowed;
}

fn weight(value: &String) -> u64 {
    value.len() as u64
}

fn main() {
    use cache_core::node::Node;
    assert_eq!(inner::User::definition().key, "user:{id}");
    assert_eq!(shadowed::Shadowed::definition().key, "shadowed");
}
