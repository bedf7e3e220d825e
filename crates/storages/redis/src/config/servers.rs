//! Where the servers are, and how they are spoken to.

use std::path::PathBuf;

use cache_core::config::Secret;

/// A host's name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// Which servers hold the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// One.
    One(Host),
    /// The nodes of a cluster that are known at first.
    Cluster(Vec<Host>),
    /// The master of a group.
    Sentinel {
        sentinels: Vec<Host>,
        master: String,
        username: Option<String>,
        password: Option<Secret>,
    },
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

impl Host {
    pub(crate) fn new(name: impl Into<String>, port: u16) -> Self {
        Self { name: name.into(), port }
    }
}

impl Servers {
    /// The hosts that are asked first.
    pub(crate) fn hosts(&self) -> &[Host] {
        match self {
            Self::One(host) => std::slice::from_ref(host),
            Self::Cluster(hosts) | Self::Sentinel { sentinels: hosts, .. } => hosts,
        }
    }

    pub(super) fn are_named(&self) -> bool {
        !self.hosts().is_empty() && self.hosts().iter().all(|host| !host.name.is_empty())
    }

    pub(super) fn has_master(&self) -> bool {
        !matches!(self, Self::Sentinel { master, .. } if master.is_empty())
    }
}

impl Tls {
    /// Whether a client's certificate comes with its key.
    pub(super) fn is_whole(&self) -> bool {
        self.certificate_file.is_some() == self.key_file.is_some()
    }
}
