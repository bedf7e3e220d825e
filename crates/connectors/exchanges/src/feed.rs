//! The messages of a series by WebSocket: connections, and when they are replaced.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{FeedMessage, FeedStream, VenueError};
use futures_util::stream;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use crate::socket::{Socket, SocketError, SocketOptions};

/// Where a feed is, and how its connections are kept.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) url: Url,
    pub(crate) socket: SocketOptions,
    pub(crate) age_max: Duration,
    pub(crate) tls: Arc<ClientConfig>,
}

/// So long the old connection is heard beside the new one, for what is still on its way; it is not
/// replaced in turn before that.
const OVERLAP: Duration = Duration::from_secs(5);
/// After a replacement could not be connected, the next attempt waits so long.
const RETRY: Duration = Duration::from_secs(30);

/// What an exchange's feeds say, and what they want to be told.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// What is said first to hear of a series; nothing where the address says it. A connection is
    /// one only once [`Heard::Subscribed`] came of it.
    fn subscription(&self) -> Option<String> {
        None
    }

    /// What is said besides, after the subscription, and of which no answer is waited for.
    fn companion(&self) -> Option<&'static str> {
        None
    }

    /// Whether the exchange never says that a row has closed: it has then once a later one begins.
    fn closes_with_next(&self) -> bool {
        false
    }

    /// What is said to be let live, and how often, where the protocol's own pings are not enough.
    fn ping(&self) -> Option<(Duration, &'static str)> {
        None
    }

    /// How long a row lasts, where only the next row closes one and none after that: what was not
    /// heard in between may have changed it.
    fn row_length(&self) -> Option<Duration> {
        None
    }

    /// What a message says.
    ///
    /// # Errors
    /// If it cannot be read or tells of a failure: the feed ends with it.
    fn read(&self, text: &str) -> Result<Heard, VenueError>;

    /// A connection that could not be made, or was lost.
    fn lost(&self, error: SocketError) -> VenueError;
}

/// What a message says.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Rows, the oldest first.
    Rows(Vec<Update>),
    /// The subscription stands.
    Subscribed,
    /// The server goes down soon: another connection is needed.
    Leaving,
    /// Something that has nothing to do with rows.
    Nothing,
}

/// A row as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Update {
    /// When the exchange said so, in milliseconds since 1970 by its clock.
    pub(crate) event_ms: i64,
    pub(crate) time: Time,
    pub(crate) candle: Candle,
    pub(crate) closed: bool,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Box<Socket>, VenueError>> + Send>>;

/// The messages of a series.
///
/// An exchange ends a connection after a day at most. Before it does, another is made beside it, and
/// both are heard until the old one has nothing more to say: so no row closes unheard. What both
/// say is told once.
struct Feed {
    source: Source,
    protocol: Arc<dyn Protocol>,
    /// When the exchange is to hear a ping.
    ping_at: Instant,
    /// What was said and is not told yet.
    waiting: VecDeque<FeedMessage<Candle>>,
    current: Box<Socket>,
    /// When `current` is to be replaced.
    renew_at: Instant,
    connecting: Option<Connecting>,
    /// The connection before `current`, and until when it is heard.
    former: Option<(Box<Socket>, Instant)>,
    told: Told,
}

/// What was told, by which repetitions are known.
#[derive(Debug, Default)]
struct Told {
    /// The newest row whose closing was told.
    closed: Option<Time>,
    /// The newest event.
    event_ms: i64,
    /// The newest row as it was heard last, where a later one closes it.
    growing: Option<Update>,
}

impl Told {
    /// The row that is over because this one has begun after it, as it was heard last.
    fn closed_by(&mut self, update: &Update) -> Option<Update> {
        let begins = self.growing.is_none_or(|growing| growing.time < update.time);
        // Of two connections the one that is behind says again what the row was before.
        let is_newer =
            |growing: Update| growing.time == update.time && growing.event_ms <= update.event_ms;
        if !begins && !self.growing.is_some_and(is_newer) {
            return None;
        }
        let former = self.growing.replace(*update).filter(|_| begins)?;
        Some(Update { event_ms: update.event_ms, closed: true, ..former })
    }

    /// Whether a row says something new.
    fn is_news(&mut self, update: &Update) -> bool {
        // Of a row that has closed nothing more is told; of a growing one nothing older.
        let over = self.closed.is_some_and(|closed| update.time <= closed);
        if over || (!update.closed && update.event_ms < self.event_ms) {
            return false;
        }
        self.event_ms = self.event_ms.max(update.event_ms);
        if update.closed {
            self.closed = Some(update.time);
        }
        true
    }
}

/// What happens next.
enum Event {
    /// A message of either connection, or the end of one.
    Said {
        former: bool,
        what: Option<Result<String, SocketError>>,
    },
    Connected(Result<Box<Socket>, VenueError>),
    RenewalDue,
    OverlapOver,
    PingDue,
}

