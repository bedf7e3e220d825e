//! What connectors share to speak HTTP: one bounded GET, addresses, and how servers are trusted.
//!
//! For the connectors of this workspace; what a status or a reply means is for each of them to say.
//!
//! ```
//! use std::time::Duration;
//!
//! use cache_connectors_http::{HttpClient, HttpOptions, address, is_loopback, join, tls};
//!
//! let base = address("https://data.example/mirror", &["http", "https"]).ok_or("no address")?;
//! assert_eq!(join(&base, "/time").as_str(), "https://data.example/mirror/time");
//! let options = HttpOptions {
//!     timeout: Duration::from_secs(10),
//!     connect_timeout: Duration::from_secs(5),
//!     body_bytes_max: 1 << 20,
//!     accept: "application/json",
//!     direct: is_loopback(&base),
//! };
//! let client = HttpClient::new(options, tls::config(false)?)?;
//! # let _ = client;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `client` | a client, and its one call |
//! | `reply` | what came: status, body, how long to wait, by which clock |
//! | `address` | addresses that users give |
//! | [`tls`] | the machine's roots, checked by a provider that is not installed for the process |

mod address;
mod client;
mod reply;
pub mod tls;

pub use address::{address, is_loopback, join};
pub use client::{HttpClient, HttpError, HttpOptions};
pub use reply::{Reply, preview};
pub use reqwest::header::HeaderMap;

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS could not be set up: the machine's trusted roots could not be read.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
    /// The client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}
