//! A certificate for the loopback, signed by an authority of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::run::run;

/// The files of a server that speaks TLS.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes them in `folder`, good for two days.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let at = |name: &str| folder.join(name);
        let (authority, authority_key) = (at("ca.pem"), at("ca.key"));
        let (certificate, key, request) = (at("server.pem"), at("server.key"), at("server.csr"));
        let extensions = at("server.ext");
        std::fs::write(
            &extensions,
            "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n",
        )
        .context("cannot write the extensions of a certificate")?;
        const CURVE: [&str; 5] =
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        run(openssl()
            .args(["req", "-x509", "-days", "2", "-subj", "/CN=Tiers test authority"])
            .args(CURVE)
            .arg("-keyout")
            .arg(&authority_key)
            .arg("-out")
            .arg(&authority))?;
        run(openssl()
            .args(["req", "-subj", "/CN=localhost"])
            .args(CURVE)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&request))?;
        run(openssl()
            .args(["x509", "-req", "-days", "2", "-CAcreateserial"])
            .arg("-in")
            .arg(&request)
            .arg("-CA")
            .arg(&authority)
            .arg("-CAkey")
            .arg(&authority_key)
            .arg("-extfile")
            .arg(&extensions)
            .arg("-out")
            .arg(&certificate))?;
        Ok(Self { authority, certificate, key })
    }
}

fn openssl() -> Command {
    Command::new("openssl")
}
