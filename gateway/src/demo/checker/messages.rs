//! Every message arrived exactly once, with the same content, in order, and nothing arrived that nobody sent.

use std::collections::BTreeMap;

use schakel_domain::id::OrgId;

use super::Violation;
use super::history::{History, Side};
use crate::store::{OutboxRow, OutboxState};

/// Looks at every queue and every inbox.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        numbers(side, violations);
        for row in &side.sent {
            arrived_once(history, side, row, violations);
        }
        came_from_somewhere(history, side, violations);
        in_order(side, violations);
    }
}

/// Numbers towards each peer run from 1 without gaps, and positions in each thread too.
fn numbers(side: &Side, violations: &mut Vec<Violation>) {
    let (mut next, mut threads): (BTreeMap<&OrgId, u64>, BTreeMap<(&OrgId, &str), u64>) = Default::default();
    for row in &side.sent {
        let (peer, thread) = (&row.message.peer, row.message.thread.as_str());
        let expected = next.entry(peer).or_insert(1);
        if row.number != *expected {
            violations.push(Violation::new("number-missing", &side.org, format!("to {peer}: {} where {expected} was due", row.number)));
        }
        *expected = row.number + 1;
        let expected = threads.entry((peer, thread)).or_insert(1);
        // A void takes the place of what was parked or cancelled: the same position, once more.
        let again = *expected > 1 && row.message.seq + 1 == *expected && row.message.kind == "void";
        if row.message.seq != *expected && !again {
            let what = format!("to {peer} in {thread}: {} where {expected} was due", row.message.seq);
            violations.push(Violation::new("sequence-missing", &side.org, what));
        }
        *expected = row.message.seq + 1;
    }
}

fn arrived_once(history: &History, side: &Side, row: &OutboxRow, violations: &mut Vec<Violation>) {
    let Some(receiver) = history.of(&row.message.peer) else { return };
    let what = |problem: &str| format!("{} number {} to {}: {problem}", row.message.kind, row.number, receiver.org);
    let copies: Vec<_> = receiver.received.iter().filter(|got| got.peer == side.org && got.message == row.message.message).collect();
    match (row.state, &copies[..]) {
        (OutboxState::Delivered, []) => {
            violations.push(Violation::new("not-received", &side.org, what("delivered, says the sender; the receiver never got it")));
        }
        (OutboxState::Delivered, [one]) if one.hash != row.message.hash => {
            violations.push(Violation::new("content-differs", &receiver.org, what("received with another content")));
        }
        (OutboxState::Delivered, [_]) => {}
        (OutboxState::Waiting, _) => violations.push(Violation::new("not-delivered", &side.org, what("still waits"))),
        (OutboxState::Parked, _) => {
            let reason = row.reason.as_deref().unwrap_or("no reason");
            violations.push(Violation::new("parked", &side.org, what(&format!("the receiver cannot accept it ({reason})"))));
        }
        (OutboxState::Cancelled, _) => {}
        (_, [_, _, ..]) => violations.push(Violation::new("received-twice", &receiver.org, what("received more than once"))),
    }
    let same = receiver.received.iter().filter(|got| got.peer == side.org && got.hash == row.message.hash).count();
    if same > 1 {
        violations.push(Violation::new("received-twice", &receiver.org, what("the same content arrived under two names")));
    }
}

fn came_from_somewhere(history: &History, side: &Side, violations: &mut Vec<Violation>) {
    for got in &side.received {
        let Some(sender) = history.of(&got.peer) else {
            violations.push(Violation::new("stranger", &side.org, format!("a message of {}, who takes no part", got.peer)));
            continue;
        };
        if !sender.sent.iter().any(|row| row.message.message == got.message && row.message.peer == side.org) {
            let what = format!("{} of {} in {}: its sender never sent it", got.kind, got.peer, got.thread);
            violations.push(Violation::new("never-sent", &side.org, what));
        }
    }
}

/// Positions of a thread arrive in order: nothing is taken before what precedes it.
fn in_order(side: &Side, violations: &mut Vec<Violation>) {
    let mut threads: BTreeMap<(&OrgId, &str), u64> = BTreeMap::new();
    for got in side.received.iter().filter(|got| got.outcome == "accepted") {
        let next = threads.entry((&got.peer, got.thread.as_str())).or_insert(1);
        if got.seq != *next {
            let what = format!("from {} in {}: {} taken where {next} was due", got.peer, got.thread, got.seq);
            violations.push(Violation::new("out-of-order", &side.org, what));
        }
        *next = got.seq + 1;
    }
}
