//! TLS: the provider of cryptography, and the files.

use std::fs;
use std::path::Path;
use std::sync::Once;

use cache_core::storage::{StorageError, StorageErrorKind};
use redis::{ClientTlsConfig, TlsCertificates};

use crate::config::Tls;
use crate::error::error;

/// Gives rustls a provider, which it does not choose by itself where several are compiled in. One
/// that the program installed before stays.
pub(crate) fn install_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error only tells that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Reads the files. They are short and read once, when a storage is opened.
pub(crate) fn certificates(tls: &Tls) -> Result<TlsCertificates, StorageError> {
    let client_tls = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        _ => None,
    };
    let root_cert = tls.ca_file.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(path: &Path) -> Result<Vec<u8>, StorageError> {
    fs::read(path).map_err(|source| {
        let message = format!("`{}` cannot be read: {source}", path.display());
        error("open", StorageErrorKind::Invalid, message).with_source(source)
    })
}
