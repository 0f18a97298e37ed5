//! Gateways that were put back from an older backup: what they lack is noticed, survives a restart, and ends by an act of a person.

use schakel::desk::{Delivery, Verdict};
use schakel::wire::federation;
use schakel_domain::command::{CareAct, OperateAct};
use schakel_domain::id::{CaseId, MessageId};
use schakel_domain::message::Message;
use schakel_domain::refusal::Reason;
use schakel_domain::view::{HandoverState, Standing};

use super::kit::*;

#[tokio::test]
async fn a_gateway_that_lacks_messages_of_its_own_decides_nothing_after_a_restart_either_until_an_operator_ends_it() {
    for sqlite in [false, true] {
        let orgs = [SEZ, PACTUM];
        let mut region = if sqlite { Region::on_sqlite(&orgs).await } else { Region::new(&orgs) };
        let case = region.at(SEZ).open(dossier()).await.id;
        region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
        region.settle_well().await;
        region.at(SEZ).desk.knows_more(&org(PACTUM), 9, 1).await.unwrap();

        region.clock.pass(minutes(24 * 60));
        region.at_mut(SEZ).restart().await;
        let sez = region.at(SEZ);
        sez.desk.started().await.unwrap();
        sez.desk.tick().await.unwrap();

        assert!(!sez.events().await.contains(&"handover.overdue".to_owned()), "no timer fires");
        let opening = || CareAct::OpenCase { dossier: Box::new(dossier()) };
        assert_eq!(why(sez.act(opening()).await), Reason::Recovering);
        sez.operate(OperateAct::EndRecovery { reason: "Pactum gebeld".to_owned(), second: colleague() }).await.unwrap();
        assert_eq!((sez.logged("recovery-entered").await, sez.logged("recovery-left").await), (1, 1));
        sez.act(opening()).await.unwrap();
        sez.desk.tick().await.unwrap();
        assert!(sez.events().await.contains(&"handover.overdue".to_owned()));
        // The peer meets no number again that it holds another message under, and no longer knows more.
        sez.offer(sez.open(dossier()).await.id, PACTUM, HELP).await.unwrap();
        assert_eq!(region.waiting().await.last().unwrap().number, 10);
        sez.desk.knows_more(&org(PACTUM), 9, 1).await.unwrap();
        assert!(!sez.desk.recovering());
    }
}

#[tokio::test]
async fn recovery_that_could_not_be_logged_is_entered_all_the_same_and_logged_the_next_time() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);
    sez.memory.as_ref().unwrap().fail_next(schakel::store::memory::Fault::Lost);

    assert!(sez.desk.knows_more(&org(PACTUM), 9, 0).await.is_err());
    assert!(sez.desk.recovering());
    sez.desk.knows_more(&org(PACTUM), 9, 0).await.unwrap();

    assert_eq!(sez.logged("recovery-entered").await, 1);
}

#[tokio::test]
async fn a_peer_restored_from_an_older_backup_gets_again_what_it_lost_and_the_case_goes_on() {
    let mut region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let first = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    let backup = region.at(PACTUM).backup();
    region.at(SEZ).withdraw(first).await.unwrap();
    region.settle_well().await;
    let second = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;

    region.at_mut(PACTUM).restore(backup).await;
    let holds = region.at(PACTUM).store.received_numbers().await.unwrap()[0].1;
    region.at(SEZ).desk.knows_less(&org(PACTUM), holds).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(SEZ).events().await.iter().filter(|kind| *kind == "peer.lost-messages").count(), 1);
    assert_eq!(region.at(PACTUM).handover(first).await.state, HandoverState::Withdrawn);
    region.at(PACTUM).accept(second).await.unwrap();
    region.settle_well().await;
    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Lead);
}

/// Brings a letter as it was signed in some life of its sender, whatever life that is in now.
async fn bring_in_life(region: &Region, letter: &Letter, incarnation: u64) -> Verdict {
    let message = federation::decode(&letter.bytes);
    let delivery =
        Delivery { number: letter.number, message, bytes: letter.bytes.clone(), incarnation, proof: b"proof".to_vec(), trace: None };
    region.at(letter.to.as_str()).desk.receive(&peer(&letter.from), vec![delivery]).await.remove(0).verdict
}

fn refused(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Refused(refusal) => refusal.reason,
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn what_a_peer_made_before_its_restore_and_was_not_taken_in_counts_no_more() {
    for sqlite in [false, true] {
        let orgs = [SEZ, PACTUM];
        let mut region = if sqlite { Region::on_sqlite(&orgs).await } else { Region::new(&orgs) };
        let sez = region.at(SEZ);
        let taken = sez.open(dossier()).await.id;
        sez.offer(taken, PACTUM, HELP).await.unwrap();
        let processed = region.waiting().await.remove(0);
        region.settle_well().await;
        let case = sez.open(dossier()).await.id;
        let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
        let waits = region.waiting().await.remove(0);
        sez.desk.knows_more(&org(PACTUM), 9, 1).await.unwrap();
        sez.operate(OperateAct::EndRecovery { reason: "Pactum gebeld".to_owned(), second: colleague() }).await.unwrap();
        let (before, now) = (1, sez.desk.incarnation());

        // Greeted in the new life, even what comes first is known to be of the old one.
        let verdict = bring_in_life(&region, &waits, now).await;
        region.report(&waits, &verdict).await;

        assert_eq!(refused(verdict), Reason::SenderRestored);
        let pactum = region.at(PACTUM);
        let entry = pactum.log().await.pop().unwrap();
        assert!(!entry.decision.allowed && entry.decision.rule == "SENDER_RESTORED", "{entry:?}");
        assert!(sez.events().await.contains(&"handover.parked".to_owned()), "people at the sender hear of it");
        assert_eq!(bring_in_life(&region, &processed, now).await, Verdict::Accepted, "what was taken in stays so");
        let size = pactum.log().await.len();
        assert_eq!(refused(bring_in_life(&region, &waits, now).await), Reason::SenderRestored);
        assert_eq!(pactum.log().await.len(), size, "the same again, the same answer");

        // The thread goes on in the new life.
        sez.withdraw(offer).await.unwrap();
        sez.offer(case, PACTUM, HELP).await.unwrap();
        let newest = region.waiting().await;
        assert!(newest.iter().all(|letter| letter.message().incarnation == now));
        // The withdrawal is of an offer that never came.
        region.settle().await;
        assert!(pactum.record(case).await.is_some(), "the new offer is there");

        // The older database comes alive beside the newer one, after a restart of the peer too.
        region.at_mut(PACTUM).restart().await;
        let zombie = Message {
            id: MessageId::new(uuid::Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0098)),
            thread: fresh_case(),
            ..processed.message()
        };
        let zombie = Letter { number: 40, bytes: federation::encode(&zombie), ..processed };
        assert_eq!(refused(bring_in_life(&region, &zombie, before).await), Reason::SenderRestored);
    }
}

fn fresh_case() -> String {
    CaseId::new(uuid::Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0099)).to_string()
}
