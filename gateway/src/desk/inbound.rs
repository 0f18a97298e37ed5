//! What peers say. Each message takes effect exactly once and in the order of its thread; whatever cannot be accepted is refused by
//! name, logged, and leaves the state as it was.
//!
//! `custody` takes messages about offers and the token, `expertise` those about questions; `bare` counts in threads that have no record
//! yet, `erasure` takes what peers say of destroying a file, `refused` keeps and logs what is refused.

mod bare;
mod custody;
mod erasure;
mod expertise;
mod refused;

pub(super) use refused::Refusals;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::covenant::CovenantRef;
use schakel_domain::id::{ClientKeyId, Hash};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use tracing::Instrument as _;

use self::bare::Bare;
use super::draft::{Draft, Stop};
use super::record::{CaseRecord, ConsultationRecord, Doc, Link, Links};
use super::trace::{By, Party};
use super::{Delivery, Desk, Receipt, Verdict};
use crate::store::InboxRow;
use crate::telemetry::metrics::Way;
use crate::telemetry::{metrics, spans};

/// Outcome of a message that took effect.
pub(super) const ACCEPTED: &str = "accepted";
/// Most messages of one peer in one thread; a void still counts beyond it, so that the order never hangs.
const MAX_IN_THREAD: u64 = 10_000;

/// A message under judgement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    /// Who says it.
    pub caller: &'a Caller,
    /// The message.
    pub message: &'a Message,
    /// SHA-256 of its bytes.
    pub hash: Hash,
}

impl Incoming<'_> {
    /// The sender and the message, for the log.
    pub(super) fn party(&self) -> Party<'_> {
        Party { org: &self.message.sender, heard: Some((self.hash, Some(self.message))) }
    }
}

/// What a thread is here.
#[derive(Debug)]
pub(super) enum Thread {
    /// A case.
    Case(Box<Doc<CaseRecord>>),
    /// An anonymous consultation.
    Consultation(Box<Doc<ConsultationRecord>>),
    /// Nothing yet, or only voids.
    Bare(Box<Bare>),
}

