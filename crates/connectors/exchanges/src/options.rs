use std::error::Error;

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

/// Reads the address of an HTTP service.
pub(crate) fn http_address(text: &str) -> Result<Url, OptionsError> {
    address(text, &["http", "https"], "http:// or https://")
}

/// Reads the address of a WebSocket service.
pub(crate) fn socket_address(text: &str) -> Result<Url, OptionsError> {
    address(text, &["ws", "wss"], "ws:// or wss://")
}

fn address(text: &str, schemes: &[&str], schemes_text: &'static str) -> Result<Url, OptionsError> {
    let refused = || OptionsError::Address { text: text.to_owned(), schemes: schemes_text };
    let url: Url = text.parse().map_err(|_| refused())?;
    // A path is what a proxy may need; all else would be lost behind it.
    let plain = url.query().is_none() && url.fragment().is_none();
    if plain && schemes.contains(&url.scheme()) && url.host().is_some() {
        Ok(url)
    } else {
        Err(refused())
    }
}

/// Whether an address is that of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An address with a path behind what path it has.
pub(crate) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let whole = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&whole);
    url
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

    #[test]
    fn a_path_of_a_proxy_stays() {
        let joined = |base: &str| join(&http_address(base).unwrap(), "/api/v3/time").to_string();
        assert_eq!(joined("https://a.example"), "https://a.example/api/v3/time");
        assert_eq!(joined("https://a.example/binance/"), "https://a.example/binance/api/v3/time");
    }

    #[test]
    fn this_machine_is_known() {
        let known = |text: &str| is_loopback(&http_address(text).unwrap());
        assert!(
            known("http://127.0.0.1:1") && known("http://[::1]:1") && known("http://localhost")
        );
        assert!(!known("https://api.binance.com") && !known("http://10.0.0.1"));
    }
}
