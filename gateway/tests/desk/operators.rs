//! What operators and the courier do with messages: order, parking, voids, replays, stops; and a gateway that lost its newest data.

use std::sync::Arc;

use schakel::desk::Verdict;
use schakel::store::{OutboxState, memory};
use schakel_domain::command::{CareAct, OperateAct, Read};
use schakel_domain::id::{MessageId, OfferId};
use schakel_domain::refusal::Reason;
use schakel_domain::view::{ConsultationState, HandoverState, Standing};

use super::kit::*;

/// Pactum cannot take offers of SEZ now.
fn stop(region: &Region) -> impl Future<Output = ()> {
    let pactum = Arc::clone(&region.at(PACTUM).desk);
    let (operator, reason) = (region.at(PACTUM).operator(), "storing".to_owned());
    async move {
        let act = OperateAct::Stop { peer: org(SEZ), reason };
        pactum.operate_once(&operator, &operation(act)).await.unwrap();
    }
}

async fn resume(region: &Region) {
    region.at(PACTUM).operate(OperateAct::Resume { peer: org(SEZ) }).await.unwrap();
}

async fn rows(region: &Region, from: &str, to: &str, state: OutboxState) -> Vec<(MessageId, String, u64)> {
    let rows = region.at(from).store.outbox(&org(to), state, 0, 100).await.unwrap();
    rows.into_iter().map(|row| (row.message.message, row.message.kind, row.message.seq)).collect()
}

#[tokio::test]
async fn a_message_before_its_turn_waits_and_changes_nothing() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.at(SEZ).withdraw(offer).await.unwrap();
    let letters = region.waiting().await;
    let before = region.at(PACTUM).mark().await;

    let Verdict::Later(refusal) = region.carry(&letters[1]).await else { panic!("later") };

    assert_eq!(refusal.reason, Reason::OutOfOrder);
    assert_eq!(region.at(PACTUM).mark().await, before);
    region.settle_well().await;
    assert_eq!(region.at(PACTUM).handover(offer).await.state, HandoverState::Withdrawn);
}

#[tokio::test]
async fn a_parked_message_lets_the_later_ones_of_its_case_pass_and_is_replayed_as_things_stand_then() {
    let region = Region::new(&[SEZ, PACTUM]);
    stop(&region).await;
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    assert_eq!(region.settle().await, [("propose-handover", Reason::PeerStopped)]);
    let parked = rows(&region, SEZ, PACTUM, OutboxState::Parked).await;
    assert_eq!(parked.iter().map(|row| (row.1.as_str(), row.2)).collect::<Vec<_>>(), [("propose-handover", 1)]);
    let sent = rows(&region, SEZ, PACTUM, OutboxState::Delivered).await;
    assert_eq!(sent.iter().map(|row| (row.1.as_str(), row.2)).collect::<Vec<_>>(), [("void", 1)], "a void took its place");
    assert!(region.at(SEZ).events().await.contains(&"handover.parked".to_owned()));

    resume(&region).await;
    region.at(SEZ).operate(OperateAct::Replay { message: parked[0].0 }).await.unwrap();
    assert!(!region.at(SEZ).handover(offer).await.facts.waiting.unwrap().contains("geweigerd"));
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Completed);
}

#[tokio::test]
async fn an_offer_that_ended_while_parked_is_not_replayed_and_its_withdrawal_harms_nobody() {
    let region = Region::new(&[SEZ, PACTUM]);
    stop(&region).await;
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle().await;
    let parked = rows(&region, SEZ, PACTUM, OutboxState::Parked).await;

    region.at(SEZ).withdraw(offer).await.unwrap();
    region.settle_well().await;
    resume(&region).await;

    let replay = region.at(SEZ).operate(OperateAct::Replay { message: parked[0].0 }).await;
    assert_eq!(why(replay), Reason::HandoverNotOpen);
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    // The case that Pactum never saw can be offered again, in order.
    let again = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    assert_eq!(region.at(PACTUM).handover(again).await.state, HandoverState::Offered);
}

