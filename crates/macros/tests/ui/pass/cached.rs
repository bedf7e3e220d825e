//! Cached functions, whatever names are around them, and the core crate by any path.
#![deny(warnings, missing_docs)]

mod hidden {
    pub use cache_core as engine;
}

/// Names that the generated code must not stumble over.
#[allow(dead_code, non_camel_case_types)]
pub mod shadowed {
    mod core {}
    mod std {}
    struct Option;
    struct Duration;
    struct Arc;
    enum Never {
        Ok,
        Err,
        Some,
        None,
    }
    #[allow(unused_imports)]
    use Never::*;

    use cache_core::cache::Cache;
    use cache_macros::cached;

    /// Arguments that are called as things of the generated code are.
    #[cached(
        crate = crate::hidden::engine,
        cache = state,
        key = "shadowed:{cache}:{bound}:{this}:{fields}:{type}",
        tiers(memory(ttl = "1s")),
        absent_ttl = "1s",
        tags("{cache}", "fixed"),
        load_timeout = none,
        codec = none,
        weight = super::weight,
    )]
    pub async fn shadowed(
        state: &Cache,
        cache: &str,
        bound: u8,
        this: char,
        fields: bool,
        r#type: ::std::sync::Arc<str>,
    ) -> ::core::result::Result<::core::option::Option<::std::string::String>, ::std::fmt::Error> {
        let _ = (bound, this, fields);
        ::core::result::Result::Ok(::core::option::Option::Some(::std::format!("{cache}{}", r#type)))
    }
}

fn weight(value: &String) -> u64 {
    value.len() as u64
}

/// A type with a parameter, whose `self` is skipped.
pub struct Repository<P> {
    cache: cache_core::cache::Cache,
    pool: P,
}

impl<P: Clone + Send + Sync + 'static> Repository<P> {
    /// Says the size of a pool.
    #[cache_macros::cached(
        cache = self.cache, key = "size:{name}", tiers(memory), skip(self), codec = none,
    )]
    pub async fn size(self: &std::sync::Arc<Self>, name: &str) -> usize {
        let _ = self.pool.clone();
        name.len()
    }
}

fn is_send<T: Send>(_: &T) {}

fn main() {
    #[allow(dead_code)]
    async fn all(cache: &cache_core::cache::Cache, repository: &std::sync::Arc<Repository<u8>>) {
        let size = repository.size("a");
        is_send(&size);
        let _ = size.await;
        if let Ok(node) = repository.size_node("a") {
            let _ = node.handle().invalidate(node.node()).await;
        }
        let _ = shadowed::shadowed(
            cache, "a", 1, 'a', true, "a".into(),
        )
        .await;
    }
}
