//! Pairs two logs: every message between two organisations has one half in each, and what one half says must fit the other.
//!
//! A tree proves that nothing in a log was changed; only the other party's log shows that something was left out. The sender's entry
//! names its messages by id; each message carries that entry's leaf hash; the receiver's entry names the message and repeats that leaf
//! hash; the receipt carries the leaf hash of the receiver's entry. Neighbours: [`super::entry`] holds the halves, the gateway reads logs
//! and receipts into [`Side`]s.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryError};
use super::tree::leaf_hash;
use crate::id::{Hash, MessageId, OrgId};
use crate::refusal::Lang;

/// How far the clocks of two organisations may differ: what is younger than the other's log by less than this is not judged.
pub const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// A half in the sender's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SentHalf {
    index: u64,
    leaf: Hash,
}

/// A half in the receiver's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeardHalf {
    index: u64,
    leaf: Hash,
    at: Timestamp,
    hash: Option<Hash>,
    stated: Option<Hash>,
}

/// The receiver's signed answer to a message, as its sender keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The message.
    pub message: MessageId,
    /// Who received it.
    pub to: OrgId,
    /// When the sender had the receipt.
    pub at: Timestamp,
    /// SHA-256 of the message's bytes.
    pub hash: Hash,
    /// `accepted` or `refused`.
    pub outcome: String,
    /// Leaf hash of the receiver's own entry; absent when the receiver did not state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Hash>,
}

/// One organisation's log, as far as it speaks of messages.
#[derive(Debug, Clone)]
pub struct Side {
    org: OrgId,
    as_of: Timestamp,
    sent: BTreeMap<(OrgId, MessageId), SentHalf>,
    heard: BTreeMap<(OrgId, MessageId), HeardHalf>,
    receipts: BTreeMap<(OrgId, MessageId), Receipt>,
    doubled: Vec<(OrgId, MessageId, u64)>,
}

impl Side {
    /// The log of an organisation as it stood at a moment; empty so far.
    #[must_use]
    pub fn new(org: OrgId, as_of: Timestamp) -> Self {
        let (sent, heard, receipts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { org, as_of, sent, heard, receipts, doubled: Vec::new() }
    }

    /// Whose log it is.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Takes in the entry at this index.
    ///
    /// # Errors
    /// When it is no entry.
    pub fn read(&mut self, index: u64, bytes: &[u8]) -> Result<(), EntryError> {
        let entry = Entry::parse(bytes)?;
        let leaf = leaf_hash(bytes);
        for sent in entry.sent {
            if self.sent.insert((sent.to.clone(), sent.id), SentHalf { index, leaf }).is_some() {
                self.doubled.push((sent.to, sent.id, index));
            }
        }
        let Some(peer) = entry.peer else { return Ok(()) };
        let Some(message) = peer.message_id else { return Ok(()) };
        let unreadable = || EntryError::Field { field: "event.time".to_owned(), problem: "is no moment" };
        let at = entry.event.time.parse().map_err(|_| unreadable())?;
        let half = HeardHalf { index, leaf, at, hash: peer.message, stated: peer.leaf };
        if self.heard.insert((peer.org.clone(), message), half).is_some() {
            self.doubled.push((peer.org, message, index));
        }
        Ok(())
    }

    /// Takes in a receipt this organisation holds.
    pub fn receipt(&mut self, receipt: Receipt) {
        self.receipts.insert((receipt.to.clone(), receipt.message), receipt);
    }

    /// Whether what happened at this moment, by another's clock, must be in this log.
    fn covers(&self, at: Timestamp) -> bool {
        at.checked_add(SKEW).is_ok_and(|at| at < self.as_of)
    }
}

/// What is wrong with a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The receiver's log names a message that the sender's log does not.
    MissingAtSender,
    /// The receiver signed for a message that its log does not name.
    MissingAtReceiver,
    /// The receiver signed for a message that neither log names.
    MissingAtBoth,
    /// The sender's entry is not the one the message stated.
    SenderDiffers,
    /// The receiver's entry is not the one its receipt stated.
    ReceiverDiffers,
    /// The receiver logged other bytes than it signed for.
    OtherMessage,
    /// One log names the same message twice.
    Doubled,
}

