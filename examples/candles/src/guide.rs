//! The pages of the guide, so that their examples are compiled and run.

#[doc = include_str!("../../../docs/guide/candles.md")]
mod candles {}

#[doc = include_str!("../../../docs/guide/exchanges.md")]
mod exchanges {}
