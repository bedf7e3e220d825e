use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// An input that several readers share, one after the other, and of which none reads more than there
/// is: memory for what a damaged file says is not asked for.
pub(super) struct Input<In>(Arc<In>);

impl<In> Clone for Input<In> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<In> Input<In> {
    pub(super) fn new(input: In) -> Self {
        Self(Arc::new(input))
    }
}

impl<In: ChunkReader> Length for Input<In> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<In: ChunkReader> ChunkReader for Input<In> {
    type T = In::T;

    fn get_read(&self, start: u64) -> Result<In::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.0.len()) {
            let problem = format!("{length} bytes from {start} reach beyond the end of the input");
            return Err(ParquetError::EOF(problem));
        }
        self.0.get_bytes(start, length)
    }
}
