//! Commands: once per key, never on something stale, never without an entry in the log.

use std::sync::Arc;

use schakel::store::memory::Fault;
use schakel_domain::caller::Role;
use schakel_domain::command::{CareAct, Command, PageOf, Read, ReadAct, Seen};
use schakel_domain::dossier::Dossier;
use schakel_domain::id::{CaseId, Hash, Label, OfferId};
use schakel_domain::refusal::{Reason, Stage};
use schakel_domain::view::Answer;
use uuid::Uuid;

use super::kit::*;

fn opening() -> CareAct {
    CareAct::OpenCase { dossier: Box::new(dossier()) }
}

async fn cases(gateway: &Gateway) -> usize {
    let page = PageOf { open_only: false, after: String::new(), size: 200 };
    let Answer::Cases(views, _) = gateway.read(Read::Cases(page)).await.unwrap() else { panic!() };
    views.len()
}

#[tokio::test]
async fn the_same_request_twice_has_one_effect_and_the_second_answer_says_so() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let once = write(opening());

    let first = sez.desk.handle(&sez.worker(), Command::Care(once.clone())).await.unwrap();
    let second = sez.desk.handle(&sez.worker(), Command::Care(once)).await.unwrap();

    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.answer, second.answer);
    assert_eq!((cases(sez).await, sez.logged("case-opened").await), (1, 1));
    assert_eq!(sez.logged("case-viewed").await, 1, "showing it again is a look");
}

#[tokio::test]
async fn a_used_key_with_another_body_is_refused() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let once = write(opening());
    sez.desk.handle(&sez.worker(), Command::Care(once.clone())).await.unwrap();

    let other = schakel_domain::command::Write { body: Hash([9; 32]), ..once };
    let refused = sez.desk.handle(&sez.worker(), Command::Care(other)).await.unwrap_err();

    assert_eq!((refused.reason, refused.field.as_deref()), (Reason::RequestIdReused, Some("request_id")));
    assert_eq!(cases(sez).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_many_times_at_once_has_one_effect() {
    for region in [Region::new(&[SEZ]), Region::on_sqlite(&[SEZ]).await] {
        let sez = region.at(SEZ);
        let once = write(opening());
        let tries = (0..8).map(|_| {
            let (desk, caller, command) = (Arc::clone(&sez.desk), sez.worker(), Command::Care(once.clone()));
            tokio::spawn(async move { desk.handle(&caller, command).await.unwrap() })
        });

        let mut replies = Vec::new();
        for one in tries.collect::<Vec<_>>() {
            replies.push(one.await.unwrap());
        }

        assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1);
        assert!(replies.iter().all(|reply| reply.answer == replies[0].answer));
        assert_eq!((cases(sez).await, sez.logged("case-opened").await), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_different_answers_at_once_one_counts() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    let pactum = region.at(PACTUM);
    let seen = Seen { id: offer, version: 1 };
    let tries = schakel_domain::custody::DeclineCode::ALL.iter().map(|code| {
        let act = CareAct::DeclineHandover { handover: seen, code: *code, note: String::new() };
        let (desk, caller, command) = (Arc::clone(&pactum.desk), pactum.worker(), Command::Care(write(act)));
        tokio::spawn(async move { desk.handle(&caller, command).await })
    });

    let mut done = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(_) => done += 1,
            Err(refusal) => assert!(matches!(refusal.reason, Reason::AlreadyAnswered | Reason::StaleEtag), "{refusal}"),
        }
    }

    assert_eq!((done, pactum.logged("handover-declined").await), (1, 1));
}

