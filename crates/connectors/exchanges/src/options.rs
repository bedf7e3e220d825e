use std::error::Error;

use cache_connectors_http::{SetupError, address};
pub(crate) use cache_connectors_http::{is_loopback, join};
use url::Url;

/// Why a connector could not be made of its options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// An address that is none, or of another scheme.
    #[error("{text:?} is not an address that begins with {schemes}")]
    Address {
        /// The text as given.
        text: String,
        /// Which schemes there are.
        schemes: &'static str,
    },
    /// TLS could not be set up: the machine's trusted roots could not be read.
    #[error("TLS could not be set up")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl From<SetupError> for OptionsError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Tls(error) => Self::Tls(error.into()),
            SetupError::Client(error) => Self::Client(error.into()),
        }
    }
}

/// Reads the address of an HTTP service.
pub(crate) fn http_address(text: &str) -> Result<Url, OptionsError> {
    read(text, &["http", "https"], "http:// or https://")
}

/// Reads the address of a WebSocket service.
pub(crate) fn socket_address(text: &str) -> Result<Url, OptionsError> {
    read(text, &["ws", "wss"], "ws:// or wss://")
}

fn read(text: &str, schemes: &[&str], schemes_text: &'static str) -> Result<Url, OptionsError> {
    let refused = || OptionsError::Address { text: text.to_owned(), schemes: schemes_text };
    address(text, schemes).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "api.binance.com", "ftp://x", "ws://x", "http://", "http://x/?a=1"] {
            assert!(matches!(http_address(text), Err(OptionsError::Address { .. })), "{text}");
        }
        assert!(socket_address("http://x").is_err() && socket_address("wss://x:9443").is_ok());
    }
}
