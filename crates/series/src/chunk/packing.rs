//! Packing of whole numbers: a symbol a number, which says its sign and length in bits and is
//! compressed, and the bits below its highest one, which are stored as they are.

use std::cell::Cell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use crate::record::{Reader, RecordError, Writer};

const LEVEL: i32 = 3;

const RAW: u8 = 0;
const COMPRESSED: u8 = 1;

thread_local! {
    // Making one costs more than a column.
    static COMPRESSOR: Cell<Option<Compressor<'static>>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<Decompressor<'static>>> = const { Cell::new(None) };
}

const DAMAGED: RecordError = RecordError::Damaged("a column cannot be unpacked");

/// Writes numbers; how many there are the reader has to know.
pub(super) fn pack(writer: &mut Writer, numbers: &[i64]) {
    let mut symbols = Vec::with_capacity(numbers.len());
    let mut bits = BitWriter::default();
    for number in numbers {
        let magnitude = number.unsigned_abs();
        let length = 64 - magnitude.leading_zeros();
        symbols.push((length * 2 + u32::from(*number < 0)) as u8);
        if length > 1 {
            bits.push(magnitude & !(1 << (length - 1)), length - 1);
        }
    }
    write_symbols(writer, &symbols);
    writer.block(&bits.finish());
}

/// Reads `count` numbers.
pub(super) fn unpack(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, RecordError> {
    let symbols = read_symbols(reader, count)?;
    // All looked at before, so that nothing need be for each number.
    if symbols.iter().any(|symbol| symbol >> 1 > 64) {
        return Err(DAMAGED);
    }
    let total: usize = symbols.iter().map(|symbol| below(*symbol) as usize).sum();
    let mut bits = BitReader::new(reader.block()?, total).ok_or(DAMAGED)?;
    let mut numbers = vec![0; count];
    for (number, symbol) in numbers.iter_mut().zip(symbols) {
        let below = below(symbol);
        let highest = u64::from(symbol > 1) << below;
        let magnitude = highest | bits.take(below);
        // All bits where it is negative. The largest magnitude is that of the smallest number, which
        // is its own negative.
        let sign = i64::from(symbol & 1);
        *number = (magnitude as i64 ^ -sign).wrapping_add(sign);
    }
    Ok(numbers)
}

/// How many bits a number has below its highest.
fn below(symbol: u8) -> u32 {
    u32::from(symbol >> 1).saturating_sub(1)
}

/// Bytes, compressed where that makes them fewer.
pub(super) fn write_symbols(writer: &mut Writer, symbols: &[u8]) {
    let compressed = compress(symbols).ok();
    match compressed.filter(|compressed| compressed.len() < symbols.len()) {
        Some(compressed) => {
            writer.byte(COMPRESSED);
            writer.block(&compressed);
        }
        None => {
            writer.byte(RAW);
            writer.raw(symbols);
        }
    }
}

/// Reads `count` bytes.
pub(super) fn read_symbols(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u8>, RecordError> {
    let symbols = match reader.byte()? {
        RAW => reader.raw(count)?.to_vec(),
        // No more than this is decompressed, whatever the bytes claim.
        COMPRESSED => decompress(reader.block()?, count).map_err(|_| DAMAGED)?,
        _ => return Err(DAMAGED),
    };
    if symbols.len() == count { Ok(symbols) } else { Err(DAMAGED) }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = match COMPRESSOR.take() {
        Some(compressor) => compressor,
        None => Compressor::new(LEVEL)?,
    };
    let compressed = compressor.compress(bytes);
    COMPRESSOR.set(Some(compressor));
    compressed
}

fn decompress(bytes: &[u8], count: usize) -> io::Result<Vec<u8>> {
    let mut decompressor = match DECOMPRESSOR.take() {
        Some(decompressor) => decompressor,
        None => Decompressor::new()?,
    };
    let symbols = decompressor.decompress(bytes, count);
    DECOMPRESSOR.set(Some(decompressor));
    symbols
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    pending_bits: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits, 64 at most; those above must be zero.
    fn push(&mut self, bits: u64, count: u32) {
        self.pending |= u128::from(bits) << self.pending_bits;
        self.pending_bits += count;
        if self.pending_bits >= 64 {
            self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes());
            self.pending >>= 64;
            self.pending_bits -= 64;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let left = self.pending_bits.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes()[..left]);
        self.bytes
    }
}

/// Bits that are known to be there.
struct BitReader {
    /// With room behind, so that as much is read wherever it begins.
    bytes: Vec<u8>,
    /// The next bit.
    place: usize,
}

impl BitReader {
    /// So many bits of these bytes, if there are as many.
    fn new(bytes: &[u8], count: usize) -> Option<Self> {
        if count > bytes.len().saturating_mul(8) {
            return None;
        }
        let mut padded = Vec::with_capacity(bytes.len() + 9);
        padded.extend_from_slice(bytes);
        padded.extend_from_slice(&[0; 9]);
        Some(Self { bytes: padded, place: 0 })
    }

    /// The next `count` bits, 63 at most; zeros behind the last.
    fn take(&mut self, count: u32) -> u64 {
        let (byte, shift) = (self.place / 8, (self.place % 8) as u32);
        let rest = self.bytes.get(byte..).unwrap_or_default();
        let word = rest.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
        let mut bits = word >> shift;
        if shift + count > 64 {
            // Over nine bytes, so that it does not begin with one.
            bits |= rest.get(8).map_or(0, |last| u64::from(*last) << (64 - shift));
        }
        self.place += count as usize;
        bits & ((1 << count) - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAGIC: [u8; 3] = *b"abc";

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => (any::<i64>(), 0u32..64).prop_map(|(number, shift)| number >> shift),
            1 => Just(i64::MIN),
            1 => Just(0),
        ]
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in proptest::collection::vec(number(), 0..300)) {
            let mut writer = Writer::new(MAGIC, 1);
            pack(&mut writer, &numbers);
            let bytes = writer.seal();
            let mut reader = Reader::open(&bytes, MAGIC, 1).unwrap();
            prop_assert_eq!(unpack(&mut reader, numbers.len()), Ok(numbers));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn any_bytes_are_numbers_or_a_typed_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            count in 0usize..50,
        ) {
            let mut writer = Writer::new(MAGIC, 1);
            writer.raw(&bytes);
            let bytes = writer.seal();
            let mut reader = Reader::open(&bytes, MAGIC, 1).unwrap();
            if let Ok(numbers) = unpack(&mut reader, count) {
                prop_assert_eq!(numbers.len(), count);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut writer = Writer::new(MAGIC, 1);
        write_symbols(&mut writer, &vec![0; 50_000_000]);
        let bytes = writer.seal();
        let mut reader = Reader::open(&bytes, MAGIC, 1).unwrap();
        assert_eq!(read_symbols(&mut reader, 1_000), Err(DAMAGED));
    }
}
