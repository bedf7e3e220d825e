//! Histories brought in from elsewhere, and taken out: what an import answers; CSV (feature `csv`),
//! Arrow's record batches (feature `arrow`) and Parquet (feature `parquet`).
//!
//! [`Series::import`](crate::cache::Series::import) takes rows from anywhere. The others read and write
//! columns named as those of the rows, besides `ts`, the start of a row's slot: in CSV milliseconds since
//! 1970 (UTC), otherwise a timestamp in milliseconds with the time zone UTC.
//!
//! | | out | in |
//! |---|---|---|
//! | CSV | `write_csv`, `write_csv_filled` | `import_csv` |
//! | Arrow | `arrow_batches`, `arrow_batches_filled` | `import_arrow` |
//! | Parquet | `write_parquet` of those | `import_parquet` |
//!
//! What is known of a series, gaps among it, goes out in the same ways: `write_known_csv`,
//! `arrow_batches_known`.
//!
//! Rows are the same bit by bit when they come back, and a history is read in pieces, however long it is.

#[cfg(all(feature = "arrow", feature = "decimal"))]
mod arrow_decimal;
#[cfg(feature = "arrow")]
mod arrow_error;
#[cfg(feature = "arrow")]
mod arrow_export;
#[cfg(feature = "arrow")]
mod arrow_import;
#[cfg(feature = "arrow")]
mod arrow_known;
#[cfg(feature = "arrow")]
mod arrow_lent;
#[cfg(feature = "arrow")]
mod arrow_rows;
#[cfg(feature = "arrow")]
#[cfg(test)]
mod arrow_tests;
#[cfg(any(feature = "csv", feature = "arrow"))]
mod chunks;
#[cfg(feature = "csv")]
mod csv_error;
#[cfg(feature = "csv")]
mod csv_export;
#[cfg(feature = "csv")]
mod csv_import;
#[cfg(feature = "csv")]
mod csv_known;
#[cfg(feature = "csv")]
mod csv_lines;
mod imported;
mod known;
#[cfg(any(feature = "csv", feature = "arrow"))]
mod names;
#[cfg(feature = "csv")]
mod number;
#[cfg(feature = "parquet")]
mod parquet_digest;
#[cfg(feature = "parquet")]
mod parquet_error;
#[cfg(feature = "parquet")]
mod parquet_export;
#[cfg(feature = "parquet")]
mod parquet_import;
#[cfg(feature = "parquet")]
mod parquet_input;

#[cfg(feature = "arrow")]
pub use arrow_error::ArrowError;
#[cfg(feature = "arrow")]
pub use arrow_export::{ArrowBatches, ArrowExport, arrow_batches, arrow_batches_filled};
#[cfg(feature = "arrow")]
pub use arrow_import::{ArrowImport, import_arrow};
#[cfg(feature = "arrow")]
pub use arrow_known::arrow_batches_known;
#[cfg(feature = "csv")]
pub use csv_error::CsvError;
#[cfg(feature = "csv")]
pub use csv_export::{write_csv, write_csv_filled};
#[cfg(feature = "csv")]
pub use csv_import::{CsvImport, import_csv};
#[cfg(feature = "csv")]
pub use csv_known::write_known_csv;
pub use imported::{ImportError, Imported, OnDifference};
#[cfg(feature = "parquet")]
pub use parquet_error::ParquetError;
#[cfg(feature = "parquet")]
pub use parquet_export::write_parquet;
#[cfg(feature = "parquet")]
pub use parquet_import::import_parquet;
