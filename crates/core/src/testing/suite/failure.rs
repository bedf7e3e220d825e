use std::fmt;
use std::panic::Location;

/// Why a case failed, and where it noticed.
///
/// Any error becomes one by `?`. It does not implement [`std::error::Error`] itself, so that `?`
/// can take every error there is.
#[derive(Clone, Debug)]
pub struct Failure {
    message: String,
    location: &'static Location<'static>,
}

/// What a case or a factory answers.
pub type CaseResult<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure told in words.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), location: Location::caller() }
    }

    /// Puts `what` before the message: which key, which seed, which step.
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  at {}", self.message, self.location)
    }
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::testing::suite::Failure::new(format!($($message)+)));
        }
    };
}

/// Fails the case unless both sides are equal, and shows them.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        // A match, so that what the sides borrow from lives until they have been compared.
        match (&$left, &$right) {
            (left, right) => {
                if *left != *right {
                    return Err($crate::testing::suite::Failure::new(format!(
                        "{}\n  found    {left:?}\n  expected {right:?}",
                        format_args!($($message)+),
                    )));
                }
            }
        }
    };
}

pub(super) use {ensure, ensure_eq};
