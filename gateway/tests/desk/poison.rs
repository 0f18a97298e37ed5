//! What a peer sends that this gateway can never take: an end is put to it, once, with an entry; and what a peer repeats costs no more.

use schakel::desk::{Delivery, Verdict};
use schakel::store::{Kind, OutboxState};
use schakel::wire::federation;
use schakel_domain::dossier::Dossier;
use schakel_domain::id::{CaseId, MessageId, OfferId};
use schakel_domain::message::{AskAbout, Body, Message};
use schakel_domain::refusal::Reason;

use super::kit::*;

fn delivery(letter: &Letter) -> Delivery {
    let message = federation::decode(&letter.bytes);
    Delivery { number: letter.number, message, bytes: letter.bytes.clone(), proof: b"proof".to_vec(), trace: None }
}

fn changed(letter: &Letter, change: impl FnOnce(&mut Message)) -> Letter {
    let mut message = letter.message();
    message.id = MessageId::new(uuid::Uuid::from_u128(message.id.uuid().as_u128() ^ u128::from(message.seq + 1)));
    change(&mut message);
    Letter { bytes: federation::encode(&message), ..letter.clone() }
}

/// SEZ offers a case to Pactum; the offer has arrived.
async fn offered(region: &Region) -> (CaseId, OfferId, Letter) {
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    let letter = region.waiting().await.remove(0);
    region.settle_well().await;
    (case, offer, letter)
}

#[tokio::test]
async fn a_message_on_which_our_store_fails_every_time_is_refused_at_last_and_parked() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer, _) = offered(&region).await;
    // The record of the case at Pactum can no longer be read: whatever comes about it fails.
    let pactum = region.at(PACTUM);
    let mut record = pactum.store.record(Kind::Case, &case.to_string()).await.unwrap().unwrap();
    let version = record.version;
    (record.version, record.clear) = (version + 1, "{}".to_owned());
    let expect = vec![schakel::store::Expect { kind: Kind::Case, id: record.id.clone(), version }];
    pactum.store.commit(schakel::store::Commit { put: vec![record], expect, at: region.clock.now(), ..Default::default() }).await.unwrap();
    region.at(SEZ).withdraw(offer).await.unwrap();
    let letter = region.waiting().await.remove(0);

    for tries in 1..8 {
        let Verdict::Later(refusal) = region.bring(&letter).await else { panic!("try {tries}") };
        assert_eq!(refusal.reason, Reason::Internal);
    }
    let Verdict::Refused(refusal) = region.carry(&letter).await else { panic!("an end") };

    assert_eq!(refusal.reason, Reason::Internal);
    assert_eq!(pactum.logged("request-denied").await, 1);
    let row = pactum.store.received(&org(SEZ), letter.message().id).await.unwrap().unwrap();
    assert_eq!((row.outcome.as_str(), row.sealed.len()), ("INTERNAL", 0));
    assert_eq!(region.bring(&letter).await, Verdict::Refused(schakel_domain::refusal::Refusal::new(row_stage(), Reason::Internal)));
    assert_eq!(pactum.logged("request-denied").await, 1, "told again, and not logged again");
    assert_eq!(region.at(SEZ).store.outbox(&org(PACTUM), OutboxState::Parked, 0, 10).await.unwrap().len(), 1);
    assert_eq!(region.at(SEZ).logged("outbox-parked").await, 1, "and people at the sender hear of it");
}

fn row_stage() -> schakel_domain::refusal::Stage {
    schakel_domain::refusal::Stage::Peer
}

#[tokio::test]
async fn what_the_store_cannot_do_now_is_never_counted_against_a_message() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let memory = region.at(PACTUM).memory.as_ref().unwrap();

    for _ in 0..20 {
        memory.fail_next(schakel::store::memory::Fault::Lost);
        assert!(matches!(region.bring(&letter).await, Verdict::Later(_)));
    }

    assert_eq!(region.carry(&letter).await, Verdict::Accepted);
}

