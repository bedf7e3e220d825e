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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn no_more_is_asked_for_than_there_is() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let input = Input::new(file);
        assert_eq!(input.get_bytes(2, 8).unwrap(), "23456789");
        for (start, length) in [(3, 8), (11, 0), (0, usize::MAX), (u64::MAX, 1)] {
            let error = input.get_bytes(start, length).unwrap_err();
            assert!(matches!(error, ParquetError::EOF(_)), "{error}");
        }
    }
}
