//! Late cosigning, where the covenant says that it stops new offers: nothing new is offered, and everything under way goes its way.

use std::collections::BTreeSet;

use schakel_domain::refusal::Reason;

use super::kit::*;

#[tokio::test]
async fn late_cosigning_stops_new_offers_and_never_an_acceptance_a_transfer_or_a_receipt() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let under_way = sez.open(dossier()).await.id;
    let offer = sez.offer(under_way, PACTUM, HELP).await.unwrap().id;
    let fresh = sez.open(dossier()).await.id;
    region.settle_well().await;

    for gateway in [sez, pactum] {
        gateway.desk.agreements().hold_offers(BTreeSet::from([document().id]));
    }
    let refused = sez.offer(fresh, PACTUM, HELP).await.unwrap_err();
    pactum.accept(offer).await.unwrap();
    region.settle_well().await;

    assert_eq!((refused.reason, refused.clause.as_deref()), (Reason::CosigningLate, Some("cosigning")));
    assert!(sez.handover(offer).await.facts.received.is_some(), "accepted, transferred and received meanwhile");
    for gateway in [sez, pactum] {
        gateway.desk.agreements().hold_offers(BTreeSet::new());
    }
    assert!(sez.offer(fresh, PACTUM, HELP).await.is_ok());
}

#[tokio::test]
async fn both_logs_of_a_handover_pair_completely_and_a_lost_half_is_named() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).handover_in_full(offer).await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;

    let later = region.clock.now() + jiff::SignedDuration::from_hours(1);
    let read = async |name: &str, without: Option<u64>| {
        let mut side = schakel_domain::audit::reconcile::Side::new(org(name), later);
        let store = region.at(name).desk.store();
        for row in store.entries(0, 1_000).await.unwrap().into_iter().filter(|row| Some(row.index) != without) {
            side.read(row.index, &row.entry.bytes).unwrap();
        }
        side
    };
    let (sez, pactum) = (read(SEZ, None).await, read(PACTUM, None).await);
    let whole = schakel_domain::audit::reconcile::reconcile(&sez, &pactum);
    // Offer, seen, acceptance, transfer, receipt.
    assert_eq!((whole.pairs, whole.open, whole.findings.len()), (5, 0, 0));

    let sent = region.at(SEZ).log().await.iter().position(|entry| !entry.sent.is_empty()).unwrap();
    let cut = schakel_domain::audit::reconcile::reconcile(&read(SEZ, Some(sent as u64)).await, &pactum);
    assert_eq!(cut.findings.len(), 1);
    for message in region.at(SEZ).desk.store().sent_in(&case.to_string()).await.unwrap() {
        let bytes = region.at(SEZ).desk.unseal(&message.message.sealed).await.unwrap();
        let stated = schakel::wire::federation::decode(&bytes).unwrap().leaf.unwrap();
        let entries = region.at(SEZ).desk.store().entries(0, 1_000).await.unwrap();
        let named = entries.iter().find(|row| row.entry.leaf == stated).expect("the message states an entry of the sender's log");
        let entry = schakel_domain::audit::entry::Entry::parse(&named.entry.bytes).unwrap();
        assert!(entry.sent.iter().any(|sent| sent.id == message.message.message));
        assert!(!String::from_utf8_lossy(&named.entry.bytes).contains(&message.message.hash.to_string()), "no circle");
    }
}
