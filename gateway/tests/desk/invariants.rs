//! The invariants of ARCHITECTURE.md, as far as the desk alone can keep or break them: one test each.

use schakel::desk::Verdict;
use schakel::store::OutboxState;
use schakel::store::memory::Fault;
use schakel_domain::caller::{Role, permits};
use schakel_domain::command::{CareAct, Command, OperateAct, PageOf, Read, ReadAct, Seen};
use schakel_domain::dossier::Dossier;
use schakel_domain::erasure::Ground;
use schakel_domain::id::{CaseId, MessageId};
use schakel_domain::message::{AskAbout, Body, Message};
use schakel_domain::refusal::Reason;
use schakel_domain::view::{Answer, HandoverState, Standing};
use uuid::Uuid;

use super::kit::*;
use super::schedules;
use super::secrets;

#[tokio::test]
async fn invariant_1_somebody_is_always_responsible_and_one_leads_per_epoch() {
    for seed in 5_000..5_020 {
        schedules::whimsical(seed, seed % 2 == 0).await;
    }
}

#[tokio::test]
async fn invariant_2_nothing_is_answered_before_its_entry_is_durable() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let id = sez.open(dossier()).await.id;
    sez.memory.as_ref().unwrap().fail_next(Fault::Lost);

    let shown = sez.read(Read::Case { id, full: true }).await;

    assert_eq!(why(shown), Reason::StoreUnavailable);
    assert_eq!(sez.logged("case-viewed").await, 0);
    sez.read(Read::Case { id, full: true }).await.unwrap();
    assert_eq!(sez.logged("case-viewed").await, 1);
}

#[tokio::test]
async fn invariant_3_a_decision_its_messages_and_its_entry_come_together_and_are_acknowledged_after() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let opened = sez.open(dossier()).await;
    let before = sez.mark().await;
    sez.memory.as_ref().unwrap().fail_next(Fault::Lost);

    let seen = Seen { id: opened.id, version: opened.version };
    sez.act(CareAct::Offer(offer(seen, PACTUM, HELP))).await.unwrap_err();
    assert_eq!(sez.mark().await, before, "all of it, or nothing");

    let (log, commits) = (sez.log().await.len(), sez.commits());
    sez.act(CareAct::Offer(offer(seen, PACTUM, HELP))).await.unwrap();
    assert_eq!(sez.commits(), commits + 1, "in one commit");
    assert_eq!((sez.log().await.len(), region.waiting().await.len()), (log + 1, 1));
    assert_eq!(sez.record(opened.id).await.unwrap().handovers.len(), 1);

    let letter = region.waiting().await.remove(0);
    let before = pactum.mark().await;
    pactum.memory.as_ref().unwrap().fail_next(Fault::Lost);
    assert!(matches!(region.bring(&letter).await, Verdict::Later(_)), "what is not durable is not acknowledged");
    assert_eq!(pactum.mark().await, before);
    assert_eq!(region.bring(&letter).await, Verdict::Accepted);
}

#[tokio::test]
async fn invariant_4_every_command_passes_the_one_table_of_roles() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let id = CaseId::new(Uuid::from_u128(5));
    let seen = Seen { id, version: 1 };
    let page = || PageOf { open_only: true, after: String::new(), size: 1 };
    let care = |act| Command::Care(write(act));
    let read = |what| Command::Read(ReadAct { actor: actor("w-1"), within: None, what });
    let commands = || {
        [
            care(CareAct::OpenCase { dossier: Box::new(dossier()) }),
            care(CareAct::CloseCase { case: seen, reason: String::new() }),
            care(CareAct::Ask(question(id))),
            care(CareAct::Offer(offer(seen, PACTUM, HELP))),
            care(CareAct::AskErasure { case: seen, ground: Ground::ClientRequest, reason: String::new() }),
            care(CareAct::KeepCase { case: seen, until: None, reason: String::new() }),
            care(CareAct::EraseCase { case: seen }),
            read(Read::Erasure(id)),
            care(CareAct::ForceReclaim { case: seen, people: two() }),
            care(CareAct::ResolveContested { case: seen, people: two() }),
            read(Read::Case { id, full: true }),
            read(Read::Cases(page())),
            read(Read::Consultations(page())),
            read(Read::Handovers { case: None, page: page() }),
        ]
    };
    let operations = || {
        let (retry, stop) = (OperateAct::Retry { peer: org(PACTUM) }, OperateAct::Stop { peer: org(PACTUM), reason: String::new() });
        [retry, stop, OperateAct::Replay { message: MessageId::new(Uuid::nil()) }].map(operation)
    };

    for role in Role::ALL {
        for command in commands() {
            let act = command.act();
            let denied = matches!(sez.desk.handle(&sez.caller(role, Some("local:x")), command).await, Err(refusal) if refusal.reason == Reason::RoleDenied);
            assert_eq!(denied, !permits(role, act), "{role} {}", act.name());
        }
        for operation in operations() {
            let (caller, act) = (sez.caller(role, Some("local:x")), operation.act.act());
            let denied = matches!(sez.desk.operate_once(&caller, &operation).await, Err(refusal) if refusal.reason == Reason::RoleDenied);
            assert_eq!(denied, !permits(role, act), "{role} {}", act.name());
        }
    }
}

