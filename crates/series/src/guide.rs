//! The pages of the guide, so that their examples are compiled. Those of candles need exchanges, and are
//! compiled beside them.

#[cfg(feature = "parquet")]
#[doc = include_str!("../../../docs/guide/columns.md")]
mod columns {}
