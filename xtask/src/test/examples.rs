//! Running the examples of the default members, as a newcomer does: without arguments, from the
//! root. The others are only built: they may need servers.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Totals;
use super::build::Example;
use crate::workspace::Workspace;

/// No example takes a newcomer longer.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// How an example ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// None: it was stopped at the time limit.
    status: Option<ExitStatus>,
    took: Duration,
}

impl Outcome {
    pub(super) fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }

    pub(super) fn totals(&self) -> Totals {
        if self.status.is_some_and(|status| status.success()) {
            Totals { passed: 1, ..Totals::default() }
        } else {
            Totals { failed: 1, ..Totals::default() }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) if status.success() => formatter.write_str("ok"),
            Some(status) => write!(formatter, "FAILED, {status}"),
            None => write!(formatter, "FAILED, stopped after {:.0} s", self.seconds()),
        }
    }
}

/// Runs one example; what it prints goes to the log.
pub(super) fn run(
    workspace: &Workspace,
    example: &Example,
    mut log: &File,
) -> anyhow::Result<Outcome> {
    writeln!(log, "     Running example {}", example.name).context("cannot write the log")?;
    let mut command = Command::new(&example.executable);
    let share = || log.try_clone().context("cannot share the log");
    command.current_dir(workspace.root()).stdin(Stdio::null()).stdout(share()?).stderr(share()?);
    run_within(command, TIME_LIMIT).with_context(|| format!("example {}", example.name))
}

fn run_within(mut command: Command, limit: Duration) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut child = command.spawn().context("cannot start")?;
    let status = wait_within(&mut child, started + limit)?;
    Ok(Outcome { status, took: started.elapsed() })
}

/// Waits for the child, and stops it if it has not ended by then.
fn wait_within(child: &mut Child, until: Instant) -> anyhow::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait")? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill().context("cannot stop")?;
            child.wait().context("cannot wait")?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_example_passes_by_its_exit_status() {
        let passed = run_within(Command::new("true"), TIME_LIMIT).unwrap();
        assert_eq!(passed.totals(), Totals { passed: 1, ..Totals::default() });
        assert_eq!(passed.to_string(), "ok");
        let failed = run_within(Command::new("false"), TIME_LIMIT).unwrap();
        assert_eq!(failed.totals(), Totals { failed: 1, ..Totals::default() });
        assert!(failed.to_string().starts_with("FAILED, exit status"), "{failed}");
    }

    #[test]
    fn an_example_that_does_not_end_is_stopped() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let stopped = run_within(command, Duration::ZERO).unwrap();
        assert_eq!(stopped.totals(), Totals { failed: 1, ..Totals::default() });
        assert!(stopped.to_string().contains("stopped after"), "{stopped}");
    }
}
