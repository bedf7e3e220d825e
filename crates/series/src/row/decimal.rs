use rust_decimal::Decimal;

/// A price as the exact decimal that it prints as; `None` if it is no number, or too large or too
/// fine for 28 digits.
///
/// ```
/// # use cache_series::row::exact;
/// let price = exact(0.1).unwrap() + exact(0.2).unwrap();
/// assert_eq!(price.to_string(), "0.3");
/// assert_eq!(exact(f64::NAN), None);
/// ```
pub fn exact(price: f64) -> Option<Decimal> {
    let text = price.to_string();
    Decimal::from_str_exact(&text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_exact_prints_the_same(mantissa in -1_000_000_000_000_000i64..1_000_000_000_000_000, decimals in 0u32..12) {
            let sent = Decimal::new(mantissa, decimals).normalize();
            let price: f64 = sent.to_string().parse().unwrap();
            prop_assert_eq!(exact(price), Some(sent));
        }
    }

    #[test]
    fn what_a_decimal_cannot_say_is_none() {
        for price in [f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert_eq!(exact(price), None, "{price}");
        }
    }
}
