//! Ends a server when the process that owns it is killed.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// A small process that waits for the end of a pipe that only its owner holds, and then kills the
/// server. It lives through whatever ends the owner, SIGKILL included.
///
/// The kernel's own signal for a parent's death is bound to the thread that started the child,
/// and threads of a test come and go.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the process `pid`, a child of this one that nobody has waited for yet.
    pub(crate) fn over(pid: u32) -> anyhow::Result<Self> {
        let child = Command::new("sh")
            .args(["-c", "read -r line; kill -KILL \"$1\"", "watchdog", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start a watchdog")?;
        Ok(Self(child))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // It is stopped before its server is waited for, so it never kills another process with
        // the same number. If it ended by itself, there is nothing left to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
