use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

#[cfg(any(feature = "msgpack", feature = "bincode"))]
use super::depth;
#[cfg(any(feature = "msgpack", feature = "json", feature = "bincode"))]
use serde::{Serialize, de::DeserializeOwned};

/// How values of one type become bytes and back: two functions and the number that stored entries
/// bear, so that an entry written with another codec is told and missed.
///
/// A node whose value has no codec ([`Codec::none`]) may live in memory only.
pub struct Codec<V> {
    id: CodecId,
    functions: Option<Functions<V>>,
}

struct Functions<V> {
    encode: fn(&V) -> Result<Bytes, CodecError>,
    decode: fn(&Bytes) -> Result<V, CodecError>,
}

/// The number of a codec in stored entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecId(u8);

/// Why a value could not be encoded or decoded; cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{codec}: {message}")]
pub struct CodecError {
    codec: CodecId,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl CodecId {
    /// Bytes as they are.
    pub const BYTES: Self = Self(0);
    /// MessagePack with named fields.
    pub const MESSAGE_PACK: Self = Self(1);
    /// JSON.
    pub const JSON: Self = Self(2);
    /// bincode 2, standard configuration.
    pub const BINCODE: Self = Self(3);

    /// A codec of the program's own.
    ///
    /// # Errors
    /// `None` if the number is below 128, where those of this crate are.
    pub const fn custom(number: u8) -> Option<Self> {
        if number < 128 { None } else { Some(Self(number)) }
    }

    /// The number as a storage keeps it; every number can be read back.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Reads a number that a storage kept.
    pub const fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// The codec's name, as operators see it: `json`, `msgpack`, .. or `codec-200`.
    pub fn name(self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::BYTES => "bytes".into(),
            Self::MESSAGE_PACK => "msgpack".into(),
            Self::JSON => "json".into(),
            Self::BINCODE => "bincode".into(),
            Self(number) => format!("codec-{number}").into(),
        }
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl CodecError {
    /// A failure of `codec` with the library's own error.
    pub fn new(codec: CodecId, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { codec, message: source.to_string(), source: Some(Arc::new(source)) }
    }

    /// A failure of `codec` told in words.
    pub fn message(codec: CodecId, message: impl Into<String>) -> Self {
        Self { codec, message: message.into(), source: None }
    }

    /// The codec that failed.
    pub fn codec(&self) -> CodecId {
        self.codec
    }
}

impl<V> Codec<V> {
    /// For values that are not to be encoded: the node may use memory only.
    pub const fn none() -> Self {
        Self { id: CodecId::BYTES, functions: None }
    }

    /// A codec of the program's own.
    pub const fn custom(
        id: CodecId,
        encode: fn(&V) -> Result<Bytes, CodecError>,
        decode: fn(&Bytes) -> Result<V, CodecError>,
    ) -> Self {
        Self { id, functions: Some(Functions { encode, decode }) }
    }

    /// Its number in stored entries.
    pub fn id(&self) -> CodecId {
        self.id
    }

    /// Whether values can be encoded at all.
    pub fn is_none(&self) -> bool {
        self.functions.is_none()
    }

    /// Encodes a value.
    ///
    /// # Errors
    /// [`CodecError`] if the value has no encoding, or the node has no codec.
    pub fn encode(&self, value: &V) -> Result<Bytes, CodecError> {
        match &self.functions {
            Some(functions) => (functions.encode)(value),
            None => Err(CodecError::message(self.id, "the node has no codec")),
        }
    }

    /// Decodes a value, all of the bytes. Declared lengths are not trusted with memory, nor bytes
    /// with the stack: the codecs of this crate take a value that lies up to 256 levels deep, where
    /// each `Some`, newtype, sequence, map, struct and variant is one; JSON takes 128, without
    /// `Some` and newtypes. A deeper one is encoded, and not decoded again.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes are not such a value.
    pub fn decode(&self, bytes: &Bytes) -> Result<V, CodecError> {
        match &self.functions {
            Some(functions) => (functions.decode)(bytes),
            None => Err(CodecError::message(self.id, "the node has no codec")),
        }
    }
}

impl Codec<Bytes> {
    /// Bytes as they are.
    pub const fn bytes() -> Self {
        Self::custom(CodecId::BYTES, |value| Ok(value.clone()), |bytes| Ok(bytes.clone()))
    }
}

#[cfg(feature = "msgpack")]
impl<V: Serialize + DeserializeOwned> Codec<V> {
    /// MessagePack with named fields: compact, self-describing, bears added fields. The default.
    pub const fn message_pack() -> Self {
        Self::custom(CodecId::MESSAGE_PACK, encode_message_pack, decode_message_pack)
    }
}

#[cfg(feature = "msgpack")]
fn encode_message_pack<V: Serialize>(value: &V) -> Result<Bytes, CodecError> {
    rmp_serde::to_vec_named(value)
        .map(Bytes::from)
        .map_err(|error| CodecError::new(CodecId::MESSAGE_PACK, error))
}

#[cfg(feature = "msgpack")]
fn decode_message_pack<V: DeserializeOwned>(bytes: &Bytes) -> Result<V, CodecError> {
    let mut rest: &[u8] = bytes;
    let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
    let value = depth::deserialize(&mut deserializer)
        .map_err(|error| CodecError::new(CodecId::MESSAGE_PACK, error))?;
    all_read(CodecId::MESSAGE_PACK, rest.len())?;
    Ok(value)
}

#[cfg(feature = "json")]
impl<V: Serialize + DeserializeOwned> Codec<V> {
    /// JSON: larger and slower, and readable by every tool.
    pub const fn json() -> Self {
        Self::custom(
            CodecId::JSON,
            |value| {
                serde_json::to_vec(value)
                    .map(Bytes::from)
                    .map_err(|error| CodecError::new(CodecId::JSON, error))
            },
            |bytes| {
                serde_json::from_slice(bytes).map_err(|error| CodecError::new(CodecId::JSON, error))
            },
        )
    }
}

/// The most that a length inside a bincode payload may claim.
#[cfg(feature = "bincode")]
const BINCODE_BYTES_MAX: usize = 256 << 20;

#[cfg(feature = "bincode")]
impl<V: Serialize + DeserializeOwned> Codec<V> {
    /// bincode 2: the smallest, but not self-describing; `flatten`, `untagged` and
    /// `skip_serializing_if` do not work with it, and a changed type needs a new node version.
    pub const fn bincode() -> Self {
        Self::custom(
            CodecId::BINCODE,
            |value| {
                bincode::serde::encode_to_vec(value, bincode::config::standard())
                    .map(Bytes::from)
                    .map_err(|error| CodecError::new(CodecId::BINCODE, error))
            },
            |bytes| {
                let config = bincode::config::standard().with_limit::<BINCODE_BYTES_MAX>();
                let seed = depth::Seed::<V>::NEW;
                let (value, read) = bincode::serde::seed_decode_from_slice(seed, bytes, config)
                    .map_err(|error| CodecError::new(CodecId::BINCODE, error))?;
                all_read(CodecId::BINCODE, bytes.len() - read)?;
                Ok(value)
            },
        )
    }
}

#[cfg(any(feature = "msgpack", feature = "bincode"))]
fn all_read(codec: CodecId, bytes_left: usize) -> Result<(), CodecError> {
    if bytes_left == 0 {
        return Ok(());
    }
    Err(CodecError::message(codec, format!("{bytes_left} bytes are left behind the value")))
}

impl<V> Clone for Functions<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Functions<V> {}

impl<V> Clone for Codec<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Codec<V> {}

impl<V> fmt::Debug for Codec<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            f.write_str("Codec(none)")
        } else {
            write!(f, "Codec({})", self.id.name())
        }
    }
}

