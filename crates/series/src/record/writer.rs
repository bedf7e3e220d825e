use xxhash_rust::xxh3::xxh3_64;

/// Writes a record from its header to its checksum.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(magic: [u8; 3], version: u8) -> Self {
        let [first, second, third] = magic;
        Self { bytes: vec![first, second, third, version] }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn word(&mut self, word: u64) {
        self.raw(&word.to_le_bytes());
    }

    /// LEB128: seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// A signed number, folded so that small ones are short.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// Bytes after their length.
    pub(crate) fn block(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    /// The record with its checksum.
    pub(crate) fn seal(mut self) -> Vec<u8> {
        self.word(xxh3_64(&self.bytes));
        self.bytes
    }
}