impl Desk {
    /// Takes the messages of one batch of one peer; one receipt per delivery, in the same order. Threads are taken at the same time, the
    /// messages of one thread one after the other.
    pub async fn receive(&self, caller: &Caller, deliveries: Vec<Delivery>) -> Vec<Receipt> {
        let mut threads: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, delivery) in deliveries.iter().enumerate() {
            let thread = delivery.message.as_ref().map_or("", |message| message.thread.as_str());
            threads.entry(thread).or_default().push(at);
        }
        let deliveries = &deliveries;
        let each = threads.into_values().map(|places| async move {
            let mut receipts = Vec::with_capacity(places.len());
            for at in places {
                receipts.push((at, self.receive_one(caller, &deliveries[at]).await));
            }
            receipts
        });
        let mut receipts: Vec<(usize, Receipt)> = join_all(each).await.into_iter().flatten().collect();
        receipts.sort_by_key(|(at, _)| *at);
        receipts.into_iter().map(|(_, receipt)| receipt).collect()
    }

    async fn receive_one(&self, caller: &Caller, delivery: &Delivery) -> Receipt {
        let kind = delivery.message.as_ref().map_or("unreadable", |message| message.body.kind());
        let span = spans::receive(&caller.organization, kind, delivery.number, delivery.trace);
        let judged = async {
            match self.again_and_again(|| self.judge(caller, delivery)).await {
                Ok(receipt) => receipt,
                Err(refusal) => self.failed(caller, delivery, refusal).await,
            }
        };
        let receipt = judged.instrument(span.clone()).await;
        let (outcome, refusal) = match &receipt.verdict {
            Verdict::Accepted => ("accepted", None),
            Verdict::Refused(refusal) => ("refused", Some(refusal)),
            Verdict::Later(refusal) => ("later", Some(refusal)),
        };
        spans::outcome(&span, outcome, refusal.map(|refusal| refusal.reason.code()));
        metrics::message(Way::Received, &caller.organization, outcome);
        receipt
    }

    /// One try. A refusal of the store is `Later`; a refusal of the rules is committed and final.
    async fn judge(&self, caller: &Caller, delivery: &Delivery) -> Result<Receipt, Stop> {
        caller.may(Act::Receive)?;
        let message = match &delivery.message {
            Ok(message) => message,
            Err(refusal) => return self.refuse_unread(caller, delivery, refusal).await,
        };
        if message.sender != caller.organization || message.receiver != self.parts.me {
            let other = Refusal::new(Stage::Peer, Reason::IdentityMismatch);
            return self.refuse_unread(caller, delivery, &other.because("the message is between other organisations")).await;
        }
        let incoming = Incoming { caller, message, hash: Hash::sha256(&delivery.bytes) };
        if let Some(known) = self.parts.store.received(&message.sender, message.id).await? {
            if known.hash != incoming.hash {
                let conflict = Refusal::new(Stage::Peer, Reason::MessageConflict);
                return self.refuse_unread(caller, delivery, &conflict).await;
            }
            return Ok(repeated(&known));
        }
        if self.recovering() {
            return Ok(later(Refusal::new(Stage::State, Reason::Recovering)));
        }
        let thread = self.thread(message).await?;
        let link = thread.link(message);
        if message.seq > link.received + 1 {
            let missing = Refusal::new(Stage::Peer, Reason::OutOfOrder).because(format!("position {} is missing", link.received + 1));
            return Ok(later(missing));
        }
        let mut draft = Draft::new(self);
        let judged = if message.seq <= link.received {
            Err(Refusal::new(Stage::Peer, Reason::MessageConflict).because("this position of the thread is taken").into())
        } else if message.seq > MAX_IN_THREAD && !matches!(message.body, Body::Void { .. }) {
            Err(Refusal::new(Stage::Peer, Reason::QuotaExceeded).because(format!("at most {MAX_IN_THREAD} messages in a thread")).into())
        } else {
            self.take(&mut draft, incoming, thread).await
        };
        match judged {
            Ok(key) => self.accept(draft, delivery, incoming, key).await,
            Err(Stop::Refused(refusal)) if refusal.stage != Stage::Store => self.refuse(caller, delivery, incoming, refusal).await,
            Err(stop) => Err(stop),
        }
    }

    /// Gives a message its effect, in the draft. Answers the client key of its thread.
    async fn take(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread) -> Result<ClientKeyId, Stop> {
        if let Some(left) = self.erased_thread(&thread, incoming.message).await? {
            return self.take_erased(draft, incoming, thread, left).await;
        }
        match &incoming.message.body {
            Body::Void { .. } => self.void(draft, incoming, thread).await,
            Body::RequestErasure { .. } | Body::DeclineErasure { .. } => self.take_erasure(draft, incoming, thread).await,
            Body::Ask(_)
            | Body::Bid { .. }
            | Body::DeclineAsk { .. }
            | Body::Confirm { .. }
            | Body::Release { .. }
            | Body::Advice { .. }
            | Body::CloseConsultation { .. } => self.take_expertise(draft, incoming, thread).await,
            Body::Seen { subject, at } => self.take_seen(draft, incoming, thread, subject, *at).await,
            _ => self.take_custody(draft, incoming, thread).await,
        }
    }

    async fn accept(&self, mut draft: Draft<'_>, delivery: &Delivery, incoming: Incoming<'_>, key: ClientKeyId) -> Result<Receipt, Stop> {
        // The key may be new: the draft carries it, and the vault knows it before it is stored.
        let sealed = self.seal(key, &delivery.bytes).await?;
        let leaf = draft.leaf()?;
        let row = inbox_row(draft.now, delivery, incoming, sealed, (ACCEPTED, leaf));
        draft.commit.received.push(row);
        draft.commit().await?;
        Ok(Receipt { verdict: Verdict::Accepted, leaf: Some(leaf) })
    }

    /// What the thread of a message is here. A case that somebody else brought meanwhile starts with the counters of the sender's voids.
    async fn thread(&self, message: &Message) -> Result<Thread, Stop> {
        if let Some(mut case) = self.load::<CaseRecord>(&message.thread).await? {
            if !case.clear.links.contains_key(&message.sender) {
                let bare = self.bare(message).await?;
                case.clear.links.extend(bare.link().map(|link| (message.sender.clone(), link)));
            }
            return Ok(Thread::Case(Box::new(case)));
        }
        if let Some(doc) = self.load::<ConsultationRecord>(&message.thread).await?
            && doc.clear.case.is_none()
        {
            return Ok(Thread::Consultation(Box::new(doc)));
        }
        Ok(Thread::Bare(Box::new(self.bare(message).await?)))
    }

    /// What only moves the counter: a void, or the end of something that never came through.
    async fn void(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread) -> Result<ClientKeyId, Stop> {
        let object = Object::new("message", "uuid", incoming.message.id.to_string(), "protocol:order");
        let decision = Decision::allowed("protocol:order", "Dit bericht telt mee in de volgorde en verandert niets.");
        let by = By { caller: incoming.caller, actor: None, second: None };
        self.note(draft, EventCode::MessageReceived, by, object, decision, Some(incoming.party()));
        match thread {
            Thread::Case(mut case) => {
                advance(&mut case.clear.links, incoming.message);
                draft.put(&case).await?;
                Ok(case.clear.key)
            }
            Thread::Consultation(mut doc) => {
                advance(&mut doc.clear.links, incoming.message);
                draft.put(&doc).await?;
                Ok(doc.clear.key)
            }
            Thread::Bare(bare) => bare.count(draft, incoming.message),
        }
    }
}

