//! What stored entries depend on, as literals: none of them may ever change.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tiers::clock::Timestamp;
use tiers::core::fence::{CELL_FUNCTION, cell_of_key, cell_of_tag};
use tiers::entry::{CodecId, Entry, EntryKind, Token};
use tiers::key::{KEY_BYTES_MAX, Key, KeyTemplate, TAG_BYTES_MAX, Tag, Tags};
use tiers::prelude::*;

fn key() -> Key {
    let template = KeyTemplate::parse("user:{id}:info").expect("a template");
    template.key_of("app", "v1", |fields| fields.push("a:b%")).expect("a key")
}

fn tag() -> Tag {
    Tag::new("app", "users").expect("a tag")
}

#[test]
fn names_are_written_as_ever() {
    assert_eq!(key().as_str(), "app:user:a%3Ab%25:info:v1");
    assert_eq!(tag().as_str(), "app:users");
    assert_eq!((KEY_BYTES_MAX, TAG_BYTES_MAX), (512, 256));
}

#[test]
fn digests_and_cells_are_what_they_were() {
    assert_eq!((key().digest(), cell_of_key(&key())), (4_839_997_406_789_320_138, 3530));
    assert_eq!((tag().digest(), cell_of_tag(&tag())), (13_131_204_962_236_114_369, 1473));
    assert_eq!(CELL_FUNCTION, "xxh3-64/4096");
}

#[test]
fn the_checksum_is_what_it_was() {
    let entry = Entry {
        kind: EntryKind::Value,
        codec: CodecId::JSON,
        compression: Compression::None,
        decoded_bytes: 7,
        created: Timestamp::from_unix_ms(1_700_000_000_000),
        fresh_until: Timestamp::from_unix_ms(1_700_000_060_000),
        kept_until: Timestamp::from_unix_ms(1_700_000_060_000),
        idle: None,
        stamp: 42,
        token: Token(0x0102_0304_0506_0708),
        tags: Tags::new(vec![tag()]),
        payload: Bytes::from_static(br#"{"a":1}"#),
        checksum: 0,
    };
    assert_eq!(entry.checksum_for(&key()), 12_840_515_498_322_828_225);
}

#[test]
fn codecs_and_compressions_keep_their_numbers() {
    let codecs = [CodecId::BYTES, CodecId::MESSAGE_PACK, CodecId::JSON, CodecId::BINCODE];
    assert_eq!(codecs.map(CodecId::number), [0, 1, 2, 3]);
    assert!(CodecId::custom(127).is_none() && CodecId::custom(128).is_some());
    let compressions = [Compression::None, Compression::Zstd, Compression::Lz4];
    assert_eq!(compressions.map(Compression::number), [0, 1, 2]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    scores: Vec<f64>,
    link: Option<i32>,
}

fn check(codec: Codec<User>, golden: &str) {
    let user = User { id: 300, name: "ä".to_owned(), scores: vec![0.5], link: Some(-1) };
    let bytes = codec.encode(&user).expect("encodes");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden, "{codec:?}");
    assert_eq!(codec.decode(&bytes).expect("decodes"), user);
}

#[test]
fn message_pack_writes_what_it_wrote() {
    let golden = "84a26964cd012ca46e616d65a2c3a4a673636f72657391cb3fe0000000000000a46c696e6bff";
    check(Codec::message_pack(), golden);
}

#[cfg(feature = "json")]
#[test]
fn json_writes_what_it_wrote() {
    let text = r#"{"id":300,"name":"ä","scores":[0.5],"link":-1}"#;
    check(Codec::json(), &text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
}

#[cfg(feature = "bincode")]
#[test]
fn bincode_writes_what_it_wrote() {
    check(Codec::bincode(), "fb2c0102c3a401000000000000e03f0101");
}
