use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{Buffer, ToByteSlice};
use bytes::Bytes;

use crate::chunk::Chunk;
use crate::fill::Filled;
use crate::row::{Column, Columns, Row};

/// What keeps columns in memory as they are.
pub(super) trait Owner: Send + Sync + 'static {
    fn columns(&self) -> &Columns;
}

impl<R: Row> Owner for Chunk<R> {
    fn columns(&self) -> &Columns {
        Chunk::columns(self)
    }
}

impl Owner for Filled {
    fn columns(&self) -> &Columns {
        &self.columns
    }
}

/// Some rows of one column, whose owner lives as long as anybody looks at them.
struct Lent<O> {
    owner: Arc<O>,
    column: usize,
    rows: Range<usize>,
}

/// Where values of eight bytes may begin.
const NOTHING: &[i64] = &[];

impl<O: Owner> AsRef<[u8]> for Lent<O> {
    fn as_ref(&self) -> &[u8] {
        match self.owner.columns().all().get(self.column) {
            Some(Column::Float(values)) => {
                values.get(self.rows.clone()).unwrap_or_default().to_byte_slice()
            }
            Some(Column::Integer(values)) => {
                values.get(self.rows.clone()).unwrap_or_default().to_byte_slice()
            }
            None => NOTHING.to_byte_slice(),
        }
    }
}

/// Some rows of one column where they lie: nothing is copied.
pub(super) fn lend<O: Owner>(owner: &Arc<O>, column: usize, rows: Range<usize>) -> Buffer {
    let lent = Lent { owner: Arc::clone(owner), column, rows };
    Buffer::from(Bytes::from_owner(lent))
}
