//! What a gateway answers: cases, consultations and handovers as one organisation knows them at one moment.
//!
//! Every view of a case, consultation or handover says who is responsible now and whom to call: [`Responsibility`].

mod agreement;
mod care;
mod erasure;
mod log;
mod operation;

use std::collections::BTreeSet;

pub use self::agreement::{AgreementAnswer, CheckView, CovenantState, CovenantView, DutyView};
pub use self::care::{
    Answer, CandidateView, CaseView, ConsultationState, ConsultationView, Direction, Facts, HandoverState, HandoverView, ProofView,
    ProvenMessage, Standing,
};
pub use self::erasure::{ErasureView, ErasureWishes, PeerAnswer, PeerErasureView};
pub use self::log::{LogAnswer, LogCheck, LogEntryView, LogFile, LogVerdict};
pub use self::operation::{AdapterView, MessageState, MessageView, OperationsAnswer, PeerState, PeerView};
use crate::id::OrgId;

/// Who is responsible now, as far as this organisation can know, and whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responsibility {
    /// Who leads; absent while the token is in flight or unknown.
    pub lead: Option<OrgId>,
    /// Who must act if something happens; never empty for an open case we take part in.
    pub responsible: BTreeSet<OrgId>,
    /// The same in one Dutch sentence, with names.
    pub sentence_nl: String,
    /// The same in one English sentence.
    pub sentence_en: String,
    /// Whom to call about it.
    pub call: Option<Call>,
}

/// A telephone number that is always part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Organisation.
    pub organization: OrgId,
    /// Its name.
    pub name: String,
    /// What the line is for, such as `crisisdienst 24 uur`.
    pub line: String,
    /// E.164 number.
    pub telephone: String,
}
