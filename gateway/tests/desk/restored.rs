//! Gateways that were put back from an older backup: what they lack is noticed, survives a restart, and ends by an act of a person.

use schakel_domain::command::{CareAct, OperateAct};
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
