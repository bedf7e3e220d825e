//! Slots of a cluster that are being moved.

use redis::aio::MultiplexedConnection;
use redis::cluster_routing::Slot;
use tiers_servers::Redis as Server;

use crate::common::{ask, connection};

/// A master, and a connection of the test's own to it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) connection: MultiplexedConnection,
}

pub(crate) async fn nodes(servers: &[&Server]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for server in servers {
        let mut connection = connection(server.port()).await;
        let id = ask(&mut connection, "CLUSTER MYID").await;
        nodes.push(Node { id, port: server.port(), connection });
    }
    nodes
}

/// The slot of a bucket, whatever the prefix.
pub(crate) fn slot_of(bucket: u16) -> u16 {
    let slot = Slot::for_key(format!("tiers:{{{bucket}}}:"));
    (0..16384).find(|number| Slot::new(*number) == Some(slot)).unwrap()
}

/// A slot of which a part is on one master and a part on another.
pub(crate) struct Moving {
    slot: u16,
    from: Node,
    to: Node,
}

impl Moving {
    /// Opens a slot on the master that has it and the next.
    pub(crate) async fn begin(nodes: &mut [Node], slot: u16) -> Self {
        let mut from = None;
        for (at, node) in nodes.iter_mut().enumerate() {
            let list: String = ask(&mut node.connection, "CLUSTER NODES").await;
            let own = list.lines().find(|line| line.contains("myself")).unwrap().to_owned();
            let serves = own.split(' ').skip(8).any(|range| match range.split_once('-') {
                Some((first, last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
                    (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                    _ => false,
                },
                None => range.parse() == Ok(slot),
            });
            if serves {
                from = Some(at);
            }
        }
        let from = from.unwrap();
        let to = nodes[(from + 1) % nodes.len()].clone();
        let mut moving = Self { slot, from: nodes[from].clone(), to };
        let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {}", moving.from.id);
        ask::<()>(&mut moving.to.connection, &importing).await;
        let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {}", moving.to.id);
        ask::<()>(&mut moving.from.connection, &migrating).await;
        moving
    }

    /// Names of keys that are still where the slot was.
    pub(crate) async fn names(&mut self, at_most: usize) -> Vec<String> {
        let keys = format!("CLUSTER GETKEYSINSLOT {} {at_most}", self.slot);
        ask(&mut self.from.connection, &keys).await
    }

    /// Moves a key; one that has been made on the other side is not written over, and a failure.
    pub(crate) async fn carry(&mut self, name: &str) {
        let moved = format!("MIGRATE 127.0.0.1 {} {name} 0 5000", self.to.port);
        let _: String = ask(&mut self.from.connection, &moved).await;
    }

    /// Moves what is left, and gives the slot to the other side; gives that.
    pub(crate) async fn end(mut self) -> Node {
        loop {
            let names = self.names(100).await;
            if names.is_empty() {
                break;
            }
            let port = self.to.port;
            let mut command = redis::cmd("MIGRATE");
            command.arg("127.0.0.1").arg(port).arg("").arg(0).arg(5000).arg("KEYS").arg(&names);
            let _: String = command.query_async(&mut self.from.connection).await.unwrap();
        }
        let owner = format!("CLUSTER SETSLOT {} NODE {}", self.slot, self.to.id);
        ask::<()>(&mut self.to.connection, &owner).await;
        ask::<()>(&mut self.from.connection, &owner).await;
        self.to
    }
}