#[tokio::test]
async fn a_message_that_brings_us_down_is_refused_at_once_with_a_row_and_an_entry() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let pactum = region.at(PACTUM);

    let verdict = pactum.desk.poison(&peer(&org(SEZ)), &delivery(&letter)).await.verdict;

    assert!(matches!(&verdict, Verdict::Refused(refusal) if refusal.reason == Reason::Internal), "{verdict:?}");
    assert_eq!(pactum.logged("request-denied").await, 1);
    assert!(pactum.record(case).await.is_none());
    region.report(&letter, &verdict).await;
    assert_eq!(region.settle().await, []);
    assert!(region.waiting().await.is_empty(), "the void took its place");
}

#[tokio::test]
async fn the_same_refused_bytes_are_logged_once_a_minute() {
    let region = Region::new(&[SEZ, PACTUM]);
    let pactum = region.at(PACTUM);
    let letter = |bytes: &[u8]| Letter { from: org(SEZ), to: org(PACTUM), number: 1, bytes: bytes.to_vec() };

    for _ in 0..50 {
        assert!(matches!(region.bring(&letter(b"no message")).await, Verdict::Refused(_)));
        assert!(pactum.desk.install_covenant(&peer(&org(SEZ)), b"no covenant").await.is_err());
    }
    assert_eq!((pactum.logged("request-denied").await, pactum.logged("covenant-refused").await), (1, 1));

    region.bring(&letter(b"another")).await;
    region.clock.pass(minutes(1));
    region.bring(&letter(b"no message")).await;
    assert_eq!(pactum.logged("request-denied").await, 3);
}

#[tokio::test]
async fn a_refused_message_is_kept_without_its_bytes_and_without_a_key() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, _, letter) = offered(&region).await;
    let unknown = |memory: &dyn std::fmt::Debug| format!("{memory:?}").matches("ClientKey {").count();
    let memory = region.at(PACTUM).memory.as_ref().unwrap();
    let before = unknown(memory);
    let foreign = changed(&letter, |message| {
        message.seq += 1;
        message.clause = "9.9".to_owned();
        message.body = Body::Withdraw { offer: OfferId::new(uuid::Uuid::from_u128(9)) };
        let Body::Withdraw { .. } = message.body else { panic!() };
        message.covenant.version = 9;
        message.body = Body::Receipt {
            offer: OfferId::new(uuid::Uuid::from_u128(9)),
            epoch: schakel_domain::custody::Epoch { term: schakel_domain::custody::Term { counter: 0, org: org(SEZ) }, step: 1 },
            transfer: schakel_domain::id::Hash([1; 32]),
        };
    });

    assert!(matches!(region.bring(&foreign).await, Verdict::Refused(_)));

    let row = region.at(PACTUM).store.received(&org(SEZ), foreign.message().id).await.unwrap().unwrap();
    assert!(row.sealed.is_empty() && !row.proof.is_empty() && row.outcome != "accepted");
    assert_eq!(unknown(memory), before, "no client key was made for it");
}

#[tokio::test]
async fn voids_of_ten_thousand_refused_threads_leave_room_for_the_next() {
    let region = Region::new(&[SEZ, PACTUM]);
    let pactum = region.at(PACTUM);
    let (_, _, letter) = offered(&region).await;
    let template = letter.message();
    let void = |n: u128, seq: u64| {
        let message = Message {
            id: MessageId::new(uuid::Uuid::from_u128(n << 16 | u128::from(seq))),
            thread: uuid::Uuid::from_u128(n).to_string(),
            seq,
            body: Body::Void { replaces: template.id },
            ..template.clone()
        };
        delivery(&Letter { bytes: federation::encode(&message), ..letter.clone() })
    };

    // One row of all of them was refused when it was full; each has a small one of its own now, whatever their number.
    for n in 1..=40_u128 {
        let deliveries = (0..256).map(|k| void(n * 1_000 + k, 1)).collect();
        let receipts = pactum.desk.receive(&peer(&org(SEZ)), deliveries).await;
        assert!(receipts.iter().all(|receipt| receipt.verdict == Verdict::Accepted));
    }
    assert_eq!(pactum.desk.receive(&peer(&org(SEZ)), vec![void(1_000, 2)]).await[0].verdict, Verdict::Accepted);
    let record = pactum.store.record(Kind::Peer, &format!("{SEZ}/{}", uuid::Uuid::from_u128(1_000))).await.unwrap().unwrap();
    assert!(record.clear.len() < 300, "{}", record.clear);
    // The counters count: a message at a place that a void has taken is refused, the next one is taken.
    let again = changed(&Letter { bytes: void(1_001, 1).bytes, ..letter.clone() }, |_| {});
    assert!(matches!(region.bring(&again).await, Verdict::Refused(refusal) if refusal.reason == Reason::MessageConflict));
}

