use xxhash_rust::xxh3::xxh3_64;

use super::{CHECKSUM_BYTES, RecordError};

const CUT_OFF: RecordError = RecordError::Damaged("it ends too early");

/// Reads what a [`Writer`](super::Writer) wrote, from bytes that may be anything.
#[derive(Debug)]
pub(crate) struct Reader<'bytes> {
    rest: &'bytes [u8],
}

impl<'bytes> Reader<'bytes> {
    /// Checks header and checksum.
    pub(crate) fn open(
        bytes: &'bytes [u8],
        magic: [u8; 3],
        known: u8,
    ) -> Result<Self, RecordError> {
        let body = bytes.strip_prefix(&magic).ok_or(RecordError::Foreign)?;
        let (version, body) = body.split_first().ok_or(RecordError::Foreign)?;
        if *version == 0 || *version > known {
            return Err(RecordError::Version { found: *version, known });
        }
        let Some((rest, checksum)) = body.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(RecordError::Checksum);
        };
        let covered = &bytes[..bytes.len() - CHECKSUM_BYTES];
        if xxh3_64(covered) != u64::from_le_bytes(*checksum) {
            return Err(RecordError::Checksum);
        }
        Ok(Self { rest })
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        let (byte, rest) = self.rest.split_first().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'bytes [u8], RecordError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn word(&mut self) -> Result<u64, RecordError> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    pub(crate) fn number(&mut self) -> Result<u64, RecordError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(RecordError::Damaged("a number is too large"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, RecordError> {
        let folded = self.number()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// A number that is at most so large.
    pub(crate) fn bounded(&mut self, max: usize) -> Result<usize, RecordError> {
        let number = usize::try_from(self.number()?).ok().filter(|number| *number <= max);
        number.ok_or(RecordError::Damaged("a count is too large"))
    }

    pub(crate) fn block(&mut self) -> Result<&'bytes [u8], RecordError> {
        let length = self.bounded(self.rest.len())?;
        self.raw(length)
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Result<(), RecordError> {
        let empty = self.rest.is_empty();
        if empty { Ok(()) } else { Err(RecordError::Damaged("something follows its end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Writer;
    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<u64>(), signed in any::<i64>(), shift in 0u32..64) {
            let mut writer = Writer::new(*b"abc", 1);
            writer.number(number >> shift);
            writer.signed(signed >> shift);
            writer.block(b"block");
            let bytes = writer.seal();
            let mut reader = Reader::open(&bytes, *b"abc", 1).unwrap();
            prop_assert_eq!(reader.number(), Ok(number >> shift));
            prop_assert_eq!(reader.signed(), Ok(signed >> shift));
            prop_assert_eq!(reader.block(), Ok(b"block".as_slice()));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        for number in
            [[0xff; 11].as_slice(), &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            let mut writer = Writer::new(*b"abc", 1);
            writer.raw(number);
            let bytes = writer.seal();
            let mut reader = Reader::open(&bytes, *b"abc", 1).unwrap();
            assert_eq!(reader.number(), Err(RecordError::Damaged("a number is too large")));
        }
    }

    #[test]
    fn header_and_checksum_are_looked_at_first() {
        let bytes = Writer::new(*b"abc", 2).seal();
        let open = |bytes: &[u8], magic| Reader::open(bytes, magic, 1).err();
        assert_eq!(open(&bytes, *b"abd"), Some(RecordError::Foreign));
        assert_eq!(open(&bytes, *b"abc"), Some(RecordError::Version { found: 2, known: 1 }));
        let mut altered = Writer::new(*b"abc", 1).seal();
        assert_eq!(open(&altered[..8], *b"abc"), Some(RecordError::Checksum));
        altered[4] ^= 1;
        assert_eq!(open(&altered, *b"abc"), Some(RecordError::Checksum));
        assert_eq!(open(b"", *b"abc"), Some(RecordError::Foreign));
        assert_eq!(open(b"abc", *b"abc"), Some(RecordError::Foreign));
    }
}
