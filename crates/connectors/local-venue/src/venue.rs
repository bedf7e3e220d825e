use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::book::Book;
use crate::calls::{Asked, Calls, Log};
use crate::dialects::{self, Refusal, Told, Topic};
use crate::fault::Faults;
use crate::{Candle, Fault, History, Interval, wire};

/// The venue. It stops when it is dropped.
#[derive(Debug)]
pub struct LocalVenue {
    inner: Arc<Inner>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) book: Mutex<Book>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) log: Mutex<Log>,
    pub(crate) orders: broadcast::Sender<Order>,
    /// How many connections listen for something.
    pub(crate) listening: AtomicUsize,
    now_ms: AtomicI64,
    allowance: Mutex<Allowance>,
    /// With which status feeds are refused.
    feeds_refused: Mutex<Option<u16>>,
}

/// What all feeds are told to do.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Tell(Told),
    Say(String),
    Ping,
    Drop,
    Close,
}

/// What calls may weigh in a window of the venue's clock, whose length each exchange says.
#[derive(Debug, Default)]
struct Allowance {
    weight_max: Option<u64>,
    windows: BTreeMap<&'static str, Window>,
}

/// What was asked of an exchange in a window.
#[derive(Debug, Default)]
struct Window {
    index: i64,
    used: u64,
    /// Calls that were refused.
    refused: u64,
}

/// So many calls beyond the allowance are refused before whoever makes them is banned.
const REFUSED_MAX: u64 = 10;

/// Feeds may lag behind by so many messages before they are dropped.
const ORDERS_MAX: usize = 65_536;

impl Inner {
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Acquire)
    }

    pub(crate) fn feed_refusal(&self) -> Option<u16> {
        *self.feeds_refused.lock()
    }

    /// Takes the weight of a call of an exchange: what is used of this window, or how the call is
    /// refused.
    pub(crate) fn weigh(
        &self,
        exchange: &'static str,
        weight: u64,
        window_ms: i64,
    ) -> Result<u64, Refusal> {
        let now_ms = self.now_ms();
        let mut allowance = self.allowance.lock();
        let weight_max = allowance.weight_max;
        let window = allowance.windows.entry(exchange).or_default();
        let index = now_ms.div_euclid(window_ms);
        if window.index != index {
            *window = Window { index, ..Window::default() };
        }
        if weight_max.is_some_and(|weight_max| window.used + weight > weight_max) {
            window.refused += 1;
            let left_ms = window_ms - now_ms.rem_euclid(window_ms);
            let retry_after = u32::try_from(left_ms.div_euclid(1_000) + 1).unwrap_or(60);
            return Err(if window.refused > REFUSED_MAX {
                Refusal::Banned { retry_after }
            } else {
                Refusal::RateLimited { retry_after }
            });
        }
        window.used += weight;
        Ok(window.used)
    }
}

