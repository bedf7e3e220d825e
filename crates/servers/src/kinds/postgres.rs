use std::ops::Deref;
use std::process::Command;

use anyhow::Context as _;
use rustix::process::Signal;

use crate::process::Life;
use crate::run::{is_root, run};
use crate::server::{Recipe, Server, folder, with_free_ports};
use crate::tools::postgres_program;

/// One PostgreSQL. It survives a kill of its process, and writes as little as that allows.
#[derive(Debug)]
pub struct Postgres(Server);

/// Debian's user for it: the server refuses to be root.
const USER: &str = "postgres";

impl Postgres {
    /// Starts it on a free port; takes about two seconds.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    /// Starts it with more settings, such as `["max_connections=5"]`.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start_with(settings: &[&str]) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], Life::Guarded, settings))
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], life, &[]))
    }

    fn on(port: u16, life: Life, settings: &[&str]) -> anyhow::Result<Self> {
        let missing = "PostgreSQL is not installed";
        let initdb = postgres_program("initdb").context(missing)?;
        let server = postgres_program("postgres").context(missing)?;
        let is_ready = postgres_program("pg_isready").context(missing)?;
        let folder = folder("postgres")?;
        let path = folder.path().to_owned();
        let data = path.join("data");
        if is_root() {
            run(Command::new("chown").arg(USER).arg(&path))?;
        }
        let mut make = as_user(initdb.as_os_str());
        make.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "-E", "UTF8"]);
        run(make.args(["--locale=C.UTF-8", "--no-sync"]).current_dir(&path))?;
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let start = move || {
            let mut command = as_user(server.as_os_str());
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            let folder = format!("unix_socket_directories={}", path.display());
            let fixed = [
                "listen_addresses=127.0.0.1",
                &folder,
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "max_connections=200",
            ];
            let settings = settings.iter().map(String::as_str);
            for setting in fixed.into_iter().chain(settings) {
                command.args(["-c", setting]);
            }
            command
        };
        let ready = move || {
            let mut ask = Command::new(&is_ready);
            ask.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
            Ok(ask.status().context("cannot start pg_isready")?.success())
        };
        Ok(Self(Server::start(Recipe {
            name: "PostgreSQL".to_owned(),
            port,
            folder,
            life,
            start: Box::new(start),
            ready: Box::new(ready),
            stop_signal: Signal::INT,
        })?))
    }

    /// `postgres://postgres@127.0.0.1:port/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port())
    }
}

/// `setpriv` keeps the process number of what it runs.
fn as_user(program: &std::ffi::OsStr) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--init-groups"]);
    command.arg(program);
    command
}

impl Deref for Postgres {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}
