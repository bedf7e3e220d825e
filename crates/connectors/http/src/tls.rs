//! How servers are trusted.

use std::sync::Arc;

pub use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::SetupError;

/// By the machine's roots, checked by ring.
///
/// The provider is named here and not installed for the process, whose choice it is. Where no
/// address is of a service with TLS, nothing is `needed`: no root is read and none is trusted.
///
/// # Errors
/// [`SetupError::Tls`] if the roots cannot be read.
pub fn config(needed: bool) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?;
    if !needed {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    Ok(builder.with_platform_verifier().map_err(SetupError::Tls)?.with_no_client_auth())
}
