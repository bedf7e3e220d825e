use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::process::Life;
use crate::run::run;
use crate::server::{Recipe, Server, folder, with_free_ports};

/// One Redis over TLS, with a certificate for the loopback, a password, and a user with rights of
/// its own.
#[derive(Debug)]
pub struct RedisTls {
    server: Server,
    authority: PathBuf,
}

impl RedisTls {
    /// The password of the default user.
    pub const PASSWORD: &str = "s3cret";
    /// A user that may touch no key that does not begin with `cache`, and run nothing dangerous but `INFO`.
    pub const USER: &str = "cache";
    /// The password of [`USER`](Self::USER).
    pub const USER_PASSWORD: &str = "cachepw";

    /// Starts it on a free port.
    ///
    /// # Errors
    /// If Redis or OpenSSL is not installed, or it does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_for(Life::Guarded)
    }

    pub(crate) fn start_for(life: Life) -> anyhow::Result<Self> {
        with_free_ports(1, |ports| Self::on(ports[0], life))
    }

    fn on(port: u16, life: Life) -> anyhow::Result<Self> {
        let folder = folder("redis-tls")?;
        let path = folder.path().to_owned();
        let Certificates { authority, certificate, key } = Certificates::make(&path)?;
        let trusted = authority.clone();
        let start = move || {
            let mut command = super::redis::program(0, &path);
            command
                .args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"])
                .arg("--tls-cert-file")
                .arg(&certificate)
                .arg("--tls-key-file")
                .arg(&key)
                .arg("--tls-ca-cert-file")
                .arg(&trusted)
                .args(["--requirepass", Self::PASSWORD])
                .args(["--user", Self::USER, "on", &format!(">{}", Self::USER_PASSWORD)])
                .args(["~cache*", "&*", "+@all", "-@dangerous", "+info"]);
            command
        };
        let trusted = authority.clone();
        let ready = move || Ok(answers(port, &trusted));
        let server = Server::start(Recipe {
            name: "Redis over TLS".to_owned(),
            port,
            folder,
            life,
            start: Box::new(start),
            ready: Box::new(ready),
            stop_signal: Signal::TERM,
        })?;
        Ok(Self { server, authority })
    }

    /// The certificate of the authority that clients are to trust, a PEM file.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// `rediss://:password@127.0.0.1:port?tls_ca=file`.
    pub fn url(&self) -> String {
        let (port, authority) = (self.port(), self.authority.display());
        format!("rediss://:{}@127.0.0.1:{port}?tls_ca={authority}", Self::PASSWORD)
    }

    /// The same for [`USER`](Self::USER).
    pub fn user_url(&self) -> String {
        let (port, authority) = (self.port(), self.authority.display());
        let (user, password) = (Self::USER, Self::USER_PASSWORD);
        format!("rediss://{user}:{password}@127.0.0.1:{port}?tls_ca={authority}")
    }
}

fn answers(port: u16, authority: &Path) -> bool {
    let mut command = Command::new("redis-cli");
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--tls", "--no-auth-warning"])
        .arg("--cacert")
        .arg(authority)
        .args(["-a", RedisTls::PASSWORD, "PING"]);
    run(&mut command).is_ok_and(|output| output.stdout.starts_with(b"PONG"))
}

impl Deref for RedisTls {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
