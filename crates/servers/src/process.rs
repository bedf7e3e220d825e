//! One server process.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::watchdog::Watchdog;

/// When a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// With the value that stands for it, and with this process.
    Guarded,
    /// When somebody stops it: it runs on after this process.
    Detached,
}

/// A server that runs. Dropping it kills it if it is guarded.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    life: Life,
    watchdog: Option<Watchdog>,
}

impl Process {
    /// Starts `command` in a process group of its own, so that a key pressed at the terminal does
    /// not reach it; what it prints is added to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path, life: Life) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share the log")?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start `{name}`: is it installed?"))?;
        let mut process = Self { child, life, watchdog: None };
        if life == Life::Guarded {
            process.watchdog = Some(Watchdog::over(process.child.id())?);
        }
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait().context("cannot ask for a server's end")?.is_some())
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a server has no process number")?;
        kill_process(pid, signal).context("cannot signal a server")
    }

    /// Stops it where it is. The signal is sent at once and heeded a little later, by a busy
    /// machine much later: it has been by all threads when this returns.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        let begun = Instant::now();
        while !self.is_stopped()? {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(10), "a server does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether no thread of it runs, as the system tells; where it tells nothing, that is believed.
    fn is_stopped(&self) -> anyhow::Result<bool> {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else {
            return Ok(true);
        };
        for thread in threads {
            // A thread may end while it is looked at.
            let Some([state, _]) = state_and_parent(&thread?.path()) else { continue };
            if !matches!(state.as_str(), "T" | "Z" | "X") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends it at once, as a machine that fails does, and waits for its end. Its children end with
    /// it: PostgreSQL's would answer until they notice.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        let children = self.children();
        self.end()?;
        for child in &children {
            // It may have ended with its parent.
            let _ = kill_process(*child, Signal::KILL);
        }
        let begun = Instant::now();
        while children.iter().any(|child| runs(*child)) {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(10), "a child does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The processes that it has started, as the system tells; none where it tells nothing.
    fn children(&self) -> Vec<Pid> {
        let own = self.child.id().to_string();
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let children = processes.flatten().filter_map(|process| {
            let number = process.file_name().to_str()?.parse().ok()?;
            let [_, parent] = state_and_parent(&process.path())?;
            (parent == own).then(|| Pid::from_raw(number)).flatten()
        });
        children.collect()
    }

    /// Asks it to end, and kills it if it does not within ten seconds.
    pub(crate) fn stop(mut self, signal: Signal) -> anyhow::Result<()> {
        self.signal(signal)?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.has_ended()? {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.watchdog = None;
        self.child.kill().context("cannot kill a server")?;
        self.child.wait().context("cannot wait for a server's end")?;
        Ok(())
    }
}

/// The state of a process or thread and the number of its parent, from its folder in `/proc`; none
/// if it has gone meanwhile.
fn state_and_parent(folder: &Path) -> Option<[String; 2]> {
    let status = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name in brackets may hold anything; what follows the last one is told apart by spaces.
    let mut words = status.rsplit(')').next()?.split_whitespace().map(str::to_owned);
    Some([words.next()?, words.next()?])
}

fn runs(process: Pid) -> bool {
    let folder = format!("/proc/{}", process.as_raw_nonzero());
    state_and_parent(Path::new(&folder)).is_some_and(|[state, _]| !matches!(&*state, "Z" | "X"))
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.life == Life::Guarded {
            // It may have ended already.
            let _ = self.end();
        }
    }
}
