use std::ops::Deref;
use std::process::Command;

use rustix::process::Signal;

use crate::process::Life;
use crate::server::{Recipe, Server, folder, with_free_ports};
use crate::tools::mongodb_program;
use crate::wire;

/// A server that speaks MongoDB's protocol; not MongoDB itself, which is not packaged. A kill
/// loses its last writes.
#[derive(Debug)]
pub struct MongoDb(Server);

impl MongoDb {
    /// Starts it on a free port; takes about two seconds.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts it with further arguments, such as `--auth` or `--enable-test-commands`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], Life::Guarded, arguments))
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], life, &[]))
    }

    fn on(port: u16, life: Life, arguments: &[&str]) -> anyhow::Result<Self> {
        let program = mongodb_program()?;
        let folder = folder("mongodb")?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let start = move || {
            let mut command = Command::new(&program);
            command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
            command.args(["--cache-size", "256M", "--log-level", "WARNING"]);
            command.arg("--storage-path").arg(&data).args(&arguments);
            command
        };
        let ready = move || Ok(wire::accepts(port));
        Ok(Self(Server::start(Recipe {
            name: "the MongoDB-wire server".to_owned(),
            port,
            folder,
            life,
            start: Box::new(start),
            ready: Box::new(ready),
            stop_signal: Signal::TERM,
        })?))
    }

    /// Its URL, with what the driver is to be told so that it sees failures soon.
    pub fn url(&self) -> String {
        let port = self.port();
        format!(
            "mongodb://127.0.0.1:{port}/?replicaSet=secantus&serverMonitoringMode=poll\
             &heartbeatFrequencyMS=500"
        )
    }
}

impl Deref for MongoDb {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}
