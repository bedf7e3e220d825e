//! A venue that does what a test says, and notes what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Alignment, Grid, Slots, Time};
use cache_series::venue::{
    FeedMessage, FeedStream, Limits, Listing, UsedWeight, Venue, VenueError, VenueErrorKind,
};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{Notify, mpsc};

type Feed = mpsc::UnboundedSender<Result<FeedMessage<Candle>, VenueError>>;

#[derive(Clone, Debug)]
pub(crate) struct TestVenue {
    name: String,
    environment: Environment,
    said: Arc<std::sync::Mutex<Said>>,
    connected: Arc<Notify>,
    released: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) rows: BTreeMap<i64, Candle>,
    pub(crate) page: u32,
    /// More rows than this are cut off, at the end of what was asked for or at its begin.
    pub(crate) rows_max: usize,
    pub(crate) ascending: bool,
    /// A row that is sent along with whatever was asked for.
    pub(crate) besides: Option<(Time, Candle)>,
    pub(crate) calls: Vec<Slots>,
    pub(crate) failures: VecDeque<VenueError>,
    /// Calls that touch these slots fail.
    pub(crate) outage: Slots,
    pub(crate) listing: Listing,
    pub(crate) listing_calls: u64,
    /// So many calls for it fail next.
    pub(crate) listing_failures: u32,
    pub(crate) listing_holds: bool,
    pub(crate) limits: Limits,
    pub(crate) used_weight: Option<UsedWeight>,
    pub(crate) server_time: Option<Time>,
    /// So many looks at its clock fail next.
    pub(crate) clock_failures: u32,
    pub(crate) clock_holds: bool,
    pub(crate) clock_calls: u64,
    /// Calls are noted, and answered when they are released.
    pub(crate) holds: bool,
    pub(crate) under_way: u64,
    pub(crate) under_way_max: u64,
    feeds: Vec<Feed>,
    pub(crate) has_feed: bool,
}

impl TestVenue {
    pub(crate) fn new(rows: impl IntoIterator<Item = i64>) -> Self {
        let said = Said {
            rows: rows.into_iter().map(|slot| (slot, candle(slot))).collect(),
            page: 100,
            rows_max: usize::MAX,
            ascending: true,
            besides: None,
            calls: Vec::new(),
            failures: VecDeque::new(),
            outage: Slots::default(),
            listing: Listing::UNTOLD,
            listing_calls: 0,
            listing_failures: 0,
            listing_holds: false,
            limits: Limits::default(),
            used_weight: None,
            server_time: None,
            clock_failures: 0,
            clock_holds: false,
            clock_calls: 0,
            holds: false,
            under_way: 0,
            under_way_max: 0,
            feeds: Vec::new(),
            has_feed: true,
        };
        Self {
            name: "Test".to_owned(),
            environment: Environment::Live,
            said: Arc::new(std::sync::Mutex::new(said)),
            connected: Arc::default(),
            released: Arc::default(),
        }
    }

    pub(crate) fn in_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Said) -> T) -> T {
        look(&self.said.lock().unwrap())
    }

    /// What was asked for since this was called last.
    pub(crate) fn calls(&self) -> Vec<Slots> {
        std::mem::take(&mut self.said.lock().unwrap().calls)
    }

    pub(crate) fn fail_next(&self, count: usize, kind: VenueErrorKind) {
        let error = VenueError::new(&self.name, kind, "on purpose");
        self.change(|said| said.failures.extend(std::iter::repeat_n(error, count)));
    }

    pub(crate) fn release(&self) {
        self.change(|said| {
            (said.holds, said.clock_holds, said.listing_holds) = (false, false, false);
        });
        self.released.notify_waiters();
    }

    /// Waits until so many connections to the feed were made that are not lost.
    pub(crate) async fn connected(&self) {
        loop {
            let connected = self.connected.notified();
            if self.look(|said| said.feeds.iter().any(|feed| !feed.is_closed())) {
                return;
            }
            connected.await;
        }
    }

    pub(crate) fn tell(&self, time: Time, row: Candle, closed: bool) {
        let message = FeedMessage { time, row, closed };
        self.change(|said| said.feeds.retain(|feed| feed.send(Ok(message)).is_ok()));
    }

    /// The feed says so, and is not made again.
    pub(crate) fn refuse_feed(&self) {
        let error = VenueError::new(&self.name, VenueErrorKind::Refused, "no more");
        self.change(|said| said.feeds.retain(|feed| feed.send(Err(error.clone())).is_ok()));
    }

    pub(crate) fn disconnect(&self) {
        self.change(|said| said.feeds.clear());
    }
}

