//! TLS of this server's own, for installations without a proxy in front.
//!
//! The certificate is read again when its file changes: whoever renews it (certbot, acme.sh) need not tell anybody.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{either::Either, sync::CancellationToken};

use super::connection::Connection;
use crate::config::Tls;

/// How connections begin: with the first byte of HTTP, or with a handshake of TLS 1.2 or 1.3. Cheap to clone.
#[derive(Clone)]
pub struct Transport(Option<Guard>);

#[derive(Clone)]
struct Guard {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// What a connection is after that.
pub(super) type Entered = Either<Connection, TlsStream<Connection>>;

/// A certificate with its key, as its files have it now.
struct Certificate {
    files: Files,
    current: RwLock<(SystemTime, Arc<CertifiedKey>)>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("`server.tls.{missing}` is missing: a certificate and its key belong together")]
    Half { missing: &'static str },
    #[error("`{}` has no {what} in PEM that can be read", path.display())]
    Pem { path: PathBuf, what: &'static str, source: rustls::pki_types::pem::Error },
    #[error("`{}` is not the key of the certificate in `{}`", key.display(), certificate.display())]
    Unfit { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("cannot read `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);

impl Transport {
    /// Without TLS.
    pub const PLAIN: Self = Self(None);

    /// As `server.tls` says.
    pub(crate) fn open(tls: &Tls) -> Result<Self, TlsError> {
        let (certificate, key) = match (&tls.certificate, &tls.key) {
            (None, None) => return Ok(Self::PLAIN),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(_), None) => return Err(TlsError::Half { missing: "key" }),
            (None, Some(_)) => return Err(TlsError::Half { missing: "certificate" }),
        };
        let certificate = Arc::new(Certificate::read(Files { certificate, key })?);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Some(Guard { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })))
    }

    /// What URLs of this server begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.is_some() { "https" } else { "http" }
    }

    /// Reads the certificate again whenever it has changed, until `stop`.
    pub(crate) async fn keep_fresh(self, stop: CancellationToken) {
        let Self(Some(Guard { certificate, .. })) = self else { return };
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            certificate.refresh();
        }
    }

    pub(super) async fn enter(&self, connection: Connection) -> io::Result<Entered> {
        match &self.0 {
            None => Ok(Either::Left(connection)),
            Some(Guard { acceptor, .. }) => Ok(Either::Right(acceptor.accept(connection).await?)),
        }
    }
}

impl Certificate {
    fn read(files: Files) -> Result<Self, TlsError> {
        let current = RwLock::new((files.changed()?, Arc::new(files.read()?)));
        Ok(Self { files, current })
    }

    /// Files that make no sense at this moment, because they are being written, change nothing.
    fn refresh(&self) {
        let path = self.files.certificate.display();
        let known = self.current.read().unwrap_or_else(PoisonError::into_inner).0;
        match self.files.changed() {
            Ok(changed) if changed == known => {}
            Ok(changed) => match self.files.read() {
                Ok(key) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = (changed, Arc::new(key));
                    tracing::info!(%path, "the certificate in `{path}` is in use now");
                }
                Err(error) => stale(&path, &error),
            },
            Err(error) => stale(&path, &error),
        }
    }
}

fn stale(path: &std::path::Display<'_>, error: &TlsError) {
    tracing::error!(
        %path,
        error = error as &dyn std::error::Error,
        "the certificate in `{path}` has changed and cannot be used; the one before stays in use"
    );
}

impl Files {
    /// When either was written last.
    fn changed(&self) -> Result<SystemTime, TlsError> {
        let of = |path: &Path| {
            std::fs::metadata(path)
                .and_then(|found| found.modified())
                .map_err(|source| TlsError::File { path: path.to_owned(), source })
        };
        Ok(of(&self.certificate)?.max(of(&self.key)?))
    }

    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let pem = |path: &Path, what| {
            let path = path.to_owned();
            move |source| TlsError::Pem { path, what, source }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(pem(&self.key, "private key"))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| TlsError::Unfit {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

/// Never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}