#[cfg(all(test, feature = "msgpack", feature = "json", feature = "bincode"))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Profile {
        id: u64,
        name: String,
        scores: Vec<f64>,
        links: BTreeMap<String, Option<i32>>,
    }

    const CODECS: [Codec<Profile>; 3] = [Codec::message_pack(), Codec::json(), Codec::bincode()];

    fn profile() -> impl Strategy<Value = Profile> {
        let links = prop::collection::btree_map("\\PC{0,6}", any::<Option<i32>>(), 0..4);
        (any::<u64>(), "\\PC{0,20}", prop::collection::vec(-1e300f64..1e300, 0..5), links)
            .prop_map(|(id, name, scores, links)| Profile { id, name, scores, links })
    }

    proptest! {
        #[test]
        fn every_codec_gives_back_what_it_took(profile in profile()) {
            for codec in CODECS {
                let bytes = codec.encode(&profile).expect("serde values encode");
                prop_assert_eq!(codec.decode(&bytes).expect("it was just encoded"), profile.clone());
            }
        }

        #[test]
        fn arbitrary_bytes_are_an_error_or_a_value_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for codec in CODECS {
                let _ = codec.decode(&Bytes::from(bytes.clone()));
            }
        }

        #[test]
        fn a_changed_payload_is_an_error_or_a_value_never_a_panic(
            profile in profile(), at: prop::sample::Index, flip in 1u8.., cut: bool,
        ) {
            for codec in CODECS {
                let mut bytes = codec.encode(&profile).expect("serde values encode").to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                bytes.truncate(if cut { at + 1 } else { bytes.len() });
                if let Ok(value) = codec.decode(&bytes.into()) {
                    prop_assert!(codec.encode(&value).is_ok());
                }
            }
        }

        #[test]
        fn what_is_left_behind_a_value_is_an_error(profile in profile(), tail in prop::collection::vec(any::<u8>(), 1..9)) {
            for codec in [Codec::message_pack(), Codec::bincode()] {
                let mut bytes = codec.encode(&profile).expect("serde values encode").to_vec();
                bytes.extend(&tail);
                prop_assert!(codec.decode(&bytes.into()).is_err());
            }
        }
    }

    #[test]
    fn a_declared_length_is_not_trusted_with_memory() {
        // An array of 2^32 - 1 elements in MessagePack, a byte string of 2^60 in bincode.
        let message_pack = Bytes::from_static(&[0xdd, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(Codec::<Vec<u64>>::message_pack().decode(&message_pack).is_err());
        let bincode = Bytes::from_static(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0x10, 1]);
        assert!(Codec::<Vec<u8>>::bincode().decode(&bincode).is_err());
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Tree {
        Bud,
        Leaf(Option<Box<Tree>>),
        Boughs(Vec<Tree>),
        Fork(Box<Tree>, Box<Tree>),
        Named { below: BTreeMap<String, Tree> },
        Wrapped(Wrapped),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapped(Box<Tree>);

    fn fork(levels: usize) -> Tree {
        (0..levels).fold(Tree::Bud, |tree, _| Tree::Fork(Box::new(Tree::Bud), Box::new(tree)))
    }

    /// Bytes that say that a value goes on below are not trusted with the stack of a thread.
    #[test]
    fn what_lies_too_deep_is_an_error() {
        let of = |level: &[u8]| Bytes::from(level.repeat(100_000));
        let message_pack: [&[u8]; 5] = [
            b"\x81\xa4Leaf",
            b"\x81\xa6Boughs\x91",
            b"\x81\xa4Fork\x92\xa3Bud",
            b"\x81\xa5Named\x81\xa5below\x81\xa1a",
            b"\x81\xa7Wrapped",
        ];
        for level in message_pack {
            let error = Codec::<Tree>::message_pack().decode(&of(level)).expect_err("too deep");
            assert!(error.to_string().contains("256 levels"), "{error}");
        }
        for level in [&br#"{"Leaf":"#[..], br#"{"Boughs":["#, br#"{"Named":{"below":{"a":"#] {
            assert!(Codec::<Tree>::json().decode(&of(level)).is_err());
        }
        let bincode: [&[u8]; 5] = [&[1, 1], &[2, 1], &[3, 0], &[4, 1, 1, b'a'], &[5]];
        for level in bincode {
            let error = Codec::<Tree>::bincode().decode(&of(level)).expect_err("too deep");
            assert!(error.to_string().contains("256 levels"), "{error}");
        }
    }

    #[test]
    fn what_lies_as_deep_as_allowed_is_read() {
        // A variant and what is in it, and the bud.
        let (deep, too_deep) = (fork(127), fork(128));
        for codec in [Codec::<Tree>::message_pack(), Codec::bincode()] {
            let bytes = codec.encode(&deep).expect("encodes");
            assert_eq!(codec.decode(&bytes).expect("decodes"), deep);
            let bytes = codec.encode(&too_deep).expect("encodes");
            assert!(codec.decode(&bytes).is_err());
        }
        let names = (0..50).map(|at| (at.to_string(), Tree::Leaf(None))).collect();
        let wide = Tree::Boughs(vec![Tree::Named { below: names }, Tree::Bud, fork(3)]);
        for codec in [Codec::<Tree>::message_pack(), Codec::json(), Codec::bincode()] {
            assert_eq!(
                codec.decode(&codec.encode(&wide).expect("encodes")).expect("decodes"),
                wide
            );
        }
    }

    #[test]
    fn a_node_without_a_codec_encodes_nothing() {
        let codec = Codec::<Profile>::none();
        assert!(codec.is_none() && codec.decode(&Bytes::new()).is_err());
        assert_eq!(CodecId::custom(127), None);
        assert_eq!(CodecId::from_number(200).name(), "codec-200");
    }
}
