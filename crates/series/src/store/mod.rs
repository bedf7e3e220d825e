//! Where histories are kept: a record a chunk and one for the head, in any storage.
//!
//! Every change is a compare-and-put of one record, made again with what is there then if another
//! process was faster. So a record is always whole, and rows and what is known of their slots come
//! together, whatever is killed when.

mod error;
mod keys;
mod records;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use keys::Scope;
pub use records::{Cleared, Store, StoredChunk};
