//! What every server can do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Life, Process};
use crate::run::wait_until;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what a killed server left behind may keep it from being started again: children that
/// have yet to notice, as PostgreSQL has them.
const REMAINS: Duration = Duration::from_secs(20);

type Ready = Box<dyn Fn() -> anyhow::Result<bool> + Send + Sync>;
type Start = Box<dyn Fn() -> Command + Send + Sync>;

/// One process of a server, with the folder it keeps its data in.
pub struct Server {
    name: String,
    port: u16,
    pub(crate) folder: Option<TempDir>,
    path: PathBuf,
    life: Life,
    start: Start,
    ready: Ready,
    stop_signal: Signal,
    process: Mutex<Option<Process>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("port", &self.port).finish()
    }
}

/// How a server is started, and how one knows that it answers.
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    pub(crate) life: Life,
    pub(crate) start: Start,
    pub(crate) ready: Ready,
    pub(crate) stop_signal: Signal,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let Recipe { name, port, folder, life, start, ready, stop_signal } = recipe;
        let path = folder.path().to_owned();
        let process = Mutex::new(None);
        let folder = Some(folder);
        let server = Self { name, port, folder, path, life, start, ready, stop_signal, process };
        server.launch(Duration::ZERO)?;
        Ok(server)
    }

    /// The loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data and its log, `server.log`.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Its process number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::pid)
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port and
    /// folder, and waits until it answers. Does nothing if it runs.
    ///
    /// # Errors
    /// If it cannot be started, or ends, or does not answer within a minute; with its log's end.
    pub fn restart(&self) -> anyhow::Result<()> {
        self.launch(REMAINS)
    }

    /// Starts it if it does not run; again for so long if it ends.
    fn launch(&self, again: Duration) -> anyhow::Result<()> {
        let mut process = self.lock();
        if process.is_some() {
            return Ok(());
        }
        let log = self.path.join("server.log");
        let begun = Instant::now();
        loop {
            let mut started = Process::start(&mut (self.start)(), &log, self.life)?;
            let mut has_ended = false;
            let ready = wait_until(&self.name, PATIENCE, || {
                if started.has_ended()? {
                    has_ended = true;
                    bail!("{} has ended", self.name);
                }
                (self.ready)()
            });
            if has_ended && begun.elapsed() < again {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            ready.with_context(|| self.last_words(&log))?;
            *process = Some(started);
            return Ok(());
        }
    }

    /// Ends it at once, by SIGKILL. What it had not written is lost.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.lock().take().map_or(Ok(()), Process::kill)
    }

    /// Asks it to end in order, and waits until it has.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.lock().take().map_or(Ok(()), |process| process.stop(self.stop_signal))
    }

    /// Freezes it, by SIGSTOP: connections stay open and are not answered.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        let process = self.lock();
        process.as_ref().with_context(|| format!("{} does not run", self.name))?.pause()
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.lock();
        process.as_ref().with_context(|| format!("{} does not run", self.name))?.signal(signal)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_words(&self, log: &Path) -> String {
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(8).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        format!(
            "{} on port {} did not start; its log ends:\n{}",
            self.name,
            self.port,
            lines.join("\n")
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.life == Life::Detached {
            // Somebody else removes the folder, after having stopped the server.
            if let Some(folder) = self.folder.take() {
                let _ = folder.keep();
            }
        }
    }
}

/// A folder that servers of other users can reach.
pub(crate) fn folder(name: &str) -> anyhow::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new()
        .prefix(&format!("tiers-{name}-"))
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .context("cannot make a temporary folder")
}

/// Tries `start` again, with other ports, where another process took one meanwhile.
pub(crate) fn with_free_ports<S>(
    count: usize,
    start: impl Fn(&[u16]) -> anyhow::Result<S>,
) -> anyhow::Result<S> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match start(&crate::port::free(count)?) {
            Ok(started) => return Ok(started),
            Err(error) if attempt == 3 => return Err(error),
            Err(_) => {}
        }
    }
}
