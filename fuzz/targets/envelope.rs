//! Envelopes of any bytes: an error, or an entry that is written and read back as it is.

#![no_main]

use bytes::Bytes;
use cache_core::entry::{ENVELOPE_VERSION, Entry};
use cache_core::key::Key;
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

const TRAILER_BYTES: usize = 8;
/// More than any entry of this length could become.
const DECODED_BYTES_MAX: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    read(Bytes::copy_from_slice(data));
    // With magic, version and checksum right, the fields themselves are put to the test.
    if data.len() > 3 + TRAILER_BYTES {
        let mut sealed = data.to_vec();
        sealed[..3].copy_from_slice(&[0xC7, 0x1E, ENVELOPE_VERSION]);
        let body = sealed.len() - TRAILER_BYTES;
        let checksum = xxh3_64(&sealed[..body]).to_le_bytes();
        sealed[body..].copy_from_slice(&checksum);
        read(sealed.into());
    }
});

fn read(bytes: Bytes) {
    let Ok(entry) = Entry::from_envelope(&bytes) else { return };
    let again = Entry::from_envelope(&entry.to_envelope().into());
    assert_eq!(again.as_ref(), Ok(&entry), "what was written is read");
    let key = Key::parse("app:user:7:v1").expect("a valid key");
    let _ = entry.verify(&key);
    assert_eq!(entry.clone().sealed(&key).verify(&key), Ok(()));
    let decoded =
        entry.compression.decompress(&entry.payload, entry.decoded_bytes, DECODED_BYTES_MAX);
    if let Ok(decoded) = decoded {
        assert_eq!(decoded.len(), entry.decoded_bytes as usize);
    }
}
