//! A directory in memory, for simulation and tests.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::{Directory, Peer};

/// Peers as told.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    peers: RwLock<BTreeMap<OrgId, Peer>>,
}

impl MemoryDirectory {
    /// A directory that knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a peer.
    pub fn put(&self, org: OrgId, peer: Peer) {
        self.peers.write().unwrap_or_else(PoisonError::into_inner).insert(org, peer);
    }

    /// Forgets a peer, as when the covenant ends.
    pub fn remove(&self, org: &OrgId) {
        self.peers.write().unwrap_or_else(PoisonError::into_inner).remove(org);
    }

    /// Stops the traffic with a peer, or resumes it.
    pub fn stop(&self, org: &OrgId, reason: Option<&str>) {
        if let Some(peer) = self.peers.write().unwrap_or_else(PoisonError::into_inner).get_mut(org) {
            peer.stopped = reason.map(str::to_owned);
        }
    }
}

impl Directory for MemoryDirectory {
    fn peer(&self, org: &OrgId) -> Result<Peer, Refusal> {
        let known = self.peers.read().unwrap_or_else(PoisonError::into_inner).get(org).cloned();
        known.ok_or_else(|| Refusal::new(Stage::Covenant, Reason::UnknownPeer))
    }

    fn peers(&self) -> Vec<OrgId> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
