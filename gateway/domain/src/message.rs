//! What gateways say to each other, parsed. The wire form is `proto/schakel/federation/v1/message.proto`; `wire/` converts.

use jiff::Timestamp;

use crate::covenant::CovenantRef;
use crate::custody::{DeclineCode, Epoch};
use crate::dossier::{Dossier, Severity};
use crate::erasure::Ground;
use crate::id::{CaseId, ConsultationId, Hash, MessageId, OfferId, OrgId};
use crate::person::Actor;

/// Most messages in one batch.
pub const MAX_BATCH: usize = 128;
/// Most bytes of one message.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Most bytes of one batch.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// One message: envelope and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Never reused by the sender.
    pub id: MessageId,
    /// Sender.
    pub sender: OrgId,
    /// Receiver.
    pub receiver: OrgId,
    /// The unit of order: a case id, or the id of an anonymous consultation.
    pub thread: String,
    /// Position in the thread from sender to receiver, from 1 without gaps.
    pub seq: u64,
    /// Raised at every restore of the sender.
    pub incarnation: u64,
    /// The version it is made under.
    pub covenant: CovenantRef,
    /// The clause.
    pub clause: String,
    /// When the sender decided.
    pub sent: Timestamp,
    /// Leaf hash of the entry in the sender's log that names this message; none from a sender that does not state it.
    pub leaf: Option<Hash>,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Asks for expertise.
    Ask(Box<AskBody>),
    /// Yes, unless you found somebody else.
    Bid {
        /// The consultation.
        consultation: ConsultationId,
        /// When help is there.
        available: Option<Timestamp>,
        /// Who comes or calls.
        by: Actor,
        /// Note.
        note: String,
    },
    /// No to a question.
    DeclineAsk {
        /// The consultation.
        consultation: ConsultationId,
        /// Why.
        code: DeclineCode,
        /// Note.
        note: String,
    },
    /// You it is.
    Confirm {
        /// The consultation.
        consultation: ConsultationId,
    },
    /// Not needed (any more).
    Release {
        /// The consultation.
        consultation: ConsultationId,
    },
    /// The answer.
    Advice {
        /// The consultation.
        consultation: ConsultationId,
        /// The advice.
        text: String,
        /// Who advises.
        by: Actor,
    },
    /// Done.
    CloseConsultation {
        /// The consultation.
        consultation: ConsultationId,
    },
    /// Offers custody.
    Propose(Box<ProposeBody>),
    /// Accepts exactly this content.
    Accept {
        /// The offer.
        offer: OfferId,
        /// The content that was read.
        content: Hash,
        /// Who accepts.
        by: Actor,
        /// Each key point in own words.
        read_back: Vec<String>,
        /// What happens first.
        first_action: String,
        /// And when.
        first_action_at: Option<Timestamp>,
    },
    /// No to an offer, or the pledge was released.
    Decline {
        /// The offer.
        offer: OfferId,
        /// Why.
        code: DeclineCode,
        /// Note.
        note: String,
    },
    /// The offer is closed.
    Withdraw {
        /// The offer.
        offer: OfferId,
    },
    /// The token and the whole package.
    Transfer {
        /// The offer.
        offer: OfferId,
        /// The new epoch.
        epoch: Epoch<OrgId>,
        /// SHA-256 of the package.
        content: Hash,
        /// The package's bytes.
        package: Vec<u8>,
        /// SHA-256 of the accepting message.
        accept: Hash,
    },
    /// I lead.
    Receipt {
        /// The offer.
        offer: OfferId,
        /// The epoch.
        epoch: Epoch<OrgId>,
        /// SHA-256 of the Transfer message's bytes.
        transfer: Hash,
    },
    /// The pledge is gone; you lead again.
    Refuse {
        /// The offer.
        offer: OfferId,
        /// The epoch refused.
        epoch: Epoch<OrgId>,
        /// SHA-256 of the Transfer message's bytes.
        transfer: Hash,
    },
    /// Reclaimed by force.
    Fence {
        /// The new term, as an epoch.
        epoch: Epoch<OrgId>,
    },
    /// A person opened it.
    Seen {
        /// The offer or consultation.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// We destroyed our file of this case, and ask you to judge whether yours can go.
    RequestErasure {
        /// On what ground.
        ground: Ground,
    },
    /// Ours stays, and people decided so.
    DeclineErasure {
        /// Until when it is held at least.
        until: Option<Timestamp>,
    },
    /// Takes the place of a parked or cancelled message.
    Void {
        /// The message it replaces.
        replaces: MessageId,
    },
}

