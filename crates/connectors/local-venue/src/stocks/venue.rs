use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::StockFault;
use super::book::Book;
use super::routes;
use super::text::read_day;
use crate::wire;

/// Both markets. It stops when it is dropped.
///
/// ```
/// use tiers_local_venue::StockVenue;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let venue = StockVenue::start(1_746_169_200_000).await?;
/// venue.list("tse_2330", "台積電", "2024-01-02", 7);
/// assert_eq!(venue.calls().months, 0);
/// # Ok::<(), std::io::Error>(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StockVenue {
    inner: Arc<Inner>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StockCalls {
    /// A stock's month.
    pub months: u64,
    /// A market's day.
    pub market_days: u64,
    /// Quotes, of however many stocks.
    pub quotes: u64,
    /// Stocks in those calls together.
    pub quoted: u64,
    /// Sessions that were begun.
    pub sessions: u64,
    /// Of all of them, those on which something went wrong.
    pub failed: u64,
}

impl StockCalls {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.months + self.market_days + self.quotes + self.sessions
    }
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) book: Mutex<Book>,
    pub(super) faults: Mutex<Faults>,
    pub(super) calls: Mutex<StockCalls>,
    pub(super) session: AtomicU64,
    now_ms: AtomicI64,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    next: VecDeque<StockFault>,
    all: Option<StockFault>,
    stocks: Vec<(String, StockFault)>,
}

impl Faults {
    /// What goes wrong with a call that is about these stocks.
    pub(super) fn take(&mut self, about: &str) -> Option<StockFault> {
        let touched = self.stocks.iter().find(|(code, _)| about.contains(code.as_str()));
        let touched = touched.map(|(_, fault)| fault.clone());
        touched.or_else(|| self.all.clone()).or_else(|| self.next.pop_front())
    }
}

impl Inner {
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Acquire)
    }
}

impl StockVenue {
    /// Listens on a free port of loopback; its clock shows `now_ms` milliseconds since 1970.
    ///
    /// # Errors
    /// If there is no port to listen on.
    pub async fn start(now_ms: i64) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            book: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            session: AtomicU64::new(1),
            now_ms: AtomicI64::new(now_ms),
        });
        let (address, server) = wire::serve(routes::router(Arc::clone(&inner))).await?;
        Ok(Self { inner, address, server })
    }

    /// Where it is called: `http://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lists a stock, `tse_2330` or `otc_6488`, since a day such as `2024-01-02`, with days made of
    /// the seed for four years. A day that is none lists nothing.
    pub fn list(&self, name: &str, title: &str, first: &str, seed: u64) {
        if let Some(first) = read_day(first) {
            self.inner.book.lock().list(name, title, first, seed);
        }
    }

    /// Trades a stock no more after a day.
    pub fn delist(&self, name: &str, last: &str) {
        if let Some(last) = read_day(last) {
            self.inner.book.lock().delist(name, last);
        }
    }

    /// Has no session on a day.
    pub fn holiday(&self, day: &str) {
        if let Some(day) = read_day(day) {
            self.inner.book.lock().holiday(day);
        }
    }

    /// What its clock shows.
    pub fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }

    /// Moves its clock.
    pub fn set_now(&self, now_ms: i64) {
        self.inner.now_ms.store(now_ms, Ordering::Release);
    }

    /// This goes wrong with the next call that nothing else goes wrong with.
    pub fn fail_next(&self, fault: StockFault) {
        self.inner.faults.lock().next.push_back(fault);
    }

    /// This goes wrong with every call from now on.
    pub fn fail_all(&self, fault: StockFault) {
        self.inner.faults.lock().all = Some(fault);
    }

    /// This goes wrong with every call about a code from now on.
    pub fn fail_stock(&self, code: &str, fault: StockFault) {
        self.inner.faults.lock().stocks.push((code.to_owned(), fault));
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        *self.inner.faults.lock() = Faults::default();
    }

    /// Ends the sessions that realtime quotes are asked with.
    pub fn end_sessions(&self) {
        self.inner.session.fetch_add(1, Ordering::AcqRel);
    }

    /// What was asked since the start, or since the last reset.
    pub fn calls(&self) -> StockCalls {
        *self.inner.calls.lock()
    }

    /// Counts from zero again.
    pub fn reset_calls(&self) {
        *self.inner.calls.lock() = StockCalls::default();
    }
}

impl Drop for StockVenue {
    fn drop(&mut self) {
        self.server.abort();
    }
}
