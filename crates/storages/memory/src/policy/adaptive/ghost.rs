//! What has been evicted of late: a fingerprint and a count each, no keys.

const SLOTS: usize = 16;

/// One cache line of fingerprints, the youngest first; zero where there is none.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket([u32; SLOTS]);

/// Remembers about as many of the evicted as it was made for, each in four bytes.
///
/// A cell holds 24 bits of the hash, a count of four bits and the epoch of that count, of four bits
/// too.
#[derive(Debug, Default)]
pub(super) struct Ghost {
    buckets: Box<[Bucket]>,
}

impl Ghost {
    pub(super) fn new(entries: u64) -> Self {
        let buckets = entries.div_ceil(SLOTS as u64).max(1);
        let buckets = usize::try_from(buckets).unwrap_or(usize::MAX >> 8);
        Self { buckets: vec![Bucket([0; SLOTS]); buckets].into_boxed_slice() }
    }

    /// How many it has room for; none before it is made.
    pub(super) fn room(&self) -> u64 {
        (self.buckets.len() * SLOTS) as u64
    }

    fn bucket(&mut self, hash: u32) -> Option<&mut [u32; SLOTS]> {
        let at = (u64::from(hash) * self.buckets.len() as u64) >> 32;
        self.buckets.get_mut(at as usize).map(|bucket| &mut bucket.0)
    }

    pub(super) fn put(&mut self, hash: u32, count: u8, epoch: u8) {
        let Some(bucket) = self.bucket(hash) else { return };
        if bucket[SLOTS - 1] != 0 {
            // As nearly always: of a length that is known, which is no call.
            bucket.copy_within(..SLOTS - 1, 1);
        } else {
            let place = place_of(bucket, |cell| cell == 0).unwrap_or(SLOTS - 1);
            bucket.copy_within(..place, 1);
        }
        bucket[0] = fingerprint(hash) << 8 | u32::from(count & 15) << 4 | u32::from(epoch & 15);
    }

    /// Takes out what is remembered of this hash: its count, and how many epochs old that is.
    pub(super) fn take(&mut self, hash: u32, epoch: u8) -> Option<(u8, u8)> {
        let bucket = self.bucket(hash)?;
        let wanted = fingerprint(hash);
        let place = place_of(bucket, |cell| cell >> 8 == wanted)?;
        let cell = bucket[place];
        bucket.copy_within(place + 1.., place);
        bucket[SLOTS - 1] = 0;
        Some(((cell >> 4 & 15) as u8, epoch.wrapping_sub((cell & 15) as u8) & 15))
    }
}

/// The first cell of which it is true. Looks at all of them, which is several at a time: mostly there is
/// none.
#[inline]
fn place_of(bucket: &[u32; SLOTS], is_meant: impl Fn(u32) -> bool) -> Option<usize> {
    let cells = bucket.iter().enumerate();
    let found = cells.fold(0_u32, |found, (nth, cell)| found | u32::from(is_meant(*cell)) << nth);
    (found != 0).then(|| found.trailing_zeros() as usize)
}

/// Never zero, so that an empty cell is none.
fn fingerprint(hash: u32) -> u32 {
    (hash & 0x00FF_FFFF).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_once_with_count_and_age() {
        let mut ghost = Ghost::new(100);
        ghost.put(7, 9, 250);
        ghost.put(0, 3, 255);
        assert_eq!(ghost.take(8, 250), None);
        assert_eq!(ghost.take(7, 252), Some((9, 2)));
        assert_eq!(ghost.take(7, 252), None);
        assert_eq!(ghost.take(0, 1), Some((3, 2)));
    }

    #[test]
    fn the_oldest_of_a_bucket_is_forgotten_first() {
        let mut ghost = Ghost::new(1);
        for hash in 1..=17 {
            ghost.put(hash, 1, 0);
        }
        assert_eq!(ghost.take(1, 0), None);
        assert!((2..=17).all(|hash| ghost.take(hash, 0).is_some()));
        assert!(Ghost::default().take(1, 0).is_none());
    }
}
