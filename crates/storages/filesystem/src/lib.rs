//! The storage of Tiers for large values: each in a file of its own, under an index in SQLite.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cache_filesystem::Filesystem;
//!
//! let storage = Filesystem::open("file:///var/cache/audio?max_bytes=64GiB").await?;
//! # let _ = storage.into_storage();
//! # Ok(())
//! # }
//! ```
//!
//! - Keys, tags, times, sizes and the fence lie in `index.db`, a store of [`cache_sqlite`]; values
//!   lie in 256 folders under `values`. A value is written to a file of its own, that is renamed
//!   once it is whole, and seen by readers once its row is committed. So what is read is what was
//!   written, and a killed process leaves at most files that nobody refers to.
//! - Files are named by numbers, never by keys, and no symbolic link under the root is followed.
//! - [`reader`](Filesystem::reader) and [`writer`](Filesystem::writer) stream values that should not
//!   be in memory at once; the fence is checked when the writer commits.
//! - Entries and bytes are bounded as in SQLite, by values and index together; the files of evicted,
//!   replaced and removed entries are deleted a moment later, by a thread of the index.
//! - A file that is gone, cut off or changed is found by its length and checksum: `get` hands out
//!   what is left, which the cache counts as damaged and fills anew, a stream ends in an error.
//!   [`check`](Filesystem::check) finds all of them, and files that nobody refers to.
//!
//! Files are read and written by the runtime's threads for blocking work. Several processes of one
//! host may use a folder. As SQLite itself it is not for network file systems.

mod atomics;
mod config;
mod error;
mod fence;
mod invalidate;
mod layout;
mod maintain;
mod read;
mod storage;
mod write;

pub use config::{CheckOnOpen, FilesystemOptions};
pub use maintain::{Checked, Thoroughness};
pub use read::{ValueLookup, ValueReader};
pub use storage::Filesystem;
pub use write::ValueWriter;
