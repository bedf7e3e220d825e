//! What is accepted now and written later.
//!
//! - `stage`: a process over two shared storages, and a source that takes what it is given.
//! - `landing`: order, batches, and what changes and invalidations in between do.
//! - `accepting`: stamps of what is accepted, and loads that fill the tiers meanwhile.
//! - `failing`: bounds, faults, closing, callers that go away.

mod accepting;
mod failing;
mod landing;
mod stage;