/// Connects, and answers the messages.
pub(crate) async fn open(
    source: Source,
    protocol: Arc<dyn Protocol>,
) -> Result<FeedStream<Candle>, VenueError> {
    let current = source.connect(Arc::clone(&protocol)).await?;
    let now = Instant::now();
    let feed = Feed {
        renew_at: now + source.age_max,
        ping_at: now + protocol.ping().map_or(Duration::ZERO, |(every, _)| every),
        source,
        protocol,
        waiting: VecDeque::new(),
        current,
        connecting: None,
        former: None,
        told: Told::default(),
    };
    let messages = stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        match feed.next().await? {
            Ok(message) => Some((Ok(message), Some(feed))),
            // An error is the last there is.
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Box::pin(messages))
}

impl Source {
    /// Connects and, where that is how it is done, subscribes.
    fn connect(&self, protocol: Arc<dyn Protocol>) -> Connecting {
        let Self { url, socket: options, tls, .. } = self.clone();
        Box::pin(async move {
            let connected = Socket::connect(&url, options, tls).await;
            let mut socket = Box::new(connected.map_err(|error| protocol.lost(error))?);
            let Some(subscription) = protocol.subscription() else { return Ok(socket) };
            let subscribing = async {
                let said = [Some(subscription.as_str()), protocol.companion()];
                for text in said.into_iter().flatten() {
                    socket.send(text).await.map_err(|error| protocol.lost(error))?;
                }
                loop {
                    let closed = || Err(SocketError::Closed);
                    let text = socket.next().await.unwrap_or_else(closed);
                    let text = text.map_err(|error| protocol.lost(error))?;
                    if protocol.read(&text)? == Heard::Subscribed {
                        return Ok(());
                    }
                }
            };
            let late = |_| Err(protocol.lost(SocketError::ConnectTimeout));
            timeout(options.connect_timeout, subscribing).await.unwrap_or_else(late)?;
            Ok(socket)
        })
    }
}

impl Feed {
    /// The next message that says something new; `None` once the exchange has closed the
    /// connection.
    async fn next(&mut self) -> Option<Result<FeedMessage<Candle>, VenueError>> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(Ok(message));
            }
            match self.event().await {
                Event::Said { former: false, what: None } => return None,
                Event::Said { former: false, what: Some(Err(error)) } => {
                    return Some(Err(self.protocol.lost(error)));
                }
                Event::Said { former: true, what: None | Some(Err(_)) } | Event::OverlapOver => {
                    self.former = None;
                }
                Event::Said { what: Some(Ok(text)), .. } => {
                    if let Err(error) = self.read(&text) {
                        return Some(Err(error));
                    }
                }
                Event::RenewalDue => {
                    self.connecting = Some(self.source.connect(Arc::clone(&self.protocol)));
                }
                Event::Connected(socket) => self.replace(socket),
                Event::PingDue => {
                    if let Err(error) = self.ping().await {
                        return Some(Err(self.protocol.lost(error)));
                    }
                }
            }
        }
    }

    async fn event(&mut self) -> Event {
        let until = self.former.as_ref().map(|(_, until)| *until);
        let may_renew = self.connecting.is_none() && self.former.is_none();
        let pings = self.protocol.ping().is_some();
        tokio::select! {
            // What is still to be heard of the former came first.
            biased;
            what = heard(self.former.as_mut()) => Event::Said { former: true, what },
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Event::OverlapOver,
            () = sleep_until(self.ping_at), if pings => Event::PingDue,
            what = self.current.next() => Event::Said { former: false, what },
            socket = connected(self.connecting.as_mut()) => Event::Connected(socket),
            () = sleep_until(self.renew_at), if may_renew => Event::RenewalDue,
        }
    }

    fn replace(&mut self, socket: Result<Box<Socket>, VenueError>) {
        self.connecting = None;
        let now = Instant::now();
        match socket {
            Ok(socket) => {
                let former = std::mem::replace(&mut self.current, socket);
                self.former = Some((former, now + OVERLAP.min(self.source.age_max)));
                self.renew_at = now + self.source.age_max;
            }
            // The old connection still speaks; if it ends, whoever listens is told.
            Err(_) => self.renew_at = now + RETRY.min(self.source.age_max),
        }
    }

    /// Says that somebody listens. What is heard for a few seconds more needs none.
    async fn ping(&mut self) -> Result<(), SocketError> {
        let Some((every, text)) = self.protocol.ping() else { return Ok(()) };
        self.ping_at = Instant::now() + every;
        self.current.send(text).await
    }

    fn tell(&mut self, update: Update) {
        if self.told.is_news(&update) {
            let Update { time, candle, closed, .. } = update;
            self.waiting.push_back(FeedMessage { time, row: candle, closed });
        }
    }

    fn read(&mut self, text: &str) -> Result<(), VenueError> {
        match self.protocol.read(text)? {
            Heard::Rows(updates) => {
                for update in updates {
                    if self.protocol.closes_with_next()
                        && let Some(over) = self.told.closed_by(&update)
                    {
                        let length = self.protocol.row_length();
                        if length.is_none_or(|length| over.time.after(length) == update.time) {
                            self.tell(over);
                        } else {
                            // Whoever wants to know what became of it reads it.
                            self.told.closed = self.told.closed.max(Some(over.time));
                        }
                    }
                    self.tell(update);
                }
            }
            Heard::Leaving => self.renew_at = Instant::now(),
            Heard::Subscribed | Heard::Nothing => {}
        }
        Ok(())
    }
}

