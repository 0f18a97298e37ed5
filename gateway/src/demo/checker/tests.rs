//! The checker is not blind: a handover as it should be stored, and then with one thing broken at a time.

use jiff::Timestamp;
use schakel_domain::audit::entry::{Decision, Entry, Event, NO_PROTOCOL, Object, Peer, Responsible, Source, User};
use schakel_domain::audit::event::{EventCode, Outcome as Logged};
use schakel_domain::audit::tree::leaf_hash;
use schakel_domain::id::{Hash, MessageId};
use serde_json::json;
use uuid::Uuid;

use super::history::Record;
use super::*;
use crate::store::{
    Commit, EntryRow, EventRow, InboxRow, Kind, NewEntry, NewEvent, OutboxRow, OutboxState, Outgoing, Record as Stored, Store, memory,
};

const CASE: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";
const OFFER: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b37";

fn org(number: u8) -> OrgId {
    format!("ura:9000010{number}").parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn message(number: u128) -> MessageId {
    MessageId::new(Uuid::from_u128(number))
}

fn content(kind: &str) -> Hash {
    Hash::sha256(kind.as_bytes())
}

fn empty(number: u8) -> Side {
    Side {
        org: org(number),
        cases: Vec::new(),
        handovers: Vec::new(),
        consultations: Vec::new(),
        events: Vec::new(),
        entries: Vec::new(),
        sent: Vec::new(),
        received: Vec::new(),
        checkpoint: None,
    }
}

impl Side {
    /// An event, and the entry of the same moment that tells of it.
    fn happens(&mut self, second: i64, kind: &str, resource: &str, code: EventCode) {
        let seq = self.events.len() as u64 + 1;
        let event = NewEvent { kind: kind.to_owned(), resource: resource.to_owned(), state: String::new() };
        self.events.push(EventRow { seq, event, at: at(second), trace: None });
        let user = User::process("gateway", "gateway", Responsible::new("local:1", "coordinator"));
        let source = Source { org: self.org.clone(), gateway: "gw-1".to_owned() };
        let object = Object::new("gateway", "name", CASE, NO_PROTOCOL);
        let entry = Entry::new(Event::new(code, Logged::Done, at(second)), user, object, source, Decision::allowed("roles", "Het mag."));
        self.logs(&entry);
    }

    fn logs(&mut self, entry: &Entry) {
        let bytes = entry.bytes().unwrap();
        let entry = NewEntry { leaf: leaf_hash(&bytes), bytes, salts: None, case: Some(CASE.to_owned()) };
        self.entries.push(EntryRow { index: self.entries.len() as u64, entry });
    }

    /// An entry about a message: at its receiver it names the message.
    fn notes(&mut self, second: i64, peer: &OrgId, message: Option<Hash>) {
        let user = User::organization(peer, "gateway");
        let source = Source { org: self.org.clone(), gateway: "gw-1".to_owned() };
        let object = Object::new("case", "uuid", CASE, NO_PROTOCOL);
        let event = Event::new(EventCode::MessageReceived, Logged::Done, at(second));
        let entry = Entry::new(event, user, object, source, Decision::allowed("roles", "Het mag."));
        self.logs(&entry.with_peer(Peer { message, ..Peer::new(peer.clone()) }));
    }

    /// A person does something that leaves an entry about the case.
    fn does(&mut self, second: i64, code: EventCode) {
        let source = Source { org: self.org.clone(), gateway: "gw-1".to_owned() };
        let object = Object::new("case", "uuid", CASE, NO_PROTOCOL);
        let user = User::person("local:1", "coordinator");
        let event = Event::new(code, Logged::Done, at(second));
        self.logs(&Entry::new(event, user, object, source, Decision::allowed("roles", "Het mag.")));
    }
}

/// A message that left, and its copy that arrived.
fn carried(from: &mut Side, to: &mut Side, kind: &str, second: i64) {
    let seq = from.sent.iter().filter(|row| row.message.peer == to.org).count() as u64 + 1;
    let id = message(u128::from(seq) << 8 | u128::from(from.org.as_str().as_bytes()[11]));
    let row = Outgoing {
        peer: to.org.clone(),
        message: id,
        thread: CASE.to_owned(),
        seq,
        kind: kind.to_owned(),
        hash: content(kind),
        sealed: Vec::new(),
        subject: (Kind::Handover, OFFER.to_owned()),
    };
    let state = OutboxState::Delivered;
    from.notes(second, &to.org, None);
    to.notes(second, &from.org, Some(content(kind)));
    from.sent.push(OutboxRow {
        number: seq,
        message: row,
        state,
        reason: None,
        proof: None,
        queued: at(second),
        changed: at(second),
        trace: None,
    });
    to.received.push(InboxRow {
        peer: from.org.clone(),
        message: id,
        number: seq,
        thread: CASE.to_owned(),
        seq,
        kind: kind.to_owned(),
        hash: content(kind),
        sealed: Vec::new(),
        proof: Vec::new(),
        outcome: "accepted".to_owned(),
        leaf: None,
        at: at(second),
    });
}

/// One case, opened at the first and handed over to the second organisation.
fn handed_over() -> History {
    let (mut a, mut b) = (empty(1), empty(2));
    let (case, handover) = (format!("cases/{CASE}"), format!("cases/{CASE}/handovers/{OFFER}"));
    a.happens(0, "case.opened", &case, EventCode::CaseOpened);
    carried(&mut a, &mut b, "propose-handover", 1);
    carried(&mut b, &mut a, "accept-handover", 2);
    a.happens(3, "handover.transferring", &handover, EventCode::HandoverAccepted);
    carried(&mut a, &mut b, "transfer-custody", 3);
    b.happens(4, "case.lead", &case, EventCode::CustodyReceived);
    carried(&mut b, &mut a, "custody-receipt", 4);
    a.happens(5, "handover.completed", &handover, EventCode::CustodyReceipted);
    let epoch = json!({ "term": { "counter": 0, "org": "ura:90000101" }, "step": 1 });
    let activated = json!({ "activated": { "epoch": epoch, "transfer": content("transfer-custody") } });
    let outside = json!({ "custody": { "role": "outside", "outbound": { OFFER: { "outcome": "passed" } }, "inbound": {} } });
    let lead = json!({ "custody": { "role": { "lead": {} }, "outbound": {}, "inbound": { OFFER: { "answer": activated } } } });
    a.cases.push(Record { id: CASE.to_owned(), clear: outside });
    b.cases.push(Record { id: CASE.to_owned(), clear: lead });
    let made = json!({ "side": "sender", "transfers": [content("transfer-custody")] });
    a.handovers.push(Record { id: OFFER.to_owned(), clear: made });
    b.handovers.push(Record { id: OFFER.to_owned(), clear: json!({ "side": "receiver" }) });
    History { sides: vec![a, b], ..History::default() }
}

/// The rules that do not hold after one thing was broken.
fn rules(break_it: impl FnOnce(&mut Side, &mut Side)) -> Vec<&'static str> {
    let mut history = handed_over();
    let (first, second) = history.sides.split_at_mut(1);
    break_it(&mut first[0], &mut second[0]);
    check(&history).violations.into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_handover_as_it_should_be_has_no_violations() {
    let findings = check(&handed_over());

    assert_eq!(findings.violations, []);
    assert_eq!((findings.transitions, findings.handovers, findings.consultations, findings.entries), (4, 1, 0, 12));
    assert!(findings.logs_hold);
}

#[test]
fn two_leads_at_one_moment_are_seen() {
    let found = rules(|a, _| {
        a.events.retain(|row| row.event.kind != "handover.transferring");
    });

    assert!(found.contains(&"two-leads"), "{found:?}");
}

#[test]
fn two_leads_in_the_records_are_seen_although_no_event_tells_of_it() {
    let found = rules(|a, _| a.cases[0].clear["custody"]["role"] = json!({ "lead": {} }));

    assert_eq!(found, ["record-differs"]);
}

#[test]
fn a_moment_in_which_nobody_is_responsible_is_seen() {
    let found = rules(|a, _| a.events[2].at = at(3));
    assert_eq!(found, ["nobody-responsible", "not-logged"]);

    let found = rules(|_, b| b.cases[0].clear["custody"]["role"] = json!("outside"));
    assert_eq!(found, ["record-differs"]);
}

#[test]
fn a_token_that_nobody_sent_is_seen() {
    let found = rules(|a, _| a.sent.retain(|row| row.message.kind != "transfer-custody"));

    assert_eq!(found, ["lead-without-transfer", "never-sent"]);
}

#[test]
fn one_epoch_with_two_leads_is_seen() {
    let found = rules(|a, b| a.cases[0].clear["custody"]["inbound"] = b.cases[0].clear["custody"]["inbound"].clone());

    assert_eq!(found, ["two-leads-in-epoch"]);
}

#[test]
fn a_missing_receipt_is_seen_at_either_side() {
    let found = rules(|a, b| {
        b.sent.retain(|row| row.message.kind != "custody-receipt");
        a.received.retain(|row| row.kind != "custody-receipt");
    });
    assert_eq!(found, ["no-receipt"]);

    let found = rules(|a, _| a.received.retain(|row| row.kind != "custody-receipt"));
    assert_eq!(found, ["no-receipt", "not-received"]);
}

#[test]
fn a_receipt_for_another_transfer_is_seen() {
    let found = rules(|_, b| {
        b.cases[0].clear["custody"]["inbound"][OFFER]["answer"]["activated"]["transfer"] = json!(content("another"));
    });
    assert_eq!(found, ["receipt-names-another"]);

    let found = rules(|a, _| a.handovers[0].clear["transfers"] = json!([]));
    assert_eq!(found, ["transfer-not-recorded"]);
}

#[test]
fn a_gap_in_the_order_is_seen_at_sender_and_receiver() {
    let found = rules(|a, _| a.sent[1].message.seq = 3);
    assert_eq!(found, ["sequence-missing"]);

    let found = rules(|_, b| b.received[1].seq = 3);
    assert_eq!(found, ["out-of-order"]);
}

#[test]
fn a_message_that_arrived_twice_is_seen() {
    let found = rules(|_, b| {
        let copy = InboxRow { message: message(99), ..b.received[1].clone() };
        b.received.push(copy);
    });

    assert!(found.contains(&"received-twice") && found.contains(&"never-sent"), "{found:?}");
}

#[test]
fn a_message_that_never_arrived_or_arrived_otherwise_is_seen() {
    let found = rules(|_, b| drop(b.received.remove(0)));
    assert!(found.contains(&"not-received"), "{found:?}");

    let found = rules(|_, b| b.received[0].hash = content("another"));
    assert!(found.contains(&"content-differs"), "{found:?}");

    let found = rules(|a, _| a.sent[0].state = OutboxState::Waiting);
    assert_eq!(found, ["not-delivered"]);
}

#[test]
fn a_change_of_custody_that_is_not_in_the_log_is_seen() {
    let found = rules(|_, b| b.entries.clear());

    assert!(found.contains(&"not-logged"), "{found:?}");
}

#[test]
fn a_message_that_is_missing_in_one_of_the_logs_is_seen() {
    let renamed = |side: &mut Side, second: i64| {
        side.entries.truncate(0);
        side.does(second, EventCode::CaseViewed);
    };

    let found = rules(|a, _| renamed(a, 99));
    assert!(found.iter().filter(|rule| **rule == "message-not-logged").count() == 4, "{found:?}");

    let found = rules(|_, b| b.notes(7, &org(1), Some(content("transfer-custody"))));
    assert_eq!(found, ["message-not-logged"], "one message, two entries");
}

/// What clients were told of opening the case, and how often a person did it by the log.
fn told(outcome: super::Outcome, kept: Option<&str>, done: usize) -> Vec<&'static str> {
    let mut history = handed_over();
    (0..done).for_each(|_| history.sides[0].does(0, EventCode::CaseOpened));
    let operation = Operation { org: org(1), act: "open-case".to_owned(), request: "r-1".to_owned(), outcome };
    history.operations = vec![Told { operation, kept: kept.map(|id| format!("cases/{id}")) }];
    check(&history).violations.into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn what_was_acknowledged_is_done_once_what_was_refused_never_and_what_nobody_knows_at_most_once() {
    use super::Outcome::{Done, Refused, Unknown};
    let done = |resource: &str| Done { resource: resource.to_owned() };
    let refused = || Refused { reason: "NOT_LEAD".to_owned() };

    for good in [told(done(CASE), Some(CASE), 1), told(refused(), None, 0), told(Unknown, None, 0), told(Unknown, Some(CASE), 1)] {
        assert_eq!(good, [] as [&str; 0]);
    }
    assert_eq!(told(done(CASE), None, 0), ["acknowledged-lost"]);
    assert_eq!(told(done(CASE), Some(OFFER), 0), ["acknowledged-differs", "effects-differ"]);
    assert_eq!(told(refused(), Some(CASE), 1), ["refused-done"]);
    assert_eq!(told(done(CASE), Some(CASE), 2), ["effects-differ"]);
    assert_eq!(told(Unknown, Some(CASE), 0), ["effects-differ"]);
    assert_eq!(told(Unknown, None, 1), ["effects-differ"]);
}

#[test]
fn a_question_that_two_answer_or_one_that_was_not_assigned_is_seen() {
    let asked = |helper: Option<u8>, confirmed: &[u8]| {
        let mut history = handed_over();
        let phase = helper.map_or_else(|| json!("asking"), |number| json!({ "assigned": org(number) }));
        let made = Record { id: OFFER.to_owned(), clear: json!({ "side": "sender", "asking": { "requester": { "phase": phase } } }) };
        history.sides.push(empty(3));
        history.sides[2].consultations.push(made);
        for number in confirmed {
            let clear = json!({ "side": "receiver", "asking": { "candidate": { "phase": "confirmed" } } });
            history.sides[usize::from(*number) - 1].consultations.push(Record { id: OFFER.to_owned(), clear });
        }
        check(&history).violations.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };

    assert_eq!(asked(Some(1), &[1]), [] as [&str; 0]);
    assert_eq!(asked(Some(1), &[2]), ["confirmed-unassigned"]);
    assert_eq!(asked(None, &[1]), ["confirmed-unassigned"]);
    assert_eq!(asked(Some(2), &[1, 2]), ["two-confirmed"]);
}

/// Custody with a place and an epoch, at one organisation.
fn moment(number: u8, place: &str, reign: (u64, u8), step: u64) -> Moment {
    let epoch = json!({ "term": { "counter": reign.0, "org": org(reign.1) }, "step": step });
    let role = if place == "outside" { json!(place) } else { json!({ place: { "epoch": epoch } }) };
    Moment { org: org(number), case: CASE.to_owned(), custody: json!({ "role": role, "outbound": {}, "inbound": {} }) }
}

fn judged(moments: Vec<Moment>) -> Vec<&'static str> {
    let history = History { moments, ..handed_over() };
    check(&history).violations.into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn custody_is_judged_at_every_instant_by_the_order_of_commits() {
    let first = || moment(1, "lead", (0, 1), 0);
    let gave = || moment(1, "transferring", (0, 1), 1);
    let got = || moment(2, "lead", (0, 1), 1);
    let left = || moment(1, "outside", (0, 1), 1);
    let again = || moment(1, "lead", (1, 1), 1);
    let out = |number| moment(number, "outside", (0, 1), 0);

    assert_eq!(judged(vec![first(), gave(), got(), left()]), [] as [&str; 0]);
    assert_eq!(judged(vec![first(), gave(), again(), got(), out(2)]), [] as [&str; 0], "two reigns, until the fence arrives");
    assert_eq!(judged(vec![first(), got(), left()]), ["two-leads"]);
    assert_eq!(judged(vec![first(), left(), got()]), ["nobody-responsible"]);
    assert_eq!(judged(vec![first(), gave(), moment(2, "lead", (0, 1), 4), left()]), ["epoch-missing"]);
    assert_eq!(
        judged(vec![first(), gave(), got(), left(), out(2), moment(3, "lead", (0, 1), 1)]),
        ["nobody-responsible", "two-leads-in-epoch"]
    );
    assert_eq!(judged(vec![first(), gave()]), ["leads-at-rest", "not-settled"]);
}

#[test]
fn an_entry_that_was_changed_or_removed_is_seen() {
    let found = rules(|a, _| {
        let text = String::from_utf8(a.entries[0].entry.bytes.clone()).unwrap();
        a.entries[0].entry.bytes = text.replace("gw-1", "gw-2").into_bytes();
    });
    assert_eq!(found, ["log-broken"]);

    let found = rules(|a, _| drop(a.entries.remove(0)));
    assert!(found.contains(&"log-broken") && found.contains(&"not-logged"), "{found:?}");
}

#[test]
fn a_case_that_nobody_opened_is_seen() {
    let found = rules(|_, b| b.cases.push(Record { id: OFFER.to_owned(), clear: json!({}) }));

    assert_eq!(found, ["never-opened"]);
}

/// Puts one side into a store, as a gateway would have.
async fn stored(side: &Side) -> std::sync::Arc<dyn Store> {
    let store = memory::new();
    let record = |kind, record: &Record| Stored {
        kind,
        id: record.id.clone(),
        version: 1,
        parent: None,
        open: false,
        alias: None,
        clear: record.clear.to_string(),
        sealed: None,
    };
    let put: Vec<Stored> =
        side.cases.iter().map(|it| record(Kind::Case, it)).chain(side.handovers.iter().map(|it| record(Kind::Handover, it))).collect();
    let expect = put.iter().map(|it| crate::store::Expect { kind: it.kind, id: it.id.clone(), version: 0 }).collect();
    let commit = Commit {
        at: at(0),
        expect,
        put,
        received: side.received.clone(),
        entries: side.entries.iter().map(|row| row.entry.clone()).collect(),
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    for row in &side.sent {
        store.commit(Commit { at: row.queued, send: vec![row.message.clone()], ..Commit::default() }).await.unwrap();
    }
    for row in &side.events {
        store.commit(Commit { at: row.at, events: vec![row.event.clone()], ..Commit::default() }).await.unwrap();
    }
    for row in &side.sent {
        let delivered =
            crate::store::OutboxChange { peer: row.message.peer.clone(), number: row.number, state: row.state, reason: None, proof: None };
        store.commit(Commit { at: row.changed, outbox: vec![delivered], ..Commit::default() }).await.unwrap();
    }
    store
}

#[tokio::test]
async fn what_is_read_from_stores_is_what_is_judged() {
    let mut good = handed_over();
    let subjects = |sides: Vec<(OrgId, std::sync::Arc<dyn Store>)>| -> Vec<Subject> {
        sides.into_iter().map(|(org, store)| Subject { org, store, checkpoint: None }).collect()
    };
    let stores = vec![(org(1), stored(&good.sides[0]).await), (org(2), stored(&good.sides[1]).await)];

    let findings = check(&History::read(subjects(stores)).await.unwrap());

    assert_eq!(findings.violations, []);
    assert_eq!((findings.transitions, findings.handovers, findings.entries), (4, 1, 12));

    good.sides[1].received.remove(1);
    let stores = vec![(org(1), stored(&good.sides[0]).await), (org(2), stored(&good.sides[1]).await)];
    let findings = check(&History::read(subjects(stores)).await.unwrap());

    assert!(findings.violations.iter().any(|violation| violation.rule == "not-received"), "{:?}", findings.violations);
}
