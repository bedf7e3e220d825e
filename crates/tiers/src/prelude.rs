//! What most programs use.

pub use cache_core::backplane::Backplane;
pub use cache_core::cache::{Cache, Invalidation};
pub use cache_core::entry::{Codec, Compression, CompressionPolicy};
pub use cache_core::error::{ConfigError, Error};
pub use cache_core::handle::{Handle, NodeHandle, SetOptions, WarmOptions};
pub use cache_core::node::{DynamicNode, Node, NodeDefinition, TierDefinition};
pub use cache_core::source::{LoadError, Loaded, Source, source_fn};
#[cfg(feature = "macros")]
pub use cache_macros::{Node, cached};
#[cfg(feature = "memory")]
pub use cache_memory::Memory;
#[cfg(feature = "sqlite")]
pub use cache_sqlite::Sqlite;