/// What the former connection says, if there is one; otherwise never.
async fn heard(former: Option<&mut (Box<Socket>, Instant)>) -> Option<Result<String, SocketError>> {
    match former {
        Some((socket, _)) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// The connection that is being made, if one is; otherwise never.
async fn connected(connecting: Option<&mut Connecting>) -> Result<Box<Socket>, VenueError> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use cache_series::venue::VenueErrorKind;
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    fn update(slot: i64, event_ms: i64, closed: bool) -> Update {
        let time = Time::from_unix_ms(slot * 60_000);
        Update { event_ms, time, candle: Candle::flat(1.0, 1.0), closed }
    }

    #[test]
    fn what_two_connections_say_is_told_once() {
        let mut told = Told::default();
        assert!(told.is_news(&update(1, 100, false)));
        assert!(told.is_news(&update(1, 200, false)));
        assert!(!told.is_news(&update(1, 150, false)), "the former is behind");
        // The new connection is ahead of the former, which still has the closing.
        assert!(told.is_news(&update(2, 300, false)));
        assert!(told.is_news(&update(1, 250, true)));
        assert!(!told.is_news(&update(1, 250, true)), "the other one says it too");
        assert!(!told.is_news(&update(1, 400, false)), "it has closed");
        assert!(told.is_news(&update(2, 300, false)));
    }

    #[test]
    fn a_row_is_over_once_a_later_one_begins() {
        let mut told = Told::default();
        assert_eq!(told.closed_by(&update(1, 100, false)), None, "the first that is heard");
        assert_eq!(told.closed_by(&update(1, 200, false)), None);
        // The former connection, which is behind, with what the row was before.
        let before = Update { candle: Candle::flat(9.0, 9.0), ..update(1, 150, false) };
        assert_eq!(told.closed_by(&before), None);
        // Nothing was traded in slot 2.
        assert_eq!(told.closed_by(&update(3, 300, false)), Some(update(1, 300, true)));
        assert_eq!(told.closed_by(&update(1, 250, false)), None, "it has closed");
        assert_eq!(told.closed_by(&update(3, 310, false)), None);
        assert_eq!(told.closed_by(&update(4, 400, false)), Some(update(3, 400, true)));
    }

    /// Wants a ping every ten milliseconds, and has one row to tell.
    struct Talkative;

    impl Protocol for Talkative {
        fn subscription(&self) -> Option<String> {
            Some("subscribe".to_owned())
        }

        fn ping(&self) -> Option<(Duration, &'static str)> {
            Some((Duration::from_millis(10), "ping"))
        }

        fn read(&self, text: &str) -> Result<Heard, VenueError> {
            Ok(match text {
                "subscribed" => Heard::Subscribed,
                "row" => Heard::Rows(vec![update(1, 1, true)]),
                _ => Heard::Nothing,
            })
        }

        fn lost(&self, error: SocketError) -> VenueError {
            VenueError::new("talkative", VenueErrorKind::Unavailable, error.to_string())
        }
    }

    #[tokio::test]
    async fn an_exchange_that_wants_pings_hears_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let mut said = Vec::new();
            for answer in ["subscribed", "nothing", "row"] {
                let message = socket.next().await.unwrap().unwrap();
                said.push(message.into_text().unwrap().to_string());
                socket.send(Message::text(answer)).await.unwrap();
            }
            said
        });
        let long = Duration::from_secs(30);
        let socket =
            SocketOptions { connect_timeout: long, silence_max: long, message_bytes_max: 1_000 };
        let tls = Arc::new(crate::tls::config(false).unwrap());
        let source = Source { url, socket, age_max: Duration::from_secs(3_600), tls };
        let mut feed = open(source, Arc::new(Talkative)).await.unwrap();
        let told = feed.next().await.unwrap().unwrap();
        assert!(told.closed && told.time.unix_ms() == 60_000);
        assert_eq!(server.await.unwrap(), ["subscribe", "ping", "ping"]);
    }
}
