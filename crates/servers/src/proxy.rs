//! A TCP proxy between a client and a server, that misbehaves when told to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

/// Passes bytes between clients and one server on the loopback; stops with the value.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: u16,
    closed: AtomicBool,
    refusing: AtomicBool,
    /// Bytes of replies that may still pass before all connections are cut; negative: no end.
    replies_left: AtomicI64,
    connections: AtomicU64,
    stalled: Mutex<bool>,
    goes_on: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port, and passes on to the server on `target`.
    ///
    /// # Errors
    /// If no port is free.
    pub fn to(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let port = listener.local_addr().context("a listener has no address")?.port();
        let state = Arc::new(State {
            target,
            closed: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            replies_left: AtomicI64::new(-1),
            connections: AtomicU64::new(0),
            stalled: Mutex::new(false),
            goes_on: Condvar::new(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || accepting.accept(&listener))
            .context("cannot start a thread")?;
        Ok(Self { port, state })
    }

    /// The port that clients connect to instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were taken so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections that are open now; later ones pass.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Cuts all connections once so many bytes of replies have passed from now on: in the middle
    /// of one. Later connections pass.
    pub fn cut_after_reply_bytes(&self, bytes: u32) {
        self.state.replies_left.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Passes nothing on until [`resume`](Self::resume); connections stay open, and are taken.
    pub fn stall(&self) {
        *self.state.stalled.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Passes on again what was held back.
    pub fn resume(&self) {
        *self.state.stalled.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.state.goes_on.notify_all();
    }

    /// Whether new connections are closed as soon as they are made.
    pub fn refuse(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.resume();
        self.state.cut();
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            self.connections.fetch_add(1, Ordering::SeqCst);
            if self.refusing.load(Ordering::SeqCst) {
                continue;
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target));
            let Ok(server) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
                continue;
            };
            // A connection that cannot be shared is dropped, and so closed.
            let _ = self.pass_both_ways(client, server);
        }
    }

    fn pass_both_ways(
        self: &Arc<Self>,
        client: TcpStream,
        server: TcpStream,
    ) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push(client.try_clone()?);
            open.push(server.try_clone()?);
        }
        let (requests, replies) = (Arc::clone(self), Arc::clone(self));
        std::thread::Builder::new().spawn(move || requests.pass(client, to_server, false))?;
        std::thread::Builder::new().spawn(move || replies.pass(server, to_client, true))?;
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, replies: bool) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            self.wait_while_stalled();
            let (passed, cut) = if replies { self.admit(read) } else { (read, false) };
            let written = to.write_all(&buffer[..passed]);
            if cut {
                self.cut();
            }
            if cut || written.is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// How many bytes of a reply pass, and whether all is to be cut then.
    fn admit(&self, read: usize) -> (usize, bool) {
        let bytes = i64::try_from(read).unwrap_or(i64::MAX);
        let mut admitted = (read, false);
        // Always answers `Ok` or leaves the number as it is.
        let _ = self.replies_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            admitted = (read, false);
            match left {
                ..0 => None,
                left if left > bytes => Some(left - bytes),
                left => {
                    admitted = (usize::try_from(left).unwrap_or(read), true);
                    Some(-1)
                }
            }
        });
        admitted
    }

    fn wait_while_stalled(&self) {
        let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        while *stalled && !self.closed.load(Ordering::SeqCst) {
            stalled = self.goes_on.wait(stalled).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with eight.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        if stream.write_all(&[byte[0]; 8]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream) -> usize {
        if stream.write_all(b"x").is_err() {
            return 0;
        }
        let mut answer = Vec::new();
        let mut buffer = [0; 8];
        while answer.len() < 8 {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
        }
        answer.len()
    }

    #[test]
    fn bytes_pass_until_it_is_cut() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream), 8);
        proxy.cut();
        assert_eq!(ask(&mut stream), 0);
        assert_eq!(ask(&mut connect(&proxy)), 8);
        assert_eq!(proxy.connections(), 2);
    }

    #[test]
    fn a_reply_is_cut_in_its_middle_once() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut stream = connect(&proxy);
        proxy.cut_after_reply_bytes(11);
        assert_eq!(ask(&mut stream), 8);
        assert_eq!(ask(&mut stream), 3);
        assert_eq!(ask(&mut connect(&proxy)), 8);
    }

    #[test]
    fn what_was_stalled_comes_later_and_what_is_refused_never() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut stream = connect(&proxy);
        proxy.stall();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(ask(&mut stream), 0);
        proxy.resume();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
        proxy.refuse(true);
        assert_eq!(ask(&mut connect(&proxy)), 0);
        proxy.refuse(false);
        assert_eq!(ask(&mut connect(&proxy)), 8);
    }
}
