//! The core of Tiers: typed nodes, policies and the tier engine. It knows no driver.
//!
//! A program names what it wants as a [`Node`](node::Node), tells once where values come from
//! ([`Source`](source::Source)) and where they are kept ([`Storage`](storage::Storage),
//! [`MemoryEngine`](memory::MemoryEngine)), and asks a handle. Most programs use the facade crate
//! `tiers`; those who want one storage alone, or write one, depend on this crate.
//!
//! | module | what is in it |
//! |---|---|
//! | [`node`], [`source`], [`key`] | what is wanted, where it comes from, how it is named |
//! | [`entry`] | what storages hold: envelope, codecs, compression |
//! | [`storage`], [`memory`] | the seams, with their types |
//! | [`fence`] | what keeps old loads from being stored after an invalidation |
//! | [`policy`] | lifetimes, jitter, doorkeeper, size routing: pure |
//! | [`cache`], [`handle`] | the engine, and what programs call |
//! | [`backplane`] | how other processes hear of invalidations |
//! | [`atomics`] | counters, registers, locks and rate limiters, on the storages that can |
//! | [`write_behind`] | what is accepted now and written later |
//! | [`stats`], [`observe`] | counters and latencies per node type and tier; metrics, spans, events |
//! | [`events`] | what happens, to subscribe to |
//! | [`clock`], [`error`] | injected time; what can go wrong |
//! | [`config`] | reading the options of a storage's URL |
//! | `testing` (feature `testing`) | the behaviour suite for storages, and doubles for tests |

pub mod atomics;
pub mod backplane;
pub mod cache;
pub mod clock;
pub mod config;
pub mod entry;
pub mod error;
pub mod events;
pub mod fence;
mod flight;
pub mod handle;
pub mod key;
pub mod memory;
pub mod node;
pub mod observe;
pub mod policy;
pub mod source;
pub mod stats;
pub mod storage;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod write_behind;
