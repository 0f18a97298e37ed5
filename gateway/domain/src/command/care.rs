//! What may be asked about care: writes by people, and reads, which are logged before they are answered.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::caller::Act;
use crate::command::{PageOf, Seen};
use crate::custody::DeclineCode;
use crate::dossier::{Dossier, Severity};
use crate::erasure::Ground;
use crate::field::Field;
use crate::id::{CaseId, ConsultationId, OfferId, OrgId};
use crate::person::{Actor, TwoPeople};

/// Writes of care.
#[derive(Clone, PartialEq, Eq)]
pub enum CareAct {
    /// Opens a case; we lead.
    OpenCase {
        /// What is known.
        dossier: Box<Dossier>,
    },
    /// Replaces the dossier of a case we lead.
    AmendCase {
        /// The case.
        case: Seen<CaseId>,
        /// What is known now, whole.
        dossier: Box<Dossier>,
    },
    /// Closes a case we lead.
    CloseCase {
        /// The case.
        case: Seen<CaseId>,
        /// Why, in words.
        reason: String,
    },
    /// Asks other organisations' expertise.
    Ask(Ask),
    /// Says yes to a question: a bid until the requester confirms.
    AcceptConsultation {
        /// The question.
        consultation: Seen<ConsultationId>,
        /// When help is there or on the telephone.
        available: Option<Timestamp>,
        /// Note to the requester.
        note: String,
    },
    /// Says no to a question.
    DeclineConsultation {
        /// The question.
        consultation: Seen<ConsultationId>,
        /// Why.
        code: DeclineCode,
        /// Note to the requester.
        note: String,
    },
    /// Answers a question that was confirmed to us.
    Advise {
        /// The question.
        consultation: Seen<ConsultationId>,
        /// The advice.
        text: String,
    },
    /// Takes an own question back.
    CancelConsultation {
        /// The question.
        consultation: Seen<ConsultationId>,
        /// Why.
        reason: String,
    },
    /// Ends an own question that was answered.
    CloseConsultation {
        /// The question.
        consultation: Seen<ConsultationId>,
    },
    /// Offers to hand a case over.
    Offer(Offer),
    /// Accepts an offer, having read it.
    AcceptHandover {
        /// The offer.
        handover: Seen<OfferId>,
        /// Each key point in own words, in their order.
        read_back: Vec<String>,
        /// What happens first.
        first_action: String,
        /// And when.
        first_action_at: Option<Timestamp>,
    },
    /// Declines an offer.
    DeclineHandover {
        /// The offer.
        handover: Seen<OfferId>,
        /// Why.
        code: DeclineCode,
        /// Note to the sender.
        note: String,
    },
    /// Takes an own offer back, before the transfer.
    WithdrawHandover {
        /// The offer.
        handover: Seen<OfferId>,
        /// Why.
        reason: String,
    },
    /// Frees a place that was reserved by accepting.
    ReleasePledge {
        /// The offer.
        handover: Seen<OfferId>,
        /// Why, as told to the sender.
        code: DeclineCode,
        /// The two people.
        people: TwoPeople,
    },
    /// Asks to erase a case that is closed here: another person decides.
    AskErasure {
        /// The case.
        case: Seen<CaseId>,
        /// On what ground.
        ground: Ground,
        /// Who asked, how, and when; erased with the case.
        reason: String,
    },
    /// Says no to whoever wants it erased, here or at a peer, and holds it until a moment, or no longer.
    KeepCase {
        /// The case.
        case: Seen<CaseId>,
        /// Held until; absent: not held.
        until: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Erases a case for which another person asked it. Nothing brings it back.
    EraseCase {
        /// The case.
        case: Seen<CaseId>,
    },
    /// Takes the lead back while the transfer is in flight.
    ForceReclaim {
        /// The case.
        case: Seen<CaseId>,
        /// The two people and their call.
        people: TwoPeople,
    },
    /// Steps back at the contested side, after a call with the lead.
    ResolveContested {
        /// The case.
        case: Seen<CaseId>,
        /// The two people and their call.
        people: TwoPeople,
    },
}

/// A question for expertise.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// About whom.
    pub about: About,
    /// The service asked for, as named in the covenant.
    pub service: String,
    /// Urgency code of the covenant.
    pub urgency: String,
    /// What is asked.
    pub question: String,
    /// Whom to ask; empty: the covenant's order.
    pub candidates: Vec<OrgId>,
    /// Ask all at once instead of in sequence; absent: as the covenant says.
    pub fan_out: Option<bool>,
    /// Protected fields this receiver needs.
    pub needed: BTreeSet<Field>,
    /// The anonymous consultation this one continues by name.
    pub continues: Option<ConsultationId>,
}

/// About whom a question is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A case of ours.
    Case(CaseId),
    /// Nobody in particular: no identity exists in the message.
    Nobody {
        /// Age in whole years.
        age: Option<u8>,
        /// CBS municipality code.
        municipality: Option<String>,
        /// Severity.
        severity: Option<Severity>,
        /// The sender has seen what the scan found in the text and sends it all the same.
        scanned: bool,
    },
}

/// An offer to hand a case over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The case.
    pub case: Seen<CaseId>,
    /// To whom; absent: the first of the covenant's order.
    pub to: Option<OrgId>,
    /// The service asked for.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// Protected fields this receiver needs.
    pub needed: BTreeSet<Field>,
    /// The consultation it grew out of.
    pub consultation: Option<ConsultationId>,
}

