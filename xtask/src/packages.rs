//! What the system must have before the workspace builds and its servers start, and how it gets it.
//!
//! Only Debian packages that start no service by themselves belong here.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::bail;

use tiers_servers::{Kind, tools};

use crate::command;

/// Something that is needed from the system.
#[derive(Debug, Clone, Copy)]
struct Requirement {
    /// What it is, and for what.
    what: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// Whether the system has it.
    present: fn() -> bool,
}

/// What the build needs.
const COMPILER: Requirement = Requirement {
    what: "a C compiler with its headers (SQLite and zstd are built from source)",
    packages: &["gcc", "libc6-dev"],
    present: has_c_compiler,
};

/// What is to be done about missing requirements.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// Nothing is missing.
    Ready,
    /// These packages are installed, now.
    Install(Vec<&'static str>),
    /// A person has to install these packages: this user may not.
    AskForRights(Vec<&'static str>),
    /// A person has to install what brings the same: there is no apt here.
    AskForSystem(Vec<&'static str>),
}

/// Makes sure that the system has what the build needs: installs it as root, otherwise says what
/// to install.
pub(crate) fn ensure() -> anyhow::Result<()> {
    ensure_all(&[COMPILER])
}

/// Makes sure that the servers can be started: as [`ensure`], and the MongoDB-wire server from
/// PyPI goes into a Python environment of its own.
pub(crate) fn ensure_servers(kinds: &[Kind]) -> anyhow::Result<()> {
    let needed = tools::TOOLS.iter().filter(|tool| kinds.iter().any(|kind| kind.needs(tool)));
    let needed: Vec<_> = needed
        .map(|tool| Requirement { what: tool.what, packages: tool.packages, present: tool.present })
        .collect();
    ensure_all(&needed)?;
    let venv = tools::mongodb_venv();
    if kinds.contains(&Kind::MongoDb) && !tools::has_mongodb_stand_in(&venv) {
        eprintln!("installing a MongoDB-wire server with pip into {}", venv.display());
        tools::install_mongodb_stand_in(&venv)?;
    }
    Ok(())
}

fn ensure_all(requirements: &[Requirement]) -> anyhow::Result<()> {
    let missing: Vec<_> = requirements.iter().filter(|needed| !(needed.present)()).collect();
    for needed in &missing {
        eprintln!("missing: {}", needed.what);
    }
    let decided = plan(&missing, is_root(), has_apt());
    match decided {
        Plan::Ready => Ok(()),
        Plan::Install(packages) => {
            eprintln!("installing with apt-get: {}", packages.join(" "));
            command::run(apt().arg("update"))?;
            command::run(
                apt().args(["install", "--yes", "--no-install-recommends"]).args(packages),
            )?;
            match missing.iter().find(|needed| !(needed.present)()) {
                None => Ok(()),
                Some(needed) => bail!("still missing after the installation: {}", needed.what),
            }
        }
        Plan::AskForRights(packages) => bail!(
            "install what is missing as root, then try again:\n  apt-get install {}",
            packages.join(" ")
        ),
        Plan::AskForSystem(packages) => bail!(
            "install what is missing, then try again (Debian calls it: {})",
            packages.join(" ")
        ),
    }
}

fn plan(missing: &[&Requirement], root: bool, apt: bool) -> Plan {
    let mut packages: Vec<_> = missing.iter().flat_map(|needed| needed.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    match (packages.is_empty(), apt, root) {
        (true, _, _) => Plan::Ready,
        (false, false, _) => Plan::AskForSystem(packages),
        (false, true, false) => Plan::AskForRights(packages),
        (false, true, true) => Plan::Install(packages),
    }
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

/// Tries the compiler that build scripts would take, on a header that the C sources include.
fn has_c_compiler() -> bool {
    compiles(std::env::var_os("CC").filter(|name| !name.is_empty()).unwrap_or_else(|| "cc".into()))
}

fn compiles(compiler: OsString) -> bool {
    // `CC` may hold arguments and wrappers, as in `ccache cc`.
    let compiler = compiler.to_string_lossy();
    let mut words = compiler.split_whitespace();
    let Some(program) = words.next() else { return false };
    let child = Command::new(program)
        .args(words)
        .args(["-x", "c", "-fsyntax-only", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    // A program that does not read its input says so by its exit status.
    let written = child.stdin.take().map(|mut input| input.write_all(b"#include <stdlib.h>\n"));
    let finished = child.wait();
    matches!((written, finished), (Some(Ok(())), Ok(status)) if status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|id| id.status.success() && id.stdout.trim_ascii() == b"0")
}

fn has_apt() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join("apt-get").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILER: Requirement =
        Requirement { what: "a compiler", packages: &["gcc", "libc6-dev"], present: || false };
    const LINKER: Requirement =
        Requirement { what: "a linker", packages: &["binutils", "gcc"], present: || false };

    #[test]
    fn nothing_is_done_when_nothing_is_missing() {
        for (root, apt) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(plan(&[], root, apt), Plan::Ready);
        }
    }

    #[test]
    fn root_installs_each_package_once() {
        let packages = vec!["binutils", "gcc", "libc6-dev"];
        assert_eq!(plan(&[&COMPILER, &LINKER], true, true), Plan::Install(packages));
    }

    #[test]
    fn others_are_told_what_to_install() {
        let packages = vec!["gcc", "libc6-dev"];
        assert_eq!(plan(&[&COMPILER], false, true), Plan::AskForRights(packages));
    }

    #[test]
    fn a_system_without_apt_is_never_installed_to() {
        for root in [false, true] {
            let packages = vec!["gcc", "libc6-dev"];
            assert_eq!(plan(&[&COMPILER], root, false), Plan::AskForSystem(packages));
        }
    }

    #[test]
    fn what_is_no_compiler_is_not_taken_for_one() {
        assert!(!compiles("no-such-compiler-here".into()));
        assert!(!compiles("false".into()));
        assert!(!compiles("".into()));
    }

    #[test]
    fn a_compiler_is_found_behind_a_wrapper() {
        assert_eq!(compiles("env cc".into()), compiles("cc".into()));
    }
}
