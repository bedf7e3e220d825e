//! Size routing: a value goes to the tiers that take its size, and skips the others.

/// The sizes that a tier takes, in encoded bytes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// The smallest.
    pub bytes_min: u64,
    /// The largest.
    pub bytes_max: u64,
}

impl SizeRange {
    /// Whether a value of this size belongs in the tier.
    pub const fn takes(self, bytes: u64) -> bool {
        self.bytes_min <= bytes && bytes <= self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_range() {
        let range = SizeRange { bytes_min: 10, bytes_max: 20 };
        assert_eq!([9, 10, 20, 21].map(|bytes| range.takes(bytes)), [false, true, true, false]);
    }
}