/// Reads of care data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAct {
    /// Who reads: required by NEN 7513.
    pub actor: Actor,
    /// As [`Write::within`].
    pub within: Option<CaseId>,
    /// What.
    pub what: Read,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// One case; `full` shows the dossier and is logged as a look.
    Case {
        /// The case.
        id: CaseId,
        /// With dossier.
        full: bool,
    },
    /// Cases, a page, without identity.
    Cases(PageOf),
    /// Cases by their telephone label.
    CaseByLabel(crate::id::Label),
    /// One consultation.
    Consultation {
        /// The consultation.
        id: ConsultationId,
        /// With question, dossier and advice.
        full: bool,
    },
    /// Consultations, a page.
    Consultations(PageOf),
    /// One handover.
    Handover {
        /// The offer.
        id: OfferId,
        /// With dossier and read-back.
        full: bool,
    },
    /// Handovers of one case, or all when absent; a page.
    Handovers {
        /// Only of this case.
        case: Option<CaseId>,
        /// The page.
        page: PageOf,
    },
    /// The signed messages that prove a handover.
    Proof(OfferId),
    /// What is known of a case that was erased: when, why, and what peers say.
    Erasure(CaseId),
}

impl CareAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            CareAct::OpenCase { .. } => Act::OpenCase,
            CareAct::AmendCase { .. } => Act::AmendCase,
            CareAct::CloseCase { .. } => Act::CloseCase,
            CareAct::AskErasure { .. } => Act::AskErasure,
            CareAct::KeepCase { .. } => Act::KeepCase,
            CareAct::EraseCase { .. } => Act::EraseCase,
            CareAct::Ask(_) => Act::Ask,
            CareAct::AcceptConsultation { .. } => Act::AcceptConsultation,
            CareAct::DeclineConsultation { .. } => Act::DeclineConsultation,
            CareAct::Advise { .. } => Act::Advise,
            CareAct::CancelConsultation { .. } => Act::CancelConsultation,
            CareAct::CloseConsultation { .. } => Act::CloseConsultation,
            CareAct::Offer(_) => Act::Offer,
            CareAct::AcceptHandover { .. } => Act::AcceptHandover,
            CareAct::DeclineHandover { .. } => Act::DeclineHandover,
            CareAct::WithdrawHandover { .. } => Act::WithdrawHandover,
            CareAct::ReleasePledge { .. } => Act::ReleasePledge,
            CareAct::ForceReclaim { .. } => Act::ForceReclaim,
            CareAct::ResolveContested { .. } => Act::ResolveContested,
        }
    }
}

impl Read {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            Read::Case { .. } => Act::ReadCase,
            Read::Cases(_) | Read::CaseByLabel(_) => Act::ListCases,
            Read::Consultation { .. } => Act::ReadConsultation,
            Read::Consultations(_) => Act::ListConsultations,
            Read::Handover { .. } => Act::ReadHandover,
            Read::Handovers { .. } => Act::ListHandovers,
            Read::Proof(_) => Act::ReadProof,
            Read::Erasure(_) => Act::ReadErasure,
        }
    }
}

impl CareAct {
    pub(super) fn about(&self) -> Option<(&'static str, String)> {
        match self {
            CareAct::OpenCase { .. } => None,
            CareAct::AmendCase { case, .. }
            | CareAct::CloseCase { case, .. }
            | CareAct::AskErasure { case, .. }
            | CareAct::KeepCase { case, .. }
            | CareAct::EraseCase { case }
            | CareAct::ForceReclaim { case, .. }
            | CareAct::ResolveContested { case, .. } => Some(("case", case.id.to_string())),
            CareAct::Ask(ask) => match &ask.about {
                About::Case(case) => Some(("case", case.to_string())),
                About::Nobody { .. } => None,
            },
            CareAct::Offer(offer) => Some(("case", offer.case.id.to_string())),
            CareAct::AcceptConsultation { consultation, .. }
            | CareAct::DeclineConsultation { consultation, .. }
            | CareAct::Advise { consultation, .. }
            | CareAct::CancelConsultation { consultation, .. }
            | CareAct::CloseConsultation { consultation } => Some(("consultation", consultation.id.to_string())),
            CareAct::AcceptHandover { handover, .. }
            | CareAct::DeclineHandover { handover, .. }
            | CareAct::WithdrawHandover { handover, .. }
            | CareAct::ReleasePledge { handover, .. } => Some(("handover", handover.id.to_string())),
        }
    }
}

impl Read {
    pub(super) fn about(&self) -> Option<(&'static str, String)> {
        match self {
            Read::Case { id, .. } | Read::Erasure(id) => Some(("case", id.to_string())),
            Read::Consultation { id, .. } => Some(("consultation", id.to_string())),
            Read::Handover { id, .. } | Read::Proof(id) => Some(("handover", id.to_string())),
            Read::Handovers { case, .. } => case.map(|case| ("case", case.to_string())),
            Read::Cases(_) | Read::CaseByLabel(_) | Read::Consultations(_) => None,
        }
    }
}

/// Which one it is, and nothing of what is said in it.
impl std::fmt::Debug for CareAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.act().name())
    }
}

crate::shows_its_name!(Ask);
