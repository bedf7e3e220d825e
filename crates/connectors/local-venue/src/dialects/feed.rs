//! A connection of a feed, whichever dialect is spoken on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::venue::{Inner, Order};
use crate::{Candle, Interval};

/// What is said on a connection.
pub(crate) trait Feed: Send + Sync + 'static {
    /// What is said to whoever connects, before anything else.
    fn greeting(&self, _inner: &Inner) -> Vec<String> {
        Vec::new()
    }

    /// What a text of the client's says.
    fn hear(&self, _inner: &Inner, _text: &str) -> Heard {
        Heard::Nothing
    }

    /// How a row is told of, to whoever listens for it; nothing where the exchange does not tell.
    fn tell(&self, told: &Told) -> Option<String>;

    /// The venue's own ping where it is a text; otherwise it is a frame.
    fn ping(&self) -> Option<String> {
        None
    }
}

/// What a client has said. Whatever is said in reply comes before what is told from then on.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// It listens for these from now on.
    Subscribe { topics: Vec<Topic>, replies: Vec<String> },
    /// It does not listen for these any more.
    Unsubscribe { topics: Vec<Topic>, replies: Vec<String> },
    /// A ping, and what is said to it.
    Ping { reply: String },
    /// The answer to the venue's own ping.
    Pong,
    /// Something that is only replied to: a refusal.
    Other { replies: Vec<String> },
    /// Something that nobody replies to.
    Nothing,
}

/// What can be listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    /// As the symbol is listed in the book.
    pub(crate) symbol: String,
    pub(crate) interval: Interval,
}

/// A row that is told of.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) topic: Topic,
    pub(crate) at_ms: i64,
    pub(crate) candle: Candle,
    pub(crate) closed: bool,
    pub(crate) event_ms: i64,
}

/// Is there while a connection listens for something.
struct Listening(Arc<Inner>);

impl Listening {
    fn begin(inner: &Arc<Inner>) -> Self {
        inner.listening.fetch_add(1, Ordering::AcqRel);
        inner.log.lock().counts.feeds += 1;
        Self(Arc::clone(inner))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listening.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Accepts a connection, or refuses it as the venue was told to. It listens for these topics from
/// the start, and for those that its client names.
pub(crate) fn open(
    inner: Arc<Inner>,
    feed: impl Feed,
    topics: Vec<Topic>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(status) = inner.feed_refusal() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return status.into_response();
    }
    // Before the client is answered, so that what happens from then on reaches it.
    let orders = inner.orders.subscribe();
    let mut connection = Connection { inner, feed, orders, topics: Vec::new(), listening: None };
    connection.listen(topics);
    upgrade.on_upgrade(move |socket| connection.serve(socket))
}

struct Connection<F> {
    inner: Arc<Inner>,
    feed: F,
    orders: Receiver<Order>,
    topics: Vec<Topic>,
    listening: Option<Listening>,
}

impl<F: Feed> Connection<F> {
    async fn serve(mut self, mut socket: WebSocket) {
        let mut waiting = texts(self.feed.greeting(&self.inner));
        loop {
            for message in waiting {
                let is_last = matches!(message, Message::Close(_));
                if socket.send(message).await.is_err() || is_last {
                    return;
                }
            }
            waiting = tokio::select! {
                order = self.orders.recv() => match self.obey(order) {
                    Some(messages) => messages,
                    None => return,
                },
                received = socket.recv() => match received {
                    Some(Ok(message)) => self.hear(&message),
                    Some(Err(_)) | None => return,
                },
            };
        }
    }

    /// What an order has it say; nothing at all where the connection is lost.
    fn obey(&self, order: Result<Order, RecvError>) -> Option<Vec<Message>> {
        let text = match order {
            Ok(Order::Tell(told)) if self.topics.contains(&told.topic) => self.feed.tell(&told),
            Ok(Order::Tell(_)) => None,
            Ok(Order::Say(text)) => Some(text),
            Ok(Order::Ping) => match self.feed.ping() {
                Some(text) => Some(text),
                None => return Some(vec![Message::Ping("1".into())]),
            },
            Ok(Order::Close) => return Some(vec![Message::Close(None)]),
            // Without a word; nor is anybody waited for who is too slow.
            Ok(Order::Drop) | Err(RecvError::Closed | RecvError::Lagged(_)) => return None,
        };
        Some(texts(text.into_iter().collect()))
    }

    fn hear(&mut self, message: &Message) -> Vec<Message> {
        let heard = match message {
            Message::Text(text) => self.feed.hear(&self.inner, text.as_str()),
            Message::Pong(_) => Heard::Pong,
            Message::Ping(_) | Message::Binary(_) | Message::Close(_) => Heard::Nothing,
        };
        match heard {
            Heard::Subscribe { topics, replies } => {
                self.listen(topics);
                texts(replies)
            }
            Heard::Unsubscribe { topics, replies } => {
                self.topics.retain(|topic| !topics.contains(topic));
                if self.topics.is_empty() {
                    self.listening = None;
                }
                texts(replies)
            }
            Heard::Ping { reply } => {
                self.inner.log.lock().counts.pings += 1;
                texts(vec![reply])
            }
            Heard::Pong => {
                self.inner.log.lock().counts.pongs += 1;
                Vec::new()
            }
            Heard::Other { replies } => texts(replies),
            Heard::Nothing => Vec::new(),
        }
    }

    fn listen(&mut self, topics: Vec<Topic>) {
        for topic in topics {
            if !self.topics.contains(&topic) {
                self.topics.push(topic);
            }
        }
        if !self.topics.is_empty() && self.listening.is_none() {
            self.listening = Some(Listening::begin(&self.inner));
        }
    }
}

fn texts(texts: Vec<String>) -> Vec<Message> {
    texts.into_iter().map(|text| Message::Text(text.into())).collect()
}
