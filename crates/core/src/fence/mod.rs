//! The fence: what keeps a value that was loaded before an invalidation from being stored after it.
//!
//! A fence is a counter that only grows, a floor, and [`CELLS`] cells onto which keys and tags are
//! hashed. A *stamp* is the counter's value, taken before a load begins. An invalidation raises the
//! counter and then the cells of what it names; a fill is refused where a cell lies above its
//! stamp. Every storage keeps such a table beside its entries; [`Fence`] is the one of this process.

mod stamp;
mod table;

pub use stamp::Stamp;
pub use table::Fence;

use crate::key::{Key, Tag};

/// How many cells every fence has.
#[cfg(not(shuttle))]
pub const CELLS: usize = 4096;

/// Fewer under the checker, which makes a fence for every one of thousands of executions.
#[cfg(shuttle)]
pub const CELLS: usize = 32;

/// The name of the function that puts keys and tags onto cells; stored beside a persistent table,
/// which is not to be used by a build with another one.
pub const CELL_FUNCTION: &str = "xxh3-64/4096";

/// The cell of a key, by its [digest](Key::digest).
pub fn cell_of_key(key: &Key) -> usize {
    cell_of_digest(key.digest())
}

/// The cell of a tag.
pub fn cell_of_tag(tag: &Tag) -> usize {
    cell_of_digest(tag.digest())
}

/// The cell of a digest: its low bits.
pub fn cell_of_digest(digest: u64) -> usize {
    (digest % CELLS as u64) as usize
}
