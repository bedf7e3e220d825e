//! Payloads of any bytes, through every codec and every compression: an error, or a value that is
//! encoded and decoded to itself.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use cache_core::entry::{Codec, Compression, CompressionPolicy};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile {
    id: u64,
    name: String,
    balance: Option<i128>,
    scores: Vec<f64>,
    letters: (char, bool, i8),
    links: BTreeMap<String, Option<Link>>,
    #[serde(default)]
    added: u8,
}

#[derive(Serialize, Deserialize)]
enum Link {
    None,
    Page(String),
    Many(Vec<Link>),
    Range { from: u16, to: u16 },
}

/// More than any payload of this length could become.
const DECODED_BYTES_MAX: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((choice, payload)) = data.split_first() else { return };
    let payload = Bytes::copy_from_slice(payload);
    match choice % 8 {
        0 => value::<Profile>(Codec::message_pack(), &payload),
        1 => value::<Profile>(Codec::json(), &payload),
        2 => value::<Profile>(Codec::bincode(), &payload),
        3 => value::<Vec<(String, f32)>>(Codec::message_pack(), &payload),
        4 => value::<Vec<Option<String>>>(Codec::bincode(), &payload),
        5 => decompress(Compression::Zstd, &payload),
        6 => decompress(Compression::Lz4, &payload),
        _ => compress(&payload),
    }
});

fn value<V: Serialize + for<'a> Deserialize<'a>>(codec: Codec<V>, payload: &Bytes) {
    let Ok(value) = codec.decode(payload) else { return };
    let encoded = codec.encode(&value).expect("what was decoded can be encoded");
    let again = codec.decode(&encoded).expect("what was encoded can be decoded");
    // By its bytes: a number that is none is not equal to itself.
    assert_eq!(codec.encode(&again).expect("as before"), encoded);
}

/// The first bytes state the length.
fn decompress(method: Compression, bytes: &Bytes) {
    let Some((length, _)) = bytes.split_first_chunk::<3>() else { return };
    let length = u32::from_le_bytes([length[0], length[1], length[2], 0]);
    if let Ok(decoded) = method.decompress(&bytes.slice(3..), length, DECODED_BYTES_MAX) {
        assert_eq!(decoded.len(), length as usize);
    }
}

fn compress(payload: &Bytes) {
    for method in [Compression::None, Compression::Zstd, Compression::Lz4] {
        let policy = CompressionPolicy::new(method).above(1);
        let (used, bytes) = policy.compress(payload.clone()).expect("built in");
        let length = payload.len() as u32;
        let again = used.decompress(&bytes, length, DECODED_BYTES_MAX.max(length.into()));
        assert_eq!(again.as_ref(), Ok(payload));
    }
}
