use std::time::Duration;

use cache_series::venue::Limits;

/// Five calls in six seconds. The exchange says that whoever calls it once a second or less is let
/// live, and does not say how much more is too much.
pub(super) const DEFAULT: Limits = Limits::calls(2).with_allowance(5, Duration::from_secs(6));
