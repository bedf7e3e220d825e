//! The pages of the guide, so that their examples are compiled and run.

macro_rules! pages {
    ($($page:ident $file:literal)*) => {
        $(
            #[doc = include_str!(concat!("../../../docs/guide/", $file))]
            mod $page {}
        )*
    };
}

#[cfg(all(feature = "memory", feature = "sqlite", feature = "msgpack", feature = "macros"))]
pages! {
    backplane "backplane.md"
    atomics "atomics.md"
    cancellation "cancellation.md"
    errors "errors.md"
    events "events.md"
    from_cacheme "from-cacheme.md"
    from_moka_and_cached "from-moka-and-cached.md"
    invalidation "invalidation.md"
    mongodb "mongodb.md"
    observability "observability.md"
    mysql "mysql.md"
    redis "redis.md"
    single_flight "single-flight.md"
    postgres "postgres.md"
    sqlite "sqlite.md"
    tiers "tiers.md"
    write_behind "write-behind.md"
}

#[cfg(feature = "filesystem")]
pages! {
    filesystem "filesystem.md"
}

#[cfg(all(feature = "testing", feature = "memory", feature = "msgpack", feature = "macros"))]
pages! {
    failing_tiers "failing-tiers.md"
    stale "stale.md"
    testing "testing.md"
}
