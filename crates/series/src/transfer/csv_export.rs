use std::fmt::Write as _;
use std::io::Write;

use super::CsvError;
use super::names::{SYNTHETIC, TIME};
use super::number::write_float;
use crate::cache::Reading;
use crate::fill::FillRow;
use crate::row::{Column, Columns, Row};
use crate::time::Time;
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
    let mut lines = Lines::begin::<R>(output, false)?;
    let grid = view.directory().grid();
    for segment in view.segments() {
        let first = segment.chunk().rows_before(view.slots().start);
        for (row, slot) in (first..).zip(segment.slots()) {
            lines.write(grid.start_of(slot), segment.chunk().columns(), row, None)?;
        }
    }
    lines.end()
}

/// Writes the rows of a reading and what its request puts in slots without one, as
/// [`write_csv`] does, with a column `synthetic`: `true` for rows that were made. An import leaves those
/// out.
///
/// The rows are copied when they are filled ([`Reading::filled`]), all at once.
///
/// # Errors
/// [`CsvError::Write`] if the output fails.
pub fn write_csv_filled<R: FillRow>(
    reading: &Reading<R>,
    output: impl Write,
) -> Result<u64, CsvError> {
    let mut lines = Lines::begin::<R>(output, true)?;
    let (grid, filled) = (reading.view().directory().grid(), reading.filled());
    for (row, (slot, synthetic)) in filled.slots.iter().zip(&filled.synthetic).enumerate() {
        lines.write(grid.start_of(*slot), &filled.columns, row, Some(*synthetic))?;
    }
    lines.end()
}

struct Lines<Out: Write> {
    writer: csv::Writer<Out>,
    text: String,
    rows: u64,
}

impl<Out: Write> Lines<Out> {
    fn begin<R: Row>(output: Out, with_synthetic: bool) -> Result<Self, CsvError> {
        let mut writer = csv::Writer::from_writer(output);
        let names = R::SCHEMA.columns.iter().map(|column| column.name);
        let synthetic = with_synthetic.then_some(SYNTHETIC);
        let names = std::iter::once(TIME).chain(names).chain(synthetic);
        writer.write_record(names).map_err(CsvError::write)?;
        Ok(Self { writer, text: String::new(), rows: 0 })
    }

    fn write(
        &mut self,
        time: Time,
        columns: &Columns,
        row: usize,
        synthetic: Option<bool>,
    ) -> Result<(), CsvError> {
        // Nothing fails that is written to a text.
        let _ = write!(self.text, "{}", time.unix_ms());
        self.field()?;
        for column in columns.all() {
            match column {
                Column::Float(values) => write_float(&mut self.text, values[row]),
                Column::Integer(values) => {
                    let _ = write!(self.text, "{}", values[row]);
                }
            }
            self.field()?;
        }
        if let Some(synthetic) = synthetic {
            let _ = write!(self.text, "{synthetic}");
            self.field()?;
        }
        self.rows += 1;
        self.writer.write_record(None::<&[u8]>).map_err(CsvError::write)
    }

    /// What is in the text, which is empty then.
    fn field(&mut self) -> Result<(), CsvError> {
        self.writer.write_field(&self.text).map_err(CsvError::write)?;
        self.text.clear();
        Ok(())
    }

    fn end(mut self) -> Result<u64, CsvError> {
        self.writer.flush().map_err(CsvError::Write)?;
        Ok(self.rows)
    }
}
