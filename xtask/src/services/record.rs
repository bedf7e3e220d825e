//! What runs, kept in a file between two commands.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tiers_servers::Running;

use super::PATIENCE;
use crate::workspace::Workspace;

/// All that `up` started.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) services: Vec<Service>,
}

/// One server, of one process or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) url: String,
    processes: Vec<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// When it began, in the kernel's ticks since the machine did: a number that is used again
    /// belongs to another process, which is left alone.
    begun_ticks: u64,
    folder: PathBuf,
}

impl Record {
    fn path(workspace: &Workspace) -> PathBuf {
        workspace.output("servers").join("running.json")
    }

    pub(super) fn load(workspace: &Workspace) -> anyhow::Result<Self> {
        let path = Self::path(workspace);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is not what `up` wrote", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(super) fn save(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let path = Self::path(workspace);
        let folder = workspace.output("servers");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = serde_json::to_string_pretty(self).context("cannot write the record")?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Service {
    pub(super) fn of(running: &Running) -> anyhow::Result<Self> {
        let process = |server: &tiers_servers::Server| {
            let pid = server.pid().context("a server has ended at once")?;
            let begun_ticks = begun_ticks(pid).context("a server has ended at once")?;
            Ok(Process { pid, begun_ticks, folder: server.folder().to_owned() })
        };
        let processes =
            running.servers().into_iter().map(process).collect::<anyhow::Result<_>>()?;
        let name = running.kind().name().to_owned();
        Ok(Self { name, url: running.url().to_owned(), processes })
    }

    /// Whether all of its processes run.
    pub(super) fn runs(&self) -> bool {
        self.processes.iter().all(Process::runs)
    }

    /// Whether one of its processes runs.
    pub(super) fn runs_in_part(&self) -> bool {
        self.processes.iter().any(Process::runs)
    }

    /// Asks its processes to end, kills those that do not, and removes their folders.
    pub(super) fn stop(&self) {
        self.processes.iter().for_each(|process| process.signal("TERM"));
        let begun = Instant::now();
        while self.runs_in_part() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        self.processes.iter().for_each(|process| process.signal("KILL"));
        let begun = Instant::now();
        while self.runs_in_part() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        for process in &self.processes {
            // What is left of it lies in the folder for temporary files.
            let _ = fs::remove_dir_all(&process.folder);
        }
    }
}

impl Process {
    fn runs(&self) -> bool {
        begun_ticks(self.pid) == Some(self.begun_ticks)
    }

    fn signal(&self, signal: &str) {
        if self.runs() {
            // It may end meanwhile by itself.
            let _ = Command::new("kill")
                .args(["-s", signal, &self.pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// When a process began; `None` if there is none, or it has ended and waits for its parent.
fn begun_ticks(pid: u32) -> Option<u64> {
    parse_begun_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The 22nd field. The second, the name, may hold spaces and brackets.
fn parse_begun_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_beginning_is_the_22nd_field() {
        let fields: Vec<_> = (4..=30).map(|number| number.to_string()).collect();
        let line = |state: &str| format!("7 (a) b) {state} {}", fields.join(" "));
        assert_eq!(parse_begun_ticks(&line("S")), Some(22));
        assert_eq!(parse_begun_ticks(&line("Z")), None);
        assert_eq!(parse_begun_ticks("7 (a"), None);
        assert!(begun_ticks(std::process::id()).is_some());
    }

    #[test]
    fn a_process_with_another_beginning_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let process = |begun_ticks| Service {
            name: "x".to_owned(),
            url: "x://".to_owned(),
            processes: vec![Process {
                pid: child.id(),
                begun_ticks,
                folder: folder.path().join("data"),
            }],
        };
        let own = begun_ticks(child.id()).unwrap();
        let (other, own) = (process(own + 1), process(own));
        assert!(!other.runs() && own.runs());
        other.stop();
        assert!(child.try_wait().unwrap().is_none() && own.runs());
        own.stop();
        assert!(!own.runs());
        child.wait().unwrap();
    }
}
