//! The one implementation of TLS that every client of this program uses.

/// To be called before a client is made; whoever comes first has installed the same.
pub(crate) fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
