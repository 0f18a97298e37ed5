//! What is known of the erasure of a case: who asked, who decided, and what other organisations answered.

use jiff::Timestamp;

use crate::erasure::Ground;
use crate::id::{CaseId, OrgId};
use crate::person::PersonId;

/// Who wants a case erased, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErasureWishes {
    /// A colleague asked for it: when, on what ground, who.
    pub asked: Option<(Timestamp, Ground, PersonId)>,
    /// It is held until.
    pub held_until: Option<Timestamp>,
    /// Organisations that erased theirs and ask it of us: when, on what ground, and when people here said that it stays.
    pub peers: Vec<(OrgId, Timestamp, Ground, Option<Timestamp>)>,
}

/// What is left of a case that was erased. No personal data of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureView {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// On what ground.
    pub ground: Ground,
    /// Who asked for it.
    pub asked_by: PersonId,
    /// Who decided it.
    pub erased_by: PersonId,
    /// The log entry about it.
    pub entry: Option<u64>,
    /// The organisations that had part in the case, and what they say.
    pub peers: Vec<PeerErasureView>,
}

/// What an organisation says of its own copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerErasureView {
    /// Which organisation.
    pub org: OrgId,
    /// When its gateway took in our request.
    pub delivered: Option<Timestamp>,
    /// The reason code with which its gateway refused it: telephone.
    pub refused: Option<String>,
    /// What its people decided.
    pub answer: Option<PeerAnswer>,
}

/// What the people of another organisation decided about their copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum PeerAnswer {
    /// They erased it.
    Erased {
        /// When we heard.
        at: Timestamp,
    },
    /// They keep it.
    Kept {
        /// When we heard.
        at: Timestamp,
        /// Held until at least.
        until: Option<Timestamp>,
    },
}
