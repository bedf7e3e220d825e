use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::OptionsError;

/// How servers are trusted: by the machine's roots, checked by ring.
///
/// The provider is named here and not installed for the process, whose choice it is. Where no
/// address is of a service with TLS, no root is read and none is trusted.
pub(crate) fn config(needed: bool) -> Result<ClientConfig, OptionsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OptionsError::Tls(error.into()))?;
    if !needed {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let builder =
        builder.with_platform_verifier().map_err(|error| OptionsError::Tls(error.into()))?;
    Ok(builder.with_no_client_auth())
}
