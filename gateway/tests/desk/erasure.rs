//! A case is erased: two people, everything of it at once, nothing that comes later brings it back; and every organisation answers for its own.

use jiff::{SignedDuration, Timestamp};
use schakel::desk::Verdict;
use schakel::store::{Kind, OutboxState, memory};
use schakel::wire::federation;
use schakel_domain::command::{Ask, CareAct, Command, PageOf, Read, Seen, Write};
use schakel_domain::erasure::Ground;
use schakel_domain::id::{CaseId, OfferId};
use schakel_domain::message::Body;
use schakel_domain::refusal::{Reason, Refusal};
use schakel_domain::view::{Answer, ErasureView, PeerAnswer};

use super::kit::*;

/// A worker asks it.
pub(crate) async fn ask_erasure(gateway: &Gateway, case: CaseId, ground: Ground) -> Result<(), Refusal> {
    let seen = Seen { id: case, version: gateway.case(case).await.version };
    gateway.act(CareAct::AskErasure { case: seen, ground, reason: "brief van KanarieMoeder".to_owned() }).await.map(drop)
}

/// Another person decides it.
pub(crate) async fn erase(gateway: &Gateway, case: CaseId) -> Result<ErasureView, Refusal> {
    let reply = gateway.desk.handle(&gateway.coordinator(), Command::Care(erasing(gateway, case).await)).await?;
    let Answer::Erasure(view) = reply.answer else { panic!("an erasure") };
    Ok(*view)
}

async fn erasing(gateway: &Gateway, case: CaseId) -> Write<CareAct> {
    let seen = Seen { id: case, version: gateway.case(case).await.version };
    Write { actor: actor("c-1"), ..write(CareAct::EraseCase { case: seen }) }
}

/// A coordinator says that it stays.
pub(crate) async fn keep(gateway: &Gateway, case: CaseId, until: Option<Timestamp>) -> Result<(), Refusal> {
    let seen = Seen { id: case, version: gateway.case(case).await.version };
    let act = CareAct::KeepCase { case: seen, until, reason: "KanarieReden".to_owned() };
    gateway.act_as(&gateway.coordinator(), act).await.map(drop)
}

async fn erasure(gateway: &Gateway, case: CaseId) -> ErasureView {
    let Answer::Erasure(view) = gateway.read(Read::Erasure(case)).await.unwrap() else { panic!("an erasure") };
    *view
}

/// A case that SEZ opened and PACTUM leads now.
async fn handed_over(region: &Region) -> (CaseId, OfferId) {
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).ask(Ask { candidates: vec![org(PRO_PERSONA)], ..question(case) }).await.unwrap();
    region.settle_well().await;
    let asked = region.at(SEZ).case(case).await.consultations[0];
    region.at(SEZ).cancel_question(asked).await.unwrap();
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;
    (case, offer)
}

/// Every sealed thing in a store that can still be opened, as one text.
async fn readable(gateway: &Gateway) -> Vec<u8> {
    let mut found = Vec::new();
    let mut sealed = Vec::new();
    for kind in Kind::ALL {
        let page = schakel::store::Page { open_only: false, after: String::new(), limit: 1_000 };
        for record in gateway.store.records(kind, page).await.unwrap() {
            found.extend_from_slice(record.clear.as_bytes());
            sealed.extend(record.sealed);
            sealed.extend(gateway.store.sent_in(&record.id).await.unwrap().into_iter().map(|row| row.message.sealed));
            sealed.extend(gateway.store.received_in(&record.id).await.unwrap().into_iter().map(|row| row.sealed));
        }
    }
    for row in gateway.store.entries(0, 1_000).await.unwrap() {
        found.extend_from_slice(&row.entry.bytes);
        sealed.extend(row.entry.salts);
    }
    for one in sealed {
        found.extend(gateway.desk.unseal(&one).await.unwrap_or_default());
    }
    found
}