impl Flaw {
    /// In one sentence.
    #[must_use]
    pub fn sentence(self, lang: Lang) -> &'static str {
        let (nl, en) = match self {
            Self::MissingAtSender => (
                "Ontbreekt in het logboek van de afzender; de ontvanger heeft zijn helft.",
                "Missing in the sender's log; the receiver has its half.",
            ),
            Self::MissingAtReceiver => {
                ("Ontbreekt in het logboek van de ontvanger, die ervoor tekende.", "Missing in the log of the receiver, who signed for it.")
            }
            Self::MissingAtBoth => {
                ("Ontbreekt in beide logboeken; de ontvanger tekende ervoor.", "Missing in both logs; the receiver signed for it.")
            }
            Self::SenderDiffers => {
                ("De logregel van de afzender is niet die het bericht noemde.", "The sender's entry is not the one the message stated.")
            }
            Self::ReceiverDiffers => (
                "De logregel van de ontvanger is niet die de ontvangstbevestiging noemde.",
                "The receiver's entry is not the one its receipt stated.",
            ),
            Self::OtherMessage => (
                "De ontvanger legde een ander bericht vast dan waarvoor hij tekende.",
                "The receiver logged another message than it signed for.",
            ),
            Self::Doubled => ("Een logboek noemt dit bericht twee keer.", "One log names this message twice."),
        };
        match lang {
            Lang::Nl => nl,
            Lang::En => en,
        }
    }
}

/// A message whose halves do not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The message.
    pub message: MessageId,
    /// Who sent it.
    pub sender: OrgId,
    /// Who received it.
    pub receiver: OrgId,
    /// What is wrong.
    pub flaw: Flaw,
    /// Index of the sender's entry, when there is one.
    pub sender_index: Option<u64>,
    /// Index of the receiver's entry, when there is one.
    pub receiver_index: Option<u64>,
}

/// The verdict over two logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reconciled {
    /// Messages of which both halves are there and fit.
    pub pairs: u64,
    /// Sent and not signed for yet: under way, or waiting.
    pub open: u64,
    /// Younger than the other log, and so not judged.
    pub younger: u64,
    /// Pairs in which one side did not state its leaf hash: paired by the message's id alone.
    pub unstated: u64,
    /// What does not fit, in order of sender, receiver and message.
    pub findings: Vec<Finding>,
}

/// Pairs everything two organisations said to each other.
#[must_use]
pub fn reconcile(one: &Side, other: &Side) -> Reconciled {
    let mut outcome = Reconciled::default();
    for (sender, receiver) in [(one, other), (other, one)] {
        Direction { sender, receiver, outcome: &mut outcome }.pair();
    }
    outcome.findings.sort_by(|a, b| (&a.sender, &a.receiver, a.message, a.flaw).cmp(&(&b.sender, &b.receiver, b.message, b.flaw)));
    outcome
}

/// Everything one organisation sent the other.
struct Direction<'a> {
    sender: &'a Side,
    receiver: &'a Side,
    outcome: &'a mut Reconciled,
}

