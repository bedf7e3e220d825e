//! The markets by HTTP: every call passes the [limiter](crate::limiter), and every failure that
//! concerns a market holds back those that follow.

mod http;
mod options;
mod session;
#[cfg(test)]
mod tests;
mod twse;

pub use options::{TwseOptions, TwseOptionsError};
pub use twse::{QUOTES_MAX, Twse};
