//! Floats as whole numbers with a number of decimals.

/// Powers of ten that a float holds exactly; a whole number below 2^53 divided by one is the float
/// nearest to that decimal, which is what reading its text gives.
const POWERS: [f64; 19] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];
const MANTISSA_MAX: f64 = 9_007_199_254_740_992.0;

/// Numbers of decimals are below this.
pub(crate) const PLACES_END: usize = POWERS.len();

/// The whole number that divided by ten to the power of `places` is this float, bit by bit.
pub(crate) fn mantissa(value: f64, places: usize) -> Option<i64> {
    let scaled = (value * POWERS[places]).round();
    // Not so either for what is no number.
    if scaled.abs() < MANTISSA_MAX {
        let whole = scaled as i64;
        return (float(whole, places).to_bits() == value.to_bits()).then_some(whole);
    }
    None
}

/// The float of a whole number with so many decimals.
pub(crate) fn float(mantissa: i64, places: usize) -> f64 {
    mantissa as f64 / POWERS[places]
}

/// Below this a whole number is the only one that makes its float.
const UNIQUE_MAX: u64 = 1 << 50;

/// The fewest decimals by which a float is a whole number. A good guess, such as what its
/// neighbour needs, saves a search.
pub(crate) fn places(value: f64, guess: usize) -> Option<usize> {
    let guessed = mantissa(value, guess).filter(|whole| whole.unsigned_abs() < UNIQUE_MAX);
    let Some(mut whole) = guessed else {
        return (0..PLACES_END).find(|places| mantissa(value, *places).is_some());
    };
    let mut places = guess;
    // The same number with a zero less at its end.
    while places > 0 && whole % 10 == 0 {
        (whole, places) = (whole / 10, places - 1);
    }
    Some(places)
}

/// A sum that is exact where the values are decimals that a float can hold the sum of, so that ten
/// times 0.1 is 1; otherwise that of the floats.
pub(crate) fn sum(values: &[f64]) -> f64 {
    exact_sum(values).unwrap_or_else(|| values.iter().sum())
}

fn exact_sum(values: &[f64]) -> Option<f64> {
    let mut most = 0;
    for value in values {
        most = most.max(places(*value, most)?);
    }
    let mut total = 0i64;
    for value in values {
        total = total.checked_add(mantissa(*value, most)?)?;
    }
    (total.unsigned_abs() < 1 << 53).then(|| float(total, most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mantissa_is_the_float_bit_by_bit(bits in any::<u64>(), whole in -(1i64 << 53) + 1..1 << 53, places in 0..PLACES_END) {
            let value = f64::from_bits(bits);
            if let Some(whole) = mantissa(value, places) {
                prop_assert_eq!(float(whole, places).to_bits(), bits);
            }
            // Reading the text of the decimal gives the same float.
            let text = format!("{whole}e-{places}");
            prop_assert_eq!(float(whole, places), text.parse::<f64>().unwrap());
        }

        #[test]
        fn no_guess_changes_what_is_found(
            whole in -(1i64 << 40)..1 << 40,
            decimals in 0..12usize,
            bits in any::<u64>(),
            guess in 0..PLACES_END,
        ) {
            for value in [float(whole, decimals), f64::from_bits(bits), whole as f64 * 1e5] {
                let fewest = (0..PLACES_END).find(|places| mantissa(value, *places).is_some());
                prop_assert_eq!(places(value, guess), fewest);
            }
        }

        #[test]
        fn sums_of_decimals_are_exact(cents in proptest::collection::vec(-1_000_000i64..1_000_000, 0..50)) {
            let values: Vec<f64> = cents.iter().map(|cents| float(*cents, 2)).collect();
            prop_assert_eq!(sum(&values), float(cents.iter().sum(), 2));
        }
    }

    #[test]
    fn what_is_no_decimal_is_added_as_it_is() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1.0 / 3.0, 0.5]), 1.0 / 3.0 + 0.5);
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
        assert_eq!(sum(&[9e15, 9e15]), 1.8e16);
    }
}
