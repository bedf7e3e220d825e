//! The engine and its memory under a checker of interleavings.
//!
//! Each scenario runs real caches over real memory and storages in memory, a few hundred to a few
//! thousand times, each time in another order of steps. Only under `--cfg shuttle`:
//! `scripts/interleavings.sh` runs all of them, `scripts/mutants-interleavings.sh` shows that each rule that
//! they guard is needed.

#![cfg(shuttle)]

#[cfg(test)]
mod abandoned;
#[cfg(test)]
mod check;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod cycles;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod flights;
#[cfg(test)]
mod invalidations;
#[cfg(test)]
mod pending;
#[cfg(test)]
mod updates;
#[cfg(test)]
mod world;
