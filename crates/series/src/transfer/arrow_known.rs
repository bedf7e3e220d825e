use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::known::{KNOWN, length, word};
use super::names::UTC;
use super::{ArrowBatches, ArrowExport};
use crate::cache::Span;
use crate::chunk::CHUNK_SLOTS;

/// What is known of a series as Arrow's record batches, be it of
/// [`Series::known`](crate::cache::Series::known) or of [`Series::gaps`](crate::cache::Series::gaps): a row
/// a span, `from` and `to`, timestamps in milliseconds (UTC), `slots`, how many slots that is, and `kind`:
/// `present`, `empty`, `closed`, `failed`, `unknown`, `before-listing` or `after-last`. A batch has 1,024
/// rows at most.
pub fn arrow_batches_known(
    spans: impl IntoIterator<Item = impl Into<Span>>,
    how: &ArrowExport,
) -> ArrowBatches {
    let [from, to, slots, kind] = KNOWN;
    let fields = vec![
        Field::new(from, ArrowExport::time(), false),
        Field::new(to, ArrowExport::time(), false),
        Field::new(slots, DataType::Int64, false),
        Field::new(kind, DataType::Utf8, false),
    ];
    let schema: SchemaRef = Arc::new(Schema::new_with_metadata(fields, how.metadata()));
    let spans: Vec<Span> = spans.into_iter().map(Into::into).collect();
    let of_batches = Arc::clone(&schema);
    let starts = (0..spans.len()).step_by(CHUNK_SLOTS as usize);
    let batches = starts.map(move |start| {
        let end = (start + CHUNK_SLOTS as usize).min(spans.len());
        batch(Arc::clone(&of_batches), &spans[start..end])
    });
    ArrowBatches::new(schema, batches)
}

fn batch(schema: SchemaRef, spans: &[Span]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let times = |of: fn(&Span) -> i64| -> ArrayRef {
        let times = TimestampMillisecondArray::from_iter_values(spans.iter().map(of));
        Arc::new(times.with_timezone(UTC))
    };
    let columns: Vec<ArrayRef> = vec![
        times(|span| span.from.unix_ms()),
        times(|span| span.to.unix_ms()),
        Arc::new(Int64Array::from_iter_values(spans.iter().map(length))),
        Arc::new(StringArray::from_iter_values(spans.iter().map(|span| word(span.kind)))),
    ];
    RecordBatch::try_new(schema, columns)
}
