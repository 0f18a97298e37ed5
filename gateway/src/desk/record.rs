//! What the desk keeps of each case, handover and consultation: a clear part without care content, and a sealed part.
//!
//! The clear part is what timers, queues and boards need; names, free text and dossiers are only in the sealed part.

mod packed;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::custody::{CaseCustody, DeclineCode};
use schakel_domain::dossier::{Dossier, Severity};
use schakel_domain::expertise::{candidate, requester};
use schakel_domain::id::{CaseId, ClientKeyId, ConsultationId, Hash, Label, OfferId, OrgId};
use schakel_domain::person::{Actor, TwoPeople};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::erasure::Wishes;
use crate::store::Kind;

/// How a record is stored: its kind, keys and sealed companion.
pub trait Shape: Serialize + DeserializeOwned + Clone {
    /// Kind of record.
    const KIND: Kind;
    /// The sealed part.
    type Sealed: Serialize + DeserializeOwned + Clone + Default;
    /// The client key it is sealed under.
    fn key(&self) -> ClientKeyId;
    /// The record it belongs to.
    fn parent(&self) -> Option<String>;
    /// Whether it still asks for attention.
    fn open(&self) -> bool;
    /// A second key to find it by.
    fn alias(&self) -> Option<String>;
    /// Counts changes a person would call a change; the etag. Delivery and other facts do not raise it.
    fn revision(&self) -> u64;
}

/// A record in memory, with the version it was read at (0: new).
#[derive(Debug, Clone)]
pub struct Doc<T: Shape> {
    /// Its id.
    pub id: String,
    /// Version as read; 0 when it is new.
    pub version: u64,
    /// Without care content.
    pub clear: T,
    /// Care content and identity.
    pub sealed: T::Sealed,
}

/// Counters of one thread with one organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Last position sent.
    pub sent: u64,
    /// Last position received in order.
    pub received: u64,
    /// Incarnation of the sender then.
    pub incarnation: u64,
}

/// Counters of a thread, per organisation.
pub(super) type Links = BTreeMap<OrgId, Link>;

/// One case as this organisation knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The case.
    pub case: CaseId,
    /// See [`Shape::revision`].
    pub revision: u64,
    /// Custody, as the protocol keeps it.
    pub custody: CaseCustody,
    /// Client key.
    pub key: ClientKeyId,
    /// When it was opened or first arrived.
    pub opened: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// Organisations known to have led it, in order, the last one leads as far as is known here.
    pub led_by: Vec<OrgId>,
    /// How many organisations led it before the present lead.
    pub hops: u32,
    /// Counters per organisation.
    pub links: Links,
    /// Handovers.
    pub handovers: Vec<OfferId>,
    /// Consultations.
    pub consultations: Vec<ConsultationId>,
}

impl Shape for CaseRecord {
    const KIND: Kind = Kind::Case;
    type Sealed = CaseSealed;

    fn key(&self) -> ClientKeyId {
        self.key
    }

    fn parent(&self) -> Option<String> {
        None
    }

    fn open(&self) -> bool {
        self.custody.responsible() || self.custody.inbound.values().any(|row| waits(&row.answer))
    }

    fn alias(&self) -> Option<String> {
        Some(Label::of(self.case).as_str().to_owned())
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

fn waits<O, H>(answer: &schakel_domain::custody::Answer<O, H>) -> bool {
    use schakel_domain::custody::Answer::{Pledged, Received};
    matches!(answer, Received { .. } | Pledged { .. })
}

/// Sealed part of a case.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CaseSealed {
    /// What is known of the young person here. Before this organisation leads: what an offer or question brought.
    pub dossier: Dossier,
    /// What people said beside an act that is rare and final, in order.
    #[serde(default)]
    pub notes: Vec<CaseNote>,
    /// Who wants it erased, and who holds it.
    #[serde(default)]
    pub erasure: Wishes,
}

/// What people said when they closed, reclaimed or resolved a case, or freed a reserved place: the reason, and the call they record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseNote {
    /// `closed`, `reclaimed`, `resolved` or `released`.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// Who acted.
    pub by: Actor,
    /// Who confirmed, where it takes two.
    pub second: Option<Actor>,
    /// The telephone call they record; empty when none was needed.
    pub called: String,
    /// Why.
    pub reason: String,
}

/// Notes of one case that are kept.
const MAX_NOTES: usize = 256;

