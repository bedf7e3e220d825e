use std::time::Duration;

use cache_series::venue::Limits;

/// Five sixths of the 600 calls that the exchange allows an address in five seconds, whatever is
/// called; whoever goes over is shut out for ten minutes.
pub(super) const DEFAULT: Limits = Limits::calls(8).with_allowance(500, Duration::from_secs(5));
