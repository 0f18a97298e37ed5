//! The two verifiers: chain by webpki, then what webpki does not look at.
//!
//! Added to the library's path building: the dates of the root, an extended key usage that is stated (the library takes
//! absence for permission), exactly one identity URI, no wildcard, and a caller's own condition (the party records).
//! Revocation lists will be given to the inner verifiers where they are built.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use schakel_certs::identity::{Identity, identify};

use super::material::Anchors;
use super::{TlsError, provider};

/// A further condition on an identity that chains to a trusted CA; the sentence says why not.
pub(super) type Condition = Arc<dyn Fn(&Identity) -> Result<(), String> + Send + Sync>;

/// Why the peer we connect to is not acceptable although it chains to a trusted CA. Kept as text for the tap.
#[derive(Debug)]
struct NotAcceptable(String);

impl fmt::Display for NotAcceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAcceptable {}

fn refuse_server(why: impl Into<String>) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotAcceptable(why.into())))))
}

/// The client sees the alert `access_denied`: its certificate was read and judged, which is more than "unknown".
fn refuse_client(why: &str) -> Error {
    tracing::debug!(why, "client certificate refused");
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn inner_client(anchors: &Anchors, at: Option<i64>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let roots = Arc::new(anchors.store(at)?);
    WebPkiClientVerifier::builder_with_provider(roots, provider()).build().map_err(|e| e.to_string())
}

pub(super) fn inner_server(anchors: &Anchors, at: Option<i64>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let roots = Arc::new(anchors.store(at)?);
    WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(|e| e.to_string())
}

/// Verifies whoever connects to a door.
pub(super) struct ClientVerifier {
    anchors: Anchors,
    inner: Arc<dyn ClientCertVerifier>,
    condition: Condition,
    mandatory: bool,
}

impl ClientVerifier {
    pub(super) fn new(anchors: Anchors, condition: Condition, mandatory: bool) -> Result<Self, TlsError> {
        let inner = inner_client(&anchors, None).map_err(TlsError::Material)?;
        Ok(Self { anchors, inner, condition, mandatory })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = if self.anchors.all_valid(seconds(now)) {
            self.inner.verify_client_cert(leaf, chain, now)?
        } else {
            let inner = inner_client(&self.anchors, Some(seconds(now))).map_err(|_| CertificateError::UnknownIssuer)?;
            inner.verify_client_cert(leaf, chain, now)?
        };
        let identity = identify(leaf).map_err(|e| refuse_client(&e.to_string()))?;
        if !identity.client_auth {
            return Err(refuse_client("the certificate does not state the extended key usage clientAuth"));
        }
        (self.condition)(&identity).map_err(|why| refuse_client(&why))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

/// Verifies the gateway we connect to.
pub(super) struct ServerVerifier {
    anchors: Anchors,
    inner: Arc<WebPkiServerVerifier>,
    condition: Condition,
}

impl ServerVerifier {
    pub(super) fn new(anchors: Anchors, condition: Condition) -> Result<Self, TlsError> {
        let inner = inner_server(&anchors, None).map_err(TlsError::Material)?;
        Ok(Self { anchors, inner, condition })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = if self.anchors.all_valid(seconds(now)) {
            self.inner.verify_server_cert(leaf, chain, host, ocsp, now)?
        } else {
            let inner = inner_server(&self.anchors, Some(seconds(now))).map_err(|_| CertificateError::UnknownIssuer)?;
            inner.verify_server_cert(leaf, chain, host, ocsp, now)?
        };
        let identity = identify(leaf).map_err(|e| refuse_server(e.to_string()))?;
        if !identity.server_auth {
            return Err(refuse_server("the certificate does not state the extended key usage serverAuth"));
        }
        (self.condition)(&identity).map_err(refuse_server)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").finish_non_exhaustive()
    }
}
