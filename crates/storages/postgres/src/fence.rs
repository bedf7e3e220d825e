//! The locks that order checks of the fence, which lies in the server's tables, and raises.

use cache_core::fence::CELLS;

/// Cells share advisory locks, so that a transaction needs no more than the 64 for which every
/// server has room: a power of two that divides the number of cells.
const STRIPES: i16 = 32;

const _: () = assert!(CELLS.is_multiple_of(STRIPES as usize));

/// The locks of some cells, in the order in which they are taken.
pub(crate) fn stripes_of(cells: &[i16]) -> Vec<i32> {
    let mut stripes: Vec<i32> = cells.iter().map(|cell| i32::from(cell % STRIPES)).collect();
    stripes.sort_unstable();
    stripes.dedup();
    stripes
}

/// The locks of all cells.
pub(crate) fn all_stripes() -> Vec<i32> {
    (0..i32::from(STRIPES)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_one_order() {
        assert_eq!(stripes_of(&[4095, 0, 32, 1, 33]), [0, 1, 31]);
        assert!(all_stripes().len() <= 64 && all_stripes().is_sorted());
    }
}
