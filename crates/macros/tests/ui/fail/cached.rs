#![allow(unused_variables)]
use std::{fmt, sync::Arc};

use cache_core::cache::Cache;
use cache_macros::cached;

#[derive(Clone)]
struct Pool;

// What is said.

#[cached]
async fn says_nothing() -> u8 {
    1
}

#[cached(cache = cache, tiers(memory), kee = "a")]
async fn slips(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory), value = u8)]
async fn takes_no_value(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory), skip(cache, cache, 1, pol))]
async fn skips(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory), absent_ttl = "5s")]
async fn is_never_absent(cache: &Cache) -> u8 {
    1
}

// Keys.

#[cached(cache = cache, key = "a:{id}", tiers(memory))]
async fn forgets(cache: &Cache, pool: Pool, id: u64) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{pool}:{ids}", tiers(memory), skip(pool), tags("{cache}"))]
async fn names(cache: &Cache, pool: Pool, id: u64) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{user.id}", tiers(memory))]
async fn names_a_part(cache: &Cache, user: User) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{id}:{id:?}", tiers(memory))]
async fn has_a_bad_key(cache: &Cache, id: u8) -> u8 {
    1
}

struct User;

// Functions.

#[cached(cache = cache, key = "a", tiers(memory))]
fn is_not_async(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory))]
async unsafe fn is_unsafe(cache: &Cache) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{x}", tiers(memory))]
async fn is_generic<T: fmt::Display, const N: usize>(cache: &Cache, x: T) -> u8 {
    1
}

#[cached(cache = cache, key = "a", tiers(memory))]
struct NoFunction;

trait Ask {
    #[cached(cache = cache, key = "a", tiers(memory))]
    async fn ask(cache: &Cache) -> u8;
}

// Arguments.

#[cached(cache = cache, key = "a:{x}", tiers(memory))]
async fn is_generic_in_secret(cache: &Cache, x: impl fmt::Display) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{a}", tiers(memory))]
async fn takes_apart(cache: &Cache, (a, b): (u8, u8)) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{x}", tiers(memory), skip(y, z))]
async fn borrows(cache: &Cache, x: Option<&str>, y: &mut u8, z: &dyn fmt::Debug) -> u8 {
    1
}

#[cached(cache = cache, key = "a:{x}", tiers(memory))]
async fn borrows_inside<'a>(cache: &Cache, x: std::borrow::Cow<'a, str>) -> u8 {
    1
}

// Return types.

#[cached(cache = cache, key = "a", tiers(memory))]
async fn returns_nothing(cache: &Cache) {}

#[cached(cache = cache, key = "a", tiers(memory))]
async fn returns_unit(cache: &Cache) -> Result<(), fmt::Error> {
    Ok(())
}

#[cached(cache = cache, key = "a", tiers(memory))]
async fn returns_a_borrow(cache: &Cache) -> Option<&str> {
    None
}

#[cached(cache = cache, key = "a", tiers(memory))]
async fn returns_something(cache: &Cache) -> impl fmt::Debug {
    1
}

// Methods.

impl Pool {
    #[cached(cache = cache, key = "a", tiers(memory))]
    async fn is_not_in_the_key(&self, cache: &Cache) -> u8 {
        1
    }

    #[cached(cache = cache, key = "a", tiers(memory), skip(self))]
    async fn changes(&mut self, cache: &Cache) -> u8 {
        1
    }

    #[cached(cache = cache, key = "a", tiers(memory), skip(self))]
    async fn returns_itself(self: Arc<Self>, cache: &Cache) -> Result<Self, fmt::Error> {
        Ok(Self)
    }

    #[cached(associated, cache = cache, key = "a:{pool}", tiers(memory))]
    async fn takes_itself(pool: Self, cache: &Cache) -> u8 {
        1
    }
}

fn main() {}
