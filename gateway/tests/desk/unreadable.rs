//! A sealed part that cannot be opened, because its key is gone or it was altered: one item of a list hides no other, and whoever asks for it
//! hears always the same.

use schakel::store::{Commit, Expect, Kind};
use schakel_domain::command::{CareAct, PageOf, Read, Seen};
use schakel_domain::refusal::Reason;
use schakel_domain::view::{Answer, CaseView, Standing};

use super::kit::*;

/// Puts other bytes in place of the sealed part of a record.
async fn spoil(gateway: &Gateway, kind: Kind, id: &str) {
    let mut record = gateway.store.record(kind, id).await.unwrap().unwrap();
    let version = record.version;
    let sealed = record.sealed.as_mut().unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    record.version = version + 1;
    let expect = vec![Expect { kind, id: id.to_owned(), version }];
    gateway.store.commit(Commit { put: vec![record], expect, at: gateway.desk.now(), ..Commit::default() }).await.unwrap();
}

fn page() -> PageOf {
    PageOf { open_only: false, after: String::new(), size: 200 }
}

fn cases(answer: Answer) -> Vec<CaseView> {
    let Answer::Cases(views, _) = answer else { panic!("expected cases") };
    views
}

#[tokio::test]
async fn a_list_shows_every_item_also_one_that_cannot_be_opened() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);
    let (spoiled, offer) = offered(&region).await;
    let question = sez.ask(question(spoiled)).await.unwrap().id;
    let whole = sez.open(dossier()).await.id;
    spoil(sez, Kind::Case, &spoiled.to_string()).await;
    spoil(sez, Kind::Handover, &offer.to_string()).await;
    spoil(sez, Kind::Consultation, &question.to_string()).await;

    let listed = cases(sez.read(Read::Cases(page())).await.unwrap());

    let mut ids: Vec<_> = listed.iter().map(|view| view.id).collect();
    ids.sort();
    let mut both = vec![spoiled, whole];
    both.sort();
    assert_eq!(ids, both);
    let shown = listed.iter().find(|view| view.id == spoiled).unwrap();
    assert_eq!((shown.standing, shown.responsibility.responsible.contains(&org(SEZ))), (Standing::Offering, true));
    assert_eq!(cases(sez.read(Read::CaseByLabel(shown.label.clone())).await.unwrap()).len(), 1);
    let Answer::Handovers(handovers, _) = sez.read(Read::Handovers { case: None, page: page() }).await.unwrap() else { panic!() };
    assert_eq!(handovers.iter().map(|view| view.id).collect::<Vec<_>>(), [offer]);
    let Answer::Consultations(questions, _) = sez.read(Read::Consultations(page())).await.unwrap() else { panic!() };
    assert_eq!(questions.iter().map(|view| view.id).collect::<Vec<_>>(), [question]);
}

#[tokio::test]
async fn what_cannot_be_opened_says_so_and_always_the_same() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await;
    spoil(sez, Kind::Case, &case.id.to_string()).await;
    let before = sez.log().await.len();

    for full in [false, true, true] {
        assert_eq!(why(sez.read(Read::Case { id: case.id, full }).await), Reason::Unreadable);
    }
    let close = CareAct::CloseCase { case: Seen { id: case.id, version: case.version }, reason: "klaar".to_owned() };
    assert_eq!(why(sez.act(close).await), Reason::Unreadable);

    let entries = sez.log().await.split_off(before);
    assert_eq!(entries.len(), 4, "each no is in the log");
    assert!(entries.iter().all(|entry| !entry.decision.allowed && entry.decision.rule == "UNREADABLE"), "{entries:?}");
}
