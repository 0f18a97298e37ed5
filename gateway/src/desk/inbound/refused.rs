//! What is refused: for good, with an entry, and without the bytes. A message that the rules refuse, one that cannot be read, and one on
//! which this gateway itself fails again and again: its sender must hear an end of it, park it and tell people.
//!
//! Of a message whose sender and id are known a row is kept: hash, reason, and the sender's signed proof, which holds without the message.
//! The same bytes again within a minute write no second entry, whatever the reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::super::draft::{Draft, Stop};
use super::super::trace::{By, Party};
use super::super::{Delivery, Desk, Receipt, Verdict, is_fault};
use super::{Incoming, inbox_row, later};

/// After so many failures of our own on one message it is refused: with the sender's back-off that is about two minutes.
const MAX_TRIES: u32 = 8;
/// Refused or failed messages of one peer that are remembered; the oldest is forgotten first.
const MAX_REMEMBERED: usize = 1_024;
/// The same refused bytes are logged once in this many seconds.
const LOG_EVERY_S: i64 = 60;

/// What is remembered of messages and documents that were refused, per peer. Lost at a restart: it then costs one more entry, or a few
/// more tries.
#[derive(Debug, Default)]
pub(in super::super) struct Refusals(Mutex<BTreeMap<OrgId, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    items: BTreeMap<Hash, Item>,
    order: VecDeque<Hash>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Item {
    /// When it was last logged, and the leaf hash of that entry.
    logged: Option<(Timestamp, Hash)>,
    /// How often we failed on it.
    tries: u32,
}

impl Refusals {
    fn with<T>(&self, peer: &OrgId, hash: Hash, change: impl FnOnce(&mut Item) -> T) -> T {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = peers.entry(peer.clone()).or_default();
        if !remembered.items.contains_key(&hash) {
            if remembered.order.len() >= MAX_REMEMBERED
                && let Some(oldest) = remembered.order.pop_front()
            {
                remembered.items.remove(&oldest);
            }
            remembered.order.push_back(hash);
        }
        change(remembered.items.entry(hash).or_default())
    }

    /// Leaf hash of the entry about the refusal of these bytes, when they were logged within the last minute.
    pub(in super::super) fn was_logged(&self, peer: &OrgId, hash: Hash, now: Timestamp) -> Option<Hash> {
        let recent = |at: Timestamp| (0..LOG_EVERY_S).contains(&(now.as_second() - at.as_second()));
        self.with(peer, hash, |item| item.logged.filter(|(at, _)| recent(*at)).map(|(_, leaf)| leaf))
    }

    /// The refusal of these bytes is logged now, in this entry.
    pub(in super::super) fn logged(&self, peer: &OrgId, hash: Hash, now: Timestamp, leaf: Hash) {
        self.with(peer, hash, |item| item.logged = Some((now, leaf)));
    }

    /// We failed on these bytes; how often that was.
    fn failed(&self, peer: &OrgId, hash: Hash) -> u32 {
        self.with(peer, hash, |item| {
            item.tries = item.tries.saturating_add(1);
            item.tries
        })
    }
}

impl Desk {
    /// The rules refuse a message: its place stays open for a void, and nothing else changes.
    pub(super) async fn refuse(
        &self,
        caller: &Caller,
        delivery: &Delivery,
        incoming: Incoming<'_>,
        refusal: Refusal,
    ) -> Result<Receipt, Stop> {
        let mut draft = Draft::new(self);
        let leaf = self.log_refused(&mut draft, caller, &refusal, incoming.party())?;
        let row = inbox_row(draft.now, delivery, incoming, Vec::new(), (refusal.reason.code(), leaf));
        draft.commit.received.push(row);
        draft.commit().await?;
        Ok(Receipt { verdict: Verdict::Refused(refusal), leaf: Some(leaf) })
    }

    /// A message that cannot be read, or is not what its sender and id say: only the entry is kept, which names its hash. Repeated at once it
    /// gets the receipt with the same entry.
    pub(super) async fn refuse_unread(&self, caller: &Caller, delivery: &Delivery, refusal: &Refusal) -> Result<Receipt, Stop> {
        let (peer, hash) = (&caller.organization, Hash::sha256(&delivery.bytes));
        let mut draft = Draft::new(self);
        let now = draft.now;
        let leaf = match self.refusals.was_logged(peer, hash, now) {
            Some(leaf) => leaf,
            None => {
                let leaf = self.log_refused(&mut draft, caller, refusal, Party { org: peer, heard: Some((hash, None)) })?;
                draft.commit().await?;
                self.refusals.logged(peer, hash, now, leaf);
                leaf
            }
        };
        Ok(Receipt { verdict: Verdict::Refused(refusal.clone()), leaf: Some(leaf) })
    }

    /// The entry of a refused message. Answers its leaf hash.
    fn log_refused(&self, draft: &mut Draft<'_>, caller: &Caller, refusal: &Refusal, party: Party<'_>) -> Result<Hash, Stop> {
        let by = By { caller, actor: None, second: None };
        let entry = self.denial(caller, Act::Receive, refusal, draft.now).with_peer(party.logged(by));
        draft.log(entry, None, None);
        draft.leaf()
    }

    /// A peer claims to hold messages of ours that we never gave out, and does not prove it: its fault, or somebody's lie. People are told;
    /// nothing is sent to that peer meanwhile, and everybody else is served as ever.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn disbelieved(&self, peer: &OrgId, theirs: u64, ours: u64) -> Result<(), Refusal> {
        tracing::error!(peer = %peer, theirs, ours, "a peer claims to hold messages that we never sent, without proof");
        let caller = crate::peers::caller(peer.clone(), None);
        let why = format!("it claims to hold our message {theirs}; the highest given out is {ours}");
        let refusal = Refusal::new(Stage::Peer, Reason::BadSignature).because(why);
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            let entry = self.denial(&caller, Act::Receive, &refusal, draft.now);
            draft.log(entry, None, None);
            draft.event("peer.disbelieved", format!("peers/{peer}"), "disbelieved");
            draft.commit().await.map(drop)
        })
        .await
    }

    /// A message could not be judged. What the store cannot do now it may do later; our own fault on one message is counted.
    pub(super) async fn failed(&self, caller: &Caller, delivery: &Delivery, refusal: Refusal) -> Receipt {
        let hash = Hash::sha256(&delivery.bytes);
        if !is_fault(refusal.reason) || self.refusals.failed(&caller.organization, hash) < MAX_TRIES {
            return later(refusal);
        }
        self.poison(caller, delivery).await
    }

    /// Refuses for good what this gateway cannot judge: the sender parks it, and people on both sides hear of it.
    pub async fn poison(&self, caller: &Caller, delivery: &Delivery) -> Receipt {
        tracing::error!(peer = %caller.organization, number = delivery.number, "a message cannot be judged here and is refused for good");
        let refusal = Refusal::new(Stage::Peer, Reason::Internal).because("the receiving gateway fails on this message");
        let ours = |message: &&schakel_domain::message::Message| message.sender == caller.organization && message.receiver == self.parts.me;
        if let Some(message) = delivery.message.as_ref().ok().filter(ours) {
            let incoming = Incoming { caller, message, hash: Hash::sha256(&delivery.bytes) };
            match self.refuse(caller, delivery, incoming, refusal.clone()).await {
                Ok(receipt) => return receipt,
                // It is in the store after all: what was said then is said again.
                Err(Stop::Again) => return later(Refusal::new(Stage::Store, Reason::StoreUnavailable)),
                Err(Stop::Refused(_)) => {}
            }
        }
        match self.refuse_unread(caller, delivery, &refusal).await {
            Ok(receipt) => receipt,
            Err(_) => later(Refusal::new(Stage::Store, Reason::AuditUnavailable)),
        }
    }
}
