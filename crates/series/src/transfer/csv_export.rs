use std::fmt::Write as _;
use std::io::Write;

use super::CsvError;
use super::names::TIME;
use super::number::write_float;
use crate::row::{ColumnKind, Row};
use crate::view::View;

/// Writes the rows of a view as CSV: a line with the names of the columns, `ts` first, then one a row
/// in the order of time. Numbers are as short as they can be and read back bit by bit. Answers how
/// many rows there were.
///
/// Rows are written as they are read, so that the length does not matter. Writing may block: within a
/// runtime, do so in [`tokio::task::spawn_blocking`]; a view is cheap to clone.
///
/// # Errors
/// [`CsvError::Write`] if the output fails.
pub fn write_csv<R: Row>(view: &View<R>, output: impl Write) -> Result<u64, CsvError> {
    let mut writer = csv::Writer::from_writer(output);
    let names = R::SCHEMA.columns.iter().map(|column| column.name);
    writer.write_record(std::iter::once(TIME).chain(names)).map_err(CsvError::write)?;
    let grid = view.directory().grid();
    let (mut rows, mut text) = (0, String::new());
    for segment in view.segments() {
        for (row, slot) in segment.slots().enumerate() {
            text.clear();
            // Nothing fails that is written to a text.
            let _ = write!(text, "{}", grid.start_of(slot).unix_ms());
            writer.write_field(&text).map_err(CsvError::write)?;
            for (index, column) in R::SCHEMA.columns.iter().enumerate() {
                text.clear();
                match column.kind {
                    ColumnKind::Float => write_float(&mut text, segment.float(index)[row]),
                    ColumnKind::Integer => {
                        let _ = write!(text, "{}", segment.integer(index)[row]);
                    }
                }
                writer.write_field(&text).map_err(CsvError::write)?;
            }
            writer.write_record(None::<&[u8]>).map_err(CsvError::write)?;
            rows += 1;
        }
    }
    writer.flush().map_err(CsvError::Write)?;
    Ok(rows)
}
