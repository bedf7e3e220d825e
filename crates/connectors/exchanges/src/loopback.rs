//! Servers on loopback that say what they are told to, for the tests of every exchange's connector
//! over real connections.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// What a server was asked.
pub(crate) struct Asked(JoinHandle<Vec<String>>);

impl Asked {
    /// The heads of all calls, once there were as many as there were replies.
    pub(crate) async fn heads(self) -> Vec<String> {
        let asked = timeout(Duration::from_secs(30), self.0).await;
        asked.expect("there are fewer calls than replies").unwrap()
    }

    /// Their paths.
    pub(crate) async fn paths(self) -> Vec<String> {
        let heads = self.heads().await;
        heads.iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

/// Answers one call after the other with a status (`200 OK`) and a body. Answers the address, and
/// what was asked.
pub(crate) async fn answering(
    replies: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let replies = replies.into_iter().map(|(status, body)| {
        let (status, body) = (status.as_ref(), body.as_ref());
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    });
    let replies: Vec<String> = replies.collect();
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "a request ends");
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            asked.push(String::from_utf8(request).unwrap());
        }
        asked
    });
    (address, Asked(asked))
}

/// Hears so many messages on a connection, says its own, and goes. Answers the address, and what
/// was heard.
pub(crate) async fn telling(
    heard_first: usize,
    messages: impl IntoIterator<Item = impl Into<String>>,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let messages: Vec<String> = messages.into_iter().map(Into::into).collect();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..heard_first {
            heard.push(socket.next().await.unwrap().unwrap().into_text().unwrap().to_string());
        }
        for message in messages {
            // The other side goes where it is refused.
            let _ = socket.send(Message::text(message)).await;
        }
        let _ = socket.close(None).await;
        heard
    });
    (address, heard)
}