#[tokio::test]
async fn whoever_asks_about_a_case_does_not_become_its_lead_on_our_screen() {
    let region = Region::new(&[SEZ, PRO_PERSONA, GGNET]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).ask(question(case)).await.unwrap();
    let letter = region.waiting().await.remove(0);
    region.settle_well().await;
    assert_eq!(region.at(PRO_PERSONA).record(case).await.unwrap().led_by, [org(SEZ)], "nothing else was known");

    // GGNet, which is no more than a party of the covenant, asks about the same case.
    let meddling = changed(&Letter { from: org(GGNET), ..letter }, |message| {
        message.sender = org(GGNET);
        let Body::Ask(ask) = &mut message.body else { panic!() };
        ask.consultation = schakel_domain::id::ConsultationId::new(uuid::Uuid::from_u128(5));
        ask.service = "ggz-crisis".to_owned();
        // The clause by which one crisis service may ask another.
        message.clause = "3.3".to_owned();
        let AskAbout::Case { package, dossier, .. } = &mut ask.about else { panic!() };
        dossier.situation = "KanarieVreemd".into();
        *package = schakel::wire::dossier::encode_dossier(&Dossier::clone(dossier));
    });
    let verdict = region.bring(&meddling).await;

    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(region.at(PRO_PERSONA).record(case).await.unwrap().led_by, [org(SEZ)]);
    let schakel_domain::view::Answer::Case(view) =
        region.at(PRO_PERSONA).read(schakel_domain::command::Read::Case { id: case, full: true }).await.unwrap()
    else {
        panic!()
    };
    assert!(!view.dossier.unwrap().situation.reveal().contains("KanarieVreemd"));
}

#[tokio::test]
async fn seen_in_one_case_marks_nothing_in_another() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, first, _) = offered(&region).await;
    let (_, second, _) = offered(&region).await;
    region.at(PACTUM).handover_in_full(second).await;
    let seen = region.waiting().await.remove(0);
    assert_eq!(seen.kind(), "seen");
    let crossed = changed(&seen, |message| {
        let Body::Seen { subject, .. } = &mut message.body else { panic!() };
        *subject = first.to_string();
    });

    assert!(matches!(region.bring(&crossed).await, Verdict::Refused(refusal) if refusal.reason == Reason::ProtocolViolation));

    assert!(region.at(SEZ).handover(first).await.facts.seen.is_none());
}

#[tokio::test]
async fn a_late_no_leaves_our_own_words_and_changes_nothing() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer, _) = offered(&region).await;
    region.at(PACTUM).decline(offer, schakel_domain::custody::DeclineCode::NoCapacity).await.unwrap();
    let no = region.waiting().await.into_iter().find(|letter| letter.kind() == "decline-handover").unwrap();
    region.at(SEZ).withdraw(offer).await.unwrap();
    let before = region.at(SEZ).handover(offer).await.version;
    let late = changed(&no, |message| {
        let Body::Decline { note, .. } = &mut message.body else { panic!() };
        *note = "KanarieTeLaat".to_owned();
    });

    assert_eq!(region.bring(&late).await, Verdict::Accepted);

    let record = region.at(SEZ).store.record(Kind::Handover, &offer.to_string()).await.unwrap().unwrap();
    let plain = region.at(SEZ).desk.unseal(&record.sealed.unwrap()).await.unwrap();
    assert!(holds(&plain, "KanarieReden") && !holds(&plain, "KanarieTeLaat"));
    assert_eq!(region.at(SEZ).handover(offer).await.version, before);
}

#[tokio::test]
async fn a_late_bid_of_a_question_that_is_over_raises_no_version_and_keeps_no_words() {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    let bid = region.waiting().await.into_iter().find(|letter| letter.kind() == "bid").unwrap();
    region.at(SEZ).cancel_question(id).await.unwrap();
    let before = region.at(SEZ).consultation(id).await.version;

    assert_eq!(region.bring(&bid).await, Verdict::Accepted);

    assert_eq!(region.at(SEZ).consultation(id).await.version, before);
}

