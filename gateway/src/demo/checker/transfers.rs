//! Every token that left arrived or was refused, and both sides hold the proof: Transfer and Receipt, and the Transfer's hash.

use schakel_domain::id::Hash;
use serde_json::Value;

use super::history::{History, Side};
use super::{Violation, custody};
use crate::store::{OutboxRow, OutboxState};

const TRANSFER: &str = "transfer-custody";
const RECEIPT: &str = "custody-receipt";
const REFUSAL: &str = "refuse-transfer";

/// Looks at every Transfer that was ever sent.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        for row in side.sent.iter().filter(|row| row.message.kind == TRANSFER) {
            let Some(receiver) = history.of(&row.message.peer) else { continue };
            one(side, receiver, row, violations);
        }
        without_cause(history, side, violations);
    }
}

fn one(sender: &Side, receiver: &Side, row: &OutboxRow, violations: &mut Vec<Violation>) {
    let (offer, hash) = (&row.message.subject.1, row.message.hash);
    let mut wrong = |rule, org, what: &str| violations.push(Violation::new(rule, org, format!("handover {offer}: {what}")));
    if row.state != OutboxState::Delivered {
        wrong("transfer-not-delivered", &sender.org, "the token is still under way");
        return;
    }
    let answers = |kind: &str| {
        let sent = receiver.sent.iter().find(|row| row.message.kind == kind && row.message.subject.1 == *offer);
        let sent = sent.filter(|row| row.message.peer == sender.org);
        let arrived = |answer: &&OutboxRow| sender.received.iter().any(|got| got.hash == answer.message.hash && got.kind == kind);
        (sent.is_some(), sent.filter(arrived).is_some())
    };
    let (receipted, receipt_held) = answers(RECEIPT);
    let (refused, refusal_held) = answers(REFUSAL);
    if !receipted && !refused {
        wrong("no-receipt", &receiver.org, "it answered the transfer with neither a receipt nor a refusal");
    } else if !receipt_held && !refusal_held {
        wrong("no-receipt", &sender.org, "the answer to its transfer did not arrive");
    }
    if receipted && named_at_receiver(receiver, offer) != Some(hash) {
        wrong("receipt-names-another", &receiver.org, "the transfer it acted on is not the one that was sent");
    }
    if !named_at_sender(sender, offer).contains(&hash) {
        wrong("transfer-not-recorded", &sender.org, "its record does not name the transfer it sent");
    }
}

/// The Transfer that brought the token, as the receiver's custody says.
fn named_at_receiver(side: &Side, offer: &str) -> Option<Hash> {
    let offers = side.cases.iter().filter_map(|case| case.clear["custody"]["inbound"].get(offer));
    offers.filter_map(|row| hash(&row["answer"]["activated"]["transfer"])).next()
}

/// The Transfers of an offer, as the sender's record says.
fn named_at_sender(side: &Side, offer: &str) -> Vec<Hash> {
    let record = side.handovers.iter().find(|record| record.id == offer);
    record.and_then(|record| record.clear["transfers"].as_array()).into_iter().flatten().filter_map(hash).collect()
}

fn hash(value: &Value) -> Option<Hash> {
    value.as_str()?.parse().ok()
}

/// Whoever got a token got it from somebody who sent one.
fn without_cause(history: &History, side: &Side, violations: &mut Vec<Violation>) {
    let changes = side.events.iter().filter_map(|row| custody::change(&row.event.kind, &row.event.resource));
    for (_, case) in changes.filter(|(change, _)| *change == custody::Change::GotToken) {
        let token = |row: &&crate::store::InboxRow| row.thread == case && (row.kind == TRANSFER || row.kind == REFUSAL);
        let got = side.received.iter().find(token);
        let sent =
            got.is_some_and(|got| history.of(&got.peer).is_some_and(|from| from.sent.iter().any(|row| row.message.hash == got.hash)));
        if !sent {
            violations.push(Violation::new("lead-without-transfer", &side.org, format!("case {case}: nobody sent it the token")));
        }
    }
}
