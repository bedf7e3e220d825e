//! Stamps as the server keeps them. What the fence does stands in `scripts/redis/fence.lua`: it is
//! checked and raised there, in one step with what is written or removed.

use cache_core::fence::Stamp;
use cache_core::storage::StorageError;
use redis::Value;
use redis::cluster_routing::Slot;

use crate::error::unexpected;
use crate::layout::{Bucket, Names};
use crate::script::{self, Call, Script};
use crate::storage::Shared;

/// Where there is no fence: refused by whatever fence is made then.
pub(crate) const NO_STAMP: Stamp = Stamp { mark: 0, origin: 0 };

/// Incarnation and counter, as the counter's key holds them.
pub(crate) fn stamp_from(bytes: &[u8]) -> Option<Stamp> {
    let (incarnation, rest) = bytes.split_first_chunk::<8>()?;
    let mark: [u8; 8] = rest.try_into().ok()?;
    Some(Stamp { origin: u64::from_le_bytes(*incarnation), mark: u64::from_le_bytes(mark) })
}

/// The same for a script.
pub(crate) fn stamp_bytes(stamp: Stamp) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&stamp.origin.to_le_bytes());
    bytes[8..].copy_from_slice(&stamp.mark.to_le_bytes());
    bytes
}

/// Cells as a script takes them.
pub(crate) fn cells_bytes(cells: impl IntoIterator<Item = usize>) -> Vec<u8> {
    // There are 4,096.
    cells.into_iter().flat_map(|cell| (cell as u16).to_le_bytes()).collect()
}

/// A call of a script that begins with the fence of a bucket.
pub(crate) fn fenced_call(script: &'static Script, names: &Names, bucket: Bucket) -> Call {
    let mut call = script.call();
    call.key(names.fence(bucket)).key(names.counter(bucket));
    call.argument(names.signature())
        .argument(fastrand::u64(..).to_le_bytes())
        .argument(names.head(bucket));
    call
}

impl Shared {
    /// Makes the fences of buckets that have none; gives a stamp of each, in order.
    pub(crate) async fn open_fences(
        &self,
        operation: &'static str,
        buckets: &[Bucket],
    ) -> Result<Vec<Stamp>, StorageError> {
        let call = |bucket: &Bucket| {
            (self.slot(*bucket), fenced_call(&script::OPEN, &self.names, *bucket))
        };
        self.stamps_of(operation, buckets.iter().map(call).collect()).await
    }

    /// A stamp of each bucket, in order.
    ///
    /// # Errors
    /// As those of every call; of kind `Unavailable` while the slot of one is being moved.
    pub(crate) async fn fences_at_rest(
        &self,
        operation: &'static str,
    ) -> Result<Vec<Stamp>, StorageError> {
        let call = |bucket| (self.slot(bucket), self.call_at_rest(&script::OPEN, bucket));
        self.stamps_of(operation, self.names.buckets().map(call).collect()).await
    }

    /// A call that is refused while the bucket's slot is being moved.
    pub(crate) fn call_at_rest(&self, script: &'static Script, bucket: Bucket) -> Call {
        let mut call = fenced_call(script, &self.names, bucket);
        if self.connections.is_cluster() {
            call.key(self.names.nothing(bucket));
        }
        call
    }

    async fn stamps_of(
        &self,
        operation: &'static str,
        calls: Vec<(Slot, Call)>,
    ) -> Result<Vec<Stamp>, StorageError> {
        let answers = self.connections.run(operation, &calls).await?;
        let stamp = |answer: Result<Value, StorageError>| match answer? {
            Value::BulkString(bytes) => stamp_from(&bytes).ok_or_else(|| unexpected(operation)),
            _ => Err(unexpected(operation)),
        };
        answers.into_iter().map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_from_its_bytes() {
        let stamp = Stamp { mark: 1_700_000_000_000_001, origin: u64::MAX };
        assert_eq!(stamp_from(&stamp_bytes(stamp)), Some(stamp));
        assert_eq!(stamp_from(&[0; 15]), None);
        assert_eq!(stamp_from(&[0; 17]), None);
        assert_eq!(cells_bytes([0, 4095]), [0, 0, 255, 15]);
    }
}
