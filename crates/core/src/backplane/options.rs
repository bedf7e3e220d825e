use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::log::EventLog;
use crate::error::ConfigError;

/// How a cache hears of what others change: by an [`EventLog`], that of a registered storage or one
/// of its own.
///
/// ```
/// use std::time::Duration;
/// use cache_core::backplane::{Backplane, Silence};
///
/// let by_name = Backplane::from("redis");
/// let patient = Backplane::on("redis").silent_after(Duration::from_secs(30)).silence(Silence::LiveOn);
/// # let _ = (by_name, patient);
/// ```
#[derive(Clone, Debug)]
pub struct Backplane {
    pub(crate) log: LogChoice,
    pub(crate) heartbeat: Duration,
    pub(crate) silent_after: Duration,
    pub(crate) silence: Silence,
    pub(crate) finish_after: Duration,
    pub(crate) append_timeout: Duration,
}

/// What becomes of memory, and of storages on this host, while the log cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Silence {
    /// They are not asked: reads go to the shared storages. What was missed is applied once the log
    /// can be read again.
    #[default]
    Miss,
    /// They are asked as before, and what others have changed may be read until its TTL ends.
    LiveOn,
}

#[derive(Clone)]
pub(crate) enum LogChoice {
    Storage(String),
    Own(Arc<dyn EventLog>),
}

impl Backplane {
    /// By the log of the storage that is registered under this name.
    pub fn on(storage: impl Into<String>) -> Self {
        Self::new(LogChoice::Storage(storage.into()))
    }

    fn new(log: LogChoice) -> Self {
        Self {
            log,
            heartbeat: Duration::from_secs(1),
            silent_after: Duration::from_secs(5),
            silence: Silence::default(),
            finish_after: Duration::from_secs(5),
            append_timeout: Duration::from_secs(2),
        }
    }

    /// Sets how often the cache appends an event to say that it is there; 1 s by default. It is also
    /// how long a read of the log waits.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// Sets after how long without a read of the log that succeeded the cache counts as cut off; 5 s
    /// by default. It bounds for how long memory may answer with what others have changed.
    pub fn silent_after(mut self, silent_after: Duration) -> Self {
        self.silent_after = silent_after;
        self
    }

    /// Sets what happens while it is cut off; by default memory is not asked.
    pub fn silence(mut self, silence: Silence) -> Self {
        self.silence = silence;
        self
    }

    /// Sets for how long others may take for an invalidation that they have begun, before this cache
    /// takes them for dead and ends it in their place; 5 s by default.
    pub fn finish_after(mut self, finish_after: Duration) -> Self {
        self.finish_after = finish_after;
        self
    }

    /// Sets how long an append may take; 2 s by default. After it the invalidation goes on, and the
    /// event is appended as soon as the log takes it.
    pub fn append_timeout(mut self, append_timeout: Duration) -> Self {
        self.append_timeout = append_timeout;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let times = [
            ("heartbeat", self.heartbeat),
            ("silent_after", self.silent_after),
            ("finish_after", self.finish_after),
            ("append_timeout", self.append_timeout),
        ];
        let refuse = |option: &str, problem: &str| ConfigError::Option {
            context: "backplane".to_owned(),
            option: option.to_owned(),
            problem: problem.to_owned(),
        };
        for (name, time) in times {
            if time < Duration::from_millis(1) {
                return Err(refuse(name, "must be at least a millisecond"));
            }
        }
        if self.silent_after < self.heartbeat.saturating_mul(2) {
            return Err(refuse("silent_after", "must be at least twice the heartbeat"));
        }
        Ok(())
    }
}

impl From<&str> for Backplane {
    fn from(storage: &str) -> Self {
        Self::on(storage)
    }
}

impl From<String> for Backplane {
    fn from(storage: String) -> Self {
        Self::on(storage)
    }
}

impl From<Arc<dyn EventLog>> for Backplane {
    fn from(log: Arc<dyn EventLog>) -> Self {
        Self::new(LogChoice::Own(log))
    }
}

impl<L: EventLog> From<L> for Backplane {
    fn from(log: L) -> Self {
        Self::new(LogChoice::Own(Arc::new(log)))
    }
}

impl fmt::Debug for LogChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(name) => write!(f, "Storage({name:?})"),
            Self::Own(log) => write!(f, "Own({log:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_make_no_sense_are_refused() {
        let second = Duration::from_secs(1);
        assert!(Backplane::on("x").validate().is_ok());
        assert!(Backplane::on("x").heartbeat(second * 3).validate().is_err());
        assert!(Backplane::on("x").append_timeout(Duration::ZERO).validate().is_err());
        let slow = Backplane::on("x").heartbeat(second * 3).silent_after(second * 6);
        assert!(slow.validate().is_ok());
    }
}
