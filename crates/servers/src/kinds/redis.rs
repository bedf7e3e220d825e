use std::ops::Deref;
use std::process::Command;

use rustix::process::Signal;

use crate::process::Life;
use crate::server::{Recipe, Server, folder, with_free_ports};
use crate::wire;

/// One Redis, without persistence unless it is asked for.
#[derive(Debug)]
pub struct Redis(Server);

impl Redis {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    /// Starts it with more arguments, such as `["--appendonly", "yes"]`; the last one counts.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], Life::Guarded, arguments))
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], life, &[]))
    }

    pub(crate) fn on(port: u16, life: Life, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = folder("redis")?;
        let path = folder.path().to_owned();
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let start = move || {
            let mut command = program(port, &path);
            command.args(&arguments);
            command
        };
        let ready =
            move || Ok(wire::redis(port, "PING").is_some_and(|answer| answer == "+PONG\r\n"));
        Ok(Self(Server::start(Recipe {
            name: "Redis".to_owned(),
            port,
            folder,
            life,
            start: Box::new(start),
            ready: Box::new(ready),
            stop_signal: Signal::TERM,
        })?))
    }

    /// `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The answer to a command of one line without spaces in its words, as on the wire.
    pub fn ask(&self, command: &str) -> Option<String> {
        wire::redis(self.port(), command)
    }
}

/// `redis-server` that keeps nothing on the disk.
pub(crate) fn program(port: u16, folder: &std::path::Path) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(["--port", &port.to_string()])
        .arg("--dir")
        .arg(folder);
    command
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}
