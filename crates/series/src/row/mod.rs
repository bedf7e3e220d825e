//! What a row is: columns of fixed types, described by a schema; and candles, the first instance.

mod candle;
mod columns;
#[cfg(feature = "decimal")]
mod decimal;
pub(crate) mod scaled;
mod schema;

pub use candle::Candle;
pub(crate) use columns::same_bits;
pub use columns::{Column, Columns};
#[cfg(feature = "decimal")]
pub use decimal::exact;
pub use schema::{ColumnKind, ColumnSchema, Prediction, Row, Schema};
