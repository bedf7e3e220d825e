use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Binding;
use crate::entry::{Codec, CodecError, CompressionError, Damage, Entry, EntryKind};
use crate::key::Key;
use crate::node::Node;

/// Payloads from this length on are decoded and compressed off the runtime's own threads.
pub(super) const BLOCKING_BYTES_MIN: usize = 256 << 10;

/// Why an entry is of no use; counted, and missed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Undecodable {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// The value that an entry holds; `None` where it says that there is none.
pub(crate) async fn decode<N: Node>(
    binding: &Binding<N>,
    key: &Key,
    entry: &Entry,
) -> Result<Option<Arc<N::Value>>, Undecodable> {
    entry.verify(key)?;
    if entry.kind == EntryKind::Absent {
        return Ok(None);
    }
    let codec = binding.codec;
    if entry.codec != codec.id() {
        let message = format!("the entry was written with {}", entry.codec);
        return Err(CodecError::message(codec.id(), message).into());
    }
    let bytes_max = u64::from(binding.definition.decoded_bytes_max);
    if (entry.decoded_bytes as usize) < BLOCKING_BYTES_MIN {
        return decode_payload(codec, entry, bytes_max);
    }
    let entry = Entry { payload: entry.payload.clone(), tags: entry.tags.clone(), ..*entry };
    binding.cache.blocking(move || decode_payload(codec, &entry, bytes_max)).await
}

fn decode_payload<V>(
    codec: Codec<V>,
    entry: &Entry,
    bytes_max: u64,
) -> Result<Option<Arc<V>>, Undecodable> {
    let payload: Bytes =
        entry.compression.decompress(&entry.payload, entry.decoded_bytes, bytes_max)?;
    Ok(Some(Arc::new(codec.decode(&payload)?)))
}
