//! A source for tests that counts loads and answers as it is told.

mod scripted;

pub use scripted::{LoadCounts, ScriptedSource};