#[tokio::test]
async fn nothing_is_changed_that_changed_since_it_was_read() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let opened = sez.open(dossier()).await;
    let seen = Seen { id: opened.id, version: opened.version };
    let amend = || CareAct::AmendCase { case: seen, dossier: Box::new(Dossier { background: "anders".into(), ..dossier() }) };
    sez.act(amend()).await.unwrap();

    let refused = sez.act(amend()).await.unwrap_err();

    assert_eq!((refused.reason, refused.field.as_deref()), (Reason::StaleEtag, Some("etag")));
    assert_eq!(why(sez.act(CareAct::Offer(offer(seen, PACTUM, HELP))).await), Reason::StaleEtag);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_again_under_the_same_key() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let once = write(opening());
    sez.memory.as_ref().unwrap().fail_next(Fault::Unanswered);

    let lost = sez.desk.handle(&sez.worker(), Command::Care(once.clone())).await;
    assert_eq!(why(lost), Reason::StoreUnavailable);
    let found = sez.desk.handle(&sez.worker(), Command::Care(once)).await.unwrap();

    assert!(found.replayed);
    assert_eq!(cases(sez).await, 1);
}

#[tokio::test]
async fn nothing_is_shown_whose_entry_could_not_be_written() {
    let region = Region::new(&[SEZ, PACTUM]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    let asked = sez.ask(question(case)).await.map(|view| view.id);
    let asked = asked.unwrap();
    let page = || PageOf { open_only: true, after: String::new(), size: 10 };

    for what in [
        Read::Case { id: case, full: true },
        Read::Case { id: case, full: false },
        Read::Cases(page()),
        Read::CaseByLabel(Label::of(case)),
        Read::Handover { id: offer, full: true },
        Read::Handovers { case: Some(case), page: page() },
        Read::Handovers { case: None, page: page() },
        Read::Consultation { id: asked, full: true },
        Read::Consultations(page()),
        Read::Proof(offer),
    ] {
        for (fault, reason) in [(Fault::Lost, Reason::StoreUnavailable), (Fault::Full, Reason::StorageFull)] {
            let before = sez.log().await.len();
            sez.memory.as_ref().unwrap().fail_next(fault);
            assert_eq!(why(sez.read(what.clone()).await), reason, "{what:?}");
            assert_eq!(sez.log().await.len(), before);
            sez.read(what.clone()).await.unwrap();
            assert_eq!(sez.log().await.len(), before + 1, "one look, one entry: {what:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_done_whose_entry_could_not_be_written() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    sez.memory.as_ref().unwrap().fail_next(Fault::Lost);

    let refused = sez.act(opening()).await.unwrap_err();

    assert_eq!(refused.stage, Stage::Store);
    assert_eq!((cases(sez).await, sez.logged("case-opened").await), (0, 0));
}

#[tokio::test]
async fn a_refusal_that_cannot_be_logged_is_answered_by_saying_so() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    sez.memory.as_ref().unwrap().fail_next(Fault::Lost);

    let refused = sez.read(Read::Case { id: CaseId::new(Uuid::from_u128(5)), full: true }).await;

    assert_eq!(why(refused), Reason::AuditUnavailable);
}

#[tokio::test]
async fn what_is_unknown_and_what_is_not_ours_look_the_same() {
    let region = Region::new(&[SEZ, PACTUM, ENTREA]);
    let theirs = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(theirs, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    let entrea = region.at(ENTREA);
    let (nothing, no_offer) = (CaseId::new(Uuid::from_u128(5)), OfferId::new(Uuid::from_u128(6)));

    let of_case = async |id| entrea.read(Read::Case { id, full: true }).await.unwrap_err();
    let of_offer = async |id| entrea.read(Read::Handover { id, full: true }).await.unwrap_err();

    assert_eq!(of_case(theirs).await, of_case(nothing).await);
    assert_eq!(of_offer(offer).await, of_offer(no_offer).await);
    assert_eq!(of_case(nothing).await.reason, Reason::NotFound);
    let last = entrea.log().await.pop().unwrap();
    assert!(!serde_json::to_string(&last.objects).unwrap().contains(&theirs.to_string()));
}

#[tokio::test]
async fn every_refusal_of_somebody_known_has_an_entry() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let opened = sez.open(dossier()).await;
    let stale = Seen { id: opened.id, version: 9 };
    let refused: Vec<(schakel_domain::caller::Caller, CareAct)> = vec![
        (sez.caller(Role::Auditor, Some("local:a-1")), opening()),
        (sez.caller(Role::Operator, Some("local:o-1")), opening()),
        (sez.caller(Role::System, None), CareAct::ForceReclaim { case: stale, people: two() }),
        (peer(&org(PACTUM)), opening()),
        (sez.worker(), CareAct::CloseCase { case: stale, reason: String::new() }),
        (sez.coordinator(), CareAct::ForceReclaim { case: Seen { id: opened.id, version: 1 }, people: two() }),
        (sez.worker(), CareAct::Ask(schakel_domain::command::Ask { urgency: "nooit".to_owned(), ..question(opened.id) })),
    ];

    for (caller, act) in refused {
        let before = sez.log().await.len();
        let refusal = sez.act_as(&caller, act).await.unwrap_err();
        let log = sez.log().await;
        assert_eq!(log.len(), before + 1, "{refusal}");
        let entry = log.last().unwrap();
        assert_eq!((entry.decision.allowed, entry.decision.rule.as_str()), (false, refusal.reason.code()));
    }
}

#[tokio::test]
async fn an_entry_about_a_client_says_who_why_and_by_which_rule() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).handover_in_full(offer).await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;

    for side in [SEZ, PACTUM] {
        for entry in region.at(side).log().await {
            let about = entry.objects.iter().find(|object| ["case", "handover"].contains(&object.kind.as_str()));
            let Some(object) = about else { continue };
            assert!(object.relation.is_some() && object.consent.is_some() && entry.client.is_some(), "{entry:?}");
            assert_eq!(object.consent.as_deref(), Some("consent-given:directly-involved"));
        }
    }
    let by_rule = region.at(SEZ).log().await.into_iter().find(|entry| entry.decision.rule == "4.1").unwrap();
    assert!(by_rule.decision.sentence.contains("Pactum"), "{by_rule:?}");
}

#[tokio::test]
async fn a_system_acts_for_the_person_it_names() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);

    sez.act_as(&sez.caller(Role::System, None), opening()).await.unwrap();

    let entry = sez.log().await.pop().unwrap();
    let user = serde_json::to_value(&entry.users[0]).unwrap();
    assert_eq!((user["id"].as_str(), user["responsible"]["id"].as_str()), (Some("console"), Some("local:w-1")));
}

