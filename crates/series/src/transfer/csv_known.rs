use std::io::Write;

use super::CsvError;
use super::known::{KNOWN, length, word};
use crate::cache::Span;

/// Writes what is known of a series as CSV, be it of
/// [`Series::known`](crate::cache::Series::known) or of [`Series::gaps`](crate::cache::Series::gaps): a
/// line a span, `from` and `to` in milliseconds since 1970 (UTC), `slots`, how many slots that is, and
/// `kind`: `present`, `empty`, `closed`, `failed`, `unknown`, `before-listing` or `after-last`. Answers how
/// many spans there were.
///
/// # Errors
/// [`CsvError::Write`] if the output fails.
pub fn write_known_csv(
    spans: impl IntoIterator<Item = impl Into<Span>>,
    output: impl Write,
) -> Result<u64, CsvError> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(KNOWN).map_err(CsvError::write)?;
    let mut written = 0;
    for span in spans {
        let span: Span = span.into();
        let numbers = [span.from.unix_ms(), span.to.unix_ms(), length(&span)];
        for number in numbers {
            writer.write_field(number.to_string()).map_err(CsvError::write)?;
        }
        writer.write_field(word(span.kind)).map_err(CsvError::write)?;
        writer.write_record(None::<&[u8]>).map_err(CsvError::write)?;
        written += 1;
    }
    writer.flush().map_err(CsvError::Write)?;
    Ok(written)
}