#[tokio::test]
async fn one_person_asks_another_decides_and_everything_of_the_case_is_gone() {
    for region in [Region::new(&[SEZ, PRO_PERSONA, PACTUM]), Region::on_sqlite(&[SEZ, PRO_PERSONA, PACTUM]).await] {
        let sez = region.at(SEZ);
        let opening = write(CareAct::OpenCase { dossier: Box::new(dossier()) });
        let opened = case(sez.desk.handle(&sez.worker(), Command::Care(opening.clone())).await.unwrap().answer).id;
        let close = CareAct::CloseCase { case: Seen { id: opened, version: 1 }, reason: "KanarieReden".to_owned() };
        sez.act(close).await.unwrap();
        let (gone, offer) = handed_over(&region).await;
        let kept = sez.open(dossier()).await.id;
        let leaves = sez.store.leaves(0, 65_536).await.unwrap();

        for id in [opened, gone] {
            assert_eq!(why(erase(sez, id).await), Reason::ErasureNotAsked);
            ask_erasure(sez, id, Ground::ClientRequest).await.unwrap();
            let mine = CareAct::EraseCase { case: Seen { id, version: sez.case(id).await.version } };
            assert_eq!(why(sez.act_as(&sez.coordinator(), mine).await), Reason::SecondPersonRequired, "who asked does not decide");
            let view = erase(sez, id).await.unwrap();
            assert_eq!((view.asked_by.as_str(), view.erased_by.as_str(), view.ground), ("local:w-1", "local:c-1", Ground::ClientRequest));
            let log = sez.log().await;
            let entry = &log[usize::try_from(view.entry.unwrap()).unwrap()];
            assert_eq!((entry.event.code.as_str(), entry.client, entry.users.len()), ("case-erased", None, 2));
        }

        for read in [
            Read::Case { id: gone, full: true },
            Read::Handover { id: offer, full: true },
            Read::Handovers { case: Some(gone), page: PageOf { open_only: false, after: String::new(), size: 10 } },
            Read::Proof(offer),
            Read::CaseByLabel(schakel_domain::id::Label::of(gone)),
        ] {
            let refused = sez.read(read.clone()).await.unwrap_err();
            assert_eq!(refused.reason, Reason::Erased, "{read:?}");
            assert!(refused.detail.starts_with("erased on 2026-11-22, log entry "), "{refused}");
        }
        let again = sez.desk.handle(&sez.worker(), Command::Care(opening)).await;
        assert_eq!(why(again), Reason::Erased, "a repeated request brings nothing back");
        let page = PageOf { open_only: false, after: String::new(), size: 10 };
        let Answer::Cases(cases, _) = sez.read(Read::Cases(page)).await.unwrap() else { panic!() };
        assert_eq!(cases.iter().map(|view| view.id).collect::<Vec<_>>(), [kept], "lists go on");
        assert_eq!(sez.store.leaves(0, u32::try_from(leaves.len()).unwrap()).await.unwrap(), leaves, "no entry has changed");

        ask_erasure_of_open(sez, kept).await;
        let close = CareAct::CloseCase { case: Seen { id: kept, version: sez.case(kept).await.version }, reason: "klaar".to_owned() };
        sez.act(close).await.unwrap();
        assert!(holds(&readable(sez).await, "KanarieAchternaam"), "the reader finds what is there");
        ask_erasure(sez, kept, Ground::ClientRequest).await.unwrap();
        erase(sez, kept).await.unwrap();
        let left = readable(sez).await;
        assert!(CANARIES.iter().all(|canary| !holds(&left, canary)), "with every key that is still held");
    }
}

async fn ask_erasure_of_open(gateway: &Gateway, case: CaseId) {
    let refused = ask_erasure(gateway, case, Ground::ClientRequest).await.unwrap_err();
    assert_eq!((refused.reason, refused.detail.as_str()), (Reason::ErasureBarred, "the case is open here: close it or hand it over first"));
}

