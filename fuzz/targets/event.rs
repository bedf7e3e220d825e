//! Events of any bytes: an error, or an event that is written and read back as it is.

#![no_main]

use cache_core::backplane::{EVENT_VERSION, Event};
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

const TRAILER_BYTES: usize = 8;

fuzz_target!(|data: &[u8]| {
    read(data);
    // With magic, version and checksum right, the fields themselves are put to the test.
    if data.len() > 3 + TRAILER_BYTES {
        let mut sealed = data.to_vec();
        sealed[..3].copy_from_slice(&[0xC7, 0x1B, EVENT_VERSION]);
        let body = sealed.len() - TRAILER_BYTES;
        let checksum = xxh3_64(&sealed[..body]).to_le_bytes();
        sealed[body..].copy_from_slice(&checksum);
        read(&sealed);
    }
});

fn read(bytes: &[u8]) {
    let Ok(event) = Event::from_bytes(bytes) else { return };
    assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event), "what was written is read");
}