#[tokio::test]
async fn a_question_taken_back_while_parked_harms_nobody() {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    region.at(PRO_PERSONA).operate(OperateAct::Stop { peer: org(SEZ), reason: "storing".to_owned() }).await.unwrap();
    let case = region.at(SEZ).open(dossier()).await.id;
    for ask in [question(case), anonymous("Meisje van 15")] {
        let id = region.at(SEZ).ask(ask).await.unwrap().id;
        assert_eq!(region.settle().await, [("ask", Reason::PeerStopped)]);
        region.at(SEZ).cancel_question(id).await.unwrap();
        region.settle_well().await;
        assert_eq!(region.at(SEZ).consultation(id).await.state, ConsultationState::Cancelled);
    }
}

#[tokio::test]
async fn voids_count_for_a_case_that_somebody_else_brought_meanwhile() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    stop(&region).await;
    let case = region.at(SEZ).open(dossier()).await.id;
    let lost = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle().await;
    region.at(SEZ).withdraw(lost).await.unwrap();
    let to_psychiatry = region.at(SEZ).offer(case, PRO_PERSONA, "ggz-crisis").await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).accept(to_psychiatry).await.unwrap();
    region.settle_well().await;
    // Pactum learns of the case from Pro Persona, declines, and then SEZ, which leads again, offers it.
    let second = region.at(PRO_PERSONA).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).decline(second, schakel_domain::custody::DeclineCode::NoCapacity).await.unwrap();
    region.settle_well().await;
    let back = region.at(PRO_PERSONA).offer(case, SEZ, "regie").await.unwrap().id;
    region.settle_well().await;
    region.at(SEZ).accept(back).await.unwrap();
    region.settle_well().await;
    resume(&region).await;

    let third = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;

    assert!(region.waiting().await.is_empty(), "nothing hangs");
    assert_eq!(region.at(PACTUM).handover(third).await.state, HandoverState::Offered);
}

#[tokio::test]
async fn only_an_offer_or_question_that_was_not_delivered_is_cancelled_by_the_protocols_own_way() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    let asked = sez.ask(question(case)).await.unwrap().id;
    let cancel = |message| OperateAct::Cancel { message, reason: "verkeerde".to_owned() };
    let propose = rows(&region, SEZ, PACTUM, OutboxState::Waiting).await[0].0;
    let ask = rows(&region, SEZ, PRO_PERSONA, OutboxState::Waiting).await[0].0;

    sez.operate(cancel(propose)).await.unwrap();
    sez.operate(cancel(ask)).await.unwrap();
    assert_eq!(sez.case(case).await.standing, Standing::Lead);
    assert_eq!(sez.consultation(asked).await.state, ConsultationState::Cancelled);
    let release = rows(&region, SEZ, PRO_PERSONA, OutboxState::Waiting).await[1].clone();
    assert_eq!((release.1.as_str(), why(sez.operate(cancel(release.0)).await)), ("release", Reason::NotCancellable));
    let leaving = region.waiting().await;
    assert_eq!(leaving.iter().map(Letter::kind).collect::<Vec<_>>(), ["void", "withdraw-handover", "void", "release"]);
    let canary = |letter: &Letter| CANARIES.iter().any(|canary| holds(&letter.bytes, canary) && *canary != "KanarieReden");
    assert!(!leaving.iter().any(canary), "no dossier leaves");
    region.settle_well().await;
    assert!(region.at(PACTUM).record(case).await.is_none() && region.at(PRO_PERSONA).record(case).await.is_none());
    assert!(sez.handover(offer).await.facts.delivered.is_none());
    assert_eq!(why(sez.operate(cancel(propose)).await), Reason::NotCancellable, "it was taken back");
    let again = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    assert_eq!(region.at(PACTUM).handover(again).await.state, HandoverState::Offered, "the thread goes on");
}

#[tokio::test]
async fn an_offer_that_had_arrived_after_all_when_it_was_taken_back_ends_as_the_protocol_says() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    let arrived = region.waiting().await.remove(0);
    let verdict = region.bring(&arrived).await;
    let message = rows(&region, SEZ, PACTUM, OutboxState::Waiting).await[0].0;

    sez.operate(OperateAct::Cancel { message, reason: "verkeerde".to_owned() }).await.unwrap();
    region.report(&arrived, &verdict).await;
    assert_eq!(region.settle().await, [("void", Reason::MessageConflict)]);

    assert_eq!(region.at(PACTUM).handover(offer).await.state, HandoverState::Withdrawn);
    let facts = sez.handover(offer).await.facts;
    assert!(facts.delivered.is_some(), "it is not hidden that the dossier was there");
    assert!(!sez.events().await.contains(&"handover.parked".to_owned()), "nothing is parked");
    assert_eq!(sez.case(case).await.standing, Standing::Lead);
}

