//! The guide's page, so that its examples are compiled and run.

#[doc = include_str!("../../../docs/guide/stocks.md")]
mod stocks {}
