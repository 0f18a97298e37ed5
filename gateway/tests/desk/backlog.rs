//! A night's backlog for a peer that was away: everything arrives when it is back, and so does what came behind it.

use schakel::desk::{Delivered, Verdict};
use schakel::store::OutboxState;
use schakel_domain::dossier::{ActionItem, Contingency, Dossier, MAX_ITEMS, MAX_TEXT, Safety};
use schakel_domain::message::{MAX_BATCH, MAX_BATCH_BYTES};
use schakel_domain::personal::Words;
use schakel_domain::view::HandoverState;

use super::kit::*;

/// A dossier with every text as long as may be, and lists of this length; `letter` takes one to four bytes.
fn long_dossier(letter: char, list: usize) -> Dossier {
    let text = |length: usize| Words::new(letter.to_string().repeat(length));
    Dossier {
        whereabouts: text(MAX_TEXT),
        situation: text(MAX_TEXT),
        background: text(MAX_TEXT),
        assessment: text(MAX_TEXT),
        recommendation: text(MAX_TEXT),
        safety: Safety { plan: text(MAX_TEXT), ..Safety::default() },
        contingencies: (0..list).map(|_| Contingency { when: text(250), then: text(250) }).collect(),
        actions: (0..list).map(|_| ActionItem { what: text(250), who: text(250), by: None }).collect(),
        ..dossier()
    }
}

/// What the courier does: fills batches, and hands the desk one acknowledgement for each.
async fn deliver_in_batches(region: &Region) {
    loop {
        let mut letters = region.waiting().await;
        let mut bytes = 0;
        letters.retain(|letter| {
            bytes += letter.bytes.len();
            bytes <= MAX_BATCH_BYTES
        });
        letters.truncate(MAX_BATCH);
        if letters.is_empty() {
            return;
        }
        for letter in &letters {
            assert_eq!(region.bring(letter).await, Verdict::Accepted);
        }
        let report = |letter: &Letter| Delivered { number: letter.number, proof: vec![7; 1_024] };
        region.at(SEZ).desk.delivered(&org(PACTUM), letters.iter().map(report).collect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_nights_backlog_for_a_peer_that_was_away_is_delivered_and_so_is_the_withdrawal_behind_it() {
    // The largest dossiers, of which few fit a batch; and as many as fit one batch.
    for (letter, list, messages) in [('\u{1F319}', MAX_ITEMS, MAX_BATCH / 4), ('x', 5, MAX_BATCH)] {
        let region = Region::new(&[SEZ, PACTUM]);
        let sez = region.at(SEZ);
        let mut offers = Vec::new();
        for _ in 0..messages {
            let case = sez.open(long_dossier(letter, list)).await.id;
            offers.push(sez.offer(case, PACTUM, HELP).await.unwrap().id);
        }
        let last = offers[offers.len() - 1];
        sez.withdraw(last).await.unwrap();

        deliver_in_batches(&region).await;

        assert_eq!(sez.store.outbox(&org(PACTUM), OutboxState::Delivered, 0, 1_000).await.unwrap().len(), offers.len() + 1);
        assert!(sez.handover(offers[0]).await.facts.delivered.is_some() && sez.handover(last).await.facts.delivered.is_some());
        assert_eq!(region.at(PACTUM).handover(last).await.state, HandoverState::Withdrawn);
        assert_eq!(sez.events().await.iter().filter(|kind| *kind == "handover.delivered").count(), offers.len());
    }
}
