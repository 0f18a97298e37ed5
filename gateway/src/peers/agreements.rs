//! What gateways show each other of covenants and party records. Both kinds of document prove themselves; whoever holds them judges
//! what is offered, and installs it or refuses it as a command of that peer.

use futures_util::future::BoxFuture;
use schakel_domain::caller::Caller;
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::Refusal;

/// Most covenants, and most party records, that are listed.
pub const MAX_HELD: usize = 1_000;
/// Most bytes of one document.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// A covenant version that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCovenant {
    /// Id.
    pub id: String,
    /// Version.
    pub version: u32,
    /// SHA-256 of the canonical document.
    pub hash: Hash,
    /// SHA-256 of the bundle with its signatures; equal bundles have equal bytes.
    pub bundle: Hash,
}

/// A party record that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// Whose.
    pub org: OrgId,
    /// Its number.
    pub number: u64,
}

/// What is held: enough to see what either side lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// Covenants of which the peer is a party.
    pub covenants: Vec<HeldCovenant>,
    /// Party records of organisations with which the peer shares a covenant.
    pub records: Vec<HeldRecord>,
}

/// A document as offered by a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A covenant bundle.
    Covenant(Vec<u8>),
    /// A signed party record.
    PartyRecord(Vec<u8>),
}

/// Covenants and party records, as a peer may see and offer them.
pub trait Agreements: Send + Sync + 'static {
    /// What we hold that this peer may see; at most [`MAX_HELD`] of each.
    fn held<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Held, Refusal>>;

    /// The bundle of a covenant version; `NOT_FOUND` also when this peer may not see it.
    fn covenant<'a>(&'a self, peer: &'a OrgId, id: &'a str, version: u32) -> BoxFuture<'a, Result<Vec<u8>, Refusal>>;

    /// A signed party record; `NOT_FOUND` also when this peer may not see it.
    fn party_record<'a>(&'a self, peer: &'a OrgId, org: &'a OrgId) -> BoxFuture<'a, Result<Vec<u8>, Refusal>>;

    /// Judges a document a peer handed over, or that we fetched there; durable when it returns. True when it was new here.
    fn offered<'a>(&'a self, caller: &'a Caller, document: Document) -> BoxFuture<'a, Result<bool, Refusal>>;
}
