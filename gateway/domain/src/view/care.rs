//! Cases, consultations and handovers as one organisation knows them at one moment.

use jiff::Timestamp;

use crate::custody::DeclineCode;
use crate::dossier::{Dossier, Finding};
use crate::id::{CaseId, ConsultationId, Label, OfferId, OrgId};
use crate::person::Actor;
use crate::view::{Call, ErasureView, ErasureWishes, Responsibility};

/// Where this organisation stands in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Neither leads nor is responsible.
    Outside,
    /// Leads.
    Lead,
    /// Leads and has an offer open.
    Offering,
    /// The token is under way; still responsible.
    Transferring,
    /// Another organisation reclaimed the lead; responsible until two people resolve it.
    Contested,
    /// Closed here.
    Closed,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseView {
    /// Id.
    pub id: CaseId,
    /// Name for the telephone.
    pub label: Label,
    /// Version, for the etag.
    pub version: u64,
    /// Where we stand.
    pub standing: Standing,
    /// Who is responsible now.
    pub responsibility: Responsibility,
    /// When it was opened or first arrived here.
    pub opened: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// How many organisations led it before the present lead.
    pub hops: u32,
    /// Custody epoch as `counter.step`, for people who compare screens.
    pub epoch: String,
    /// The offer that is open or in transfer.
    pub open_handover: Option<OfferId>,
    /// All handovers we know of.
    pub handovers: Vec<OfferId>,
    /// All consultations we know of.
    pub consultations: Vec<ConsultationId>,
    /// What stands about its erasure.
    pub erasure: ErasureWishes,
    /// The dossier, in a full view.
    pub dossier: Option<Box<Dossier>>,
}

/// Which side of an exchange we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We asked or offered.
    Outgoing,
    /// It was asked of us or offered to us.
    Incoming,
}

/// Where a handover stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandoverState {
    /// Offered; no answer.
    Offered,
    /// Accepted by a person at the receiver; the place is reserved, the sender still leads.
    Accepted,
    /// The token is under way.
    Transferring,
    /// The receiver leads.
    Completed,
    /// Declined, with a code.
    Declined,
    /// Taken back.
    Withdrawn,
    /// The reserved place was released before the token arrived.
    Released,
    /// The token was refused or reclaimed; the sender leads.
    Returned,
}

/// Sent, delivered, seen, accepted: separate facts, each with its moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Committed at the sender.
    pub sent: Option<Timestamp>,
    /// Durable at the receiver.
    pub delivered: Option<Timestamp>,
    /// Opened by a person at the receiver.
    pub seen: Option<Timestamp>,
    /// Accepted by a person at the receiver.
    pub accepted: Option<Timestamp>,
    /// The token left.
    pub transferred: Option<Timestamp>,
    /// The receipt arrived, or was given: responsibility moved.
    pub received: Option<Timestamp>,
    /// Why it is not delivered yet, for people.
    pub waiting: Option<String>,
}

/// A handover.
#[derive(Clone, PartialEq, Eq)]
pub struct HandoverView {
    /// Id.
    pub id: OfferId,
    /// The case.
    pub case: CaseId,
    /// Name for the telephone.
    pub label: Label,
    /// Version, for the etag.
    pub version: u64,
    /// Our side.
    pub direction: Direction,
    /// From whom.
    pub from: OrgId,
    /// To whom.
    pub to: OrgId,
    /// Where it stands.
    pub state: HandoverState,
    /// The separate facts.
    pub facts: Facts,
    /// Service asked for.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// Answer wanted before.
    pub respond_by: Timestamp,
    /// The clause it is made under.
    pub clause: String,
    /// The covenant's sentence, Dutch.
    pub sentence_nl: String,
    /// The covenant's sentence, English.
    pub sentence_en: String,
    /// How many organisations led this case before.
    pub hops: u32,
    /// The case comes back to an organisation that led it before.
    pub is_return: bool,
    /// Why it was declined or released.
    pub decline: Option<(DeclineCode, String)>,
    /// Who offered.
    pub offered_by: Option<Actor>,
    /// Who accepted.
    pub accepted_by: Option<Actor>,
    /// First action of the receiver.
    pub first_action: String,
    /// And when.
    pub first_action_at: Option<Timestamp>,
    /// Number of key points to read back.
    pub key_points: u32,
    /// The read-back, in a full view.
    pub read_back: Vec<String>,
    /// SHA-256 of the package's bytes.
    pub content: crate::id::Hash,
    /// The dossier as it travels, in a full view.
    pub dossier: Option<Box<Dossier>>,
    /// Who is next in the covenant's order when this one says no or nothing.
    pub next: Option<OrgId>,
    /// Who is responsible now.
    pub responsibility: Responsibility,
}

