use std::time::Duration;

use cache_series::venue::Limits;

/// Five calls in six seconds. The exchange says that whoever calls it once a second or less is let
/// live, and does not say how much more is too much.
pub(super) const DEFAULT: Limits = Limits::calls(2).with_allowance(5, Duration::from_secs(6));

/// So long after one call the next is made for the name of a pair in feeds, which the cache does not
/// count: with its own that is one in a second.
pub(super) const NAMES_PAUSE: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_keep_to_a_call_a_second() {
        let allowance = DEFAULT.allowance.unwrap();
        let names = allowance.per.as_secs().div_ceil(NAMES_PAUSE.as_secs());
        assert!(u64::from(allowance.weight_max) + names <= allowance.per.as_secs());
    }
}
