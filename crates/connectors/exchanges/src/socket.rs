//! One WebSocket connection: what every exchange's feeds have in common.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as ProtocolError, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};
use url::Url;

use crate::http::Reply;

/// How a connection is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    /// Connecting is given up after so long.
    pub(crate) connect_timeout: Duration,
    /// A connection on which nothing came for so long, not even a ping, is lost.
    pub(crate) silence_max: Duration,
    /// A longer message is refused.
    pub(crate) message_bytes_max: usize,
}

/// Why there is no message. Texts leave addresses out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("the feed could not be reached")]
    Unreachable(#[source] Box<ProtocolError>),
    #[error("the feed refused the connection with status {}", .0.status)]
    Refused(Box<Reply>),
    #[error("the feed did not answer in time")]
    ConnectTimeout,
    #[error("nothing came from the feed for {0:?}")]
    Silent(Duration),
    #[error("the feed closed the connection before it told anything")]
    Closed,
    #[error("the connection to the feed was lost")]
    Lost(#[source] Box<ProtocolError>),
}

/// A connection. Pings are answered by the protocol's own machinery while messages are read.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    silence_max: Duration,
    /// When something came last.
    heard_at: Instant,
}

impl Socket {
    pub(crate) async fn connect(
        url: &Url,
        options: SocketOptions,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, SocketError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(options.message_bytes_max))
            .max_frame_size(Some(options.message_bytes_max));
        let connecting = connect_async_tls_with_config(
            url.as_str(),
            Some(config),
            true,
            Some(Connector::Rustls(tls)),
        );
        match timeout(options.connect_timeout, connecting).await {
            Ok(Ok((stream, _))) => {
                let silence_max = options.silence_max;
                Ok(Self { stream, silence_max, heard_at: Instant::now() })
            }
            Ok(Err(ProtocolError::Http(response))) => {
                let (head, body) = response.into_parts();
                let body = body.unwrap_or_default().into();
                let reply = Reply::new(head.status.as_u16(), &head.headers, body);
                Err(SocketError::Refused(Box::new(reply)))
            }
            Ok(Err(error)) => Err(SocketError::Unreachable(Box::new(error))),
            Err(_) => Err(SocketError::ConnectTimeout),
        }
    }

    /// Says something; given up where the other side takes nothing for as long as it may be silent.
    pub(crate) async fn send(&mut self, text: &str) -> Result<(), SocketError> {
        let sending = self.stream.send(Message::text(text));
        match timeout(self.silence_max, sending).await {
            Ok(sent) => sent.map_err(|error| SocketError::Lost(Box::new(error))),
            Err(_) => Err(SocketError::Silent(self.silence_max)),
        }
    }

    /// The next message of text; `None` once the other side has closed the connection.
    ///
    /// A future that is dropped loses nothing, and the next one waits on from when something came
    /// last.
    pub(crate) async fn next(&mut self) -> Option<Result<String, SocketError>> {
        loop {
            let silent_at = self.heard_at + self.silence_max;
            let Ok(message) = timeout_at(silent_at, self.stream.next()).await else {
                return Some(Err(SocketError::Silent(self.silence_max)));
            };
            self.heard_at = Instant::now();
            match message? {
                Ok(Message::Text(text)) => return Some(Ok(text.as_str().to_owned())),
                Ok(Message::Close(_)) => return None,
                // A ping shows that the other side lives; its pong is on its way by now.
                Ok(_) => {}
                Err(ProtocolError::ConnectionClosed) => return None,
                Err(error) => return Some(Err(SocketError::Lost(Box::new(error)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::tls;

    /// As a feed does that pings more often than the other side may be silent.
    #[tokio::test]
    async fn a_mute_connection_is_lost_however_often_it_is_listened_to_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        let _mute = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut mute = tokio_tungstenite::accept_async(stream).await.unwrap();
            while mute.next().await.is_some() {}
        });
        let options = SocketOptions {
            connect_timeout: Duration::from_secs(30),
            silence_max: Duration::from_millis(100),
            message_bytes_max: 1_000,
        };
        let tls = Arc::new(tls::config(false).unwrap());
        let mut socket = Socket::connect(&url, options, tls).await.unwrap();
        let listening = async {
            loop {
                if let Ok(heard) = timeout(Duration::from_millis(10), socket.next()).await {
                    return heard;
                }
                socket.send("ping").await.unwrap();
            }
        };
        let heard = timeout(Duration::from_secs(30), listening).await.expect("it is lost");
        assert!(matches!(heard, Some(Err(SocketError::Silent(_)))), "{heard:?}");
    }
}
