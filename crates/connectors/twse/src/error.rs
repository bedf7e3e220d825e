use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no answer. Cheap to clone, so that all who wait for one load get it.
#[derive(Clone, Debug)]
pub struct TwseError {
    kind: TwseErrorKind,
    message: String,
    retry: Retry,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TwseErrorKind {
    /// No such stock in that market.
    UnknownSymbol,
    /// The market has nothing that matches: no such stock, or no trade in that time. It says the
    /// same of both.
    NoData,
    /// The stock was not listed yet.
    BeforeListing,
    /// The stock is not listed any more.
    Delisted,
    /// Before what the market has in its archive.
    BeforeArchive,
    /// A day that is still to come.
    NotYet,
    /// Asked too often.
    RateLimited,
    /// Asked too often for so long that the market does not listen any more for a while.
    Banned,
    /// A refusal in words or by a status that none of the others fits.
    Refused,
    /// It could not be reached, or cannot answer now.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// The reply ends before its end.
    Truncated,
    /// The reply is no JSON: a page of HTML, or text.
    NotJson,
    /// The reply is in another shape than known, contradicts itself, or is not of what was asked.
    Malformed,
}

/// Whether the same call is worth another try, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will be answered the same way.
    Never,
    /// Not before so long has passed.
    After(Duration),
}

const fn seconds(seconds: u64) -> Retry {
    Retry::After(Duration::from_secs(seconds))
}

impl TwseErrorKind {
    /// The word by which statistics count it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownSymbol => "unknown_symbol",
            Self::NoData => "no_data",
            Self::BeforeListing => "before_listing",
            Self::Delisted => "delisted",
            Self::BeforeArchive => "before_archive",
            Self::NotYet => "not_yet",
            Self::RateLimited => "rate_limited",
            Self::Banned => "banned",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::NotJson => "not_json",
            Self::Malformed => "malformed",
        }
    }

    /// When to try again where the market does not say: the limit's window after a refusal for
    /// frequency, an hour after a ban, and a pause that harms nobody otherwise.
    pub const fn retry(self) -> Retry {
        match self {
            Self::UnknownSymbol
            | Self::NoData
            | Self::BeforeListing
            | Self::Delisted
            | Self::BeforeArchive => Retry::Never,
            Self::NotYet => seconds(24 * 3600),
            Self::RateLimited | Self::Timeout | Self::Truncated => seconds(5),
            Self::Banned => seconds(3600),
            Self::Unavailable => seconds(30),
            Self::Refused | Self::NotJson => seconds(60),
            // A connector that lags behind the market's format is seen by how it stays.
            Self::Malformed => seconds(600),
        }
    }

    /// Whether it concerns all calls, so that no other is of use for now.
    pub const fn concerns_market(self) -> bool {
        matches!(self, Self::RateLimited | Self::Banned)
    }
}

impl TwseError {
    /// A failure of this kind, with the pause that the kind suggests.
    pub fn new(kind: TwseErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry: kind.retry(), source: None }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(TwseErrorKind::Malformed, message)
    }

    /// Says when to try again.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What lies beneath.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same failure, known more exactly.
    pub fn with_kind(mut self, kind: TwseErrorKind) -> Self {
        self.kind = kind;
        self.retry = kind.retry();
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> TwseErrorKind {
        self.kind
    }

    /// What was said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call is worth another try, and when.
    pub fn retry(&self) -> Retry {
        self.retry
    }
}

impl fmt::Display for TwseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.kind.name())
    }
}

impl Error for TwseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