/// The row of a slot: whatever has to do with it can be told by its close.
pub(crate) fn candle(slot: i64) -> Candle {
    let price = 100.0 + (slot.rem_euclid(1_000)) as f64;
    Candle { open: price, high: price + 1.5, low: price - 1.25, close: price + 0.5, volume: 2.0 }
}

#[async_trait]
impl Venue<Candle> for TestVenue {
    fn name(&self) -> &str {
        &self.name
    }

    fn environment(&self) -> Environment {
        self.environment
    }

    fn paging(&self, _: &SeriesKey) -> Result<Paging, VenueError> {
        Ok(Paging::new(self.look(|said| said.page)))
    }

    fn limits(&self) -> Limits {
        self.look(|said| said.limits)
    }

    fn used_weight(&self) -> Option<UsedWeight> {
        self.look(|said| said.used_weight)
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let grid = Grid::new(key.timeframe(), Alignment::UTC);
        assert_eq!((key.venue(), key.environment()), ("test", self.environment));
        self.change(|said| {
            said.calls.push(slots);
            said.under_way += 1;
            said.under_way_max = said.under_way_max.max(said.under_way);
        });
        loop {
            let released = self.released.notified();
            if !self.look(|said| said.holds) {
                break;
            }
            released.await;
        }
        // So that others come in between.
        tokio::task::yield_now().await;
        let mut said = self.said.lock().unwrap();
        said.under_way -= 1;
        if let Some(error) = said.failures.pop_front() {
            return Err(error);
        }
        if !said.outage.intersection(slots).is_empty() {
            return Err(VenueError::new(&self.name, VenueErrorKind::Unavailable, "an outage"));
        }
        let within = said.rows.range(slots.start..slots.end);
        let time = |(slot, row): (&i64, &Candle)| (grid.start_of(*slot), *row);
        let mut rows: Vec<(Time, Candle)> = match said.ascending {
            true => within.take(said.rows_max).map(time).collect(),
            false => within.rev().take(said.rows_max).map(time).collect(),
        };
        let reach = match (rows.len() == said.rows_max, said.ascending) {
            (false, _) => Reach::Whole,
            (true, true) => Reach::UpToLast,
            (true, false) => Reach::FromFirst,
        };
        rows.extend(said.besides);
        Ok(Answer { rows, reach })
    }

    async fn listing(&self, _: &SeriesKey) -> Result<Listing, VenueError> {
        self.change(|said| said.listing_calls += 1);
        loop {
            let released = self.released.notified();
            if !self.look(|said| said.listing_holds) {
                break;
            }
            released.await;
        }
        let mut said = self.said.lock().unwrap();
        if said.listing_failures > 0 {
            said.listing_failures -= 1;
            return Err(VenueError::new(&self.name, VenueErrorKind::Unavailable, "no listing"));
        }
        Ok(said.listing)
    }

    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        self.change(|said| said.clock_calls += 1);
        loop {
            let released = self.released.notified();
            if !self.look(|said| said.clock_holds) {
                break;
            }
            released.await;
        }
        let mut said = self.said.lock().unwrap();
        if said.clock_failures > 0 {
            said.clock_failures -= 1;
            return Err(VenueError::new(&self.name, VenueErrorKind::Unavailable, "no clock"));
        }
        Ok(said.server_time)
    }

    async fn feed(&self, _: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        if !self.look(|said| said.has_feed) {
            return Err(VenueError::new(&self.name, VenueErrorKind::Unsupported, "no feed"));
        }
        let (feed, messages) = mpsc::unbounded_channel();
        self.change(|said| said.feeds.push(feed));
        self.connected.notify_waiters();
        let next = |mut messages: mpsc::UnboundedReceiver<_>| async move {
            messages.recv().await.map(|message| (message, messages))
        };
        Ok(stream::unfold(messages, next).boxed())
    }
}
