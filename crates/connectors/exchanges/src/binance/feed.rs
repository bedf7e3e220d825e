use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{FeedMessage, FeedStream, VenueError, VenueErrorKind};
use futures_util::stream;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::NAME;
use super::message::{Kline, Message, MessageError, Subject, message};
use super::refusal::{feed_lost, malformed};
use crate::socket::{Socket, SocketError, SocketOptions};

/// Where a feed is, and how its connections are kept.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) url: Url,
    pub(super) socket: SocketOptions,
    pub(super) age_max: Duration,
    pub(super) tls: Arc<ClientConfig>,
}

/// So long the old connection is heard beside the new one, for what is still on its way; it is not
/// replaced in turn before that.
const OVERLAP: Duration = Duration::from_secs(5);
/// After a replacement could not be connected, the next attempt waits so long.
const RETRY: Duration = Duration::from_secs(30);

type Connecting = Pin<Box<dyn Future<Output = Result<Box<Socket>, SocketError>> + Send>>;

/// The messages of a series.
///
/// The exchange ends a connection after 24 hours. Before it does, another is made beside it, and
/// both are heard until the old one has nothing more to say: so no row closes unheard. What both
/// say is told once.
struct Feed {
    source: Source,
    subject: Subject,
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
}

impl Told {
    /// Whether a row says something new.
    fn is_news(&mut self, kline: &Kline) -> bool {
        // Of a row that has closed nothing more is told; of a growing one nothing older.
        let over = self.closed.is_some_and(|closed| kline.time <= closed);
        if over || (!kline.closed && kline.event_ms < self.event_ms) {
            return false;
        }
        self.event_ms = self.event_ms.max(kline.event_ms);
        if kline.closed {
            self.closed = Some(kline.time);
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
    Connected(Result<Box<Socket>, SocketError>),
    RenewalDue,
    OverlapOver,
}

/// Connects, and answers the messages.
pub(super) async fn open(
    source: Source,
    subject: Subject,
) -> Result<FeedStream<Candle>, VenueError> {
    let current = source.connect().await.map_err(feed_lost)?;
    let renew_at = Instant::now() + source.age_max;
    let told = Told::default();
    let feed = Feed { source, subject, current, renew_at, connecting: None, former: None, told };
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
    fn connect(&self) -> Connecting {
        let Self { url, socket, tls, .. } = self.clone();
        Box::pin(async move { Socket::connect(&url, socket, tls).await.map(Box::new) })
    }
}

impl Feed {
    /// The next message that says something new; `None` once the exchange has closed the
    /// connection.
    async fn next(&mut self) -> Option<Result<FeedMessage<Candle>, VenueError>> {
        loop {
            match self.event().await {
                Event::Said { former: false, what: None } => return None,
                Event::Said { former: false, what: Some(Err(error)) } => {
                    return Some(Err(feed_lost(error)));
                }
                Event::Said { former: true, what: None | Some(Err(_)) } | Event::OverlapOver => {
                    self.former = None;
                }
                Event::Said { what: Some(Ok(text)), .. } => {
                    if let Some(message) = self.read(&text).transpose() {
                        return Some(message);
                    }
                }
                Event::RenewalDue => self.connecting = Some(self.source.connect()),
                Event::Connected(socket) => self.replace(socket),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let until = self.former.as_ref().map(|(_, until)| *until);
        let may_renew = self.connecting.is_none() && self.former.is_none();
        tokio::select! {
            // What is still to be heard of the former came first.
            biased;
            what = heard(self.former.as_mut()) => Event::Said { former: true, what },
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Event::OverlapOver,
            what = self.current.next() => Event::Said { former: false, what },
            socket = connected(self.connecting.as_mut()) => Event::Connected(socket),
            () = sleep_until(self.renew_at), if may_renew => Event::RenewalDue,
        }
    }

    fn replace(&mut self, socket: Result<Box<Socket>, SocketError>) {
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

    fn read(&mut self, text: &str) -> Result<Option<FeedMessage<Candle>>, VenueError> {
        match message(text, &self.subject) {
            Ok(Message::Kline(kline)) if self.told.is_news(&kline) => {
                let Kline { time, candle, closed, .. } = kline;
                Ok(Some(FeedMessage { time, row: candle, closed }))
            }
            Ok(Message::ServerShutdown) => {
                self.renew_at = Instant::now();
                Ok(None)
            }
            Ok(Message::Kline(_) | Message::Other) => Ok(None),
            Err(MessageError::Parse(error)) => Err(malformed(text.as_bytes(), error)),
            Err(error) => {
                let message = error.to_string();
                let error =
                    VenueError::new(NAME, VenueErrorKind::Malformed, message).with_source(error);
                Err(error)
            }
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
async fn connected(connecting: Option<&mut Connecting>) -> Result<Box<Socket>, SocketError> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kline(slot: i64, event_ms: i64, closed: bool) -> Kline {
        let time = Time::from_unix_ms(slot * 60_000);
        Kline { event_ms, time, candle: Candle::flat(1.0, 1.0), closed }
    }

    #[test]
    fn what_two_connections_say_is_told_once() {
        let mut told = Told::default();
        assert!(told.is_news(&kline(1, 100, false)));
        assert!(told.is_news(&kline(1, 200, false)));
        assert!(!told.is_news(&kline(1, 150, false)), "the former is behind");
        // The new connection is ahead of the former, which still has the closing.
        assert!(told.is_news(&kline(2, 300, false)));
        assert!(told.is_news(&kline(1, 250, true)));
        assert!(!told.is_news(&kline(1, 250, true)), "the other one says it too");
        assert!(!told.is_news(&kline(1, 400, false)), "it has closed");
        assert!(told.is_news(&kline(2, 300, false)));
    }
}
