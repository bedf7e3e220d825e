//! The nodes that hold the keys, for what has to visit each.

use cache_core::storage::StorageError;
use redis::cluster_routing::Slot;
use redis::{Cmd, FromRedisValue, Value};

use super::{Connections, Routed};
use crate::error::unexpected;

/// A master, by one of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) slot: Slot,
}

/// All masters, and which slots each has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nodes {
    /// First slot, last slot, name of the master; in order.
    ranges: Vec<(u16, u16, String)>,
}

impl Nodes {
    /// One for each master.
    pub(crate) fn each(&self) -> Vec<Node> {
        let mut seen: Vec<&str> = Vec::new();
        let mut nodes = Vec::new();
        for (first, _, master) in &self.ranges {
            if !seen.contains(&master.as_str()) {
                seen.push(master);
                nodes.extend(Slot::new(*first).map(|slot| Node { slot }));
            }
        }
        nodes
    }

    /// Reads the answer to `CLUSTER SLOTS`.
    fn read(value: &Value) -> Option<Self> {
        let Value::Array(rows) = value else { return None };
        let mut ranges = Vec::with_capacity(rows.len());
        for row in rows {
            let Value::Array(row) = row else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &row[..] else {
                return None;
            };
            // Address, port, name of the node.
            let master = String::from_redis_value_ref(master.get(2)?).ok()?;
            ranges.push((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, master));
        }
        ranges.sort_unstable();
        (!ranges.is_empty()).then_some(Self { ranges })
    }
}

impl Connections {
    /// The masters as they are now.
    ///
    /// # Errors
    /// [`StorageError`] if they could not be asked for.
    pub(crate) async fn nodes(&self, operation: &'static str) -> Result<Nodes, StorageError> {
        if !self.is_cluster() {
            if self.is_closed() {
                return Err(crate::error::closed(operation));
            }
            return Ok(Nodes { ranges: vec![(0, 0, String::new())] });
        }
        let mut command = Cmd::new();
        command.arg("CLUSTER").arg("SLOTS");
        let slot = Slot::for_key("");
        let answer = self.one(operation, Routed { slot, command }).await?;
        Nodes::read(&answer).ok_or_else(|| unexpected(operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: i64, last: i64, name: &str) -> Value {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let master = Value::Array(vec![text("127.0.0.1"), Value::Int(7000), text(name)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master.clone(), master])
    }

    #[test]
    fn each_master_is_named_once() {
        let answer = Value::Array(vec![row(9, 20, "b"), row(0, 5, "a"), row(6, 8, "a")]);
        let nodes = Nodes::read(&answer).unwrap();
        let slots: Vec<_> = nodes.each().iter().map(|node| node.slot).collect();
        assert_eq!(slots, [Slot::new(0).unwrap(), Slot::new(9).unwrap()]);
        let moved = Value::Array(vec![row(9, 20, "b"), row(0, 5, "a"), row(6, 8, "b")]);
        assert_ne!(Nodes::read(&moved).unwrap(), nodes);
        assert_eq!(Nodes::read(&Value::Array(vec![])), None);
        assert_eq!(Nodes::read(&Value::Nil), None);
    }
}
