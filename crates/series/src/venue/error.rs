use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a venue did not answer. Cheap to clone, so that all who wait for a page get it.
///
/// Its text says what the venue said, and never with which credentials or address it was asked.
#[derive(Clone, Debug)]
pub struct VenueError {
    said: Arc<Said>,
}

#[derive(Clone, Debug)]
struct Said {
    venue: String,
    kind: VenueErrorKind,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VenueErrorKind {
    /// It was asked too often, and says so.
    RateLimited,
    /// It was asked too often for so long that it does not listen any more for a while.
    Banned,
    /// It could not be reached, or said that it cannot answer now.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It does not have this symbol.
    UnknownSymbol,
    /// It does not have this timeframe, market, price or service.
    Unsupported,
    /// It refused the call: permission, place, or something wrong with the call itself.
    Refused,
    /// What it answered could not be read.
    Malformed,
}

impl VenueErrorKind {
    /// The word by which statistics count it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Banned => "banned",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::UnknownSymbol => "unknown_symbol",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }

    /// Whether the same call may be answered after a while.
    ///
    /// An answer that could not be read counts so, for a proxy's error page or half a reply is one;
    /// a connector that lags behind the venue's format is seen by how it stays.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::RateLimited
            | Self::Banned
            | Self::Unavailable
            | Self::Timeout
            | Self::Malformed => true,
            Self::UnknownSymbol | Self::Unsupported | Self::Refused => false,
        }
    }

    /// Whether it concerns the venue as a whole, so that no other call to it is of use for now.
    pub const fn concerns_venue(self) -> bool {
        matches!(self, Self::RateLimited | Self::Banned)
    }
}

impl VenueError {
    /// A failure of the venue of this name.
    pub fn new(venue: &str, kind: VenueErrorKind, message: impl Into<String>) -> Self {
        let (venue, message) = (venue.to_ascii_lowercase(), message.into());
        Self { said: Arc::new(Said { venue, kind, message, retry_after: None, source: None }) }
    }

    /// The venue said for how long it is to be left alone.
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        Arc::make_mut(&mut self.said).retry_after = Some(retry_after);
        self
    }

    /// What lies beneath.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.said).source = Some(Arc::new(source));
        self
    }

    /// The venue's name, in lower case.
    pub fn venue(&self) -> &str {
        &self.said.venue
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> VenueErrorKind {
        self.said.kind
    }

    /// What was said.
    pub fn message(&self) -> &str {
        &self.said.message
    }

    /// For how long the venue is to be left alone, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.said.retry_after
    }

    /// Whether the same call may be answered after a while.
    pub fn is_transient(&self) -> bool {
        self.said.kind.is_transient()
    }
}

impl fmt::Display for VenueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { venue, kind, message, retry_after, .. } = &*self.said;
        write!(formatter, "{venue}: {message} ({})", kind.name())?;
        match retry_after {
            Some(retry_after) => write!(formatter, "; to be left alone for {retry_after:?}"),
            None => Ok(()),
        }
    }
}

impl Error for VenueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_venue_and_keeps_what_lies_beneath() {
        let error = VenueError::new("Binance", VenueErrorKind::RateLimited, "too many requests")
            .with_retry_after(Duration::from_secs(7))
            .with_source(std::io::Error::other("reset"));
        assert_eq!(
            error.to_string(),
            "binance: too many requests (rate_limited); to be left alone for 7s"
        );
        assert_eq!(error.clone().source().map(ToString::to_string), Some("reset".to_owned()));
        assert!(error.is_transient() && error.kind().concerns_venue());
        let refused = VenueError::new("b", VenueErrorKind::UnknownSymbol, "no such symbol");
        assert!(!refused.is_transient() && !refused.kind().concerns_venue());
    }
}
