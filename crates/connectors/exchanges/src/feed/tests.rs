//! Connections that are replaced, against a server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Feed, RETRY, Source, open};
use super::protocol::{Heard, Protocol, Update};
use crate::socket::{SocketError, SocketOptions};

fn update(slot: i64, event_ms: i64, closed: bool) -> Update {
    let time = Time::from_unix_ms(slot * 60_000);
    Update { event_ms, time, candle: Candle::flat(1.0, 1.0), closed }
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
            "next" => Heard::Rows(vec![update(2, 2, true)]),
            "leaving" => Heard::Leaving,
            "garbage" => {
                let kind = VenueErrorKind::Malformed;
                return Err(VenueError::new("talkative", kind, "garbage"));
            }
            _ => Heard::Nothing,
        })
    }

    fn lost(&self, error: SocketError) -> VenueError {
        VenueError::new("talkative", VenueErrorKind::Unavailable, error.to_string())
    }
}

fn source(address: SocketAddr) -> Source {
    let long = Duration::from_secs(30);
    let socket =
        SocketOptions { connect_timeout: long, silence_max: long, message_bytes_max: 1_000 };
    let tls = Arc::new(crate::tls::config(false).unwrap());
    let url = format!("ws://{address}").parse().unwrap();
    Source { url, socket, age_max: Duration::from_secs(3_600), tls }
}

type Theirs = WebSocketStream<TcpStream>;

/// The server's end of the next connection, once it has subscribed.
async fn accept(listener: &TcpListener) -> Theirs {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    assert_eq!(heard_from(&mut socket).await.as_deref(), Some("subscribe"));
    say(&mut socket, "subscribed").await;
    socket
}

async fn say(socket: &mut Theirs, text: &'static str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// What the client says next; `None` once it has gone.
async fn heard_from(socket: &mut Theirs) -> Option<String> {
    let message = socket.next().await?.ok()?;
    message.into_text().ok().map(|text| text.to_string())
}

/// Two connections: of the first was said that it ends, and the second is pinged in its place.
async fn handed_over(listener: &TcpListener) -> (Theirs, Theirs) {
    let mut former = accept(listener).await;
    say(&mut former, "leaving").await;
    let mut current = accept(listener).await;
    assert_eq!(heard_from(&mut current).await.as_deref(), Some("ping"));
    (former, current)
}

#[tokio::test]
async fn an_exchange_that_wants_pings_hears_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        let mut said = Vec::new();
        for answer in ["nothing", "row"] {
            said.extend(heard_from(&mut socket).await);
            say(&mut socket, answer).await;
        }
        // With pings unread it would break off, and the row might be lost.
        (said, socket)
    });
    let mut feed = open(source, Arc::new(Talkative)).await.unwrap();
    let told = feed.next().await.unwrap().unwrap();
    assert!(told.closed && told.time.unix_ms() == 60_000);
    let (said, _connection) = server.await.unwrap();
    assert_eq!(said, ["ping", "ping"]);
}

#[tokio::test]
async fn what_the_former_connection_ends_with_does_not_end_the_feed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut former, mut current) = handed_over(&listener).await;
        say(&mut former, "row").await;
        say(&mut former, "garbage").await;
        // It is let go.
        while heard_from(&mut former).await.is_some() {}
        say(&mut current, "next").await;
        current
    });
    let mut feed = open(source, Arc::new(Talkative)).await.unwrap();
    for slot in [1, 2] {
        let told = feed.next().await.unwrap().unwrap();
        assert_eq!(told.time.unix_ms(), slot * 60_000);
    }
    let _connection = server.await.unwrap();
}

#[tokio::test]
async fn a_former_connection_that_leaves_again_does_not_replace_the_current_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut former, current) = handed_over(&listener).await;
        say(&mut former, "leaving").await;
        say(&mut former, "row").await;
        (former, current)
    });
    let mut feed = Feed::connect(source, Arc::new(Talkative)).await.unwrap();
    let told = feed.next().await.unwrap().unwrap();
    assert_eq!(told.time.unix_ms(), 60_000);
    let _connections = server.await.unwrap();
    let left = feed.renew_at.saturating_duration_since(Instant::now());
    assert!(left > Duration::from_secs(1_800), "it is replaced after {left:?}");
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_when_the_exchange_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move { accept(&listener).await });
    let mut feed = Feed::connect(source, Arc::new(Talkative)).await.unwrap();
    let theirs = server.await.unwrap();
    let refused = |kind| VenueError::new("talkative", kind, "not now");
    let left = |feed: &Feed| feed.renew_at.saturating_duration_since(Instant::now());
    feed.replace(Err(refused(VenueErrorKind::Unavailable)));
    assert!(left(&feed) <= RETRY && feed.end(None).is_none());
    let wait = Duration::from_secs(600);
    feed.replace(Err(refused(VenueErrorKind::Banned).with_retry_after(wait)));
    assert!(left(&feed) > Duration::from_secs(500), "{:?}", left(&feed));
    // It is not asked sooner because the connection that there is wants to go.
    feed.read("leaving").unwrap();
    assert!(left(&feed) > Duration::from_secs(500), "{:?}", left(&feed));
    // Whoever makes another feed once this one has ended waits as well.
    drop(theirs);
    let end = feed.next().await.unwrap().unwrap_err();
    assert_eq!(end.kind(), VenueErrorKind::Banned);
    assert!(end.retry_after().unwrap() > Duration::from_secs(500));
}

#[tokio::test]
async fn whatever_ends_a_feed_a_refusal_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut theirs = accept(&listener).await;
        say(&mut theirs, "garbage").await;
        theirs
    });
    let mut feed = Feed::connect(source, Arc::new(Talkative)).await.unwrap();
    let refused = VenueError::new("talkative", VenueErrorKind::Banned, "not now");
    feed.replace(Err(refused.with_retry_after(Duration::from_secs(600))));
    let end = feed.next().await.unwrap().unwrap_err();
    assert_eq!(end.kind(), VenueErrorKind::Malformed);
    assert!(end.retry_after().unwrap() > Duration::from_secs(500));
    let _connection = server.await.unwrap();
}

/// A server that goes down says so on each connection, and may let go of the former at once.
#[tokio::test]
async fn a_connection_that_leaves_at_once_is_not_replaced_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = source(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (former, mut current) = handed_over(&listener).await;
        drop(former);
        say(&mut current, "leaving").await;
        say(&mut current, "row").await;
        // Another connection would be neither refused nor accepted.
        (current, listener)
    });
    let began = Instant::now();
    let mut feed = Feed::connect(source, Arc::new(Talkative)).await.unwrap();
    let told = feed.next().await.unwrap().unwrap();
    assert_eq!(told.time.unix_ms(), 60_000);
    let _server = server.await.unwrap();
    let renewed_after = feed.renew_at.saturating_duration_since(began);
    assert!(renewed_after >= Duration::from_secs(5), "{renewed_after:?}");
    assert!(renewed_after < Duration::from_secs(1_800), "{renewed_after:?}");
}
