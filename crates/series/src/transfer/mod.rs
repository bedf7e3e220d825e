//! Histories brought in from elsewhere, and taken out: what an import answers, and CSV (feature
//! `csv`).
//!
//! [`Series::import`](crate::cache::Series::import) takes rows from anywhere; `import_csv` and
//! `write_csv` read and write files whose columns are named as those of the rows, besides `ts`, the
//! start of a row's slot in milliseconds since 1970 (UTC).

#[cfg(feature = "csv")]
mod csv_error;
#[cfg(feature = "csv")]
mod csv_export;
#[cfg(feature = "csv")]
mod csv_import;
#[cfg(feature = "csv")]
mod csv_lines;
mod imported;
#[cfg(feature = "csv")]
mod number;

#[cfg(feature = "csv")]
pub use csv_error::CsvError;
#[cfg(feature = "csv")]
pub use csv_export::write_csv;
#[cfg(feature = "csv")]
pub use csv_import::{CsvImport, import_csv};
pub use imported::{ImportError, Imported, OnDifference};
