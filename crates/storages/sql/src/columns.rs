//! An entry as columns: numbers that fit into every database's signed 64 bits.

use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::key::{Key, Tags};
use cache_core::storage::EntryDetails;

/// What an invalidated entry that is kept is fresh until. A touch tells by it that the entry was
/// invalidated since it was read, and leaves it alone.
pub const EXPIRED: Timestamp = Timestamp::from_unix_ms(0);

/// A column that holds what no release of ours has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record's `{column}` holds what it cannot")]
pub struct Damaged {
    /// The column's name.
    pub column: &'static str,
}

/// An entry without its tags and its payload.
///
/// Times are Unix milliseconds; a negative one never comes. 64-bit unsigned numbers are kept as
/// the signed numbers with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryColumns {
    /// Past it, the entry is not there.
    pub expire_at: i64,
    /// Past it, the entry is stale.
    pub fresh_until: i64,
    /// When the value was loaded or set.
    pub created_at: i64,
    /// Sliding expiry.
    pub idle_ms: Option<i64>,
    /// The fence's mark under which it was stored.
    pub stamp: i64,
    /// Told from every other write of the key.
    pub token: i64,
    /// [`Entry::checksum`].
    pub checksum: i64,
    /// 0 value, 1 the source had none.
    pub kind: i16,
    /// The codec's number.
    pub data_type: i16,
    /// The compression's number.
    pub compressed: i16,
    /// Length of the payload before compression.
    pub decoded_bytes: i64,
    /// Length of the payload as stored.
    pub size_bytes: i64,
}

/// What a scan asks of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetailsColumns {
    /// As in [`EntryColumns`].
    pub expire_at: i64,
    /// As in [`EntryColumns`].
    pub fresh_until: i64,
    /// As in [`EntryColumns`].
    pub created_at: i64,
    /// As in [`EntryColumns`].
    pub kind: i16,
    /// As in [`EntryColumns`].
    pub size_bytes: i64,
}

/// A time as it stands in a column: the same bits, so that one that never comes is negative.
pub fn time_column(time: Timestamp) -> i64 {
    time.unix_ms() as i64
}

/// The time that stands in a column.
pub fn time_from_column(column: i64) -> Timestamp {
    Timestamp::from_unix_ms(column as u64)
}

/// The number of a kind.
pub fn kind_number(kind: EntryKind) -> i16 {
    match kind {
        EntryKind::Value => 0,
        EntryKind::Absent => 1,
    }
}

/// The kind with this number.
///
/// # Errors
/// [`Damaged`] if there is none.
pub fn kind_from_number(number: i16) -> Result<EntryKind, Damaged> {
    match number {
        0 => Ok(EntryKind::Value),
        1 => Ok(EntryKind::Absent),
        _ => Err(Damaged { column: "kind" }),
    }
}

