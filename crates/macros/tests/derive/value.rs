use bytes::Bytes;
use cache_core::entry::{Codec, CodecError, CodecId};
use cache_core::node::Node;
use cache_macros::Node;

macro_rules! nodes {
    ($($name:ident: $value:ty [$($option:tt)*];)*) => {$(
        #[derive(Node, Clone, PartialEq, Eq, Hash)]
        #[node(key = "key", value = $value, tiers(memory), $($option)*)]
        struct $name;
    )*};
}

nodes! {
    Default: u64 [];
    MessagePack: u64 [codec = msgpack];
    Json: u64 [codec = json];
    Bincode: u64 [codec = bincode];
    Raw: Bytes [codec = bytes];
    Nothing: std::sync::Mutex<u8> [codec = none];
    Own: u64 [codec = codecs::big_endian];
    Generic: u64 [codec = codecs::of::<u64>];
    Weighed: String [weight = String::capacity_bytes];
}

mod codecs {
    use super::*;

    pub(super) fn big_endian() -> Codec<u64> {
        let id = CodecId::from_number(200);
        Codec::custom(
            id,
            |value| Ok(Bytes::copy_from_slice(&value.to_be_bytes())),
            |bytes| {
                let bytes = bytes[..].try_into();
                bytes
                    .map(u64::from_be_bytes)
                    .map_err(|error| CodecError::new(CodecId::from_number(200), error))
            },
        )
    }

    pub(super) fn of<V: 'static>() -> Codec<V> {
        Codec::none()
    }
}

#[test]
fn the_codec_is_the_one_that_was_named() {
    let ids = [Default::codec(), MessagePack::codec(), Json::codec(), Bincode::codec()];
    let ids = ids.map(|codec| codec.id());
    let expected = [CodecId::MESSAGE_PACK, CodecId::MESSAGE_PACK, CodecId::JSON, CodecId::BINCODE];
    assert_eq!(ids, expected);
    assert_eq!(Raw::codec().id(), CodecId::BYTES);
    assert!(!Raw::codec().is_none() && Nothing::codec().is_none() && Generic::codec().is_none());
    let bytes = Own::codec().encode(&1).expect("a number encodes");
    assert_eq!(&bytes[..], [0, 0, 0, 0, 0, 0, 0, 1]);
}

trait Capacity {
    fn capacity_bytes(&self) -> u64;
}

impl Capacity for String {
    fn capacity_bytes(&self) -> u64 {
        self.capacity() as u64
    }
}

#[test]
fn a_value_weighs_what_the_given_function_says() {
    assert_eq!(Weighed::weight(&String::with_capacity(100)), 100);
    assert_eq!(Default::weight(&7), 8);
}
