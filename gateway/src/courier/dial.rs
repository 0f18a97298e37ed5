//! How a connection to a peer is made: over our own TLS, or whatever a test gives.

use std::fmt;
use std::sync::Arc;

use schakel_domain::id::OrgId;
use schakel_domain::refusal::Refusal;
use tonic::transport::Channel;

use crate::peers::{Directory, Peer};
use crate::tls::{ClientTls, Expectation, Expected, PeerAddress, channel};

/// A channel, and the true reason when it fails.
#[derive(Clone)]
pub struct Dialled {
    /// The channel; it connects at the first call.
    pub channel: Channel,
    /// Why the connection failed last, when that is known better than the RPC library says it.
    pub why: Arc<dyn Fn() -> Option<Refusal> + Send + Sync>,
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialled").field("why", &(self.why)()).finish_non_exhaustive()
    }
}

/// Makes channels to peers.
pub trait Dial: Send + Sync + 'static {
    /// A new channel to a peer.
    ///
    /// # Errors
    /// Why there can be none, such as an endpoint that is no address.
    fn dial(&self, org: &OrgId, peer: &Peer) -> Result<Dialled, String>;
}

/// Mutual TLS, bound to the party record held at each connection.
pub struct TlsDial {
    /// Our certificate and the CAs of our peers.
    pub tls: Arc<ClientTls>,
    /// What is known of peers.
    pub directory: Arc<dyn Directory>,
}

impl fmt::Debug for TlsDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDial").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Dial for TlsDial {
    fn dial(&self, org: &OrgId, peer: &Peer) -> Result<Dialled, String> {
        let address: PeerAddress = peer.endpoint.parse().map_err(|error: crate::tls::TlsError| error.to_string())?;
        let (directory, org) = (Arc::clone(&self.directory), org.clone());
        let expectation: Expectation = Arc::new(move || {
            let peer = directory.peer(&org).ok()?;
            Some(Expected { org: org.clone(), spki: peer.spki })
        });
        let (channel, tap) = channel(&address, Arc::clone(&self.tls), expectation).map_err(|error| error.to_string())?;
        Ok(Dialled { channel, why: Arc::new(move || tap.last()) })
    }
}
