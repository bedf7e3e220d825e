//! What storages hold: encoded entries, their envelope, codecs and compression.

mod codec;
mod compression;
#[cfg(any(feature = "msgpack", feature = "bincode"))]
mod depth;
mod envelope;
mod record;

pub use codec::{Codec, CodecError, CodecId};
pub use compression::{Compression, CompressionError, CompressionPolicy};
pub use envelope::{ENVELOPE_VERSION, EnvelopeError};
pub use record::{Damage, Entry, EntryChecksum, EntryKind, Token};