/// Asks for expertise.
#[derive(Clone, PartialEq, Eq)]
pub struct AskBody {
    /// The consultation.
    pub consultation: ConsultationId,
    /// Service.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// Answer wanted before.
    pub respond_by: Timestamp,
    /// When the requester escalates.
    pub deadline: Timestamp,
    /// The telephone to call the requester.
    pub call_back: String,
    /// About whom.
    pub about: AskAbout,
    /// The question.
    pub question: String,
    /// The anonymous consultation it continues.
    pub continues: Option<ConsultationId>,
}

/// About whom a question is.
#[derive(Clone, PartialEq, Eq)]
pub enum AskAbout {
    /// No identity field exists.
    Nobody {
        /// Age.
        age: Option<u8>,
        /// Municipality.
        municipality: Option<String>,
        /// Severity.
        severity: Option<Severity>,
    },
    /// A case.
    Case {
        /// The case.
        case: CaseId,
        /// The dossier's bytes, trimmed to the dataset.
        package: Vec<u8>,
        /// The same, parsed.
        dossier: Box<Dossier>,
    },
}

/// Offers custody.
#[derive(Clone, PartialEq, Eq)]
pub struct ProposeBody {
    /// The offer.
    pub offer: OfferId,
    /// The sender's epoch.
    pub epoch: Epoch<OrgId>,
    /// SHA-256 of the package.
    pub content: Hash,
    /// The package's bytes.
    pub package: Vec<u8>,
    /// The same, parsed.
    pub dossier: Box<Dossier>,
    /// Service.
    pub service: String,
    /// Urgency code.
    pub urgency: String,
    /// Answer wanted before.
    pub respond_by: Timestamp,
    /// The telephone to call the sender.
    pub call_back: String,
    /// Who offers.
    pub by: Actor,
    /// How many organisations led this case before.
    pub hops: u32,
    /// The case comes back.
    pub is_return: bool,
    /// The consultation it grew out of.
    pub consultation: Option<ConsultationId>,
}

impl Body {
    /// The stable name, as in the outbox and the log.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Ask(_) => "ask",
            Body::Bid { .. } => "bid",
            Body::DeclineAsk { .. } => "decline-ask",
            Body::Confirm { .. } => "confirm",
            Body::Release { .. } => "release",
            Body::Advice { .. } => "advice",
            Body::CloseConsultation { .. } => "close-consultation",
            Body::Propose(_) => "propose-handover",
            Body::Accept { .. } => "accept-handover",
            Body::Decline { .. } => "decline-handover",
            Body::Withdraw { .. } => "withdraw-handover",
            Body::Transfer { .. } => "transfer-custody",
            Body::Receipt { .. } => "custody-receipt",
            Body::Refuse { .. } => "refuse-transfer",
            Body::Fence { .. } => "fence-custody",
            Body::Seen { .. } => "seen",
            Body::RequestErasure { .. } => "request-erasure",
            Body::DeclineErasure { .. } => "decline-erasure",
            Body::Void { .. } => "void",
        }
    }

    /// Whether it opens something new between two organisations: only then must the covenant and the party record allow it now.
    /// Everything else belongs to what is open and always flows.
    #[must_use]
    pub fn opens(&self) -> bool {
        matches!(self, Body::Ask(_) | Body::Propose(_))
    }
}

/// Which one it is, and nothing of what is said in it.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

crate::shows_its_name!(AskBody, AskAbout, ProposeBody);
