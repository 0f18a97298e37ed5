//! Double entry at scale: halves removed or changed in one of two exported logs, each re-signed by its owner, are all named and no other.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use schakel::ledger::receipts::{self, Line};
use schakel::ledger::reconcile::exported;
use schakel_domain::audit::entry::{Entry, Peer, Sent};
use schakel_domain::audit::event::Outcome;
use schakel_domain::audit::reconcile::{Flaw, Receipt, reconcile};
use schakel_domain::id::{Hash, MessageId, OrgId};
use uuid::Uuid;

use super::kit::*;

/// Messages in the default run; `PROOF_MESSAGES` names another number.
const MESSAGES: u64 = 4_000;
/// Of so many messages one half is spoilt.
const ONE_IN: u64 = 100;

/// One organisation's log in the making.
struct Half {
    of: OrgId,
    log: Vec<Entry>,
    receipts: Vec<Line>,
}

impl Half {
    fn write(&self, to: &Path) {
        let entries = self.log.iter().map(|entry| entry.bytes().unwrap()).collect();
        let log = Log { of: self.of.clone(), entries };
        let mut files = log.export(&log.note());
        let mut made = receipts::Files::new(self.of.clone(), at(10_000_000));
        files.extend(self.receipts.iter().filter_map(|line| made.push(line)).collect::<Vec<_>>());
        files.extend(made.finish());
        write_all(&files, to);
    }
}

fn id(number: u64) -> MessageId {
    MessageId::new(Uuid::from_u128(u128::from(number) | 7 << 76 | 2 << 62))
}

/// What is done to one message, and what must be said of it.
fn spoil(kind: u64, said: &mut Option<Entry>, heard: &mut Option<Entry>) -> Flaw {
    match kind % 4 {
        0 => {
            *said = None;
            Flaw::MissingAtSender
        }
        1 => {
            *heard = None;
            Flaw::MissingAtReceiver
        }
        2 => {
            said.as_mut().unwrap().event.outcome = Outcome::Failed;
            Flaw::SenderDiffers
        }
        _ => {
            heard.as_mut().unwrap().event.outcome = Outcome::Failed;
            Flaw::ReceiverDiffers
        }
    }
}

#[test]
fn every_half_that_was_removed_or_changed_is_named_and_no_other() {
    let messages = std::env::var("PROOF_MESSAGES").map_or(MESSAGES, |text| text.parse().unwrap());
    let mut halves = [org(1), org(2)].map(|of| Half { of, log: Vec::new(), receipts: Vec::new() });
    let mut expected = BTreeSet::new();
    for number in 0..messages {
        let (from, to) = if number % 3 == 0 { (1, 0) } else { (0, 1) };
        let (sender, receiver) = (halves[from].of.clone(), halves[to].of.clone());
        let mut said = entry(&sender, number);
        said.sent = vec![Sent { id: id(number), to: receiver.clone() }];
        let hash = Hash::sha256(&number.to_be_bytes());
        let stated = Some(said.leaf_hash().unwrap());
        let peer = Peer { message_id: Some(id(number)), message: Some(hash), leaf: stated, ..Peer::new(sender) };
        let heard = entry(&receiver, number).with_peer(peer);
        let receipt = Receipt {
            message: id(number),
            to: receiver,
            at: at(i64::try_from(number).unwrap() + 1),
            hash,
            outcome: "accepted".to_owned(),
            leaf: Some(heard.leaf_hash().unwrap()),
        };
        halves[from].receipts.push(Line { receipt, proof: String::new() });
        let (mut said, mut heard) = (Some(said), Some(heard));
        if number % ONE_IN == 7 {
            expected.insert((id(number), spoil(number / ONE_IN, &mut said, &mut heard)));
        }
        halves[from].log.extend(said);
        halves[to].log.extend(heard);
    }
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    halves.iter().zip(&folders).for_each(|(half, folder)| half.write(folder.path()));

    let started = Instant::now();
    let [one, two] = [0, 1].map(|place: usize| {
        let key = log_key(&halves[place].of);
        let (side, report) = exported(folders[place].path(), Some(key.vkey())).unwrap();
        assert!(report.ok(), "a log that its owner signed anew verifies by itself");
        side
    });
    let outcome = reconcile(&one, &two);

    println!("{messages} messages reconciled in {:?}", started.elapsed());
    let found: BTreeSet<_> = outcome.findings.iter().map(|finding| (finding.message, finding.flaw)).collect();
    assert_eq!(found.len(), outcome.findings.len());
    assert_eq!(found, expected);
    assert_eq!((outcome.pairs, outcome.open, outcome.younger, outcome.unstated), (messages - expected.len() as u64, 0, 0, 0));
}
