use std::ops::Deref;
use std::process::Command;

use rustix::process::Signal;

use crate::process::Life;
use crate::run::{is_root, run};
use crate::server::{Recipe, Server, folder, with_free_ports};
use crate::wire;

/// One MariaDB, which speaks MySQL's protocol, with an empty database `tiers`.
#[derive(Debug)]
pub struct MariaDb(Server);

/// Debian's user for it.
const USER: &str = "mysql";

impl MariaDb {
    /// Starts it on a free port; takes about six seconds.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    /// Starts it with more arguments, such as `["--max-connections=5"]`.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], Life::Guarded, arguments))
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], life, &[]))
    }

    fn on(port: u16, life: Life, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = folder("mariadb")?;
        let path = folder.path().to_owned();
        let data = path.join("data");
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        install.args(["--skip-test-db", "--skip-name-resolve"]).arg(joined("--datadir=", &data));
        if is_root() {
            run(Command::new("chown").arg(USER).arg(&path))?;
            install.arg(format!("--user={USER}"));
        }
        run(&mut install)?;
        let socket = path.join("server.sock");
        let process_file = path.join("server.pid");
        // The database is made when it starts, before it takes connections.
        let first = path.join("first.sql");
        std::fs::write(&first, "CREATE DATABASE IF NOT EXISTS tiers;\n")?;
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let start = move || {
            let mut command = Command::new("mariadbd");
            command
                .arg("--no-defaults")
                .arg(joined("--datadir=", &data))
                .arg(joined("--socket=", &socket))
                .arg(joined("--pid-file=", &process_file))
                .arg(joined("--init-file=", &first))
                // One that starts removes what others keep in a folder of all.
                .arg(joined("--tmpdir=", &path))
                .args([&format!("--port={port}"), "--bind-address=127.0.0.1"])
                .args(["--skip-name-resolve", "--innodb-buffer-pool-size=64M"])
                .args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"])
                .args(&arguments);
            if is_root() {
                command.arg(format!("--user={USER}"));
            }
            command
        };
        // It takes connections only once it is ready.
        let ready = move || Ok(wire::accepts(port));
        Ok(Self(Server::start(Recipe {
            name: "MariaDB".to_owned(),
            port,
            folder,
            life,
            start: Box::new(start),
            ready: Box::new(ready),
            stop_signal: Signal::TERM,
        })?))
    }

    /// `mysql://root@127.0.0.1:port/tiers`.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/tiers", self.port())
    }
}

fn joined(option: &str, path: &std::path::Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(path);
    argument
}

impl Deref for MariaDb {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}
