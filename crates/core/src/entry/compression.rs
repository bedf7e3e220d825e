use bytes::Bytes;

/// How a stored payload is compressed; its number stands in stored entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Zstandard; needs feature `zstd`.
    Zstd,
    /// LZ4 block format; needs feature `lz4`.
    Lz4,
}

/// When and how payloads are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressionPolicy {
    /// The method.
    pub method: Compression,
    /// Payloads below this length stay as they are.
    pub threshold_bytes: usize,
}

/// Why a payload could not be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// This build leaves the method out.
    #[error("compression `{0}` is not in this build: enable feature `{0}`")]
    NotBuiltIn(&'static str),
    /// A number that no known method has.
    #[error("compression {0} is not known to this release")]
    Unknown(u8),
    /// The payload would become larger than is allowed.
    #[error("the payload claims {claimed_bytes} bytes, more than the {bytes_max} that are allowed")]
    TooLarge {
        /// What it claims.
        claimed_bytes: u64,
        /// What is allowed.
        bytes_max: u64,
    },
    /// The bytes are not what the method makes, or not of the length that the entry states.
    #[error("the compressed payload is damaged: {0}")]
    Damaged(String),
}

/// Zstandard's own default, and a good balance for entries of some kilobytes.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

impl CompressionPolicy {
    /// Payloads stay as they are.
    pub const NONE: Self = Self { method: Compression::None, threshold_bytes: usize::MAX };

    /// `method` for payloads of a kilobyte and more.
    pub const fn new(method: Compression) -> Self {
        Self { method, threshold_bytes: 1024 }
    }

    /// Compresses from this many bytes on.
    pub const fn above(mut self, threshold_bytes: usize) -> Self {
        self.threshold_bytes = threshold_bytes;
        self
    }

    /// Compresses a payload if it is long enough and becomes shorter by it.
    ///
    /// # Errors
    /// [`CompressionError`] if the method is not in this build.
    pub fn compress(&self, payload: Bytes) -> Result<(Compression, Bytes), CompressionError> {
        self.method.available()?;
        if self.method == Compression::None || payload.len() < self.threshold_bytes {
            return Ok((Compression::None, payload));
        }
        let compressed = self.method.compress(&payload)?;
        if compressed.len() < payload.len() {
            Ok((self.method, compressed.into()))
        } else {
            Ok((Compression::None, payload))
        }
    }
}

impl Default for CompressionPolicy {
    /// Zstandard from a kilobyte on where it is built in, otherwise nothing.
    fn default() -> Self {
        if cfg!(feature = "zstd") { Self::new(Compression::Zstd) } else { Self::NONE }
    }
}

impl Compression {
    /// The number as storages keep it.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Zstd => 1,
            Self::Lz4 => 2,
        }
    }

    /// Reads a number that a storage kept.
    ///
    /// # Errors
    /// [`CompressionError::Unknown`] if it is none that this release knows.
    pub const fn from_number(number: u8) -> Result<Self, CompressionError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::Lz4),
            _ => Err(CompressionError::Unknown(number)),
        }
    }

    /// Its name, as operators and feature flags have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// Whether this build has the method.
    ///
    /// # Errors
    /// [`CompressionError::NotBuiltIn`] naming the feature, if not.
    pub const fn available(self) -> Result<(), CompressionError> {
        let built_in = match self {
            Self::None => true,
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Lz4 => cfg!(feature = "lz4"),
        };
        if built_in { Ok(()) } else { Err(CompressionError::NotBuiltIn(self.name())) }
    }

    fn compress(self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        match self {
            Self::None => Ok(payload.to_vec()),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(payload, ZSTD_LEVEL)
                .map_err(|error| CompressionError::Damaged(error.to_string())),
            #[cfg(feature = "lz4")]
            Self::Lz4 => Ok(lz4_flex::block::compress(payload)),
            #[cfg(not(all(feature = "zstd", feature = "lz4")))]
            method => Err(CompressionError::NotBuiltIn(method.name())),
        }
    }

    /// Gives back a payload that must be exactly `decoded_bytes` long. The stated length is what
    /// is allocated, and only up to `bytes_max`.
    ///
    /// # Errors
    /// [`CompressionError`] if the method is not built in, or the bytes do not become that length.
    pub fn decompress(
        self,
        payload: &Bytes,
        decoded_bytes: u32,
        bytes_max: u64,
    ) -> Result<Bytes, CompressionError> {
        let claimed_bytes = u64::from(decoded_bytes);
        if claimed_bytes > bytes_max {
            return Err(CompressionError::TooLarge { claimed_bytes, bytes_max });
        }
        let length = decoded_bytes as usize;
        let decoded = match self {
            Self::None => payload.clone(),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::decompress(payload, length)
                .map_err(|error| CompressionError::Damaged(error.to_string()))?
                .into(),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4_flex::block::decompress(payload, length)
                .map_err(|error| CompressionError::Damaged(error.to_string()))?
                .into(),
            #[cfg(not(all(feature = "zstd", feature = "lz4")))]
            method => return Err(CompressionError::NotBuiltIn(method.name())),
        };
        if decoded.len() != length {
            let found = decoded.len();
            return Err(CompressionError::Damaged(format!("{found} bytes instead of {length}")));
        }
        Ok(decoded)
    }
}

