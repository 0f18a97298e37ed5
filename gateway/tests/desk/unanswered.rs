//! A commit of which the store does not say whether it was made: the database server went away while it answered, say.

use futures_util::FutureExt;
use schakel::store::OutboxState;
use schakel::store::memory::Fault;
use schakel_domain::refusal::Reason;

use super::kit::*;

/// Whoever sends would otherwise learn of it with the next message to that peer: found by the simulation, where a receipt waited for ever.
#[tokio::test]
async fn a_message_of_a_commit_that_was_made_and_not_answered_is_sent_at_once() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap();
    region.settle_well().await;
    sez.desk.signals().outgoing().now_or_never();
    pactum.desk.signals().outgoing().now_or_never();
    pactum.accept(offer.id).await.unwrap();
    let letters = region.waiting().await;
    let acceptance = letters.iter().find(|letter| letter.kind() == "accept-handover").unwrap();

    sez.memory.as_ref().unwrap().fail_next(Fault::Unanswered);
    let verdict = region.bring(acceptance).await;

    assert!(matches!(verdict, schakel::desk::Verdict::Later(ref refusal) if refusal.reason == Reason::StoreUnavailable), "{verdict:?}");
    let waiting = sez.store.outbox(&org(PACTUM), OutboxState::Waiting, 0, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.message.kind.as_str()).collect::<Vec<_>>(), ["transfer-custody"]);
    let woken = sez.desk.signals().outgoing().now_or_never();
    assert!(woken.is_some_and(|peers| peers.contains(&org(PACTUM))), "the courier is woken for what is in the outbox");
}
