//! Our end of TLS towards a web server of the organisation, such as the one that publishes its identity provider's keys.
//!
//! As at our own doors: TLS 1.3, the certificate chains to the named CAs, is valid now and names the host; no resumption.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};

use super::chains::Inner;
use super::material::Anchors;
use super::revocation::Revocation;
use super::{Clock, TlsError, provider};

/// The one protocol we speak there.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// TLS towards a server whose certificate chains to a CA of this file.
///
/// # Errors
/// When no file is named, or it cannot be used.
pub fn https(trust: Option<&Path>, clock: &Clock) -> Result<ClientConfig, TlsError> {
    let wrong = |why: String| TlsError::Material(why);
    let trust = trust.ok_or_else(|| wrong("no CA certificates are named".to_owned()))?;
    let anchors = Anchors::from_file(trust)?;
    // Path building does not look at the dates of a root, so a root that is not valid now is left out beforehand.
    let now = clock.current_time().map(|now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let verifier = <Arc<WebPkiServerVerifier> as Inner>::build(&anchors, now, &Revocation::default(), None).map_err(wrong)?;
    let mut config = ClientConfig::builder_with_details(provider(), Arc::clone(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| wrong(e.to_string()))?
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Whether the file holds CA certificates that can be used.
///
/// # Errors
/// Names the file and what is wrong.
pub fn check_trust(trust: &Path) -> Result<(), TlsError> {
    Anchors::from_file(trust).map(drop)
}
