//! Every log holds by itself, and tells of every change of custody.

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::tree::{Frontier, leaf_hash};

use super::Violation;
use super::custody::{self, Change};
use super::history::{History, Side};

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
        for row in &side.events {
            let Some((change, case)) = custody::change(&row.event.kind, &row.event.resource) else { continue };
            let moment = format!("{:.3}", row.at);
            let tells = |entry: &&crate::store::EntryRow| {
                entry.entry.case.as_deref() == Some(case.as_str())
                    && Entry::parse(&entry.entry.bytes)
                        .is_ok_and(|entry| entry.event.time == moment && codes(change).contains(&&*entry.event.code))
            };
            if !side.entries.iter().any(|entry| tells(&entry)) {
                let what = format!("{} of case {case} at {moment} is not in the log", row.event.kind);
                violations.push(Violation::new("not-logged", &side.org, what));
            }
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
