//! What is on its way between two organisations is never silent: at either side somebody is told, with a number to call.

use jiff::SignedDuration;
use schakel_domain::command::{CareAct, PageOf, Read, Seen};
use schakel_domain::dossier::Dossier;
use schakel_domain::refusal::Reason;

use super::kit::*;

#[tokio::test]
async fn an_acceptance_that_brings_no_transfer_alarms_whoever_accepted() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;
    region.cut(SEZ, PACTUM);
    region.at(PACTUM).accept(offer).await.unwrap();
    let alarms = async || region.at(PACTUM).events().await.iter().filter(|kind| *kind == "handover.unconfirmed").count();

    region.pass(SignedDuration::from_secs(59)).await;
    assert_eq!(alarms().await, 0);
    region.pass(SignedDuration::from_secs(1)).await;
    assert_eq!(alarms().await, 1);
    let waits = region.at(PACTUM).handover(offer).await.facts.waiting.unwrap();
    assert!(waits.contains("de overdracht is nog niet binnen") && waits.contains("Bel SEZ"), "{waits}");

    region.mend();
    region.settle_well().await;
    region.pass(minutes(60)).await;
    assert_eq!(alarms().await, 1, "the transfer ends it");
    assert_eq!(region.at(PACTUM).handover(offer).await.facts.waiting, None);
}

#[tokio::test]
async fn a_transfer_on_its_way_says_so_at_the_sender_with_the_number_to_call() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;

    let waits = region.at(SEZ).handover(offer).await.facts.waiting.unwrap();

    assert!(waits.contains("nog geen ontvangstbevestiging") && waits.contains("Bel Pactum"), "{waits}");
    region.settle_well().await;
    assert_eq!(region.at(SEZ).handover(offer).await.facts.waiting, None);
}

#[tokio::test]
async fn a_case_does_not_change_under_an_open_offer() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = offered(&region).await;
    let sez = region.at(SEZ);
    let amend = async || {
        let seen = Seen { id: case, version: sez.case(case).await.version };
        sez.act(CareAct::AmendCase { case: seen, dossier: Box::new(Dossier { background: "anders".into(), ..dossier() }) }).await
    };

    assert_eq!(why(amend().await), Reason::OfferOpen);
    sez.withdraw(offer).await.unwrap();
    amend().await.unwrap();
}

#[tokio::test]
async fn who_lists_the_handovers_of_a_case_has_looked_at_that_case() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, _) = offered(&region).await;
    let sez = region.at(SEZ);
    let page = PageOf { size: 10, after: String::new(), open_only: false };

    sez.read(Read::Handovers { case: Some(case), page }).await.unwrap();

    let entry = sez.log().await.pop().unwrap();
    assert_eq!((entry.event.code.as_str(), entry.objects[0].id.as_str()), ("case-viewed", case.to_string().as_str()));
    assert!(entry.client.is_some());
}
