/// Dots of a character in Braille, by column and row, as bits of its code.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const EMPTY: u32 = 0x2800;

/// Bands of values as lines of Braille, the highest first: two columns of dots and four rows to a
/// character. `bands` has twice as many columns as a line has characters.
pub(super) fn braille(
    bands: &[Option<(f64, f64)>],
    range: (f64, f64),
    lines: usize,
) -> Vec<String> {
    let (low, high) = range;
    let dots = lines * 4;
    let scale = (dots.saturating_sub(1)) as f64 / (high - low).max(f64::MIN_POSITIVE);
    // Rows are counted from above.
    let row = |value: f64| dots - 1 - (((value - low) * scale) as usize).min(dots - 1);
    let mut cells = vec![vec![EMPTY; bands.len().div_ceil(2)]; lines];
    for (column, band) in bands.iter().enumerate() {
        let Some((low, high)) = band else { continue };
        for at in row(*high)..=row(*low) {
            cells[at / 4][column / 2] |= DOTS[column % 2][at % 4];
        }
    }
    let text = |cells: &Vec<u32>| cells.iter().filter_map(|cell| char::from_u32(*cell)).collect();
    cells.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_is_below_and_the_highest_above() {
        let rising: Vec<_> =
            (0..8).map(|value| Some((f64::from(value), f64::from(value)))).collect();
        let lines = braille(&rising, (0.0, 7.0), 2);
        assert_eq!(lines, ["⠀⠀⡠⠊", "⡠⠊⠀⠀"]);
        assert_eq!(braille(&[None, None], (0.0, 1.0), 1), ["⠀"]);
        assert_eq!(braille(&[Some((0.0, 1.0)), None], (0.0, 1.0), 1), ["⡇"]);
        // One price only.
        assert_eq!(braille(&[Some((5.0, 5.0))], (5.0, 5.0), 1), ["⡀"]);
    }
}
