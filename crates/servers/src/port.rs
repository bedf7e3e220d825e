//! Free loopback ports.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::Context as _;

/// So many different ports that nobody listens on now, below 55,000 so that Redis Cluster's bus
/// could stand 10,000 above. Another process may take one before its server does: starting tries
/// again with others then.
pub(crate) fn free(count: usize) -> anyhow::Result<Vec<u16>> {
    let mut held = Vec::with_capacity(count);
    let mut passed_over = Vec::new();
    while held.len() < count {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(address).context("no free port on the loopback")?;
        let port = listener.local_addr().context("a listener has no address")?.port();
        if port < 55_000 || passed_over.len() > 1_000 {
            held.push((port, listener));
        } else {
            passed_over.push(listener);
        }
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports = free(8).unwrap();
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 8);
    }
}