#[tokio::test]
async fn a_case_is_found_by_the_label_said_on_the_telephone() {
    let region = Region::new(&[SEZ]);
    let opened = region.at(SEZ).open(dossier()).await;

    let Answer::Cases(found, _) = region.at(SEZ).read(Read::CaseByLabel(opened.label)).await.unwrap() else { panic!() };

    assert_eq!(found.iter().map(|view| view.id).collect::<Vec<_>>(), [opened.id]);
    assert!(found[0].dossier.is_none());
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_ended() {
    let region = Region::new(&[SEZ]);
    for _ in 0..5 {
        region.at(SEZ).open(dossier()).await;
    }
    let mut seen = Vec::new();
    let mut after = String::new();

    loop {
        let page = PageOf { open_only: true, after: after.clone(), size: 2 };
        let Answer::Cases(views, next) = region.at(SEZ).read(Read::Cases(page)).await.unwrap() else { panic!() };
        seen.extend(views.iter().map(|view| view.id));
        match next {
            Some(next) => after = next,
            None => break,
        }
    }

    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn a_look_by_a_system_alone_has_shown_it_to_nobody() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    let pactum = region.at(PACTUM);
    let drop = schakel_domain::caller::Caller { door: "file-drop", ..pactum.caller(Role::System, None) };
    let what = Read::Handover { id: offer, full: true };

    pactum.desk.handle(&drop, Command::Read(ReadAct { actor: actor("w-1"), within: None, what })).await.unwrap();

    assert!(region.waiting().await.is_empty(), "nobody has seen it");
}
