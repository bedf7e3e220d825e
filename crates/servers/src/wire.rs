//! The little of the servers' protocols that it takes to see whether they answer.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Whether a TCP connection is taken.
pub(crate) fn accepts(port: u16) -> bool {
    connect(port).is_some()
}

/// The answer of a Redis without TLS to an inline command, or `None` while there is none.
pub(crate) fn redis(port: u16, command: &str) -> Option<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let read = stream.read(&mut buffer).ok()?;
        answer.extend_from_slice(&buffer[..read]);
        if read == 0 || is_whole(&answer) {
            return Some(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// Whether an answer of one line, or one bulk string, has come whole.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((line, rest)) = text.split_once("\r\n") else { return false };
    match line.strip_prefix('$').map(str::parse::<usize>) {
        Some(Ok(length)) => rest.len() >= length + 2,
        _ => true,
    }
}

fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let patience = Duration::from_secs(1);
    let stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    Some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_by_its_own_length() {
        assert!(is_whole(b"+PONG\r\n"));
        assert!(!is_whole(b"+PONG"));
        assert!(!is_whole(b"$5\r\nab"));
        assert!(is_whole(b"$5\r\nabcde\r\n"));
        assert!(is_whole(b"$-1\r\n"));
    }
}