#[tokio::test]
async fn what_must_be_kept_or_is_held_is_refused_with_the_day() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    sez.act(CareAct::CloseCase { case: Seen { id: case, version: 1 }, reason: "klaar".to_owned() }).await.unwrap();

    let refused = ask_erasure(sez, case, Ground::RetentionEnded).await.unwrap_err();
    assert_eq!(refused.detail, "it must be kept until 2046-11-22, 20 years after its last change");
    let until = region.clock.now() + SignedDuration::from_hours(24 * 30);
    keep(sez, case, Some(until)).await.unwrap();
    let refused = ask_erasure(sez, case, Ground::ClientRequest).await.unwrap_err();
    assert_eq!((refused.reason, refused.detail.as_str()), (Reason::ErasureBarred, "it is held until 2026-12-22"));
    keep(sez, case, None).await.unwrap();
    assert_eq!(why(keep(sez, case, None).await), Reason::ErasureNotAsked, "nothing is held or asked any more");

    ask_erasure(sez, case, Ground::ClientRequest).await.unwrap();
    keep(sez, case, Some(until)).await.unwrap();
    assert_eq!(why(erase(sez, case).await), Reason::ErasureNotAsked, "a colleague said no");
    region.clock.pass(SignedDuration::from_hours(24 * (365 * 20 + 6)));
    ask_erasure(sez, case, Ground::RetentionEnded).await.unwrap();
    assert_eq!(erase(sez, case).await.unwrap().ground, Ground::RetentionEnded);
}

#[tokio::test]
async fn peers_are_told_decide_for_themselves_and_what_they_say_is_shown() {
    let region = Region::over(vec![(SEZ, memory::new()), (PRO_PERSONA, memory::new()), (PACTUM, memory::new())]);
    let (sez, persona, pactum) = (region.at(SEZ), region.at(PRO_PERSONA), region.at(PACTUM));
    let (case, _) = handed_over(&region).await;
    ask_erasure(sez, case, Ground::ClientRequest).await.unwrap();
    erase(sez, case).await.unwrap();
    assert!(erasure(sez, case).await.peers.iter().all(|peer| peer.delivered.is_none() && peer.answer.is_none()));

    region.settle_well().await;

    assert_eq!(erasure(sez, case).await.peers.iter().filter(|peer| peer.delivered.is_some()).count(), 2);
    for peer in [persona, pactum] {
        assert_eq!(
            peer.case(case).await.erasure.peers.iter().map(|wish| (&wish.0, wish.2, wish.3)).collect::<Vec<_>>(),
            [(&org(SEZ), Ground::ClientRequest, None)]
        );
        assert!(peer.events().await.contains(&"case.erasure-asked-by-peer".to_owned()));
        assert_eq!(peer.logged("peer-erased").await, 1);
    }
    let until = region.clock.now() + SignedDuration::from_hours(24 * 100);
    keep(pactum, case, Some(until)).await.unwrap();
    ask_erasure(persona, case, Ground::ClientRequest).await.unwrap();
    erase(persona, case).await.unwrap();
    region.settle_well().await;

    let peers = erasure(sez, case).await.peers;
    let said = |of: &str| peers.iter().find(|peer| peer.org == org(of)).unwrap().answer.unwrap();
    assert!(matches!(said(PACTUM), PeerAnswer::Kept { until: Some(day), .. } if day == until), "{peers:?}");
    assert!(matches!(said(PRO_PERSONA), PeerAnswer::Erased { .. }), "{peers:?}");
    assert!(matches!(erasure(persona, case).await.peers[..], [ref peer] if peer.org == org(SEZ)));
    assert!(pactum.case(case).await.erasure.held_until.is_some(), "what pactum keeps is whole");
    assert_eq!(pactum.read(Read::Case { id: case, full: true }).await.map(drop), Ok(()));
}