impl EntryColumns {
    /// What a row tells in twelve columns in the order of these fields, from the column `first` on.
    /// Each column is read by its place and its name: `wide` numbers, one that may be missing, and
    /// `narrow` ones.
    ///
    /// # Errors
    /// The first that reading a column brings.
    pub fn read<E>(
        first: usize,
        wide: impl Fn(usize, &'static str) -> Result<i64, E>,
        optional: impl Fn(usize, &'static str) -> Result<Option<i64>, E>,
        narrow: impl Fn(usize, &'static str) -> Result<i16, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            expire_at: wide(first, "expire_at")?,
            fresh_until: wide(first + 1, "fresh_until")?,
            created_at: wide(first + 2, "created_at")?,
            idle_ms: optional(first + 3, "idle_ms")?,
            stamp: wide(first + 4, "stamp")?,
            token: wide(first + 5, "token")?,
            checksum: wide(first + 6, "checksum")?,
            kind: narrow(first + 7, "kind")?,
            data_type: narrow(first + 8, "data_type")?,
            compressed: narrow(first + 9, "compressed")?,
            decoded_bytes: wide(first + 10, "decoded_bytes")?,
            size_bytes: wide(first + 11, "size_bytes")?,
        })
    }

    /// The columns of an entry that is stored under `mark`.
    pub fn new(entry: &Entry, mark: u64) -> Self {
        let idle_ms = entry.idle.map(|idle| i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
        Self {
            expire_at: time_column(entry.kept_until),
            fresh_until: time_column(entry.fresh_until),
            created_at: time_column(entry.created),
            idle_ms,
            stamp: mark as i64,
            token: entry.token.0 as i64,
            checksum: entry.checksum as i64,
            kind: kind_number(entry.kind),
            data_type: i16::from(entry.codec.number()),
            compressed: i16::from(entry.compression.number()),
            decoded_bytes: i64::from(entry.decoded_bytes),
            size_bytes: i64::try_from(entry.payload.len()).unwrap_or(i64::MAX),
        }
    }

    /// The entry that these columns, its tags and its payload make.
    ///
    /// # Errors
    /// [`Damaged`] naming the first column that holds what it cannot.
    pub fn entry(&self, tags: Tags, payload: Bytes) -> Result<Entry, Damaged> {
        let damaged = |column| Damaged { column };
        if usize::try_from(self.size_bytes) != Ok(payload.len()) {
            return Err(damaged("size_bytes"));
        }
        let idle = match self.idle_ms.map(u64::try_from) {
            None => None,
            Some(Ok(ms)) => Some(Duration::from_millis(ms)),
            Some(Err(_)) => return Err(damaged("idle_ms")),
        };
        let codec = u8::try_from(self.data_type).map_err(|_| damaged("data_type"))?;
        let compression = u8::try_from(self.compressed).map_err(|_| damaged("compressed"))?;
        Ok(Entry {
            kind: kind_from_number(self.kind)?,
            codec: CodecId::from_number(codec),
            compression: Compression::from_number(compression)
                .map_err(|_| damaged("compressed"))?,
            decoded_bytes: u32::try_from(self.decoded_bytes)
                .map_err(|_| damaged("decoded_bytes"))?,
            created: time_from_column(self.created_at),
            fresh_until: time_from_column(self.fresh_until),
            kept_until: time_from_column(self.expire_at),
            idle,
            stamp: self.stamp as u64,
            token: Token(self.token as u64),
            tags,
            payload,
            checksum: self.checksum as u64,
        })
    }
}

impl DetailsColumns {
    /// What a row tells in five columns in the order of these fields, as
    /// [`EntryColumns::read`] reads them.
    ///
    /// # Errors
    /// The first that reading a column brings.
    pub fn read<E>(
        first: usize,
        wide: impl Fn(usize, &'static str) -> Result<i64, E>,
        narrow: impl Fn(usize, &'static str) -> Result<i16, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            expire_at: wide(first, "expire_at")?,
            fresh_until: wide(first + 1, "fresh_until")?,
            created_at: wide(first + 2, "created_at")?,
            kind: narrow(first + 3, "kind")?,
            size_bytes: wide(first + 4, "size_bytes")?,
        })
    }

    /// The details of the entry of `key`.
    ///
    /// # Errors
    /// [`Damaged`] naming the first column that holds what it cannot.
    pub fn details(&self, key: Key, tags: Tags) -> Result<EntryDetails, Damaged> {
        let size_bytes =
            u64::try_from(self.size_bytes).map_err(|_| Damaged { column: "size_bytes" })?;
        let [created, fresh, kept] =
            [self.created_at, self.fresh_until, self.expire_at].map(time_from_column);
        let kind = kind_from_number(self.kind)?;
        Ok(EntryDetails::new(key, kind, created, fresh, kept, tags, size_bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_comes_back_as_it_was(
            numbers in any::<[u64; 6]>(),
            idle_ms in prop::option::of(0..i64::MAX as u64),
            decoded_bytes in any::<u32>(),
            absent in any::<bool>(),
            codec in any::<u8>(),
            compression in 0..3u8,
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let [created, fresh, kept, stamp, token, checksum] = numbers;
            let entry = Entry {
                kind: if absent { EntryKind::Absent } else { EntryKind::Value },
                codec: CodecId::from_number(codec),
                compression: Compression::from_number(compression).unwrap(),
                decoded_bytes,
                created: Timestamp::from_unix_ms(created),
                fresh_until: Timestamp::from_unix_ms(fresh),
                kept_until: Timestamp::from_unix_ms(kept),
                idle: idle_ms.map(Duration::from_millis),
                stamp,
                token: Token(token),
                tags: Tags::NONE,
                payload: payload.into(),
                checksum,
            };
            let columns = EntryColumns::new(&entry, stamp);
            prop_assert_eq!(columns.entry(Tags::NONE, entry.payload.clone()), Ok(entry));
        }
    }

    #[test]
    fn a_time_that_never_comes_is_negative_and_the_epoch_is_zero() {
        assert!(time_column(Timestamp::NEVER) < 0);
        assert_eq!(time_column(EXPIRED), 0);
    }

    #[test]
    fn what_no_release_has_written_is_damage() {
        let sound = EntryColumns {
            expire_at: -1,
            fresh_until: -1,
            created_at: 1,
            idle_ms: None,
            stamp: 1,
            token: 1,
            checksum: 1,
            kind: 0,
            data_type: 0,
            compressed: 0,
            decoded_bytes: 1,
            size_bytes: 1,
        };
        let column = |columns: EntryColumns| {
            columns.entry(Tags::NONE, Bytes::from_static(b"x")).map_err(|damaged| damaged.column)
        };
        assert!(column(sound).is_ok());
        for (columns, expected) in [
            (EntryColumns { kind: 2, ..sound }, "kind"),
            (EntryColumns { idle_ms: Some(-1), ..sound }, "idle_ms"),
            (EntryColumns { data_type: 256, ..sound }, "data_type"),
            (EntryColumns { compressed: 200, ..sound }, "compressed"),
            (EntryColumns { compressed: -1, ..sound }, "compressed"),
            (EntryColumns { decoded_bytes: -1, ..sound }, "decoded_bytes"),
            (EntryColumns { size_bytes: 2, ..sound }, "size_bytes"),
        ] {
            assert_eq!(column(columns), Err(expected));
        }
        let details =
            DetailsColumns { expire_at: 1, fresh_until: 1, created_at: 1, kind: 0, size_bytes: -1 };
        let key = Key::parse("p:k:v1").unwrap();
        assert_eq!(details.details(key, Tags::NONE), Err(Damaged { column: "size_bytes" }));
    }
}
