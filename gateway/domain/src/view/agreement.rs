//! What is answered about covenants, permissions and telephone lines.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::id::OrgId;
use crate::view::Call;

/// Where a version of a covenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CovenantState {
    /// Waits for signatures.
    Pending,
    /// Signed; its time has not come.
    Signed,
    /// In force.
    InForce,
    /// Over, or succeeded.
    Ended,
    /// Unreadable or altered: it denies.
    Broken,
}

/// A version of a covenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CovenantView {
    /// Id of the covenant.
    pub id: String,
    /// Version.
    pub version: u32,
    /// SHA-256 of the canonical document.
    pub hash: crate::id::Hash,
    /// Title.
    pub title: String,
    /// Where it stands.
    pub state: CovenantState,
    /// First moment.
    pub begins: Option<Timestamp>,
    /// Last moment.
    pub ends: Option<Timestamp>,
    /// Parties: id, name, whether it signed.
    pub parties: Vec<(OrgId, String, bool)>,
    /// Why it is broken.
    pub problem: Option<String>,
    /// The signed document, when one version was asked for.
    pub bundle: Vec<u8>,
}

/// Allow or deny, with the clause and one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// Why not; absent: allowed.
    pub denied: Option<crate::refusal::Reason>,
    /// The clause that decided.
    pub clause: Option<String>,
    /// The version that decided: id and version.
    pub covenant: Option<(String, u32)>,
    /// The sentence, Dutch.
    pub sentence_nl: String,
    /// The sentence, English.
    pub sentence_en: String,
    /// Fields that may travel.
    pub fields: BTreeSet<crate::field::Field>,
    /// Fields that travel only when needed.
    pub protected: BTreeSet<crate::field::Field>,
    /// Each candidate answers within this time.
    pub response_target: Option<jiff::SignedDuration>,
    /// Who may be asked, first one first.
    pub candidates: Vec<OrgId>,
}

/// Who can be called at an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyView {
    /// Organisation.
    pub organization: OrgId,
    /// Its name.
    pub name: String,
    /// Lines, the one to try first on top.
    pub lines: Vec<Call>,
    /// End of the party record they come from; absent: they come from the covenant.
    pub expires: Option<Timestamp>,
}

/// What agreements answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgreementAnswer {
    /// Versions, and `covenant/version` after which the next page starts.
    Covenants(Vec<CovenantView>, Option<String>),
    /// One version, with its bundle.
    Covenant(Box<CovenantView>),
    /// Allow or deny.
    Checked(Box<CheckView>),
    /// Plain words.
    Explained(String),
    /// Whom to call.
    Duty(DutyView),
    /// A covenant version is held now.
    CovenantInstalled {
        /// Id of the covenant.
        id: String,
        /// Version.
        version: u32,
        /// It, or a signature of it, was not held before.
        is_new: bool,
        /// Parties that have not signed yet.
        unsigned: Vec<OrgId>,
    },
    /// A party record is held now.
    PartyRecordInstalled {
        /// Organisation.
        organization: OrgId,
        /// Number of the record now held.
        number: u64,
        /// It was not held before.
        is_new: bool,
    },
}
