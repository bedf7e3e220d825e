//! Live updates: the row that is still growing, rows that have just closed, and who has seen what.

mod cursor;
mod feed;
#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Delivery};
pub use feed::{Feed, LiveError, Update};
