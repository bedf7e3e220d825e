//! For tests: the behaviour suite that every storage passes, and doubles for storages, sources and
//! time.
//!
//! | item | what it is |
//! |---|---|
//! | [`suite`] | named cases over [`Storage`](crate::storage::Storage), and a runner for them |
//! | [`TestStorage`] | a storage in memory that counts calls, fails, damages and hangs on demand |
//! | [`ChaosStorage`] | a storage around another one, on which much goes wrong by chance |
//! | [`ScriptedSource`] | a source that counts loads and answers as it is told |
//! | [`reads_go_on_by_the_source`] | what callers meet while a storage's server is away |
//! | [`ManualClock`] | a clock that moves only when it is told to |

mod chaos;
mod gate;
mod outage;
mod source;
mod storage;
pub mod suite;

pub use chaos::{ChaosOdds, ChaosStorage};
pub use gate::Gate;
pub use outage::reads_go_on_by_the_source;
pub use source::{LoadCounts, ScriptedSource};
#[doc(hidden)]
pub use storage::Mutant;
pub use storage::{Calls, Operation, ReadDamage, TestStorage, TestStorageBuilder};

pub use crate::clock::ManualClock;
