use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;

use super::Redis;
use crate::process::Life;
use crate::run::wait_until;
use crate::server::{Recipe, Server, folder, with_free_ports};
use crate::wire;

/// A master and a replica that three sentinels watch over; a dead master is replaced after about
/// two seconds.
#[derive(Debug)]
pub struct RedisSentinel {
    data: Vec<Redis>,
    sentinels: Vec<Server>,
}

const SENTINELS: usize = 3;

impl RedisSentinel {
    /// The name under which the sentinels know the master.
    pub const MASTER: &str = "mymaster";

    /// Starts all on free ports; takes about three seconds.
    ///
    /// # Errors
    /// If Redis is not installed, or they do not find together.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(2 + SENTINELS, |ports| Self::on(ports, life))
    }

    fn on(ports: &[u16], life: Life) -> anyhow::Result<Self> {
        let master = Redis::on(ports[0], life, &["--repl-diskless-sync-delay", "0"])?;
        let follow = ["--replicaof", "127.0.0.1", &ports[0].to_string()];
        let replica = Redis::on(ports[1], life, &follow)?;
        let sentinels = ports[2..].iter().map(|port| sentinel(*port, ports[0], life));
        let sentinels = sentinels.collect::<Result<Vec<_>, _>>()?;
        wait_until("Redis Sentinel", Duration::from_secs(60), || {
            Ok(sentinels.iter().all(|sentinel| {
                let info = wire::redis(sentinel.port(), "INFO sentinel").unwrap_or_default();
                info.contains(&format!("slaves=1,sentinels={SENTINELS}"))
            }))
        })?;
        Ok(Self { data: vec![master, replica], sentinels })
    }

    /// The two that hold data; the first was the master at the start.
    pub fn data(&self) -> &[Redis] {
        &self.data
    }

    /// The one that is the master now, if it answers.
    pub fn master(&self) -> Option<&Redis> {
        self.data.iter().find(|node| {
            node.ask("INFO replication").is_some_and(|info| info.contains("role:master"))
        })
    }

    /// The sentinels.
    pub fn sentinels(&self) -> impl Iterator<Item = &Server> {
        self.sentinels.iter()
    }

    /// `redis-sentinel://127.0.0.1:port,..?master=mymaster`, all sentinels.
    pub fn url(&self) -> String {
        let sentinels: Vec<_> =
            self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
        format!("redis-sentinel://{}?master={}", sentinels.join(","), Self::MASTER)
    }
}

fn sentinel(port: u16, master: u16, life: Life) -> anyhow::Result<Server> {
    let folder = folder("redis-sentinel")?;
    let file = folder.path().join("sentinel.conf");
    let name = RedisSentinel::MASTER;
    let configuration = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {name} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 3000\n\
         sentinel parallel-syncs {name} 1\n",
        folder.path().display()
    );
    std::fs::write(&file, configuration).context("cannot write a sentinel's configuration")?;
    let start = move || {
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        command
    };
    let ready = move || Ok(wire::redis(port, "PING").is_some_and(|answer| answer == "+PONG\r\n"));
    Server::start(Recipe {
        name: "Redis Sentinel".to_owned(),
        port,
        folder,
        life,
        start: Box::new(start),
        ready: Box::new(ready),
        stop_signal: Signal::TERM,
    })
}
