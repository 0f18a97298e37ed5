//! The two verifiers: the chain by `chains`, then what the library does not look at.
//!
//! Added: an extended key usage that is stated (the library takes absence for permission), exactly one identity URI, no wildcard,
//! and a caller's own condition (the party records).

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use schakel_certs::identity::{Identity, identify};
use schakel_domain::refusal::Reason;

use super::chains::Chains;

/// A further condition on an identity that chains to a trusted CA; the sentence says why not.
pub(super) type Condition = Arc<dyn Fn(&Identity) -> Result<(), String> + Send + Sync>;

/// Chains of clients.
pub(super) type ClientChains = Chains<Arc<dyn ClientCertVerifier>>;
/// Chains of servers.
pub(super) type ServerChains = Chains<Arc<WebPkiServerVerifier>>;

/// Why a certificate is not acceptable although it chains to a trusted CA. Kept for the tap and for whoever judges again.
#[derive(Debug)]
pub(super) struct NotAcceptable {
    pub(super) reason: Reason,
    pub(super) why: String,
}

impl fmt::Display for NotAcceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NotAcceptable {}

fn refuse(reason: Reason, why: impl Into<String>) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotAcceptable { reason, why: why.into() }))))
}

fn is_unbound(error: &OtherError) -> bool {
    error.0.downcast_ref::<NotAcceptable>().is_some_and(|known| known.reason == Reason::PeerCertificateUnbound)
}

/// Which alert a client gets: one that lets it know what to mend (`reasons`).
fn as_alert(error: Error) -> Error {
    use CertificateError as Wrong;
    let unknown_status = matches!(
        error,
        Error::InvalidCertRevocationList(_)
            | Error::InvalidCertificate(
                Wrong::UnknownRevocationStatus | Wrong::ExpiredRevocationList | Wrong::ExpiredRevocationListContext { .. }
            )
    );
    if unknown_status {
        return Error::InvalidCertificate(Wrong::InvalidOcspResponse);
    }
    match &error {
        // "Access denied": the certificate was read and judged, which is more than "unknown".
        Error::InvalidCertificate(Wrong::Other(other)) if is_unbound(other) => {
            Error::InvalidCertificate(Wrong::ApplicationVerificationFailure)
        }
        _ => error,
    }
}

/// Verifies whoever connects to a door.
pub(super) struct ClientVerifier {
    chains: ClientChains,
    condition: Condition,
    mandatory: bool,
}

impl ClientVerifier {
    pub(super) fn new(chains: ClientChains, condition: Condition, mandatory: bool) -> Self {
        Self { chains, condition, mandatory }
    }

    /// Judges a client's chain, at its handshake and again later; the error is the true one, not the alert.
    pub(super) fn judge(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        self.chains.judge(now, |inner| inner.verify_client_cert(leaf, chain, now))?;
        let identity = identify(leaf).map_err(|e| refuse(Reason::PeerCertificateUnusable, e.to_string()))?;
        if !identity.client_auth {
            let why = "the certificate does not state the extended key usage clientAuth";
            return Err(refuse(Reason::PeerCertificateUnusable, why));
        }
        (self.condition)(&identity).map_err(|why| refuse(Reason::PeerCertificateUnbound, why))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.ready().root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.judge(leaf, chain, now) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                tracing::debug!(%error, "client certificate refused");
                Err(as_alert(error))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.ready().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.ready().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.ready().supported_verify_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

/// Verifies the gateway we connect to.
pub(super) struct ServerVerifier {
    chains: Arc<ServerChains>,
    condition: Condition,
}

impl ServerVerifier {
    pub(super) fn new(chains: Arc<ServerChains>, condition: Condition) -> Self {
        Self { chains, condition }
    }

    /// Judges a gateway's chain, at its handshake and again later.
    pub(super) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        self.chains.judge(now, |inner| inner.verify_server_cert(leaf, chain, host, &[], now))?;
        let identity = identify(leaf).map_err(|e| refuse(Reason::PeerCertificateUnusable, e.to_string()))?;
        if !identity.server_auth {
            let why = "the certificate does not state the extended key usage serverAuth";
            return Err(refuse(Reason::PeerCertificateUnusable, why));
        }
        (self.condition)(&identity).map_err(|why| refuse(Reason::PeerCertificateUnbound, why))
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(leaf, chain, host, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.ready().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.ready().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.ready().supported_verify_schemes()
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").finish_non_exhaustive()
    }
}