#[tokio::test]
async fn nothing_that_comes_late_brings_a_case_back() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let (case, offer) = handed_over(&region).await;
    ask_erasure(sez, case, Ground::ClientRequest).await.unwrap();
    // An offer back and a look are under way while it is erased.
    pactum.offer(case, SEZ, "crisisinterventie").await.unwrap();
    let late = region.waiting().await.remove(0);
    erase(sez, case).await.unwrap();

    let Verdict::Refused(refusal) = region.carry(&late).await else { panic!("refused") };
    assert_eq!(refusal.reason, Reason::Erased);
    assert!(matches!(region.bring(&late).await, Verdict::Refused(again) if again.reason == Reason::Erased), "the same answer again");
    region.settle_well().await;
    assert!(sez.record(case).await.is_none() && region.waiting().await.is_empty(), "its void is counted and starts nothing");
    let parked = pactum.store.outbox(&org(SEZ), OutboxState::Parked, 0, 10).await.unwrap();
    assert_eq!(parked.iter().map(|row| row.reason.as_deref()).collect::<Vec<_>>(), [Some("ERASED")]);
    assert_eq!(why(sez.accept_blindly(offer).await), Reason::Erased);

    // The peer lost its data and asks for everything again: what was erased is not sent again, the request to judge is.
    sez.desk.knows_less(&org(PACTUM), 0).await.unwrap();
    let kinds: Vec<_> = region.waiting().await.iter().map(|letter| letter.kind()).collect();
    assert_eq!(kinds, ["request-erasure"]);
}

#[tokio::test]
async fn what_still_waits_to_be_sent_is_taken_back_and_its_receiver_counts_on() {
    let mut region = Region::on_sqlite(&[SEZ, PACTUM]).await;
    region.cut(SEZ, PACTUM);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    sez.withdraw(offer).await.unwrap();
    sez.act(CareAct::CloseCase { case: Seen { id: case, version: sez.case(case).await.version }, reason: "klaar".to_owned() })
        .await
        .unwrap();
    ask_erasure(sez, case, Ground::ClientRequest).await.unwrap();
    erase(sez, case).await.unwrap();
    region.at_mut(SEZ).restart().await;
    region.mend();

    let mut kinds: Vec<_> = region.waiting().await.iter().map(|letter| letter.kind()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["request-erasure", "void", "void"]);
    region.settle_well().await;

    assert!(region.at(PACTUM).record(case).await.is_none(), "what never came through is nowhere");
    assert_eq!(erasure(region.at(SEZ), case).await.peers.iter().filter(|peer| peer.delivered.is_some()).count(), 1);
    assert_eq!(why(region.at(SEZ).read(Read::Case { id: case, full: false }).await), Reason::Erased, "also after a restart");
}

#[tokio::test]
async fn a_question_that_claims_to_continue_one_about_somebody_else_takes_nothing_of_that_case_with_it() {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    let (sez, asked_one) = (region.at(SEZ), region.at(PRO_PERSONA));
    let [stays, goes] = [sez.open(dossier()).await.id, sez.open(dossier()).await.id];
    let only = |case| Ask { candidates: vec![org(PRO_PERSONA)], ..question(case) };
    let other = sez.ask(only(stays)).await.unwrap().id;
    region.settle_well().await;
    let asked = sez.ask(only(goes)).await.unwrap().id;
    let letter = region.waiting().await.remove(0);
    let mut message = letter.message();
    let Body::Ask(body) = &mut message.body else { panic!("a question") };
    body.continues = Some(other);
    let claim = Letter { bytes: federation::encode(&message), ..letter };
    assert!(matches!(region.carry(&claim).await, Verdict::Accepted));
    sez.cancel_question(asked).await.unwrap();
    region.settle_well().await;

    ask_erasure(asked_one, goes, Ground::ClientRequest).await.unwrap();
    erase(asked_one, goes).await.unwrap();

    assert_eq!(asked_one.consultation_in_full(other).await.id, other, "the other young person's question can still be read");
    assert_eq!(asked_one.case(stays).await.id, stays);
}
