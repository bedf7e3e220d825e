//! A plain typed cache with synchronous calls.

mod builder;
mod cache;
mod entry;

#[cfg(test)]
mod tests;

pub use builder::SyncCacheBuilder;
pub use cache::SyncCache;
pub use entry::CacheEntry;