impl Thread {
    /// Counters with the sender of a message.
    fn link(&self, message: &Message) -> Link {
        let found = match self {
            Thread::Case(case) => case.clear.links.get(&message.sender),
            Thread::Consultation(doc) => doc.clear.links.get(&message.sender),
            Thread::Bare(bare) => return bare.link().unwrap_or_default(),
        };
        found.copied().unwrap_or_default()
    }

    /// The counters with which a new record of this thread starts; a bare thread is no longer bare then.
    pub(super) fn start(self, draft: &mut Draft<'_>, message: &Message) -> Result<Links, Stop> {
        let Thread::Bare(bare) = self else { return Err(unfit()) };
        Ok(bare.started(draft).map(|link| (message.sender.clone(), link)).into_iter().collect())
    }
}

/// A received message as it is kept, with what became of it and the leaf hash of our entry about it.
fn inbox_row(at: jiff::Timestamp, delivery: &Delivery, incoming: Incoming<'_>, sealed: Vec<u8>, (outcome, leaf): (&str, Hash)) -> InboxRow {
    let message = incoming.message;
    InboxRow {
        peer: message.sender.clone(),
        message: message.id,
        number: delivery.number,
        thread: message.thread.clone(),
        seq: message.seq,
        kind: message.body.kind().to_owned(),
        hash: incoming.hash,
        sealed,
        proof: delivery.proof.clone(),
        outcome: outcome.to_owned(),
        leaf: Some(leaf),
        at,
    }
}

/// The next position of a thread was received.
pub(super) fn advance(links: &mut Links, message: &Message) {
    let link = links.entry(message.sender.clone()).or_default();
    link.received = message.seq;
    link.incarnation = message.incarnation;
}

/// A repeated message gets the answer it got.
fn repeated(known: &InboxRow) -> Receipt {
    if known.outcome == ACCEPTED {
        return Receipt { verdict: Verdict::Accepted, leaf: known.leaf };
    }
    let reason = Reason::ALL.iter().copied().find(|reason| reason.code() == known.outcome).unwrap_or(Reason::ProtocolViolation);
    Receipt { verdict: Verdict::Refused(Refusal::new(Stage::Peer, reason)), leaf: known.leaf }
}

/// Nothing is kept of it: it comes again.
fn later(refusal: Refusal) -> Receipt {
    Receipt { verdict: Verdict::Later(refusal), leaf: None }
}

/// What is open is judged to its end by the version it was made under; a message that names another is not about it.
pub(super) fn made_under(message: &Message, covenant: &CovenantRef) -> Result<(), Stop> {
    if message.covenant == *covenant {
        return Ok(());
    }
    Err(Refusal::field("covenant", "expected the version under which this was asked or offered").into())
}

/// A message that does not belong in the thread it came in.
pub(super) fn unfit() -> Stop {
    Refusal::new(Stage::State, Reason::ProtocolViolation).because("the message does not belong in this thread").into()
}

/// How the log calls an accepted message.
pub(super) fn event_code(body: &Body) -> EventCode {
    match body {
        Body::Ask(_) => EventCode::ConsultationReceived,
        Body::Bid { .. } => EventCode::ConsultationBid,
        Body::DeclineAsk { .. } => EventCode::ConsultationDeclined,
        Body::Confirm { .. } => EventCode::ConsultationConfirmed,
        Body::Release { .. } => EventCode::ConsultationReleased,
        Body::Advice { .. } => EventCode::ConsultationAdvised,
        Body::CloseConsultation { .. } => EventCode::ConsultationClosed,
        Body::Propose(_) => EventCode::HandoverReceived,
        Body::Accept { .. } => EventCode::HandoverAccepted,
        Body::Decline { .. } => EventCode::HandoverDeclined,
        Body::Withdraw { .. } => EventCode::HandoverWithdrawn,
        Body::Transfer { .. } => EventCode::CustodyReceived,
        Body::Receipt { .. } => EventCode::CustodyReceipted,
        Body::Refuse { .. } => EventCode::CustodyRefused,
        Body::Fence { .. } => EventCode::CustodyContested,
        Body::RequestErasure { .. } => EventCode::PeerErased,
        Body::DeclineErasure { .. } => EventCode::PeerKeeps,
        Body::Seen { .. } | Body::Void { .. } => EventCode::MessageReceived,
    }
}
