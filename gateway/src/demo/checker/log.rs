//! Every log holds by itself, tells of every change of custody, and of every message at both sides.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::tree::{Frontier, leaf_hash};
use schakel_domain::id::Hash;

use super::Violation;
use super::custody::{self, Change};
use super::history::{History, Side};
use crate::store::EntryRow;

/// Entries are numbered without gaps, hash to their leaves, have every mandatory field, and lead to the signed checkpoint.
pub(super) fn check_each(history: &History, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        entries(side, violations);
        checkpoint(side, violations);
    }
}

/// The first entry whose bytes and hash do not belong together.
pub(super) fn first_changed(side: &Side) -> Option<u64> {
    side.entries.iter().find(|row| leaf_hash(&row.entry.bytes) != row.entry.leaf).map(|row| row.index)
}

fn entries(side: &Side, violations: &mut Vec<Violation>) {
    for (expected, row) in (0_u64..).zip(&side.entries) {
        let mut wrong = |what: String| violations.push(Violation::new("log-broken", &side.org, format!("entry {expected}: {what}")));
        if row.index != expected {
            wrong(format!("found {} there", row.index));
        }
        if leaf_hash(&row.entry.bytes) != row.entry.leaf {
            wrong("its bytes and its hash do not belong together".to_owned());
        }
        if let Err(error) = Entry::parse(&row.entry.bytes) {
            wrong(error.to_string());
        }
    }
}

fn checkpoint(side: &Side, violations: &mut Vec<Violation>) {
    let Some((signed, log)) = &side.checkpoint else { return };
    let mut wrong = |what: String| violations.push(Violation::new("log-broken", &side.org, what));
    let checkpoint = match Checkpoint::open(signed, log) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return wrong(format!("checkpoint: {error}")),
    };
    let mut frontier = Frontier::new();
    let covered = usize::try_from(checkpoint.size).unwrap_or(usize::MAX);
    side.entries.iter().take(covered).for_each(|row| frontier.push(leaf_hash(&row.entry.bytes), |_, _, _| {}));
    if frontier.size() != checkpoint.size {
        wrong(format!("the checkpoint covers {} entries, the store has {}", checkpoint.size, side.entries.len()));
    } else if frontier.root() != checkpoint.root {
        wrong("the entries do not lead to the signed root".to_owned());
    }
}

/// Every change of custody has an entry of the same moment about the same case.
pub(super) fn check_told(history: &History, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        let parsed = |row: &EntryRow| Some((row.entry.case.clone()?, Entry::parse(&row.entry.bytes).ok()?));
        let entries: Vec<(String, Entry)> = side.entries.iter().filter_map(parsed).collect();
        for row in &side.events {
            let Some((change, case)) = custody::change(&row.event.kind, &row.event.resource) else { continue };
            let moment = format!("{:.3}", row.at);
            let tells = |(about, entry): &(String, Entry)| {
                *about == case && entry.event.time == moment && codes(change).contains(&&*entry.event.code)
            };
            if !entries.iter().any(tells) {
                let what = format!("{} of case {case} at {moment} is not in the log", row.event.kind);
                violations.push(Violation::new("not-logged", &side.org, what));
            }
        }
    }
}

/// Every message is in both logs: in the receiver's by its hash, once; in the sender's as an entry of the moment it was put in the outbox.
/// A void is no message of people's: it only keeps the order.
pub(super) fn check_messages(history: &History, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        let entries: Vec<Entry> = side.entries.iter().filter_map(|row| Entry::parse(&row.entry.bytes).ok()).collect();
        let mut named: BTreeMap<Hash, u64> = BTreeMap::new();
        for hash in entries.iter().filter_map(|entry| entry.peer.as_ref()?.message) {
            *named.entry(hash).or_default() += 1;
        }
        let moments: BTreeSet<&str> = entries.iter().map(|entry| entry.event.time.as_str()).collect();
        for got in side.received.iter().filter(|got| got.outcome == "accepted" && got.kind != "void") {
            let times = named.get(&got.hash).copied().unwrap_or_default();
            if times != 1 {
                let what = format!("{} of {}: {times} entries name it", got.kind, got.peer);
                violations.push(Violation::new("message-not-logged", &side.org, what));
            }
        }
        for row in side.sent.iter().filter(|row| !moments.contains(format!("{:.3}", row.queued).as_str())) {
            let what = format!("{} number {} to {}: no entry of the moment it was sent", row.message.kind, row.number, row.message.peer);
            violations.push(Violation::new("message-not-logged", &side.org, what));
        }
    }
}

/// Codes under which a change may stand in the log. A later message of the receiver can be the receipt too.
fn codes(change: Change) -> &'static [&'static str] {
    match change {
        Change::Opened => &["case-opened"],
        Change::GaveToken => &["handover-accepted"],
        Change::Reclaimed => &["custody-forced"],
        Change::Contested => &["custody-contested", "custody-received"],
        Change::GotToken => &["custody-received", "custody-refused"],
        Change::LeftCustody => &["custody-receipted", "handover-received", "custody-contested"],
        Change::Resolved => &["contested-resolved"],
        Change::Closed => &["case-closed"],
    }
}
