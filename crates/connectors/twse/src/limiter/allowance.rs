use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::atomics::{Rate, RateLimiter};

/// What several processes share of a market's patience: those of a host have one address, by which
/// the market counts.
///
/// A [`RateLimiter`] is one, kept in any storage that offers atomic steps; with [`HOST_RATE`] it
/// lets no more go than the market takes.
#[async_trait]
pub trait Allowance: Debug + Send + Sync + 'static {
    /// Takes one call: `None`, or after how long it is worth another try.
    ///
    /// # Errors
    /// Any error: nobody knows then, and the process goes by its own window alone.
    async fn take(&self) -> Result<Option<Duration>, Box<dyn Error + Send + Sync>>;
}

/// Three calls in any five seconds: one at once, and one each two and a half seconds.
///
/// A rate limiter lets `burst + span / interval` go in a span, so a burst of three at three in five
/// seconds would let six go.
pub const HOST_RATE: Rate = Rate::new(2, Duration::from_secs(5)).burst(1);

/// The least pause where the storage names none.
const PAUSE: Duration = Duration::from_millis(100);

#[async_trait]
impl Allowance for RateLimiter {
    async fn take(&self) -> Result<Option<Duration>, Box<dyn Error + Send + Sync>> {
        let decision = self.acquire().await?;
        Ok((!decision.allowed).then(|| decision.retry_after.unwrap_or(PAUSE).max(PAUSE)))
    }
}
