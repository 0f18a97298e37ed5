//! Everything one may ask of a gateway: the doors make a [`Command`] of what came in, the desk executes it.
//!
//! A command is already parsed: ids, bounds and formats are right. Whether it is allowed and possible is the desk's to say.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::caller::Act;
use crate::custody::DeclineCode;
use crate::dossier::{Dossier, Severity};
use crate::field::Field;
use crate::id::{CaseId, ConsultationId, MessageId, OfferId, OrgId, RequestId};
use crate::person::{Actor, TwoPeople};

/// A write: the caller's own key makes it one effect, the actor answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write<T> {
    /// The caller's own key.
    pub request: RequestId,
    /// SHA-256 of the canonical request, to tell a repetition from a reuse of the key.
    pub body: crate::id::Hash,
    /// The person who answers for it.
    pub actor: Actor,
    /// The case in whose name the thing was named; none when it was named alone. Under another case it does not exist.
    pub within: Option<CaseId>,
    /// What is asked.
    pub act: T,
}

/// A write to something that exists: refused when it changed since the caller read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<T> {
    /// The thing.
    pub id: T,
    /// Its version as read; a door turns the etag into this.
    pub version: u64,
}

/// One thing asked of the desk about care. What operators do is an [`Operation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A write by a person, or by a system on a person's behalf.
    Care(Write<CareAct>),
    /// A read of care data; it is logged before it is answered.
    Read(ReadAct),
}

/// Writes of care.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf {
    /// Only what still asks for attention.
    pub open_only: bool,
    /// After this id; empty: from the start.
    pub after: String,
    /// 1 to 200.
    pub size: u32,
}

/// Writes by an operator: they need no etag, name their person by the login, and never touch care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperateAct {
    /// Sends a waiting message now.
    Retry {
        /// Receiver.
        peer: OrgId,
    },
    /// Takes back an offer or question that was not delivered, by the protocol's own withdraw or cancel.
    Cancel {
        /// The message.
        message: MessageId,
        /// Why.
        reason: String,
    },
    /// Sends a parked message again as a new one; it is judged by the state of that moment.
    Replay {
        /// The message.
        message: MessageId,
    },
    /// Stops traffic with a peer.
    Stop {
        /// The peer.
        peer: OrgId,
        /// Why; shown to staff.
        reason: String,
    },
    /// Resumes it.
    Resume {
        /// The peer.
        peer: OrgId,
    },
    /// Declares that what this gateway lost was made good: it decides again.
    EndRecovery {
        /// What was done; no client's data.
        reason: String,
        /// Who confirms it: another person than the operator.
        second: Actor,
    },
}

impl CareAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            CareAct::OpenCase { .. } => Act::OpenCase,
            CareAct::AmendCase { .. } => Act::AmendCase,
            CareAct::CloseCase { .. } => Act::CloseCase,
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
        }
    }
}

impl OperateAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            OperateAct::Retry { .. } => Act::RetryMessage,
            OperateAct::Cancel { .. } => Act::CancelMessage,
            OperateAct::Replay { .. } => Act::ReplayMessage,
            OperateAct::Stop { .. } => Act::StopPeer,
            OperateAct::Resume { .. } => Act::ResumePeer,
            OperateAct::EndRecovery { .. } => Act::EndRecovery,
        }
    }
}

impl Command {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            Command::Care(write) => write.act.act(),
            Command::Read(read) => read.what.act(),
        }
    }
}

impl Command {
    /// The person who answers for it.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        match self {
            Command::Care(write) => &write.actor,
            Command::Read(read) => &read.actor,
        }
    }

    /// The case in whose name the thing was named.
    #[must_use]
    pub fn within(&self) -> Option<CaseId> {
        match self {
            Command::Care(write) => write.within,
            Command::Read(read) => read.within,
        }
    }

    /// The one thing it is about, for the log: its kind and id.
    #[must_use]
    pub fn about(&self) -> Option<(&'static str, String)> {
        match self {
            Command::Care(write) => write.act.about(),
            Command::Read(read) => read.what.about(),
        }
    }
}

