//! What no other gateway could read is never promised: whatever a door takes, our own decoder takes too, at every bound. And whatever is
//! in the outbox after all can be parked, so that one message never holds up another.

use schakel::store::{Commit, OutboxState, Outgoing};
use schakel::wire::care;
use schakel::wire::federation;
use schakel_adapters::file_drop::FileDrop;
use schakel_adapters::{Inbound, Inlet};
use schakel_domain::bound::{MAX_NAME, MAX_NOTE};
use schakel_domain::command::{CareAct, OperateAct, Seen};
use schakel_domain::custody::DeclineCode;
use schakel_domain::dossier::{Consent, CourtOrder, Dossier, MAX_TEXT, OrderState};
use schakel_domain::id::{ConsultationId, Hash, MessageId, OfferId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal};
use schakel_proto::care::v1 as wire;
use schakel_proto::r#type::v1 as words;
use serde_json::{Value, json};

use super::kit::*;

const LATE: &str = "2199-12-31T23:59:59Z";
const TOO_LATE: &str = "2200-01-01T00:00:00Z";
const EARLY: &str = "2000-01-01T00:00:00Z";
const TOO_EARLY: &str = "1999-12-31T23:59:59Z";

fn letters(count: usize) -> String {
    "é".repeat(count)
}

/// What our decoder says of a message with this body.
async fn decoded(body: Body) -> Result<(), String> {
    static SAMPLE: tokio::sync::OnceCell<Message> = tokio::sync::OnceCell::const_new();
    let sample = async || {
        let region = Region::new(&[SEZ, PACTUM]);
        let case = region.at(SEZ).open(dossier()).await.id;
        region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
        region.waiting().await.remove(0).message()
    };
    let message = Message { body, ..SAMPLE.get_or_init(sample).await.clone() };
    federation::decode(&federation::encode(&message)).map(drop).map_err(|refusal| refusal.field.unwrap_or_default())
}

/// What an act of ours says to another gateway, as far as the caller's own words go.
fn body_of(act: &CareAct) -> Option<Body> {
    let by = actor("w-1");
    Some(match act.clone() {
        CareAct::AcceptHandover { handover, read_back, first_action, first_action_at } => {
            Body::Accept { offer: handover.id, content: Hash([1; 32]), by, read_back, first_action, first_action_at }
        }
        CareAct::DeclineHandover { handover, code, note } => Body::Decline { offer: handover.id, code, note },
        CareAct::AcceptConsultation { consultation, available, note } => Body::Bid { consultation: consultation.id, available, by, note },
        CareAct::DeclineConsultation { consultation, code, note } => Body::DeclineAsk { consultation: consultation.id, code, note },
        CareAct::Advise { consultation, text } => Body::Advice { consultation: consultation.id, text, by },
        CareAct::ReleasePledge { handover, code, people } => Body::Decline { offer: handover.id, code, note: people.reason },
        _ => return None,
    })
}

/// One bound of an inlet: a request with the last value that fits, and the same with the first that does not.
async fn holds<T>(what: &str, read: impl Fn(T) -> Result<CareAct, String>, fits: T, beyond: T) {
    let act = read(fits).unwrap_or_else(|why| panic!("{what} at its bound: {why}"));
    let body = body_of(&act).unwrap_or_else(|| panic!("{what}: it says nothing to a peer"));
    assert_eq!(decoded(body).await, Ok(()), "{what} at its bound, and no peer can read it");
    assert!(read(beyond).is_err(), "{what} beyond its bound");
}

fn told(wrong: Vec<Refusal>) -> String {
    format!("{wrong:?}")
}

