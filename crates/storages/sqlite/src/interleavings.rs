//! The queues and threads of a store under a checker of interleavings, over a store of marks in
//! SQLite's place: `scripts/interleavings.sh` runs them.

mod closing;
mod commits;
mod world;
