//! What is known of the slots of a series, apart from which rows there are.

mod backoff;
mod map;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use backoff::Backoff;
pub use map::Coverage;
pub use state::{Kind, State};
#[cfg(test)]
pub(crate) use tests::state as any_state;