#[tokio::test]
async fn a_transfer_and_a_receipt_are_never_cancelled() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    for (from, to, kind) in [(PACTUM, SEZ, "accept-handover"), (SEZ, PACTUM, "transfer-custody"), (PACTUM, SEZ, "custody-receipt")] {
        let row = rows(&region, from, to, OutboxState::Waiting).await.remove(0);
        assert_eq!(row.1, kind);
        let act = OperateAct::Cancel { message: row.0, reason: "x".to_owned() };
        assert_eq!(why(region.at(from).operate(act).await), Reason::NotCancellable);
        let letter = region.waiting().await.remove(0);
        region.carry(&letter).await;
    }
}

#[tokio::test]
async fn a_refused_void_makes_no_further_void() {
    let region = Region::new(&[SEZ, PACTUM]);
    stop(&region).await;
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let propose = region.waiting().await.remove(0);
    region.carry(&propose).await;
    let void = region.waiting().await.remove(0);
    assert_eq!(void.kind(), "void");

    let refused = Verdict::Refused(schakel_domain::refusal::Refusal::new(schakel_domain::refusal::Stage::Peer, Reason::MessageConflict));
    region.report(&void, &refused).await;

    assert!(region.waiting().await.is_empty());
}

#[tokio::test]
async fn another_message_under_a_used_id_is_refused_and_logged() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    region.bring(&letter).await;
    let before = region.at(PACTUM).log().await.len();
    let other = schakel_domain::message::Message { clause: "9.9".to_owned(), ..letter.message() };

    let verdict = region.bring(&Letter { bytes: schakel::wire::federation::encode(&other), ..letter }).await;

    assert!(matches!(verdict, Verdict::Refused(refusal) if refusal.reason == Reason::MessageConflict));
    assert_eq!(region.at(PACTUM).log().await.len(), before + 1);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_logged() {
    let region = Region::new(&[SEZ, PACTUM]);
    let letter = Letter { from: org(SEZ), to: org(PACTUM), number: 1, bytes: b"no message".to_vec() };

    assert!(matches!(region.bring(&letter).await, Verdict::Refused(_)));

    assert_eq!(region.at(PACTUM).logged("request-denied").await, 1);
}

#[tokio::test]
async fn a_gateway_that_lacks_messages_of_its_own_decides_nothing_and_still_shows_what_it_has() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    pactum.accept(offer).await.unwrap();

    sez.desk.knows_more(&org(PACTUM), 9, 1).await.unwrap();
    sez.desk.knows_more(&org(PACTUM), 9, 1).await.unwrap();

    assert_eq!(sez.logged("recovery-entered").await, 1);
    let opening = CareAct::OpenCase { dossier: Box::new(dossier()) };
    assert_eq!(why(sez.act(opening).await), Reason::Recovering);
    assert_eq!(
        why(sez.operate(OperateAct::Cancel { message: MessageId::new(uuid::Uuid::nil()), reason: String::new() }).await),
        Reason::Recovering
    );
    let accept = region.waiting().await.remove(0);
    assert!(matches!(region.carry(&accept).await, Verdict::Later(refusal) if refusal.reason == Reason::Recovering));
    assert_eq!(sez.case(case).await.standing, Standing::Offering);
    assert!(case_in_full(sez, case).await, "reading goes on");
    region.clock.pass(minutes(24 * 60));
    assert_eq!(sez.desk.next_due().await.unwrap(), None);
    sez.desk.tick().await.unwrap();
    assert!(!sez.events().await.contains(&"handover.overdue".to_owned()), "no timer decides either");
}

async fn case_in_full(gateway: &Gateway, id: schakel_domain::id::CaseId) -> bool {
    case(gateway.read(Read::Case { id, full: true }).await.unwrap()).dossier.is_some()
}

