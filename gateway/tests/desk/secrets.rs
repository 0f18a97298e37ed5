//! Identity, free text and the names of workers are readable nowhere outside a seal: not in the database file, not in the log, not in
//! events, queues or timers.

use schakel_domain::command::{Ask, CareAct, Seen};
use schakel_domain::custody::DeclineCode;

use super::kit::*;

/// A night with everything that carries words: questions, refusals, advice, offers, withdrawals, read-backs, a reclaim and its call.
pub(crate) async fn whole_night(region: &Region) {
    let sez = region.at(SEZ);
    let opened = sez.open(dossier()).await;
    let amended = CareAct::AmendCase { case: Seen { id: opened.id, version: opened.version }, dossier: Box::new(dossier()) };
    sez.act(amended).await.unwrap();
    let case = opened.id;
    let anonymous = sez.ask(anonymous("KanarieVraag zonder naam")).await.unwrap().id;
    let asked = sez.ask(Ask { continues: Some(anonymous), ..question(case) }).await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).decline_question(anonymous, DeclineCode::Other).await.unwrap();
    region.at(PRO_PERSONA).consultation_in_full(asked).await;
    region.at(PRO_PERSONA).bid(asked).await.unwrap();
    region.settle_well().await;
    region.at(PRO_PERSONA).advise(asked).await.unwrap();
    region.settle_well().await;
    sez.close_question(asked).await.unwrap();
    let declined = sez.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).decline(declined, DeclineCode::InsufficientInformation).await.unwrap();
    region.settle_well().await;
    let withdrawn = sez.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap().id;
    sez.withdraw(withdrawn).await.unwrap();
    region.settle_well().await;
    let offer = sez.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).handover_in_full(offer).await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let letters = region.waiting().await;
    for letter in &letters {
        region.carry(letter).await;
    }
    sez.force(case).await.unwrap();
    region.settle_well().await;
    region.at(PACTUM).resolve(case).await.unwrap();
    region.pass(minutes(60 * 24)).await;
}

#[tokio::test]
async fn no_secret_is_readable_in_the_database_file() {
    let region = Region::on_sqlite(&[SEZ, PRO_PERSONA, PACTUM]).await;
    whole_night(&region).await;

    for gateway in region.all() {
        let disk = gateway.disk();
        assert!(holds(&disk, gateway.me.as_str()) && disk.len() > 50_000, "the scan looks at the right files");
        for canary in CANARIES {
            assert!(!holds(&disk, canary), "{canary} at {}", gateway.me);
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_anything_kept_in_the_clear() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    whole_night(&region).await;

    for gateway in region.all() {
        let rows = gateway.store.entries(0, 1_000).await.unwrap();
        let log: Vec<u8> = rows.into_iter().flat_map(|row| row.entry.bytes).collect();
        // What a store prints of itself: sealed parts as numbers, everything else as text.
        let kept = format!("{:?}", gateway.memory.as_ref().unwrap());
        assert!(holds(&log, "case-opened") || gateway.me.as_str() != SEZ);
        for canary in CANARIES {
            assert!(!holds(&log, canary) && !kept.contains(canary), "{canary} at {}", gateway.me);
        }
    }
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_what_was_said() {
    let region = Region::new(&[SEZ]);
    let mut wrong = dossier();
    wrong.identity.postal_code = Some("KanarieAdres".into());
    let act = CareAct::OpenCase { dossier: Box::new(wrong) };

    let refusal = region.at(SEZ).act(act).await.unwrap_err();

    assert_eq!(refusal.field.as_deref(), Some("identity.postal_code"));
    assert!(!format!("{refusal:?}").contains("Kanarie"));
}