/// Where a consultation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConsultationState {
    /// Requester: waiting for a yes. Candidate: waiting for a person.
    Asked,
    /// Candidate: said yes, not confirmed yet.
    Bid,
    /// One candidate is confirmed.
    Assigned,
    /// Advice was given.
    Advised,
    /// Nobody said yes in time: call the named telephone.
    Escalated,
    /// Taken back by the requester.
    Cancelled,
    /// Candidate: said no.
    Declined,
    /// Candidate: not needed any more.
    Released,
    /// Ended by the requester.
    Closed,
}

/// One candidate, at the requester.
#[derive(Clone, PartialEq, Eq)]
pub struct CandidateView {
    /// Organisation.
    pub organization: OrgId,
    /// `waiting`, `asked`, `bid`, `declined`, `silent`, `confirmed`, `released`, `late`.
    pub state: String,
    /// Answer wanted before.
    pub due: Option<Timestamp>,
    /// When help is there.
    pub available: Option<Timestamp>,
    /// Who comes or calls.
    pub by: Option<Actor>,
    /// Why not.
    pub decline: Option<DeclineCode>,
    /// Note.
    pub note: String,
    /// The separate facts of the question to this candidate.
    pub facts: Facts,
    /// Whom to call there.
    pub call: Option<Call>,
}

/// A consultation.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsultationView {
    /// Id.
    pub id: ConsultationId,
    /// The case; absent when anonymous.
    pub case: Option<CaseId>,
    /// Version, for the etag.
    pub version: u64,
    /// Our side.
    pub direction: Direction,
    /// Who asks.
    pub from: OrgId,
    /// Where it stands.
    pub state: ConsultationState,
    /// Whether no identity exists in it.
    pub anonymous: bool,
    /// Service asked for.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// Answer wanted before (candidate) or escalated at (requester).
    pub deadline: Timestamp,
    /// The clause.
    pub clause: String,
    /// The covenant's sentence, Dutch.
    pub sentence_nl: String,
    /// The covenant's sentence, English.
    pub sentence_en: String,
    /// Candidates, at the requester.
    pub candidates: Vec<CandidateView>,
    /// Whom to call when nobody answers.
    pub escalation: Option<Call>,
    /// What the scan of the free text found, at the requester.
    pub findings: Vec<Finding>,
    /// The question, in a full view.
    pub question: Option<String>,
    /// The dossier as it travels, in a full view.
    pub dossier: Option<Box<Dossier>>,
    /// Advice, in a full view.
    pub advice: Vec<String>,
    /// Continues this anonymous consultation.
    pub continues: Option<ConsultationId>,
    /// Who is responsible for the case now: asking never moves it.
    pub responsibility: Responsibility,
}

/// The signed messages that prove a handover, as kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofView {
    /// The offer.
    pub handover: OfferId,
    /// Offer, accept, transfer, receipt, … in order of commit: the bytes as signed and their proof.
    pub messages: Vec<ProvenMessage>,
}

/// One message with what proves it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenMessage {
    /// Kind, as [`crate::message::Body::kind`].
    pub kind: String,
    /// The exact bytes of the message.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub hash: crate::id::Hash,
    /// Encoded `schakel.type.v1.MessageProof`; absent while one of ours is not delivered.
    pub proof: Option<Vec<u8>>,
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A case.
    Case(Box<CaseView>),
    /// Cases, and the id after which the next page starts.
    Cases(Vec<CaseView>, Option<String>),
    /// A consultation.
    Consultation(Box<ConsultationView>),
    /// Consultations.
    Consultations(Vec<ConsultationView>, Option<String>),
    /// A handover.
    Handover(Box<HandoverView>),
    /// Handovers.
    Handovers(Vec<HandoverView>, Option<String>),
    /// A proof.
    Proof(ProofView),
    /// What is left of an erased case.
    Erasure(Box<ErasureView>),
    /// Nothing to show.
    Done,
}

crate::shows_its_name!(HandoverView, CandidateView, ConsultationView);
