use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cache_series::key::Market;
use cache_series::venue::VenueError;
use tokio::sync::Semaphore;

use super::symbol::Pair;
use super::{listing, request};
use crate::line::Line;
use crate::pace::Pace;

/// What pairs are called in feeds. Where a key does not say where the first asset ends, the exchange
/// is asked, once for each pair: the cache does not count these calls, and every connection that is
/// made again would make one. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FeedNames {
    line: Line,
    pace: Pace,
    /// One asks at a time, so that nobody asks for what another is being told.
    asking: Arc<Semaphore>,
    /// By what calls name them: no more than the exchange has pairs, for it knows no others.
    known: Arc<Mutex<BTreeMap<String, String>>>,
}

impl FeedNames {
    pub(super) fn new(line: Line, pace: Pace) -> Self {
        Self { line, pace, asking: Arc::new(Semaphore::new(1)), known: Arc::default() }
    }

    /// The name of a pair.
    pub(super) async fn of(&self, pair: &Pair) -> Result<String, VenueError> {
        if let Some(name) = pair.for_feeds() {
            return Ok(name);
        }
        let calls = pair.for_calls();
        let known = || self.known(|known| known.get(&calls).cloned());
        // Whose name is known does not wait for those that are asked about.
        if let Some(name) = known() {
            return Ok(name);
        }
        // Closed by nobody.
        let _asking = self.asking.acquire().await.ok();
        if let Some(name) = known() {
            return Ok(name);
        }
        let url = request::asset_pair(self.line.url(Market::Spot)?, pair);
        let call = self.line.call(url, |body| listing::feed_symbol(body, pair));
        let name = self.pace.call(call).await?;
        self.known(|known| known.insert(calls, name.clone()));
        Ok(name)
    }

    fn known<T>(&self, look: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
