//! Numbers with commas between thousands, dashes for what there is not, and signs of changes.

/// Digits alone, or in groups of three with commas between.
fn digits(text: &str) -> Option<u64> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let all_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<&str> = groups.collect();
    let whole = !first.is_empty()
        && all_digits(first)
        && (rest.is_empty() || first.len() <= 3)
        && rest.iter().all(|group| group.len() == 3 && all_digits(group));
    if !whole {
        return None;
    }
    let joined: String = std::iter::once(first).chain(rest).collect();
    // More than any market trades; and exact where it becomes a float.
    (joined.len() <= 15).then(|| joined.parse().ok()).flatten()
}

/// A whole number: `30,868,640`.
pub(crate) fn whole(text: &str) -> Option<u64> {
    digits(text.trim())
}

/// A number without a sign, with up to four decimals: `1,000.00`. Exact to the float nearest to it.
pub(crate) fn amount(text: &str) -> Option<f64> {
    unsigned(text.trim())
}

fn unsigned(text: &str) -> Option<f64> {
    let (before, after) = match text.split_once('.') {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    };
    let whole = digits(before)?;
    let Some(after) = after else { return Some(whole as f64) };
    let valid = (1..=4).contains(&after.len()) && after.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        return None;
    }
    format!("{whole}.{after}").parse().ok()
}

/// A price: a number above zero.
pub(crate) fn price(text: &str) -> Option<f64> {
    amount(text).filter(|price| *price > 0.0)
}

/// A price, or dashes, or nothing, where there is none. The outer `None` is for what is neither.
#[allow(clippy::option_option, reason = "what cannot be read is not what is not there")]
pub(crate) fn price_or_none(text: &str) -> Option<Option<f64>> {
    let text = text.trim();
    if text.bytes().all(|byte| byte == b'-') {
        return Some(None);
    }
    price(text).map(Some)
}

/// How a close compares with the one before: `+0.50`, `-1.00`, ` 0.00`, `X0.00` for a day whose close
/// cannot be compared; the inner `None` is for the last and for dashes.
#[allow(clippy::option_option, reason = "what cannot be read is not what is not there")]
pub(crate) fn change(text: &str) -> Option<Option<f64>> {
    let text = text.trim();
    if text.bytes().all(|byte| byte == b'-') {
        return Some(None);
    }
    if let Some(rest) = text.strip_prefix(['X', 'x']) {
        return unsigned(rest).map(|_| None);
    }
    // What TPEx writes where dividends or rights were taken off.
    if text.starts_with('除') {
        return Some(None);
    }
    if let Some(rest) = text.strip_prefix('-') {
        return unsigned(rest).map(|change| Some(-change));
    }
    unsigned(text.strip_prefix('+').unwrap_or(text)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_or_not() {
        assert_eq!(whole("30,868,640"), Some(30_868_640));
        assert_eq!(whole(" 374"), Some(374));
        assert_eq!(whole("1234567"), Some(1_234_567));
        for text in [
            "",
            "-",
            "1,23",
            "1234,567",
            ",123",
            "1,,234",
            "1.5",
            "-3",
            "+3",
            "１",
            "9999999999999999",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn a_price_is_above_zero_or_not_there() {
        assert_eq!(price_or_none("1,000.00"), Some(Some(1000.0)));
        assert_eq!(price_or_none("592.0000"), Some(Some(592.0)));
        assert_eq!(price_or_none("0.01"), Some(Some(0.01)));
        for text in ["", "-", "--", "---", " ---- "] {
            assert_eq!(price_or_none(text), Some(None), "{text}");
        }
        for text in ["0.00", "-1.00", "1.", ".5", "1.00000", "1e3", "NaN", "inf", "1.0.0", "1 000"]
        {
            assert_eq!(price_or_none(text), None, "{text}");
        }
    }

    #[test]
    fn a_change_has_a_sign_or_is_none() {
        assert_eq!(change("+0.50"), Some(Some(0.5)));
        assert_eq!(change("-1.00"), Some(Some(-1.0)));
        assert_eq!(change(" 0.00"), Some(Some(0.0)));
        assert_eq!(change("X0.00"), Some(None));
        assert_eq!(change("--"), Some(None));
        assert_eq!(change("除息"), Some(None));
        for text in ["+", "+-1.00", "X", "Y0.00", "- 1.00"] {
            assert_eq!(change(text), None, "{text}");
        }
    }
}