impl CaseNote {
    /// A note of one person.
    pub(super) fn by_one(what: &str, at: Timestamp, by: &Actor, reason: &str) -> Self {
        let (called, reason) = (String::new(), reason.to_owned());
        Self { what: what.to_owned(), at, by: by.clone(), second: None, called, reason }
    }

    /// A note of two people.
    pub(super) fn by_two(what: &str, at: Timestamp, people: &TwoPeople) -> Self {
        let (called, reason) = (people.called.clone(), people.reason.clone());
        Self { what: what.to_owned(), at, by: people.first.clone(), second: Some(people.second.clone()), called, reason }
    }
}

impl CaseSealed {
    /// Keeps a note.
    pub(super) fn note(&mut self, note: CaseNote) -> Result<(), Refusal> {
        if self.notes.len() >= MAX_NOTES {
            return Err(Refusal::new(Stage::State, Reason::QuotaExceeded).because("notes of one case"));
        }
        self.notes.push(note);
        Ok(())
    }
}

/// The separate facts of something sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FactTimes {
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
    /// The receipt arrived or was given.
    pub received: Option<Timestamp>,
    /// The peer's gateway refused the message: its reason code.
    pub refused: Option<String>,
}

/// Whom to call, as the covenant or the party record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// Organisation.
    pub org: OrgId,
    /// What the line is for.
    pub line: String,
    /// Number.
    pub telephone: String,
}

/// What the covenant said when it was made: it is judged by that to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The covenant version.
    pub covenant: CovenantRef,
    /// The clause.
    pub clause: String,
    /// Its sentence in Dutch.
    pub sentence_nl: String,
    /// Its sentence in English.
    pub sentence_en: String,
    /// The purpose.
    pub purpose: String,
    /// Everybody who may be asked, in order.
    pub order: Vec<OrgId>,
    /// Whom to call when nobody answers.
    pub escalation: Option<CallNote>,
}

/// Which side we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// We asked or offered.
    Sender,
    /// It was asked of us or offered to us.
    Receiver,
}

/// One handover offer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HandoverRecord {
    /// The offer.
    pub offer: OfferId,
    /// See [`Shape::revision`].
    pub revision: u64,
    /// The case.
    pub case: CaseId,
    /// Client key: the case's.
    pub key: ClientKeyId,
    /// Our side.
    pub side: Side,
    /// From whom.
    pub from: OrgId,
    /// To whom.
    pub to: OrgId,
    /// Service asked for.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// The covenant's ground.
    pub ground: Ground,
    /// Answer wanted before.
    pub respond_by: Timestamp,
    /// SHA-256 of the package.
    pub content: Hash,
    /// The separate facts.
    pub facts: FactTimes,
    /// Whether it still waits for something.
    pub open: bool,
    /// Why declined or released.
    pub decline: Option<DeclineCode>,
    /// The case comes back to an organisation that led it before.
    pub is_return: bool,
    /// How many organisations led this case before.
    pub hops: u32,
    /// The consultation it grew out of.
    pub consultation: Option<ConsultationId>,
    /// The other side's telephone for this handover.
    pub call_back: String,
    /// Number of key points.
    pub key_points: u32,
    /// SHA-256 of the accepting message.
    pub accept: Option<Hash>,
    /// SHA-256 of each Transfer message sent for it, or of the one received.
    pub transfers: Vec<Hash>,
}

/// Transfer messages of one handover that are kept. Each acceptance that is repeated while the token is under way is answered with
/// another; more than this is no retry any more.
const MAX_TRANSFERS: usize = 32;

impl HandoverRecord {
    /// Keeps the hash of a Transfer message; a receipt may name any of them.
    pub(super) fn add_transfer(&mut self, hash: Hash) -> Result<(), Refusal> {
        if self.transfers.contains(&hash) {
            return Ok(());
        }
        if self.transfers.len() >= MAX_TRANSFERS {
            return Err(
                Refusal::new(Stage::State, Reason::QuotaExceeded).because(format!("at most {MAX_TRANSFERS} transfers of one offer"))
            );
        }
        self.transfers.push(hash);
        Ok(())
    }
}

impl Shape for HandoverRecord {
    const KIND: Kind = Kind::Handover;
    type Sealed = HandoverSealed;

    fn key(&self) -> ClientKeyId {
        self.key
    }

    fn parent(&self) -> Option<String> {
        Some(self.case.to_string())
    }

    fn open(&self) -> bool {
        self.open
    }