#[tokio::test]
async fn timers_that_came_due_while_the_gateway_was_down_fire_at_its_first_tick() {
    for sqlite in [false, true] {
        let orgs = [SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL];
        let mut region = if sqlite { Region::on_sqlite(&orgs).await } else { Region::new(&orgs) };
        let case = region.at(SEZ).open(dossier()).await.id;
        let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
        region.settle_well().await;

        region.clock.pass(minutes(31));
        region.at_mut(SEZ).restart().await;
        region.at(SEZ).desk.tick().await.unwrap();

        let view = region.at(SEZ).consultation(id).await;
        let words: Vec<_> = view.candidates.iter().map(|one| one.state.as_str()).collect();
        assert_eq!(words, ["silent", "asked", "waiting"]);
    }
}

#[tokio::test]
async fn one_timer_that_cannot_fire_does_not_hold_back_the_others() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let id = sez.ask(question(case)).await.unwrap().id;
    sez.ask(anonymous("Meisje van 15")).await.unwrap();
    region.clock.pass(minutes(31));
    sez.memory.as_ref().unwrap().fail_next(memory::Fault::Lost);

    assert!(sez.desk.tick().await.is_err());
    let fired = sez.events().await.iter().filter(|kind| *kind == "consultation.silent").count();
    assert_eq!(fired, 1, "the other one fired");
    sez.desk.tick().await.unwrap();

    assert_eq!(sez.events().await.iter().filter(|kind| *kind == "consultation.silent").count(), 2);
    assert_eq!(sez.consultation(id).await.candidates[0].state, "silent");
}

#[tokio::test]
async fn a_timer_of_a_newer_version_is_left_for_that_version_told_of_once_and_holds_nobody_up() {
    use schakel::store::{Commit, Timer, TimerChange};
    let mut region = Region::new(&[SEZ, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).ask(question(case)).await.unwrap();
    let newer = Timer { id: "newer".to_owned(), due: region.clock.now(), action: r#"{"do":"something-new"}"#.to_owned() };
    let set = Commit { timers: vec![TimerChange::Set(newer.clone())], ..Commit::default() };
    region.at(SEZ).store.commit(set).await.unwrap();

    for _ in 0..2 {
        region.at(SEZ).desk.tick().await.unwrap();
        assert!(region.at(SEZ).desk.next_due().await.unwrap().unwrap() > region.clock.now(), "the clock does not spin on it");
    }
    let told = |events: Vec<String>| events.iter().filter(|kind| *kind == "gateway.timers-unreadable").count();
    assert_eq!(told(region.at(SEZ).events().await), 1);
    region.clock.pass(minutes(31));
    region.at_mut(SEZ).restart().await;
    region.at(SEZ).desk.tick().await.unwrap();

    let sez = region.at(SEZ);
    assert!(sez.events().await.contains(&"consultation.silent".to_owned()), "the others fire");
    assert_eq!(told(sez.events().await), 2);
    assert_eq!(sez.store.due(region.clock.now(), 10).await.unwrap(), [newer]);
}

#[tokio::test]
async fn when_everything_is_settled_nothing_is_committed() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    let propose = region.waiting().await.remove(0);
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;
    let commits = || (region.at(SEZ).commits(), region.at(PACTUM).commits());
    let before = commits();

    region.pass(minutes(60 * 24 * 30)).await;
    region.carry(&propose).await;

    assert_eq!(commits(), before, "no timer, no entry; a repeated message and a repeated report change nothing");
    assert_eq!(region.at(SEZ).desk.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn an_offer_overtaken_by_a_reclaim_is_kept_and_never_open() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    for _ in 0..2 {
        let letter = region.waiting().await.remove(0);
        region.carry(&letter).await;
    }
    // Pactum leads and offers it back; SEZ, which has no receipt yet, reclaims.
    let back: OfferId = region.at(PACTUM).offer(case, SEZ, "regie").await.unwrap().id;
    region.at(SEZ).force(case).await.unwrap();
    let late = region.waiting().await.into_iter().find(|letter| letter.kind() == "custody-receipt").unwrap();
    region.carry(&late).await;
    let late = region.waiting().await.into_iter().find(|letter| letter.kind() == "propose-handover").unwrap();

    region.carry(&late).await;

    assert_eq!(region.at(SEZ).handover(back).await.state, HandoverState::Withdrawn);
    region.settle_well().await;
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Contested);
    region.pass(minutes(60 * 24)).await;
    assert!(!region.at(SEZ).events().await.contains(&"handover.overdue".to_owned()));
}