#[tokio::test]
async fn invariant_5_the_covenant_decides_at_the_sender_and_again_at_the_receiver() {
    let region = Region::new(&[SEZ, PRO_PERSONA, G7]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let refused = region.at(SEZ).offer(case, G7, HELP).await.unwrap_err();
    assert_eq!(refused.reason, Reason::CovenantDenied);
    region.at(SEZ).ask(question(case)).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let forge = |number: u128, change: &dyn Fn(&mut Message)| {
        let mut message = Message { id: MessageId::new(Uuid::from_u128(number)), ..letter.message() };
        change(&mut message);
        Letter { bytes: schakel::wire::federation::encode(&message), ..letter.clone() }
    };
    let more = forge(1, &|message| {
        let Body::Ask(ask) = &mut message.body else { panic!() };
        let whole = dossier();
        ask.about = AskAbout::Case { case, package: schakel::wire::dossier::encode_dossier(&whole), dossier: Box::new(whole) };
    });
    let other = forge(2, &|message| {
        let Body::Ask(ask) = &mut message.body else { panic!() };
        ask.service = "crisisinterventie".to_owned();
    });

    for (forged, reason) in [(more, Reason::DatasetExceeded), (other, Reason::CovenantDenied)] {
        let Verdict::Refused(refusal) = region.bring(&forged).await else { panic!("the receiver decides again") };
        assert_eq!(refusal.reason, reason);
        assert!(refusal.clause.is_some() || refusal.field.is_some());
        assert!(region.at(PRO_PERSONA).record(case).await.is_none());
    }
    assert_eq!(region.carry(&letter).await, Verdict::Accepted);
}

#[tokio::test]
async fn invariant_6_a_message_takes_effect_once_and_in_order_however_it_arrives() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let first = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.at(SEZ).withdraw(first).await.unwrap();
    let second = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    let letters = region.waiting().await;

    for letter in letters.iter().rev().chain(&letters).chain(letters.iter().rev()).chain(&letters) {
        region.bring(letter).await;
    }

    for letter in &letters {
        assert_eq!(region.bring(letter).await, Verdict::Accepted, "a repeated message gets the answer it got");
    }
    let pactum = region.at(PACTUM);
    assert_eq!((pactum.logged("handover-received").await, pactum.logged("handover-withdrawn").await), (2, 1));
    assert_eq!(pactum.handover(first).await.state, HandoverState::Withdrawn);
    assert_eq!(pactum.handover(second).await.state, HandoverState::Offered);
    let order: Vec<_> = pactum.store.received_in(&case.to_string()).await.unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[tokio::test]
async fn invariant_7_clocks_only_drive_alarms_and_overdue_timers_fire_at_the_start() {
    let mut region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;

    // Both clocks are wrong by a month when people answer, and then jump back.
    region.clock.pass(jiff::SignedDuration::from_hours(24 * 30));
    region.at_mut(SEZ).restart().await;
    region.at(SEZ).desk.tick().await.unwrap();
    assert!(region.at(SEZ).events().await.contains(&"handover.overdue".to_owned()), "the alarm came first");
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Offered, "and decided nothing");
    region.at(PACTUM).accept(offer).await.unwrap();
    region.clock.pass(jiff::SignedDuration::from_hours(-24 * 31));
    region.settle_well().await;

    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Lead);
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Outside);
}

#[tokio::test]
async fn invariant_8_content_and_identity_are_readable_in_no_clear_place() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    secrets::whole_night(&region).await;

    for gateway in region.all() {
        let kept = format!("{:?}", gateway.memory.as_ref().unwrap());
        let rows = gateway.store.entries(0, 1_000).await.unwrap();
        let log: Vec<u8> = rows.into_iter().flat_map(|row| row.entry.bytes).collect();
        for canary in CANARIES {
            assert!(!kept.contains(canary) && !holds(&log, canary), "{canary} at {}", gateway.me);
        }
    }
}

#[tokio::test]
async fn invariant_9_what_a_peer_may_pile_up_has_a_bound() {
    let region = Region::new(&[SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    region.settle_well().await;
    region.at(PRO_PERSONA).advise(id).await.unwrap();
    let letter = region.waiting().await.remove(0);
    region.carry(&letter).await;

    // A gateway that keeps no bound of its own goes on advising.
    let mut refused = 0;
    for number in 1..=80 {
        let id = MessageId::new(Uuid::from_u128(1_000 + u128::from(number)));
        let message = Message { id, seq: letter.message().seq + number - refused, ..letter.message() };
        let more = Letter { bytes: schakel::wire::federation::encode(&message), number: 100 + number, ..letter.clone() };
        if let Verdict::Refused(refusal) = region.bring(&more).await {
            assert_eq!(refusal.reason, Reason::QuotaExceeded);
            refused += 1;
        }
    }

    assert_eq!((region.at(SEZ).consultation_in_full(id).await.advice.len(), refused), (64, 17));
    let page = PageOf { open_only: false, after: String::new(), size: 1_000_000 };
    let Answer::Cases(views, _) = region.at(SEZ).read(Read::Cases(page)).await.unwrap() else { panic!() };
    assert!(views.len() <= 200);
    let waiting = region.at(SEZ).store.outbox(&org(PRO_PERSONA), OutboxState::Waiting, 0, 100).await.unwrap();
    assert!(waiting.len() <= 1);
    let long = Dossier { situation: "x".repeat(4_001).into(), ..dossier() };
    assert_eq!(why(region.at(SEZ).act(CareAct::OpenCase { dossier: Box::new(long) }).await), Reason::InvalidField);
}
