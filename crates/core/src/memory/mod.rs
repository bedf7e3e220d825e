//! The seam to memory: synchronous and typed, on the hot path.
//!
//! Memory is not a [`Storage`](crate::storage::Storage). One engine serves every node type of a
//! storage name, so that one bound and one policy hold over all of them: it keeps erased nodes
//! ([`ErasedKey`]), found by a hash and an equality that needs no box, and values as
//! `Arc<dyn Any>`. Key texts are known to it only as digests.

mod curve;
mod engine;
mod entry;
mod erased_key;
mod eviction;

pub use curve::{MissRatioCurve, MissRatioPoint};
pub use engine::{Inserted, MemoryCapabilities, MemoryEngine, MemorySelector, MemoryStats};
pub use entry::{ErasedValue, MemoryEntry};
pub use erased_key::{BindingId, ErasedKey, MemoryKey, Probe};
pub use eviction::{Eviction, EvictionCause};
