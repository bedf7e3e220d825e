use std::time::Duration;

use cache_series::venue::Limits;

/// The exchange counts calls of an address by two seconds, and each path apart.
pub(super) const WINDOW: Duration = Duration::from_secs(2);

/// Nine tenths of what the most generous path allows, which is 40 calls in two seconds. What other
/// paths allow less is in what their calls [weigh](super::service::Candles::weight), so that
/// none is over its limit whichever are called.
pub(super) const DEFAULT: Limits = Limits::calls(8).with_allowance(36, WINDOW);