impl LocalVenue {
    /// Listens on a free port of loopback; its clock shows `now_ms` milliseconds since 1970.
    ///
    /// # Errors
    /// If there is no port to listen on.
    pub async fn start(now_ms: i64) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            book: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
            orders: broadcast::channel(ORDERS_MAX).0,
            listening: AtomicUsize::new(0),
            now_ms: AtomicI64::new(now_ms),
            allowance: Mutex::default(),
            feeds_refused: Mutex::default(),
        });
        let (address, server) = wire::serve(dialects::router(Arc::clone(&inner))).await?;
        Ok(Self { inner, address, server })
    }

    /// Where it is called: `http://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its feeds are: `ws://127.0.0.1:12345`, with an exchange's own path behind it where its
    /// addresses have one (Bybit's `/v5/public/linear`).
    pub fn feed_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Lists a symbol, or lists it anew. What of its history lies after the venue's clock is not
    /// seen before its time.
    pub fn list(&self, symbol: &str, history: History) {
        self.inner.book.lock().list(symbol, history);
    }

    /// Changes a candle after all, or adds one that was missing.
    pub fn revise(&self, symbol: &str, at_ms: i64, candle: Candle) {
        self.inner.book.lock().revise(symbol, at_ms, candle);
    }

    /// Says of a future that it was delivered at that moment, and is not traded any more.
    pub fn deliver(&self, symbol: &str, at_ms: i64) {
        self.inner.book.lock().deliver(symbol, at_ms);
    }

    /// What its clock shows.
    pub fn now_ms(&self) -> i64 {
        self.inner.now_ms()
    }

    /// Moves the clock forward, and tells feeds of this symbol in this interval of every candle
    /// that closes on the way, and then of the one that has begun.
    pub fn advance(&self, symbol: &str, interval: Interval, to_ms: i64) {
        let mut at = interval.start_of(self.now_ms());
        while interval.next_after(at) <= to_ms {
            let end = interval.next_after(at);
            self.inner.now_ms.store(end, Ordering::Release);
            self.tell(symbol, interval, at, true);
            at = end;
        }
        self.inner.now_ms.store(to_ms, Ordering::Release);
        self.tell(symbol, interval, at, false);
    }

    /// Moves the clock to a moment without telling anybody.
    pub fn set_now(&self, now_ms: i64) {
        self.inner.now_ms.store(now_ms, Ordering::Release);
    }

    fn tell(&self, symbol: &str, interval: Interval, at_ms: i64, closed: bool) {
        let event_ms = self.now_ms();
        let candle = self.inner.book.lock().candle(symbol, interval, at_ms, event_ms);
        // Of a candle without a trade nothing is told.
        let Some(candle) = candle else { return };
        let topic = Topic { symbol: symbol.to_owned(), interval };
        self.order(Order::Tell(Told { topic, at_ms, candle, closed, event_ms }));
    }

    fn order(&self, order: Order) {
        // Where nobody listens, nobody is told.
        let _ = self.inner.orders.send(order);
    }

    /// Says a text to all feeds, whatever it is.
    pub fn say(&self, text: &str) {
        self.order(Order::Say(text.to_owned()));
    }

    /// Pings all feeds; who answers is counted.
    pub fn ping_feeds(&self) {
        self.order(Order::Ping);
    }

    /// Cuts the connections of all feeds without a word.
    pub fn drop_feeds(&self) {
        self.order(Order::Drop);
    }

    /// Ends all feeds as the exchange does after 24 hours.
    pub fn close_feeds(&self) {
        self.order(Order::Close);
    }

    /// Refuses feeds with this status from now on, or no longer.
    pub fn refuse_feeds(&self, status: Option<u16>) {
        *self.inner.feeds_refused.lock() = status;
    }

    /// How many connections listen for something: where a subscription is said by a message, those
    /// on which it was.
    pub fn feeds(&self) -> usize {
        self.inner.listening.load(Ordering::Acquire)
    }

    /// This goes wrong with the next call for candles that nothing else goes wrong with.
    pub fn fail_next(&self, fault: Fault) {
        self.inner.faults.lock().push(fault);
    }

    /// This goes wrong with every call that touches `from_ms..to_ms`, until the faults are cleared.
    pub fn fail_span(&self, from_ms: i64, to_ms: i64, fault: Fault) {
        self.inner.faults.lock().push_span(from_ms, to_ms, fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.inner.faults.lock().clear();
    }

    /// Calls for candles may weigh so much in a window of the venue's clock: those beyond it are
    /// refused as asked too often, and as banned if they go on. At Binance a call weighs 2 and the
    /// window is a minute, at Bybit 1 and five seconds, at OKX 1, or 2 of the history, and two seconds
    /// for each of both; each exchange counts its own calls.
    pub fn limit_weight(&self, weight_max: Option<u64>) {
        self.inner.allowance.lock().weight_max = weight_max;
    }

    /// What was asked since the start, or since the last reset.
    pub fn calls(&self) -> Calls {
        self.inner.log.lock().counts
    }

    /// The last calls for candles, 10,000 at most.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.log.lock().all()
    }

    /// Counts from zero again.
    pub fn reset_calls(&self) {
        *self.inner.log.lock() = Log::default();
    }
}

impl Drop for LocalVenue {
    fn drop(&mut self) {
        self.drop_feeds();
        self.server.abort();
    }
}