#[tokio::test]
async fn every_bound_of_a_file_is_one_of_the_wire() {
    let id = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";
    let file = |fields: Value| {
        let mut file = json!({
            "request_id": "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b02",
            "actor": { "person": "skj:1", "name": "K. de Wit", "function": "arts" },
            "version": 1,
        });
        let all = file.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        if all["command"] == "ask" {
            all.remove("version");
        }
        let read: Result<Inbound, _> = FileDrop.translate(file.to_string().as_bytes());
        read.map(|inbound| inbound.act).map_err(|rejection| told(rejection.refusals))
    };
    let accept = |words: &str, first: &str, at: &str| json!({ "command": "accept-handover", "handover": id, "read_back": [words], "first_action": first, "first_action_at": at });
    let no = |command: &str, about: &str, note: &str| json!({ "command": command, about: id, "code": "no_capacity", "note": note });
    let bid = |note: &str, at: &str| json!({ "command": "accept-consultation", "consultation": id, "note": note, "available": at });
    let (full, long) = (letters(MAX_NOTE), letters(MAX_NOTE + 1));

    holds("a read-back", file, accept(&full, "x", LATE), accept(&long, "x", LATE)).await;
    holds("a first action", file, accept("x", &full, LATE), accept("x", &long, LATE)).await;
    holds("the last moment", file, accept("x", "x", LATE), accept("x", "x", TOO_LATE)).await;
    holds("the first moment", file, accept("x", "x", EARLY), accept("x", "x", TOO_EARLY)).await;
    holds("a note", file, no("decline-handover", "handover", &full), no("decline-handover", "handover", &long)).await;
    holds("a note", file, no("decline-consultation", "consultation", &full), no("decline-consultation", "consultation", &long)).await;
    holds("a note", file, bid(&full, LATE), bid(&long, LATE)).await;
    holds("a moment", file, bid("", LATE), bid("", TOO_LATE)).await;
    let advise = |text: &str| json!({ "command": "advise", "consultation": id, "text": text });
    holds("advice", file, advise(&letters(MAX_TEXT)), advise(&letters(MAX_TEXT + 1))).await;
    for name in ["service", "urgency"] {
        let offer = |length: usize| {
            let mut offer = json!({ "command": "offer-handover", "case": id, "service": "x", "urgency": "x" });
            offer[name] = letters(length).into();
            offer
        };
        assert!(file(offer(MAX_NAME)).is_ok() && file(offer(MAX_NAME + 1)).is_err(), "{name}");
    }
    let nobody =
        |code: &str| json!({ "command": "ask", "anonymous": { "municipality": code }, "service": "x", "urgency": "x", "question": "?" });
    assert!(file(nobody("0202")).is_ok() && file(nobody("020-2")).is_err());
}

#[tokio::test]
async fn every_bound_of_the_care_door_is_one_of_the_wire() {
    let head = || {
        let person = words::Actor { person: "skj:1".to_owned(), name: "K. de Wit".to_owned(), function: "arts".to_owned() };
        (request_id(), "1".to_owned(), Some(person))
    };
    let handover = || "cases/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36/handovers/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b37".to_owned();
    let consultation = || "consultations/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b38".to_owned();
    let etag = || schakel::wire::names::etag(1);
    let moment = |at: &str| schakel::wire::fields::timestamp(at.parse().unwrap());
    let accept = |words: &str, first: &str, at: &str| {
        let (request_id, _, actor) = head();
        wire::AcceptHandoverRequest {
            name: handover(),
            etag: etag(),
            request_id,
            actor,
            read_back: vec![words::ReadBack { point: 1, words: words.to_owned() }],
            first_action: first.to_owned(),
            first_action_time: Some(moment(at)),
        }
    };
    let read = |request: wire::AcceptHandoverRequest| care::handover::accept(&request).map(|write| write.act).map_err(told);
    let (full, long) = (letters(MAX_NOTE), letters(MAX_NOTE + 1));

    holds("a read-back", read, accept(&full, "x", LATE), accept(&long, "x", LATE)).await;
    holds("a first action", read, accept("x", &full, LATE), accept("x", &long, LATE)).await;
    holds("the last moment", read, accept("x", "x", LATE), accept("x", "x", TOO_LATE)).await;
    holds("the first moment", read, accept("x", "x", EARLY), accept("x", "x", TOO_EARLY)).await;

    let code = words::DeclineCode::NoCapacity.into();
    let decline = |note: &str| {
        let (request_id, _, actor) = head();
        wire::DeclineHandoverRequest { name: handover(), etag: etag(), request_id, actor, code, note: note.to_owned() }
    };
    let read = |request: wire::DeclineHandoverRequest| care::handover::refuse(&request).map(|write| write.act).map_err(told);
    holds("a note", read, decline(&full), decline(&long)).await;

    let bid = |note: &str, at: &str| {
        let (request_id, _, actor) = head();
        let available_time = Some(moment(at));
        wire::AcceptConsultationRequest { name: consultation(), etag: etag(), request_id, actor, available_time, note: note.to_owned() }
    };
    let read = |request: wire::AcceptConsultationRequest| care::consultation::accept(&request).map(|write| write.act).map_err(told);
    holds("a note", read, bid(&full, LATE), bid(&long, LATE)).await;
    holds("a moment", read, bid("", LATE), bid("", TOO_LATE)).await;

    let decline = |note: &str| {
        let (request_id, _, actor) = head();
        wire::DeclineConsultationRequest { name: consultation(), etag: etag(), request_id, actor, code, note: note.to_owned() }
    };
    let read = |request: wire::DeclineConsultationRequest| care::consultation::refuse(&request).map(|write| write.act).map_err(told);
    holds("a note", read, decline(&full), decline(&long)).await;

    let advise = |text: &str| {
        let (request_id, _, actor) = head();
        wire::AnswerConsultationRequest { name: consultation(), etag: etag(), request_id, actor, advice: text.to_owned() }
    };
    let read = |request: wire::AnswerConsultationRequest| care::consultation::answer(&request).map(|write| write.act).map_err(told);
    holds("advice", read, advise(&letters(MAX_TEXT)), advise(&letters(MAX_TEXT + 1))).await;

    for (service, urgency, fits) in [(MAX_NAME, MAX_NAME, true), (MAX_NAME + 1, 1, false), (1, MAX_NAME + 1, false)] {
        let (request_id, _, actor) = head();
        let request = wire::CreateHandoverRequest {
            parent: "cases/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".to_owned(),
            etag: etag(),
            request_id,
            actor,
            service: letters(service),
            urgency: letters(urgency),
            ..Default::default()
        };
        assert_eq!(care::handover::create(&request).is_ok(), fits, "{service} {urgency}");
    }
}

