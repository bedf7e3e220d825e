use std::time::Duration;

use cache_series::venue::Limits;

/// Six of the ten public calls that the exchange allows an address in a second. What is left is for
/// the calls by which a listing is looked for, of which the cache counts one.
pub(super) const DEFAULT: Limits = Limits::calls(4).with_allowance(6, Duration::from_secs(1));

/// So long after one call the next is made by which a listing is looked for.
pub(super) const SEARCH_PAUSE: Duration = Duration::from_millis(200);
