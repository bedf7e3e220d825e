//! The programs that the servers need, and how one gets them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::run::run;

/// A program that must be there, and the Debian package that brings it. None starts a service
/// where Debian's policy forbids it, and the tests use none that runs already.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What it is for.
    pub what: &'static str,
    /// The Debian packages that bring it.
    pub packages: &'static [&'static str],
    /// Whether it is there.
    pub present: fn() -> bool,
}

/// All that the servers need from the system.
pub const TOOLS: &[Tool] = &[
    Tool {
        what: "Redis",
        packages: &["redis-server"],
        present: || on_path("redis-server") && on_path("redis-cli"),
    },
    Tool {
        what: "PostgreSQL 15",
        packages: &["postgresql-15"],
        present: || postgres_program("initdb").is_some(),
    },
    Tool {
        what: "MariaDB",
        packages: &["mariadb-server"],
        present: || on_path("mariadbd") && on_path("mariadb-install-db"),
    },
    Tool {
        what: "OpenSSL (certificates for Redis over TLS)",
        packages: &["openssl"],
        present: || on_path("openssl"),
    },
    Tool {
        what: "Python's venv (a MongoDB-wire server)",
        packages: &["python3-venv"],
        present: has_venv,
    },
];

/// A MongoDB-wire server that is to be had from PyPI: MongoDB itself is not packaged. It is run as
/// a program of its own and never linked.
const MONGODB_STAND_IN: &str = "secantusdb==0.7.0b3";
const MONGODB_PROGRAM: &str = "secantusd-py";

/// Whether the MongoDB-wire server is installed in `venv`.
pub fn has_mongodb_stand_in(venv: &Path) -> bool {
    venv.join("bin").join(MONGODB_PROGRAM).is_file()
}

/// Installs the MongoDB-wire server into `venv`, a Python environment of its own; takes 20 s.
///
/// # Errors
/// If Python or its registry fails.
pub fn install_mongodb_stand_in(venv: &Path) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    run(Command::new(venv.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        MONGODB_STAND_IN,
    ]))?;
    Ok(())
}

/// Where the MongoDB-wire server is looked for: `TIERS_MONGODB_VENV`, or `target/servers/venv`
/// beside the sources of this crate.
pub fn mongodb_venv() -> PathBuf {
    match std::env::var_os("TIERS_MONGODB_VENV") {
        Some(path) => path.into(),
        // Two folders up from `crates/servers`.
        None => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
            root.unwrap_or(Path::new(".")).join("target/servers/venv")
        }
    }
}

pub(crate) fn mongodb_program() -> anyhow::Result<PathBuf> {
    let venv = mongodb_venv();
    let program = venv.join("bin").join(MONGODB_PROGRAM);
    program.is_file().then_some(program).with_context(|| {
        format!(
            "no MongoDB-wire server in {}: `cargo xtask services up` installs it",
            venv.display()
        )
    })
}

/// A program of the newest PostgreSQL that is installed, which Debian keeps off the path.
pub(crate) fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let numbered = versions.flatten().filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        Some((number, version.path().join("bin").join(name)))
    });
    let newest = numbered.filter(|(_, program)| program.is_file()).max();
    newest.map(|(_, program)| program).or_else(|| find_on_path(name))
}

fn has_venv() -> bool {
    let tried = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    // Where Debian puts servers; not on the path of everyone.
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}
