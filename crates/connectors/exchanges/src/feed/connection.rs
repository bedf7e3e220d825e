use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_series::row::Candle;
use cache_series::venue::{FeedMessage, FeedStream, VenueError};
use futures_util::stream;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::protocol::{Heard, Protocol, Update};
use super::told::Told;
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
pub(super) const RETRY: Duration = Duration::from_secs(30);

type Connecting = Pin<Box<dyn Future<Output = Result<Box<Socket>, VenueError>> + Send>>;

/// The messages of a series.
///
/// An exchange ends a connection after a day at most. Before it does, another is made beside it, and
/// both are heard until the old one has nothing more to say: so no row closes unheard. What both
/// say is told once.
pub(super) struct Feed {
    source: Source,
    protocol: Arc<dyn Protocol>,
    /// When the exchange is to hear a ping.
    ping_at: Instant,
    /// What was said and is not told yet.
    waiting: VecDeque<FeedMessage<Candle>>,
    current: Box<Socket>,
    /// When `current` is to be replaced.
    pub(super) renew_at: Instant,
    /// Until when it is not, though it says that it leaves: what is connected instead may be leaving
    /// as well, or refused.
    kept_until: Instant,
    connecting: Option<Connecting>,
    /// Why there is no other connection yet, and until when the exchange wants to be left alone.
    left_alone: Option<(VenueError, Instant)>,
    /// The connection before `current`, and until when it is heard.
    former: Option<(Box<Socket>, Instant)>,
    told: Told,
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
    let feed = Feed::connect(source, protocol).await?;
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
    pub(super) async fn connect(
        source: Source,
        protocol: Arc<dyn Protocol>,
    ) -> Result<Self, VenueError> {
        let current = source.connect(Arc::clone(&protocol)).await?;
        let now = Instant::now();
        Ok(Self {
            renew_at: now + source.age_max,
            kept_until: now,
            ping_at: now + protocol.ping().map_or(Duration::ZERO, |(every, _)| every),
            source,
            protocol,
            waiting: VecDeque::new(),
            current,
            connecting: None,
            left_alone: None,
            former: None,
            told: Told::default(),
        })
    }

    /// The next message that says something new; `None` once the exchange has closed the
    /// connection.
    pub(super) async fn next(&mut self) -> Option<Result<FeedMessage<Candle>, VenueError>> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(Ok(message));
            }
            match self.event().await {
                Event::Said { former: false, what: None } => return self.end(None).map(Err),
                Event::Said { former: false, what: Some(Err(error)) } => {
                    return self.end(Some(error)).map(Err);
                }
                Event::Said { former: true, what: None | Some(Err(_)) } | Event::OverlapOver => {
                    self.former = None;
                }
                Event::Said { former: true, what: Some(Ok(text)) } => self.read_former(&text),
                Event::Said { former: false, what: Some(Ok(text)) } => {
                    if let Err(error) = self.read(&text) {
                        return Some(Err(self.waiting_on(error)));
                    }
                }
                Event::RenewalDue => {
                    self.connecting = Some(self.source.connect(Arc::clone(&self.protocol)));
                }
                Event::Connected(socket) => self.replace(socket),
                Event::PingDue => {
                    if let Err(error) = self.ping().await {
                        return self.end(Some(error)).map(Err);
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

    pub(super) fn replace(&mut self, socket: Result<Box<Socket>, VenueError>) {
        self.connecting = None;
        let now = Instant::now();
        match socket {
            Ok(socket) => {
                self.left_alone = None;
                let former = std::mem::replace(&mut self.current, socket);
                self.kept_until = now + OVERLAP.min(self.source.age_max);
                self.former = Some((former, self.kept_until));
                self.renew_at = now + self.source.age_max;
            }
            // The old connection still speaks; if it ends, whoever listens is told.
            Err(error) => {
                let wait = error.retry_after();
                let retry = RETRY.min(self.source.age_max).max(wait.unwrap_or_default());
                (self.renew_at, self.kept_until) = (now + retry, now + retry);
                self.left_alone = wait.map(|wait| (error, now + wait));
            }
        }
    }

    /// Why the feed ends with the current connection. Where another one was refused of late until
    /// later, that is why: who makes another feed has to wait as long.
    pub(super) fn end(&self, error: Option<SocketError>) -> Option<VenueError> {
        if let Some((refused, left)) = self.refused() {
            return Some(refused.clone().with_retry_after(left));
        }
        error.map(|error| self.protocol.lost(error))
    }

    /// Why there is no other connection yet, and for how long the exchange still wants to be left
    /// alone.
    fn refused(&self) -> Option<(&VenueError, Duration)> {
        let (refused, until) = self.left_alone.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((refused, left))
    }

    /// What the current connection has said to end the feed, with a wait for the exchange to be left
    /// alone no shorter than it wants.
    fn waiting_on(&self, error: VenueError) -> VenueError {
        match self.refused() {
            Some((_, left)) => {
                let wait = error.retry_after().unwrap_or_default().max(left);
                error.with_retry_after(wait)
            }
            None => error,
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

    /// What the current connection says.
    pub(super) fn read(&mut self, text: &str) -> Result<(), VenueError> {
        match self.protocol.read(text)? {
            Heard::Rows(updates) => self.hear(updates),
            // However often it says so.
            Heard::Leaving => {
                self.renew_at = self.renew_at.min(self.kept_until.max(Instant::now()));
            }
            Heard::Subscribed | Heard::Nothing => {}
        }
        Ok(())
    }

    /// What the former connection says: rows, if any. Whatever else becomes of it, it has been
    /// replaced.
    fn read_former(&mut self, text: &str) {
        match self.protocol.read(text) {
            Ok(Heard::Rows(updates)) => self.hear(updates),
            Ok(Heard::Leaving | Heard::Subscribed | Heard::Nothing) => {}
            Err(_) => self.former = None,
        }
    }

    fn hear(&mut self, updates: Vec<Update>) {
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