impl CareAct {
    fn about(&self) -> Option<(&'static str, String)> {
        match self {
            CareAct::OpenCase { .. } => None,
            CareAct::AmendCase { case, .. }
            | CareAct::CloseCase { case, .. }
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
    fn about(&self) -> Option<(&'static str, String)> {
        match self {
            Read::Case { id, .. } => Some(("case", id.to_string())),
            Read::Consultation { id, .. } => Some(("consultation", id.to_string())),
            Read::Handover { id, .. } | Read::Proof(id) => Some(("handover", id.to_string())),
            Read::Handovers { case, .. } => case.map(|case| ("case", case.to_string())),
            Read::Cases(_) | Read::CaseByLabel(_) | Read::Consultations(_) => None,
        }
    }
}

/// An operator's write with the key that makes it one effect, and the person who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The caller's own key.
    pub request: RequestId,
    /// SHA-256 of the canonical request.
    pub body: crate::id::Hash,
    /// The operator, by the login.
    pub person: crate::person::PersonId,
    /// What is asked.
    pub act: OperateAct,
}

/// What an operator reads; no care content, no identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationsRead {
    /// Peers, a page by organisation id.
    Peers(PageOf),
    /// Messages to one peer in one state, a page by number.
    Messages {
        /// Receiver.
        peer: OrgId,
        /// State.
        state: crate::view::MessageState,
        /// After this number; 0: from the start.
        after: u64,
        /// 1 to 200.
        size: u32,
    },
    /// Adapters, a page by name.
    Adapters(PageOf),
}

impl OperationsRead {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            OperationsRead::Peers(_) => Act::ReadPeers,
            OperationsRead::Messages { .. } => Act::ReadOutbox,
            OperationsRead::Adapters(_) => Act::ReadAdapters,
        }
    }
}

/// What an auditor asks of the log. Each is itself in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAct {
    /// Entries in order, a page.
    Entries {
        /// From this index on.
        from: u64,
        /// 1 to 200.
        size: u32,
        /// Only of this case.
        case: Option<CaseId>,
        /// Only from this moment on.
        since: Option<Timestamp>,
        /// Only before this moment.
        before: Option<Timestamp>,
    },
    /// One entry.
    Entry(u64),
    /// The newest signed checkpoint.
    Checkpoint,
    /// That an entry is in the log of this size; absent: as the newest checkpoint.
    Inclusion {
        /// The entry.
        index: u64,
        /// Size of the log.
        size: Option<u64>,
    },
    /// That a larger log extends a smaller one.
    Consistency {
        /// Size of the smaller, from 1.
        from: u64,
        /// Size of the larger; absent: as the newest checkpoint.
        to: Option<u64>,
    },
}

impl LogAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            LogAct::Entries { .. } | LogAct::Entry(_) | LogAct::Checkpoint => Act::ReadLog,
            LogAct::Inclusion { .. } | LogAct::Consistency { .. } => Act::VerifyLog,
        }
    }
}

/// What is asked about agreements, and the telephone lines that stand in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgreementAct {
    /// Versions of covenants, a page by `covenant/version`.
    List(PageOf),
    /// One version with its signed document; absent version: the one in force.
    Show {
        /// Id of the covenant.
        covenant: String,
        /// Version.
        version: Option<u32>,
    },
    /// Whether one party may ask another something now.
    Check(CovenantQuestion),
    /// What one organisation may ask and must answer, in plain words.
    Explain {
        /// Id of the covenant.
        covenant: String,
        /// Version; absent: the one in force.
        version: Option<u32>,
        /// Organisation; absent: our own.
        organization: Option<OrgId>,
        /// Language.
        lang: crate::refusal::Lang,
    },
    /// Who can be called at an organisation.
    Duty(OrgId),
    /// Installs a covenant version, or signatures of one.
    InstallCovenant {
        /// The caller's own key.
        request: RequestId,
        /// SHA-256 of the canonical request.
        body: crate::id::Hash,
        /// JSON bundle of document and signatures.
        bundle: Vec<u8>,
    },
    /// Installs a party record.
    InstallPartyRecord {
        /// The caller's own key.
        request: RequestId,
        /// SHA-256 of the canonical request.
        body: crate::id::Hash,
        /// The signed record, as JSON.
        record: String,
    },
}

/// May `from` ask `to` this? What is not given is not judged. Names and codes are as typed: the covenant knows which exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CovenantQuestion {
    /// Who asks.
    pub from: OrgId,
    /// Who is asked.
    pub to: OrgId,
    /// `consult`, `consult-anonymous`, `handover` or `figures`.
    pub act: &'static str,
    /// Service.
    pub service: Option<String>,
    /// Age in whole years.
    pub age: Option<u8>,
    /// CBS municipality code.
    pub municipality: Option<String>,
    /// Urgency code.
    pub urgency: Option<String>,
}

impl AgreementAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            AgreementAct::List(_) | AgreementAct::Show { .. } | AgreementAct::Explain { .. } => Act::ReadCovenant,
            AgreementAct::Check(_) => Act::CheckCovenant,
            AgreementAct::Duty(_) => Act::ReadDuty,
            AgreementAct::InstallCovenant { .. } => Act::InstallCovenant,
            AgreementAct::InstallPartyRecord { .. } => Act::InstallPartyRecord,
        }
    }
}
