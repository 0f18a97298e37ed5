//! The way in for our own tools: a channel to a local door, as any client of the organisation would open one.
//!
//! A local door is found by its host name and its CA, not by a party record: its certificate may be any that the organisation chose.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::sign::SingleCertAndKey;
use tonic::transport::Channel;

use super::chains::Inner;
use super::channel::{Configure, OnOpen, as_we_speak, open};
use super::material::{Anchors, Credentials};
use super::open::{Lease, Life};
use super::revocation::Revocation;
use super::{Clock, PeerAddress, Tap, TlsError, provider};

/// Files with which a local door is called.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    /// CA certificates the door may chain to, PEM.
    pub trust: PathBuf,
    /// Our client certificate and its private key (not readable by others), for a door that asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A lazy channel to a local door: TLS 1.3, the certificate chains to the CA, is valid now and names the host.
///
/// # Errors
/// When a file cannot be used, or the address cannot be written as a URI.
pub fn channel_local(address: &PeerAddress, files: &LocalFiles, clock: Clock) -> Result<(Channel, Tap), TlsError> {
    let anchors = Anchors::from_file(&files.trust)?;
    let client = files.client.as_ref().map(|(certificate, key)| Credentials::from_files(certificate, key)).transpose()?;
    let configure: Configure = Arc::new(move || {
        let opened: OnOpen = Box::new(|_| Ok((Life::default(), Lease::none())));
        config(&anchors, client.as_ref(), &clock).map(|config| (config, opened)).map_err(io::Error::other)
    });
    open(address, configure)
}

fn config(anchors: &Anchors, client: Option<&Credentials>, clock: &Clock) -> Result<ClientConfig, TlsError> {
    let wrong = |why: String| TlsError::Material(why);
    // Path building does not look at the dates of a root, so a root that is not valid now is left out beforehand.
    let now = clock.current_time().map(|now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let verifier = <Arc<WebPkiServerVerifier> as Inner>::build(anchors, now, &Revocation::default(), None).map_err(wrong)?;
    let builder = ClientConfig::builder_with_details(provider(), Arc::clone(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| wrong(e.to_string()))?
        .with_webpki_verifier(verifier);
    let config = match client {
        Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&client.certified)))),
        None => builder.with_no_client_auth(),
    };
    Ok(as_we_speak(config))
}
