use std::fmt::Write as _;

/// Writes a float as the shortest text that reads back as the same bits, without an exponent: a price
/// prints as the venue sent it. NaNs other than the usual one show their bits.
pub(super) fn write_float(text: &mut String, value: f64) {
    // Nothing fails that is written to a text.
    let _ = if value.is_nan() && value.to_bits() != f64::NAN.to_bits() {
        write!(text, "NaN({:016x})", value.to_bits())
    } else {
        write!(text, "{value}")
    };
}

pub(super) fn read_float(text: &str) -> Option<f64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let bits = text.strip_prefix("NaN(")?.strip_suffix(')')?;
    let value = f64::from_bits(u64::from_str_radix(bits, 16).ok()?);
    value.is_nan().then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(value: f64) -> (String, Option<u64>) {
        let mut text = String::new();
        write_float(&mut text, value);
        let back = read_float(&text).map(f64::to_bits);
        (text, back)
    }

    #[test]
    fn numbers_print_plainly() {
        for (value, text) in [(0.00001, "0.00001"), (93250.0, "93250"), (-0.0, "-0")] {
            assert_eq!(there_and_back(value).0, text);
        }
        assert_eq!(there_and_back(f64::NAN).0, "NaN");
        for text in ["", "1,5", "1.2.3", "NaN(", "NaN(7)", "NaN(x)", "0x10"] {
            assert_eq!(read_float(text).map(f64::to_bits), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_float_comes_back(bits in any::<u64>(), nan in any::<bool>()) {
            let bits = if nan { bits | 0x7ff8_0000_0000_0000 } else { bits };
            prop_assert_eq!(there_and_back(f64::from_bits(bits)).1, Some(bits));
        }
    }
}
