//! PEERS: what the link must know of another organisation's gateway, and how we sign.
//!
//! The truth is in the covenants and party records; whoever holds those implements [`Directory`]. It answers from memory and is
//! asked again at every connection and batch, so that a new record, a stop or an ended covenant counts at once.

pub mod agreements;
pub mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schakel_domain::caller::{Caller, Role};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::Refusal;

/// One peer as known at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where its federation door is: `host:port`.
    pub endpoint: String,
    /// SHA-256 of each public key its TLS certificates may have.
    pub spki: Vec<Hash>,
    /// Its Ed25519 signing keys that count now, by key id.
    pub keys: BTreeMap<String, [u8; 32]>,
    /// An operator stopped the traffic: the reason given.
    pub stopped: Option<String>,
}

/// Which life of this gateway's data it is at this moment, from 1: raised whenever recovery from lost data ends.
pub type Incarnation = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What is known of peers.
pub trait Directory: Send + Sync + 'static {
    /// A party, beside us, of a covenant in force, whether stopped or not.
    ///
    /// # Errors
    /// Why nothing may be exchanged with this organisation: `UNKNOWN_PEER`, `COVENANT_BROKEN` and so on. An expired party record is no
    /// reason: it stops new questions and offers, while messages of what is open are judged by the newest record held.
    fn peer(&self, org: &OrgId) -> Result<Peer, Refusal>;

    /// Every organisation for which [`Directory::peer`] has an answer.
    fn peers(&self) -> Vec<OrgId>;
}

/// Signs in the name of this organisation, with the signing key of its party record (never its root or TLS key).
pub trait Signer: Send + Sync + 'static {
    /// The id of the key, as in the party record.
    fn key_id(&self) -> String;

    /// An Ed25519 signature, 64 bytes.
    fn sign(&self, statement: &[u8]) -> Vec<u8>;

    /// The public key of ours with this id: the one we sign with, or another of our newest party record.
    fn own_key(&self, key_id: &str) -> Option<[u8; 32]>;
}

/// The caller that stands for a peer's gateway.
#[must_use]
pub fn caller(org: OrgId, spki: Option<Hash>) -> Caller {
    Caller {
        organization: org,
        person: None,
        client: "gateway".to_owned(),
        roles: BTreeSet::from([Role::Peer]),
        two_factor: false,
        spki,
        door: "federation",
    }
}