#[cfg(all(test, feature = "zstd", feature = "lz4"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METHODS: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

    #[test]
    fn short_and_incompressible_payloads_stay_as_they_are() {
        for method in METHODS {
            let policy = CompressionPolicy::new(method);
            let short = Bytes::from_static(&[0; 100]);
            assert_eq!(policy.compress(short.clone()), Ok((Compression::None, short)));
            let noise: Bytes = (0..4096).map(|_| fastrand::u8(..)).collect::<Vec<_>>().into();
            assert_eq!(policy.compress(noise.clone()), Ok((Compression::None, noise)));
            let long = Bytes::from(vec![7; 4096]);
            let (used, compressed) = policy.compress(long).expect("built in");
            assert!(used == method && compressed.len() < 1024);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_takes_memory() {
        for method in METHODS {
            let bomb = Bytes::from(method.compress(&vec![0; 1 << 20]).expect("built in"));
            let error = method.decompress(&bomb, 1 << 20, 1 << 16).expect_err("over the bound");
            assert!(matches!(error, CompressionError::TooLarge { .. }), "{error}");
            // A record that understates itself is damaged, and takes no more than it states.
            assert!(method.decompress(&bomb, 100, 1 << 16).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(payload in prop::collection::vec(0u8..4, 0..5000)) {
            for method in METHODS {
                let policy = CompressionPolicy::new(method).above(1);
                let length = payload.len() as u32;
                let (used, bytes) = policy.compress(payload.clone().into()).expect("built in");
                prop_assert_eq!(&used.decompress(&bytes, length, 1 << 20).expect("intact")[..], &payload[..]);
            }
        }

        #[test]
        fn a_changed_payload_is_an_error_or_bytes_of_the_stated_length(
            payload in prop::collection::vec(0u8..4, 1..3000),
            at: prop::sample::Index, flip in 1u8.., cut: bool,
        ) {
            for method in METHODS {
                let mut bytes = method.compress(&payload).expect("built in");
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                bytes.truncate(if cut { at + 1 } else { bytes.len() });
                let length = payload.len() as u32;
                if let Ok(decoded) = method.decompress(&bytes.into(), length, 1 << 20) {
                    prop_assert_eq!(decoded.len(), payload.len());
                }
            }
        }

        #[test]
        fn arbitrary_bytes_are_an_error_or_bytes_of_the_stated_length(
            payload in prop::collection::vec(any::<u8>(), 0..200), length in 0u32..5000,
        ) {
            for method in METHODS {
                if let Ok(bytes) = method.decompress(&payload.clone().into(), length, 1 << 20) {
                    prop_assert_eq!(bytes.len(), length as usize);
                }
            }
        }
    }
}
