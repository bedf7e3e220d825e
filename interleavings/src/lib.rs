//! The engine and its memory under a checker of interleavings.
//!
//! Each scenario runs real caches over real memory and storages in memory, a few hundred to a few
//! thousand times, each time in another order of steps. Only under `--cfg shuttle`, or `--cfg loom`:
//! `scripts/interleavings.sh` runs all of them, `scripts/mutants-interleavings.sh` shows that each rule that
//! they guard is needed.

#![cfg(any(shuttle, loom))]

/// How readers take no lock, alone, under loom, which tries the orders of memory as well.
#[cfg(all(loom, test))]
#[path = "../../crates/storages/memory/src/sharded/bias.rs"]
mod bias;
#[cfg(all(loom, test))]
mod sync {
    pub(crate) use loom::sync::atomic;
}

#[cfg(all(test, shuttle))]
mod abandoned;
#[cfg(all(test, shuttle))]
mod backplane;
#[cfg(all(test, shuttle))]
mod breaker;
#[cfg(all(test, shuttle))]
mod check;
#[cfg(all(test, shuttle))]
mod closing;
#[cfg(all(test, shuttle))]
mod cycles;
#[cfg(all(test, shuttle))]
mod engine;
#[cfg(all(test, shuttle))]
mod flights;
#[cfg(all(test, shuttle))]
mod invalidations;
#[cfg(all(test, shuttle))]
mod leases;
#[cfg(all(test, shuttle))]
mod pending;
#[cfg(all(test, shuttle))]
mod stale;
#[cfg(all(test, shuttle))]
mod updates;
#[cfg(all(test, shuttle))]
mod world;
#[cfg(all(test, shuttle))]
mod write_behind;
