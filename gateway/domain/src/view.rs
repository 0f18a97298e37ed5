//! What a gateway answers: cases, consultations and handovers as one organisation knows them at one moment.
//!
//! Every view of a case, consultation or handover says who is responsible now and whom to call: [`Responsibility`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::custody::DeclineCode;
use crate::dossier::{Dossier, Finding};
use crate::id::{CaseId, ConsultationId, Label, OfferId, OrgId};
use crate::person::Actor;
use crate::refusal::Refusal;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Nothing to show.
    Done,
}

/// Where an outgoing message stands, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// To be sent.
    Waiting,
    /// Durably stored by the peer.
    Delivered,
    /// The peer cannot accept it.
    Parked,
    /// Taken back before it was delivered.
    Cancelled,
}

/// A message in the outbox, for operators: no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: crate::id::MessageId,
    /// Receiver.
    pub peer: OrgId,
    /// Kind, as [`crate::message::Body::kind`].
    pub kind: String,
    /// Where it stands.
    pub state: MessageState,
    /// Reason code, for parked and cancelled.
    pub reason: Option<String>,
    /// Position towards this peer.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub hash: crate::id::Hash,
    /// When it was put in the outbox.
    pub queued: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
}

/// How traffic with a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// Connected, or nothing to send.
    Open,
    /// Cannot be reached; tried again.
    Unreachable,
    /// Stopped by an operator.
    Stopped,
    /// Its party record has expired.
    Expired,
    /// It holds messages of ours that our own store lacks: nothing is sent to it.
    KnowsMore,
}

/// A peer, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Organisation.
    pub organization: OrgId,
    /// Its name.
    pub name: String,
    /// How traffic stands.
    pub state: PeerState,
    /// Why messages wait, or why it was stopped.
    pub reason: Option<String>,
    /// The same as a reason with a remedy, when the connection itself fails.
    pub refusal: Option<Refusal>,
    /// When the first certificate of its chain ends, as it was shown last; none when it was not seen since the start.
    pub certificate_ends: Option<Timestamp>,
    /// Messages waiting.
    pub waiting: u64,
    /// When the oldest waiting message was queued.
    pub oldest: Option<Timestamp>,
    /// When the next attempt is made.
    pub next_attempt: Option<Timestamp>,
    /// When anything of it was last heard.
    pub contact: Option<Timestamp>,
}

/// An adapter, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterView {
    /// Its name in the configuration.
    pub name: String,
    /// Kind, such as `file-drop`.
    pub kind: String,
    /// What is wrong.
    pub problem: Option<String>,
    /// Things waiting for the system.
    pub waiting: u64,
    /// When it last did something.
    pub active: Option<Timestamp>,
}

/// What an operator's read answers; each list with where its next page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationsAnswer {
    /// Peers.
    Peers(Vec<PeerView>, Option<String>),
    /// Messages; the next page starts after this number.
    Messages(Vec<MessageView>, Option<u64>),
    /// Adapters.
    Adapters(Vec<AdapterView>, Option<String>),
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntryView {
    /// Position, from 0.
    pub index: u64,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// RFC 6962 leaf hash.
    pub leaf: crate::id::Hash,
}

/// A piece of an exported log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Path in the export, with forward slashes.
    pub path: String,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// A step of a check of the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCheck {
    /// So many entries were found good so far.
    Checked(u64),
    /// The end of it.
    Verdict(Box<LogVerdict>),
}

/// The verdict over the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerdict {
    /// Every check held.
    pub ok: bool,
    /// Entries found good.
    pub entries: u64,
    /// First entry in doubt.
    pub first_bad: Option<u64>,
    /// Stable code of the check that failed; empty: none.
    pub check: String,
    /// For people, Dutch, with what it does not show.
    pub text_nl: String,
    /// For people, English.
    pub text_en: String,
}

/// What the log answers an auditor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAnswer {
    /// Entries, and the index at which the next page starts.
    Entries(Vec<LogEntryView>, Option<u64>),
    /// One entry.
    Entry(LogEntryView),
    /// A signed head.
    Checkpoint {
        /// Entries it covers.
        size: u64,
        /// Root hash.
        root: crate::id::Hash,
        /// The signed note.
        note: Vec<u8>,
    },
    /// An inclusion proof.
    Inclusion {
        /// Size of the log.
        size: u64,
        /// Leaf hash.
        leaf: crate::id::Hash,
        /// Siblings from leaf to root.
        path: Vec<crate::id::Hash>,
        /// The root.
        root: crate::id::Hash,
    },
    /// A consistency proof.
    Consistency {
        /// Size of the larger log.
        to: u64,
        /// Hashes.
        path: Vec<crate::id::Hash>,
        /// Root of the smaller.
        from_root: crate::id::Hash,
        /// Root of the larger.
        to_root: crate::id::Hash,
    },
}

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
