//! The messages of a series by WebSocket: connections, and when they are replaced.

mod connection;
mod protocol;
#[cfg(test)]
mod tests;
mod told;

pub(crate) use connection::{Source, open};
pub(crate) use protocol::{Heard, Protocol, Update};
