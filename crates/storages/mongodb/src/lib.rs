//! The MongoDB storage of Tiers: entries in one collection, which every process of the cache shares.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_mongodb::MongoDb;
//!
//! let url = "mongodb://user:password@db1,db2/shop?replicaSet=rs0&collection=cache&timeout=2s";
//! let storage = MongoDb::open(url).await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! - A get is one round trip, a batch too; a batch of fills is three, a batch of sets as well, and
//!   an invalidation of keys four (eight where it expires and does not remove).
//! - Entries expire by the server's clock, exactly to the reader; a TTL index and
//!   [`maintain`](cache_core::storage::Storage::maintain) clean up behind.
//! - Entries and bytes are bounded: what was used least recently goes, in batches. Both are
//!   estimates of the server, looked at from time to time, and may be passed in between.
//! - It has a log of events for a [backplane](cache_core::backplane): a second collection, looked at
//!   every [`events_interval`](MongoDbOptions::events_interval).
//! - No transaction is needed: see [how a fill is fenced](#fences).
//!
//! Written for MongoDB 6 and later, replica sets and single servers. The collection must not be
//! sharded: what a read says of the fence would no longer be older than what it says of the entry.
//! **Tested against a server that speaks MongoDB's protocol, not yet on MongoDB.**
//!
//! # Fences
//!
//! A fill writes a *pending* part, which no reader sees, into the document of its key; reads the
//! fence; and publishes the value if its pending part is still there and no newer value is. An
//! invalidation raises the fence, takes away pending parts, and then removes values, each to
//! completion. A fill that read the fence before it was raised has left its pending part to be
//! taken away, or has published what is then removed.
//!
//! What a primary has answered may be lost with it below write concern `majority`, which is the
//! default here: an entry may be back that had been invalidated, until its time.

mod atomics;
mod config;
mod connection;
mod error;
mod events;
mod fence;
mod invalidate;
mod maintain;
mod read;
mod schema;
mod storage;
mod write;

pub use config::{MongoDbOptions, ReadConcern, WriteConcern};
pub use schema::SCHEMA_VERSION;
pub use storage::MongoDb;
