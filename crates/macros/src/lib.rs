//! The macros of Tiers. Programs reach them through the facade crate `tiers`; whoever depends on
//! `cache-core` alone adds this crate beside it.

mod cached;
mod core_path;
mod errors;
mod node;
mod options;
mod template;

use proc_macro::TokenStream;

/// Implements `Node` for a struct: its key, value type, tiers and policy, said beside its fields
/// and checked by the compiler.
///
/// ```
/// use cache_core::node::Node as _;
/// use cache_macros::Node;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// #[derive(Node, Clone, PartialEq, Eq, Hash)]
/// #[node(
///     key = "user:{id}:info",
///     value = User,
///     version = "v1",
///     tiers(memory(ttl = "30s"), sqlite(ttl = "10d"), "my-redis"(ttl = "1h")),
///     tags("users", "user:{id}"),
/// )]
/// struct UserInfo {
///     id: u64,
/// }
///
/// assert_eq!(UserInfo::definition().tiers.len(), 3);
/// ```
///
/// # Options
///
/// They stand in one `#[node(..)]` or in several. `key`, `value` and `tiers` are asked for; where
/// another is left out, the default of `NodeDefinition` and `TierDefinition` holds.
///
/// | option | what it says | left out |
/// |---|---|---|
/// | `key = "user:{id}:info"` | the key template, see below | an error |
/// | `value = User` | the type of the values | an error |
/// | `tiers(memory(..), sqlite(..), ..)` | the storages by their registered names, nearest first, see below | an error |
/// | `version = "v2"` | the version; a new one leaves all older entries behind. No `:`, at most 64 bytes | `v1` |
/// | `name = "users"` | the name in statistics and errors | the struct's |
/// | `codec = msgpack` | how values become bytes: `msgpack`, `json`, `bincode` (features of the core crate; the value is serde's `Serialize` and `DeserializeOwned`), `bytes` (the value is `Bytes`), `none` (the node may use memory only), or the path of a function that takes nothing and returns a `Codec<User>` | `msgpack` |
/// | `compression = zstd` | how stored values are compressed: `none`, `zstd`, `lz4` | `zstd` where it is built in |
/// | `compression_threshold_bytes = 1024` | smaller values stay as they are | 1024 |
/// | `tags("users", "user:{id}")` | tags of every entry of the node, see below | no tags |
/// | `jitter = 0.1` | by which share of itself a TTL may be shortened at random, 0 to 1 | 0 |
/// | `absent_ttl = "5s"` | how long a negative result is kept; `none`: not at all | 5 s |
/// | `load_timeout = "10s"` | after this long a load is given up; `none`: never | 60 s |
/// | `loads_max = 16` | how many loads of the type run at once; further ones wait | 1024 |
/// | `doorkeeper(size = 100000, false_positive_rate = 0.01)` | keeps what is asked for only once out of the tiers; it forgets after `size` keys (up to 2^32). The rate lies between 0 and 1, and is 0.01 if left out | no doorkeeper |
/// | `stale(while_revalidate = "30s", if_error = "1d", throttle = "10s", soft_timeout = "200ms")` | for how long past its freshness a value answers: at once while it is loaded again behind the reader; where the source fails, which is then left alone for `throttle`, or takes longer than `soft_timeout` | nothing is served stale; `throttle` is 10 s |
/// | `early_refresh(share = 0.8)` or `early_refresh(beta = 1.0)` | entries are loaded again behind their readers before they end: once this share of the TTL has passed, or at random near the end (XFetch) | not before their end |
/// | `refreshes_max = 4` | how many refreshes run at once behind readers | 16 |
/// | `prefetches_max = 2` | how many batches of prefetched nodes are on their way at once | 4 |
/// | `across = "redis"` or `across(storage = "redis", ttl = "10s", wait_max = "60s")` | one process at a time loads a node, under a lease in this storage: one that dies leaves it after `ttl`, and nobody waits longer than `wait_max` for another | each process loads by itself; `ttl` is 10 s, `wait_max` 60 s |
/// | `write_behind = storages` or `write_behind(to = source, queued_max = 1000, batch_max = 50, delay = "50ms", when_full = refuse, retry_for = "5m")` | where values go that `write_behind` accepts: at most so many wait, and are written so many at once after `delay` (`none`: at once); without room a write is refused, or waits for so long (`when_full = "1s"`); what fails is tried again for `retry_for` | none are accepted; 1,024 values, batches of 64, 100 ms, waits 10 s, 1 min |
/// | `abandoned = cancel` | what becomes of a load that nobody waits for any more: `finish` or `cancel` | `finish` |
/// | `on_peer_change = reread` | what becomes of a copy in memory when another process has changed the value, as a backplane tells: `drop`, or `reread` at once | `drop` |
/// | `decoded_bytes_max = 1048576` | the largest value that is decoded, in bytes before compression | 64 MiB |
/// | `weight = path::to::function` | what a value weighs in a memory bounded by bytes: a function from `&User` to `u64` | the size of the type |
/// | `crate = path::to::cache_core` | where the core crate is, see below | found by `Cargo.toml` |
///
/// A tier is the name of a storage, in quotes where it is no identifier, and its options:
///
/// | option of a tier | what it says | left out |
/// |---|---|---|
/// | `ttl = "30s"` | how long an entry lives | until it is invalidated or evicted |
/// | `idle = "10m"` | an entry that is not used for this long expires, `ttl` at the latest | no such end |
/// | `value_bytes_min = 10` | smaller values (encoded, in bytes) skip the tier | 0 |
/// | `value_bytes_max = 1048576` | larger values (encoded, in bytes) skip the tier | no limit |
/// | `on_failure = error` | what a read does when the storage fails: `miss` goes on, `error` fails | `miss` |
///
/// Durations are written as people do, `"500ms"`, `"30s"`, `"1h 30m"`, `"10d"`, and are a
/// millisecond at least.
///
/// # Keys
///
/// `:` parts a key template into segments. Each holds at most one field of the struct, `{id}`
/// (`{0}` in a tuple struct), maybe with text around it; a field's own `:` is escaped. The last
/// segment may be `{*path}`, which takes one or more segments as they are.
///
/// Two nodes that differ must never share a key, or one would be given the other's value.
/// Therefore **every field is in the key**, whole: one that is not is a compile error, and there is
/// no way to skip it. Only a `PhantomData`, which holds nothing, stands outside. A field is written
/// by its `Display`, which must tell all of its values apart.
///
/// # Tags
///
/// A tag names any fields, and what is in them: `"owner:{owner.id}:{kind}"`. They are written by
/// their `Display` as they are, so that `format!("user:{id}")` names the same tag when it is to be
/// invalidated.
///
/// # What can be a node
///
/// A struct that owns its fields, and is `Clone + Eq + Hash + Send + Sync`. Type and constant
/// parameters are passed on; `#[derive(Node)]` asks for what `Node` needs of them, and a codec's
/// bounds on a parameter go into the struct's own `where`. Each instance is a node type of its own,
/// and as they share one template, a cache binds one of them. Enums are refused: an enum with a
/// `Display` makes a good field.
///
/// # Where the core crate is
///
/// The generated code speaks to `cache-core` under the name that `Cargo.toml` gives it, or else to
/// `tiers::core` of the facade. Behind a re-export, or in a build without Cargo, name the path by
/// `#[node(crate = my_crate::tiers::core)]`.
#[proc_macro_derive(Node, attributes(node))]
pub fn derive_node(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    node::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Caches an async function or method: its arguments make a node, its body is the load.
///
/// ```
/// use std::sync::Arc;
///
/// use cache_core::cache::Cache;
/// use cache_core::error::Error;
/// use cache_macros::cached;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// #[derive(Clone)]
/// struct Pool;
///
/// #[cached(
///     cache = cache,
///     key = "user:{id}",
///     tiers(memory(ttl = "30s")),
///     tags("users", "user:{id}"),
///     skip(pool),
/// )]
/// async fn get_user(cache: &Cache, pool: &Pool, id: u64) -> Result<User, std::io::Error> {
///     # let _ = pool;
///     Ok(User { name: format!("user {id}") })
/// }
///
/// # async fn example(cache: &Cache, pool: &Pool) -> Result<(), Error> {
/// let user: Arc<User> = get_user(cache, pool, 7).await?;
/// let fresh: Arc<User> = get_user_refresh(cache, pool, 7).await?;
/// if !get_user_node(cache, 7)?.invalidate().await?.pending.is_empty() {
///     println!("a storage is out of reach; it is told when it is back");
/// }
/// # Ok(()) }
/// ```
///
/// # What it makes
///
/// | item | what it does |
/// |---|---|
/// | `get_user(..)` | the same arguments; answers from the nearest tier, or runs the body, once for all who ask |
/// | `get_user_refresh(..)` | the same arguments; runs the body whatever the tiers hold, and fills them |
/// | `get_user_node(..)` | the arguments of the key, and those that `cache` needs; gives the `NodeHandle` of the call, to look at, set, expire or invalidate it. Not async |
/// | `get_user_uncached(..)` | the function as it was written |
///
/// All have the function's visibility. `#[doc]`, `#[deprecated]` and `#[must_use]` stay with
/// `get_user`, other attributes go with the body.
///
/// # What it returns
///
/// | written | returned |
/// |---|---|
/// | `T`, `Result<T, E>` | `Result<Arc<T>, Error>` |
/// | `Option<T>`, `Result<Option<T>, E>` | `Result<Option<Arc<T>>, Error>`; `None` is kept as a negative result, for `absent_ttl` |
/// | `Loaded<T>`, `Result<Loaded<T>, E>` | `Result<Arc<T>, Error>`; each load may say a TTL and tags of its own, or that there is nothing, which is `Error::Absent` |
///
/// The return type is not the written one, because a cached call is not the written one: its value
/// is shared with the tiers and with other callers (an `Arc`, where a clone would make every hit as
/// dear as the value is large), and it can fail in ways that the body cannot (a timeout, a closed
/// cache). Errors of the body are never kept. `E` is any error (or `LoadError`), and reaches everybody
/// who waited for the load as `Error::Load`, whose `source.inner().downcast_ref::<E>()` is the
/// original.
///
/// `Result`, `Option` and `Loaded` are known by these names, whatever path leads to them; a `Result`
/// under an alias without parameters is refused by the compiler, because its errors would be kept.
///
/// # Options
///
/// `cache`, `key` and `tiers` are asked for. Beside these, and except `value`, all options of
/// [`derive(Node)`](derive@Node) hold.
///
/// | option | what it says | left out |
/// |---|---|---|
/// | `cache = self.cache` | an expression, without `await`, that gives the `Cache`, a reference to it or what dereferences to it: an argument, a field, a static. Evaluated at each call where the arguments are in scope | an error |
/// | `key = "user:{id}"` | the key template, which names arguments | an error |
/// | `skip(pool, self)` | arguments that the answer does not depend on, and that are not in the key. An argument that is `cache` itself is skipped as it is | none |
/// | `associated` | it is a function of an `impl` block without `self`, which the macro cannot see | a free function, or one with `self` |
/// | `name = "get_user"` | the name in statistics and errors, one a cache: give one to methods that share theirs | the function's |
///
/// # Arguments
///
/// Two calls that differ must not share a key. Therefore every argument is in the key, whole, or in
/// `skip`. An argument of the key is `Display`, `Clone + Eq + Hash + Send + Sync` and `'static`; a
/// reference to such a type is cloned (`&str` becomes a `String`) for the node at each call, so that
/// `Arc<str>` is cheaper where that matters.
///
/// A load outlives the call: others may wait for it after the caller has gone. It therefore owns what
/// the body uses: what is taken by reference is cloned, but only if memory does not have the value.
/// `&self` asks for a type that is `Clone`; `self: Arc<Self>` and `self: &Arc<Self>` ask for nothing.
/// What the body gets by reference is the clone.
///
/// Type parameters and `impl Trait` are refused. Methods of traits are not supported, for there is no
/// place for what is made beside them. A function that calls itself does so by way of one that returns
/// a boxed future.
///
/// # Bindings
///
/// The node type is bound by the first call in a cache, whichever item is called; what is wrong with
/// its definition, such as a storage that is not registered, is that call's `Error::Config`. Call
/// `get_user_node(..)` at the start of a program to learn of it early. The binding holds no
/// argument of any call, and so no source: `get`, `get_many`, `warm` and `refresh` of the handle find
/// what is cached, but load nothing. The type has no name; derive a `Node` where handles are to be
/// kept in structs, or values are loaded in batches.
#[proc_macro_attribute]
pub fn cached(attribute: TokenStream, item: TokenStream) -> TokenStream {
    cached::cached(attribute.into(), item.into()).into()
}