#[tokio::test]
async fn a_draft_that_nobody_signed_has_no_say_in_whom_to_call() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);
    let mut draft = document();
    draft.id = "nieuw".parse().unwrap();
    let entry = draft.parties.iter_mut().find(|party| party.id == org(PACTUM)).unwrap();
    entry.name = "Iemand Anders".to_owned();
    entry.telephone = "+31999999999".parse().unwrap();
    let bundle = schakel_domain::covenant::SignedCovenant::unsigned(draft.clone());
    let (name, calls) = (sez.agreements.name(&org(PACTUM)), sez.agreements.calls(&org(PACTUM)));

    let by_peer = sez.desk.install_covenant(&peer(&org(PACTUM)), bundle.to_json().as_bytes()).await;
    assert_eq!(why(by_peer), Reason::CovenantDenied);
    let mut own = bundle;
    own.sign(&org(PACTUM), &root(&org(PACTUM))).unwrap();
    assert!(sez.desk.install_covenant(&peer(&org(PACTUM)), own.to_json().as_bytes()).await.unwrap(), "a proposal of its own");

    assert_eq!((sez.agreements.name(&org(PACTUM)), sez.agreements.calls(&org(PACTUM))), (name, calls));
}

#[tokio::test]
async fn an_acceptance_repeated_for_ever_makes_no_transfer_for_ever() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer, _) = offered(&region).await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.into_iter().find(|letter| letter.kind() == "accept-handover").unwrap();
    // Whatever was said before it must not wait for it.
    for letter in region.waiting().await.into_iter().filter(|letter| letter.from == org(PACTUM)) {
        region.carry(&letter).await;
    }
    let mut refused = None;
    for n in 1..=40 {
        let again = changed(&accept, |message| {
            message.seq += n;
            message.id = MessageId::new(uuid::Uuid::from_u128(u128::from(n)));
        });
        match region.bring(&again).await {
            Verdict::Accepted => {}
            Verdict::Refused(refusal) => {
                refused = Some((n, refusal.reason));
                break;
            }
            Verdict::Later(refusal) => panic!("{refusal}"),
        }
    }

    assert_eq!(refused, Some((32, Reason::QuotaExceeded)));
    let record = region.at(SEZ).store.record(Kind::Handover, &offer.to_string()).await.unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_str(&record.clear).unwrap();
    assert_eq!(record["transfers"].as_array().unwrap().len(), 32);
    assert_eq!(region.at(SEZ).case(case).await.standing, schakel_domain::view::Standing::Transferring);
}

#[tokio::test]
async fn a_false_claim_of_a_peer_is_logged_and_alarmed_and_stops_nobody() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);

    sez.desk.disbelieved(&org(PACTUM), 1_000_000_000, 3).await.unwrap();

    assert_eq!(sez.logged("request-denied").await, 1);
    assert!(sez.events().await.contains(&"peer.disbelieved".to_owned()));
    assert!(!sez.desk.recovering());
    sez.open(dossier()).await;
}

#[tokio::test]
async fn a_thread_has_an_end_and_voids_still_pass() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer, letter) = offered(&region).await;
    let pactum = region.at(PACTUM);
    let mut record = pactum.store.record(Kind::Case, &case.to_string()).await.unwrap().unwrap();
    let mut clear: serde_json::Value = serde_json::from_str(&record.clear).unwrap();
    clear["links"][SEZ]["received"] = 10_000.into();
    let version = record.version;
    (record.version, record.clear) = (version + 1, clear.to_string());
    let expect = vec![schakel::store::Expect { kind: Kind::Case, id: record.id.clone(), version }];
    pactum.store.commit(schakel::store::Commit { put: vec![record], expect, at: region.clock.now(), ..Default::default() }).await.unwrap();
    let next = |body: Body| {
        changed(&letter, |message| {
            message.seq = 10_001;
            message.id = MessageId::new(uuid::Uuid::from_u128(body.kind().len() as u128));
            message.body = body;
        })
    };

    let more = region.bring(&next(Body::Withdraw { offer })).await;
    assert!(matches!(&more, Verdict::Refused(refusal) if refusal.reason == Reason::QuotaExceeded), "{more:?}");
    assert_eq!(region.bring(&next(Body::Void { replaces: letter.message().id })).await, Verdict::Accepted);
}