fn request_id() -> String {
    "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b02".to_owned()
}

#[tokio::test]
async fn what_a_caller_says_past_every_door_is_refused_to_the_caller_and_nothing_is_sent() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    let asked = sez.ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    let seen = Seen { id: offer, version: pactum.handover(offer).await.version };
    let accept = |words: usize, first: usize, at: &str| CareAct::AcceptHandover {
        handover: seen,
        read_back: vec![letters(words); 2],
        first_action: letters(first),
        first_action_at: Some(at.parse().unwrap()),
    };
    let bidder = region.at(PRO_PERSONA);
    let question = Seen::<ConsultationId> { id: asked, version: bidder.consultation(asked).await.version };
    let note = letters(MAX_NOTE + 1);
    let bid = |note: &str, at: &str| CareAct::AcceptConsultation {
        consultation: question,
        available: Some(at.parse().unwrap()),
        note: note.to_owned(),
    };

    for (at, act, field) in [
        (pactum, accept(MAX_NOTE + 1, 1, LATE), "read_back"),
        (pactum, accept(1, MAX_NOTE + 1, LATE), "first_action"),
        (pactum, accept(1, 1, TOO_LATE), "first_action_time"),
        (pactum, CareAct::DeclineHandover { handover: seen, code: DeclineCode::NoCapacity, note: note.clone() }, "note"),
        (bidder, bid(&note, LATE), "note"),
        (bidder, bid("", TOO_EARLY), "available_time"),
    ] {
        let refusal = at.act(act).await.unwrap_err();
        assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::InvalidField, Some(field)));
    }

    assert!(region.waiting().await.is_empty(), "nothing was promised");
    pactum.act(accept(MAX_NOTE, MAX_NOTE, LATE)).await.unwrap();
    region.settle_well().await;
    assert_eq!(sez.handover_in_full(offer).await.read_back.len(), 2);
}