impl Direction<'_> {
    fn pair(&mut self) {
        let (sender, receiver) = (self.sender, self.receiver);
        for ((_, message), sent) in sender.sent.iter().filter(|((to, _), _)| *to == receiver.org) {
            let heard = receiver.heard.get(&(sender.org.clone(), *message)).copied();
            let receipt = sender.receipts.get(&(receiver.org.clone(), *message));
            match (heard, receipt) {
                (Some(heard), receipt) => self.compare(*message, *sent, heard, receipt),
                (None, None) => self.outcome.open += 1,
                (None, Some(receipt)) if receiver.covers(receipt.at) => {
                    self.find(*message, Flaw::MissingAtReceiver, Some(sent.index), None);
                }
                (None, Some(_)) => self.outcome.younger += 1,
            }
        }
        for ((_, message), heard) in receiver.heard.iter().filter(|((from, _), _)| *from == sender.org) {
            match sender.sent.contains_key(&(receiver.org.clone(), *message)) {
                true => {}
                false if sender.covers(heard.at) => self.find(*message, Flaw::MissingAtSender, None, Some(heard.index)),
                false => self.outcome.younger += 1,
            }
        }
        for ((_, message), receipt) in sender.receipts.iter().filter(|((to, _), _)| *to == receiver.org) {
            let named =
                sender.sent.contains_key(&(receiver.org.clone(), *message)) || receiver.heard.contains_key(&(sender.org.clone(), *message));
            if !named && sender.covers(receipt.at) {
                self.find(*message, Flaw::MissingAtBoth, None, None);
            }
        }
        for (org, message, index) in &sender.doubled {
            if *org == receiver.org {
                self.find(*message, Flaw::Doubled, Some(*index), None);
            }
        }
    }

    fn compare(&mut self, message: MessageId, sent: SentHalf, heard: HeardHalf, receipt: Option<&Receipt>) {
        let signed = receipt.and_then(|receipt| receipt.leaf);
        let flaw = if signed.is_some_and(|leaf| leaf != heard.leaf) {
            Some(Flaw::ReceiverDiffers)
        } else if heard.stated.is_some_and(|leaf| leaf != sent.leaf) {
            Some(Flaw::SenderDiffers)
        } else if receipt.is_some_and(|receipt| heard.hash != Some(receipt.hash)) {
            Some(Flaw::OtherMessage)
        } else {
            None
        };
        match flaw {
            Some(flaw) => self.find(message, flaw, Some(sent.index), Some(heard.index)),
            None => {
                self.outcome.pairs += 1;
                self.outcome.unstated += u64::from(heard.stated.is_none() || receipt.is_some_and(|receipt| receipt.leaf.is_none()));
            }
        }
    }

    fn find(&mut self, message: MessageId, flaw: Flaw, sender_index: Option<u64>, receiver_index: Option<u64>) {
        let (sender, receiver) = (self.sender.org.clone(), self.receiver.org.clone());
        self.outcome.findings.push(Finding { message, sender, receiver, flaw, sender_index, receiver_index });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::audit::entry::{Decision, Event, Object, Peer, Sent, Source, User};
    use crate::audit::event::{EventCode, Outcome};

    fn org(number: u32) -> OrgId {
        format!("ura:9000{number:04}").parse().unwrap()
    }

    fn id(number: u128) -> MessageId {
        MessageId::new(Uuid::from_u128(number))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn entry(by: u32, second: i64) -> Entry {
        Entry::new(
            Event::new(EventCode::MessageSent, Outcome::Done, at(second)),
            User::person("p-1", "nurse"),
            Object::new("case", "uuid", "x", "none"),
            Source { org: org(by), gateway: "gw".to_owned() },
            Decision::allowed("r", "s"),
        )
    }

    /// Three messages of 1 to 2 and one back, all received, all signed for.
    fn halves() -> ([Vec<Entry>; 2], Vec<(u32, Receipt)>) {
        let (mut logs, mut receipts) = ([Vec::new(), Vec::new()], Vec::new());
        for (number, from, to) in [(1_u8, 1_u32, 2_u32), (2, 1, 2), (3, 2, 1), (4, 1, 2)] {
            let mut said = entry(from, i64::from(number));
            said.sent = vec![Sent { id: id(number.into()), to: org(to) }];
            let hash = Hash::sha256(&[number]);
            let stated = Some(said.leaf_hash().unwrap());
            let peer = Peer { message_id: Some(id(number.into())), message: Some(hash), leaf: stated, ..Peer::new(org(from)) };
            let heard = entry(to, i64::from(number) + 1).with_peer(peer);
            let leaf = Some(heard.leaf_hash().unwrap());
            let outcome = "accepted".to_owned();
            receipts.push((from, Receipt { message: id(number.into()), to: org(to), at: at(10), hash, outcome, leaf }));
            logs[from as usize - 1].push(said);
            logs[to as usize - 1].push(heard);
        }
        (logs, receipts)
    }

    fn side(by: u32, log: &[Entry], receipts: &[(u32, Receipt)]) -> Side {
        let mut side = Side::new(org(by), at(1_000));
        for (index, entry) in (0..).zip(log) {
            side.read(index, &entry.bytes().unwrap()).unwrap();
        }
        receipts.iter().filter(|(of, _)| *of == by).for_each(|(_, receipt)| side.receipt(receipt.clone()));
        side
    }

    fn flaws(spoil: impl FnOnce(&mut [Vec<Entry>; 2], &mut Vec<(u32, Receipt)>)) -> Vec<(MessageId, Flaw)> {
        let (mut logs, mut receipts) = halves();
        spoil(&mut logs, &mut receipts);
        let outcome = reconcile(&side(1, &logs[0], &receipts), &side(2, &logs[1], &receipts));
        outcome.findings.into_iter().map(|finding| (finding.message, finding.flaw)).collect()
    }

    #[test]
    fn two_whole_logs_pair_completely_in_either_order() {
        let (logs, receipts) = halves();
        let (one, two) = (side(1, &logs[0], &receipts), side(2, &logs[1], &receipts));

        let outcome = reconcile(&one, &two);

        assert_eq!(outcome, Reconciled { pairs: 4, ..Reconciled::default() });
        assert_eq!(reconcile(&two, &one), outcome);
    }

    #[test]
    fn each_half_that_is_missing_or_different_is_named_with_whose_it_is() {
        assert_eq!(flaws(|logs, _| drop(logs[0].remove(0))), [(id(1), Flaw::MissingAtSender)]);
        assert_eq!(flaws(|logs, _| drop(logs[1].remove(0))), [(id(1), Flaw::MissingAtReceiver)]);
        assert_eq!(flaws(|logs, _| logs[0][1].event.outcome = Outcome::Failed), [(id(2), Flaw::SenderDiffers)]);
        assert_eq!(flaws(|logs, _| logs[1][1].event.outcome = Outcome::Failed), [(id(2), Flaw::ReceiverDiffers)]);
        assert_eq!(flaws(|_, receipts| receipts[0].1.hash = Hash([0; 32])), [(id(1), Flaw::OtherMessage)]);
        let both = |logs: &mut [Vec<Entry>; 2], _: &mut Vec<(u32, Receipt)>| {
            logs[0].remove(0);
            logs[1].remove(0);
        };
        assert_eq!(flaws(both), [(id(1), Flaw::MissingAtBoth)]);
        let twice = |logs: &mut [Vec<Entry>; 2], _: &mut Vec<(u32, Receipt)>| {
            let again = logs[0][0].clone();
            logs[0].push(again);
        };
        assert_eq!(flaws(twice), [(id(1), Flaw::Doubled)]);
    }

    #[test]
    fn what_is_under_way_or_younger_than_the_other_log_is_counted_and_never_a_finding() {
        let (logs, receipts) = halves();
        let whole = |by: u32| side(by, &logs[by as usize - 1], &receipts);
        let mut unsigned = receipts.clone();
        unsigned.remove(0);
        let early = Side { as_of: at(60), ..side(2, &logs[1][1..], &receipts) };

        let under_way = reconcile(&side(1, &logs[0], &unsigned), &side(2, &logs[1][1..], &receipts));
        assert_eq!((under_way.open, under_way.findings.len()), (1, 0));
        let cut = reconcile(&whole(1), &early);
        assert_eq!((cut.younger, cut.findings.len()), (1, 0));
        let sender_cut = reconcile(&Side { as_of: at(60), ..side(1, &logs[0][1..], &receipts[1..]) }, &whole(2));
        assert_eq!((sender_cut.younger, sender_cut.findings.len()), (1, 0));
    }
}
