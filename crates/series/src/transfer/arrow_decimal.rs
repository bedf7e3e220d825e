use arrow_array::Decimal128Array;
use arrow_schema::DataType;

use super::ArrowError;
use crate::row::exact;
use crate::time::Time;

/// So many digits a decimal of 128 bits has.
const DIGITS: u8 = 38;
/// So many of them may stand after the point: as many as an exact decimal of a float can have.
pub(super) const DECIMALS_MAX: u8 = 28;

pub(super) fn data_type(decimals: u8) -> DataType {
    // Not above 28.
    DataType::Decimal128(DIGITS, decimals as i8)
}

/// A column of floats as decimals.
pub(super) fn array(
    column: &str,
    times: &[i64],
    values: &[f64],
    decimals: u8,
) -> Result<Decimal128Array, arrow_schema::ArrowError> {
    let mut mantissas = Vec::with_capacity(values.len());
    for (value, time) in values.iter().zip(times) {
        let inexact = || ArrowError::Decimal {
            time: Time::from_unix_ms(*time),
            column: column.to_owned(),
            value: *value,
            decimals,
        };
        let mantissa = if value.is_nan() {
            None
        } else {
            let mantissa = mantissa(*value, decimals);
            Some(
                mantissa
                    .ok_or_else(|| arrow_schema::ArrowError::ExternalError(Box::new(inexact())))?,
            )
        };
        mantissas.push(mantissa);
    }
    Decimal128Array::from(mantissas).with_precision_and_scale(DIGITS, decimals as i8)
}

/// The whole number that a float is with so many decimals.
fn mantissa(value: f64, decimals: u8) -> Option<i128> {
    let exact = exact(value)?.normalize();
    let zeros = u32::from(decimals).checked_sub(exact.scale())?;
    let mantissa = exact.mantissa().checked_mul(10i128.checked_pow(zeros)?)?;
    (mantissa.unsigned_abs() < 10u128.pow(u32::from(DIGITS))).then_some(mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_or_refused() {
        for (value, decimals, expected) in [
            (93_250.25, 2, Some(9_325_025)),
            (93_250.25, 8, Some(9_325_025_000_000)),
            (-0.1, 1, Some(-1)),
            (-0.0, 2, Some(0)),
            (1e20, 0, Some(100_000_000_000_000_000_000)),
            (93_250.25, 1, None),
            (0.1 + 0.2, 2, None),
            (1e300, 0, None),
            (1e-30, 28, None),
            (1e11, 28, None),
            (f64::INFINITY, 2, None),
        ] {
            assert_eq!(mantissa(value, decimals), expected, "{value} with {decimals}");
        }
    }
}