#[tokio::test]
async fn a_dossier_that_no_peer_could_read_is_not_taken() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let mut wide = dossier();
    let legal = wide.legal.as_mut().unwrap();
    let kind = format!("machtiging{}", " ".repeat(300 * 1024));
    legal.court_order = Some(CourtOrder { state: OrderState::Requested, kind, on: jiff::civil::date(2026, 11, 21), until: None });
    legal.consent = Consent::Absent { reason: format!("geen{}", " ".repeat(1024)) };
    let fields: Vec<_> = wide.check().unwrap_err().into_iter().filter_map(|refusal| refusal.field).collect();
    assert_eq!(fields, ["legal.court_order.kind", "legal.consent.reason"]);

    let refused = sez.act(CareAct::OpenCase { dossier: Box::new(wide) }).await.unwrap_err();

    assert_eq!((refused.reason, refused.field.as_deref()), (Reason::InvalidField, Some("legal.court_order.kind")));
    // Read at the door, the same words are trimmed before they are counted.
    let mut message: words::Dossier = words::Dossier { ..Default::default() };
    message.legal = Some(words::LegalStatus {
        regime: words::legal_status::Regime::Jeugdwet.into(),
        basis: words::legal_status::Basis::VitalInterest.into(),
        no_consent_reason: Some(format!(" geen{}", " ".repeat(300 * 1024))),
        court_order: Some(words::CourtOrder {
            kind: format!("\nmachtiging{}", " ".repeat(300 * 1024)),
            on: "2026-11-21".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    });
    let read: Dossier = schakel::wire::dossier::from_wire(&message).unwrap();
    let legal = read.legal.unwrap();
    assert_eq!(legal.consent, Consent::Absent { reason: "geen".to_owned() });
    assert_eq!(legal.court_order.unwrap().kind, "machtiging");
}

/// A message in the outbox of SEZ to Pactum that a gateway with other bounds put there: `spoil` changes what was to be said.
async fn spoiled(region: &Region, spoil: impl Fn(&mut Vec<u8>)) -> (OfferId, MessageId) {
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    let record = sez.record(case).await.unwrap();
    let row = sez.store.outbox(&org(PACTUM), OutboxState::Delivered, 0, 10).await.unwrap().remove(0);
    let sent = federation::decode(&sez.desk.unseal(&row.message.sealed).await.unwrap()).unwrap();
    let mut bytes = federation::encode(&Message { seq: sent.seq + 1, ..sent });
    spoil(&mut bytes);
    let sealed = if bytes.is_empty() { b"nobody can open this".to_vec() } else { sez.sealed(record.key, &bytes).await };
    let id = MessageId::new(uuid::Uuid::from_u128(77));
    let outgoing = Outgoing { message: id, seq: row.message.seq + 1, hash: Hash::sha256(&bytes), sealed, ..row.message };
    sez.store.commit(Commit { send: vec![outgoing], at: sez.desk.now(), ..Commit::default() }).await.unwrap();
    (offer, id)
}

#[tokio::test]
async fn a_message_that_we_ourselves_cannot_read_is_parked_with_a_void_and_an_alarm() {
    let region = Region::new(&[SEZ, PACTUM]);
    // A second body, without its field: whatever stands there, the envelope can still be read.
    let (_, id) = spoiled(&region, |bytes| bytes.extend([0xea, 0x03, 0x00])).await;
    let letter = region.waiting().await.remove(0);
    assert!(federation::decode(&letter.bytes).is_err());
    let sez = region.at(SEZ);

    sez.desk.parked(&letter.to, letter.number, "INVALID_FIELD", None).await.unwrap();

    let parked = sez.store.sent(id).await.unwrap().unwrap();
    assert_eq!((parked.state, parked.reason.as_deref()), (OutboxState::Parked, Some("INVALID_FIELD")));
    let void = region.waiting().await.remove(0);
    assert_eq!((void.kind(), void.message().seq), ("void", 2));
    assert!(sez.events().await.contains(&"handover.parked".to_owned()));
    assert_eq!(sez.logged("outbox-parked").await, 1);
    region.settle_well().await;
}

#[tokio::test]
async fn a_message_that_nobody_can_open_is_parked_without_a_void_and_with_an_alarm() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, id) = spoiled(&region, Vec::clear).await;
    let sez = region.at(SEZ);
    let row = sez.store.sent(id).await.unwrap().unwrap();

    sez.desk.parked(&org(PACTUM), row.number, "MESSAGE_TOO_LARGE", None).await.unwrap();

    assert_eq!(sez.store.sent(id).await.unwrap().unwrap().state, OutboxState::Parked);
    assert!(sez.store.outbox(&org(PACTUM), OutboxState::Waiting, 0, 10).await.unwrap().is_empty());
    assert!(sez.events().await.contains(&"handover.parked".to_owned()));
    let refused = sez.operate(OperateAct::Replay { message: id }).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Internal);
}
