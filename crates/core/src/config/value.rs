use std::time::Duration;

/// Reads a time: seconds (`30`, `0.5`) or with a unit (`30s`, `250ms`, `1h`). `None` if it is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

/// Reads a size: bytes (`1048576`) or with a unit (`64KiB`, `64MiB`, `1GiB`, and `KB`, `MB`, `GB`
/// for powers of ten). `None` if it is none, or more than 64 bits hold.
pub fn parse_bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1));
    digits.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, ms) in [("30", 30_000), ("0.5", 500), ("250ms", 250), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "-1", "soon", "NaN", "inf", "1e300"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [("7", 7), ("2KiB", 2048), ("2 MB", 2_000_000), ("1GiB", 1 << 30)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "-1", "1.5MiB", "KiB", "99999999999GiB", "1TB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