    fn alias(&self) -> Option<String> {
        None
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

/// Sealed part of a handover.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct HandoverSealed {
    /// The package's exact bytes.
    #[serde(with = "packed")]
    pub package: Vec<u8>,
    /// Who offered.
    pub offered_by: Option<Actor>,
    /// Who accepted.
    pub accepted_by: Option<Actor>,
    /// Each key point in the receiver's own words.
    pub read_back: Vec<String>,
    /// First action of the receiver.
    pub first_action: String,
    /// And when.
    pub first_action_at: Option<Timestamp>,
    /// Note with a decline.
    pub note: String,
}

/// The protocol's state of a consultation at either side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// We asked.
    Requester(requester::State<OrgId, Hash>),
    /// It was asked of us.
    Candidate(candidate::State<OrgId, Hash>),
}

/// One candidate of a consultation, at the requester.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// Answer wanted before.
    pub due: Option<Timestamp>,
    /// When help is there.
    pub available: Option<Timestamp>,
    /// The separate facts of the question to this candidate.
    pub facts: FactTimes,
}

/// One consultation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConsultationRecord {
    /// The consultation.
    pub consultation: ConsultationId,
    /// See [`Shape::revision`].
    pub revision: u64,
    /// The case; absent when anonymous.
    pub case: Option<CaseId>,
    /// Client key: the case's, or its own when anonymous.
    pub key: ClientKeyId,
    /// Our side.
    pub side: Side,
    /// Who asks.
    pub from: OrgId,
    /// Service asked for.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// The covenant's ground (the same clause for every candidate of a request).
    pub ground: Ground,
    /// Candidate: answer wanted before. Requester: how long each candidate has.
    pub respond_by: Timestamp,
    /// When the requester escalates.
    pub deadline: Timestamp,
    /// How long each candidate has, in seconds.
    pub per_candidate_s: i64,
    /// The protocol's state.
    pub asking: Asking,
    /// Whether it still waits for something.
    pub open: bool,
    /// Whether advice was given.
    pub advised: bool,
    /// SHA-256 of the question as it travels.
    pub content: Hash,
    /// Candidates, at the requester.
    pub candidates: BTreeMap<OrgId, CandidateRecord>,
    /// Candidate: when help is there, as we said.
    pub available: Option<Timestamp>,
    /// Candidate: when a person here opened it.
    pub seen: Option<Timestamp>,
    /// Counters when the consultation is a thread of its own (anonymous).
    pub links: Links,
    /// The requester's telephone.
    pub call_back: String,
    /// The anonymous consultation it continues.
    pub continues: Option<ConsultationId>,
    /// What the scan found: kinds and places, never the text.
    pub findings: Vec<(String, usize)>,
    /// When it was asked.
    pub asked: Timestamp,
}

impl Shape for ConsultationRecord {
    const KIND: Kind = Kind::Consultation;
    type Sealed = ConsultationSealed;

    fn key(&self) -> ClientKeyId {
        self.key
    }

    fn parent(&self) -> Option<String> {
        self.case.map(|case| case.to_string())
    }

    fn open(&self) -> bool {
        self.open
    }

    fn alias(&self) -> Option<String> {
        None
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

/// Sealed part of a consultation.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ConsultationSealed {
    /// The question.
    pub question: String,
    /// The dossier's exact bytes as they travel; empty when anonymous.
    #[serde(with = "packed")]
    pub package: Vec<u8>,
    /// Anonymous: age.
    pub age: Option<u8>,
    /// Anonymous: municipality.
    pub municipality: Option<String>,
    /// Anonymous: severity.
    pub severity: Option<Severity>,
    /// Advice received or given, in order.
    pub advice: Vec<String>,
    /// Who bids, per organisation.
    pub by: BTreeMap<OrgId, Actor>,
    /// Notes, per organisation.
    pub notes: BTreeMap<OrgId, String>,
}

/// Pieces of advice of one consultation that are kept.
const MAX_ADVICE: usize = 64;

impl ConsultationSealed {
    /// Keeps a piece of advice.
    pub(super) fn advise(&mut self, text: &str) -> Result<(), Refusal> {
        if self.advice.len() >= MAX_ADVICE {
            return Err(Refusal::new(Stage::State, Reason::QuotaExceeded).because("advice in one consultation"));
        }
        self.advice.push(text.to_owned());
        Ok(())
    }
}

schakel_domain::shows_its_name!(CaseNote, HandoverSealed, ConsultationSealed);
