use std::process::Command;
use std::time::Duration;

use super::Redis;
use crate::process::Life;
use crate::run::{run, wait_until};
use crate::server::with_free_ports;
use crate::wire;

/// Three masters with a replica each, on the loopback; a dead master is replaced after about two
/// seconds.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

const MASTERS: usize = 3;
const NODES: usize = 6;

impl RedisCluster {
    /// Starts it on free ports; takes about four seconds.
    ///
    /// # Errors
    /// If Redis is not installed, or the nodes do not find together.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(2 * NODES, |ports| Self::on(ports, life))
    }

    fn on(ports: &[u16], life: Life) -> anyhow::Result<Self> {
        let (ports, buses) = ports.split_at(NODES);
        let node = |(port, bus): (&u16, &u16)| {
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                "nodes.conf",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-node-timeout",
                "2000",
                "--repl-diskless-sync-delay",
                "0",
                "--cluster-replica-validity-factor",
                "0",
            ];
            Redis::on(*port, life, &arguments)
        };
        let nodes = ports.iter().zip(buses).map(node).collect::<Result<Vec<_>, _>>()?;
        let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        run(Command::new("redis-cli").args(["--cluster", "create"]).args(addresses).args([
            "--cluster-replicas",
            "1",
            "--cluster-yes",
        ]))?;
        let cluster = Self { nodes };
        wait_until("Redis Cluster", Duration::from_secs(60), || Ok(cluster.is_whole()))?;
        Ok(cluster)
    }

    /// All nodes, masters and replicas as they stood at the start: masters first.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The nodes that are masters now, of those that run.
    pub fn masters(&self) -> Vec<&Redis> {
        let is_master = |node: &&Redis| {
            node.ask("ROLE").is_some_and(|_| {
                node.ask("INFO replication").is_some_and(|info| info.contains("role:master"))
            })
        };
        self.nodes.iter().filter(is_master).collect()
    }

    /// Whether every running node sees all slots served, and every replica follows its master.
    pub fn is_whole(&self) -> bool {
        let whole = |node: &Redis| {
            let state = wire::redis(node.port(), "CLUSTER INFO").unwrap_or_default();
            let replication = wire::redis(node.port(), "INFO replication").unwrap_or_default();
            state.contains("cluster_state:ok")
                && (replication.contains("role:master")
                    || replication.contains("master_link_status:up"))
        };
        self.nodes.iter().filter(|node| node.pid().is_some()).all(whole)
            && self.masters().len() >= MASTERS
    }

    /// `redis-cluster://127.0.0.1:port,127.0.0.1:port,..`, all nodes.
    pub fn url(&self) -> String {
        let nodes: Vec<_> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }
}
