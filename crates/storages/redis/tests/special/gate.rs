//! A way to a server that can be held at a request.

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes between clients and a server on the loopback, for as long as the test runs.
pub(crate) struct Gate {
    port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    /// What the request that is waited for has in it, and how many such are still to come.
    awaited: Mutex<Option<(&'static str, usize)>>,
    held: watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (held, _) = watch::channel(false);
        let state = Arc::new(State { target, awaited: Mutex::default(), held });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is not there closes the connection.
                let address = (Ipv4Addr::LOCALHOST, accepting.target);
                let Ok(server) = TcpStream::connect(address).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(Arc::clone(&accepting).pass(from_client, to_server, true));
                tokio::spawn(Arc::clone(&accepting).pass(from_server, to_client, false));
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Before the nth request from now on that has this text in it, nothing passes any more, not
    /// even that a connection was closed.
    pub(crate) fn hold_at(&self, text: &'static str, nth: usize) {
        *self.state.awaited.lock() = Some((text, nth));
    }

    /// Waits until it is held.
    pub(crate) async fn held(&self) {
        self.state.held.subscribe().wait_for(|held| *held).await.unwrap();
    }

    /// Passes everything again.
    pub(crate) fn open(&self) {
        self.state.held.send_replace(false);
    }
}

impl State {
    async fn pass(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asks: bool) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            if asks {
                self.look_at(&buffer[..read]);
            }
            let _ = self.held.subscribe().wait_for(|held| !*held).await;
            if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    fn look_at(&self, request: &[u8]) {
        let mut awaited = self.awaited.lock();
        let Some((text, left)) = &mut *awaited else { return };
        if request.windows(text.len()).any(|window| window == text.as_bytes()) {
            *left -= 1;
            if *left == 0 {
                *awaited = None;
                self.held.send_replace(true);
            }
        }
    }
}
