use std::time::Duration;

use cache_series::venue::Limits;

/// Six of the ten public calls that the exchange allows an address in a second. What is left is for
/// the calls by which a listing is looked for, of which the cache counts one.
pub(super) const DEFAULT: Limits = Limits::calls(4).with_allowance(6, Duration::from_secs(1));

/// So long after one call the next is made by which a listing is looked for: three in a second, so
/// that there are nine with the cache's own.
pub(super) const SEARCH_PAUSE: Duration = Duration::from_millis(350);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_keep_to_what_the_exchange_allows() {
        let allowance = DEFAULT.allowance.unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(allowance.per, second);
        let searching = second.as_millis().div_ceil(SEARCH_PAUSE.as_millis());
        assert!(u128::from(allowance.weight_max) + searching < 10);
    }
}
