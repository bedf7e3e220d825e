//! What only the compiler sees.
#![allow(unused_variables)]
use cache_core::cache::Cache;
use cache_macros::cached;

struct Pool;

type Answer = Result<String, String>;

#[cached(cache = cache, key = "a", tiers(memory))]
async fn hides_its_result(cache: &Cache) -> Answer {
    Ok(String::new())
}

#[cached(cache = 1, key = "a", tiers(memory))]
async fn names_no_cache() -> u8 {
    1
}

#[cached(cache = cache, key = "a:{x}", tiers(memory))]
async fn has_a_float_in_its_key(cache: &Cache, x: f64) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory), skip(pool))]
async fn borrows_what_has_no_clone(cache: &Cache, pool: &Pool) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory))]
async fn fails_with_no_error(cache: &Cache) -> Result<u8, String> {
    Ok(1)
}

#[cached(cache = cache, key = "a", tiers(memory))]
async fn returns_what_has_no_codec(cache: &Cache) -> Pool {
    Pool
}

impl Pool {
    #[cached(cache = cache, key = "a", tiers(memory), skip(self))]
    async fn has_no_clone(&self, cache: &Cache) -> u8 {
        1
    }

    #[cached(cache = cache, key = "a", tiers(memory))]
    async fn is_not_said_to_be_associated(cache: &Cache) -> u8 {
        1
    }
}

fn main() {}
