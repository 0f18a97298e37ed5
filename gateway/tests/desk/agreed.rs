//! The covenant decides at the sender and again at the receiver, and party records say with whom something new may start.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::date;
use schakel::agreements::Held;
use schakel::desk::Verdict;
use schakel_domain::command::{Ask, CareAct, OperateAct, Seen};
use schakel_domain::covenant::document::Change;
use schakel_domain::dossier::{Consent, ConsentBy, Dossier};
use schakel_domain::field::Field;
use schakel_domain::id::{Hash, MessageId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::party_record::RecordBook;
use schakel_domain::refusal::{Reason, Stage};
use schakel_domain::view::{ConsultationState, HandoverState, Standing};

use super::kit::*;

/// The same letter with another message in it.
fn forged(letter: &Letter, change: impl FnOnce(&mut Message)) -> Letter {
    let mut message = letter.message();
    change(&mut message);
    Letter { bytes: schakel::wire::federation::encode(&message), ..letter.clone() }
}

fn reason(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Refused(refusal) => refusal.reason,
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// Holds other party records from now on.
fn with_record(gateway: &Gateway, of: &str, number: u64, expires: &str) {
    let held = gateway.agreements.held();
    let mut records = RecordBook::clone(&held.records);
    let signed = record(&org(of), number, expires).sign(&root(&org(of))).unwrap();
    records.accept(signed, &org(of), &root(&org(of)).public(), "2026-11-02T00:00:00Z".parse().unwrap()).unwrap();
    gateway.agreements.replace(Held { records, ..held.as_ref().clone() });
}

#[tokio::test]
async fn the_commissioner_is_denied_every_case() {
    let region = Region::new(&[SEZ, G7]);
    let case = region.at(SEZ).open(dossier()).await.id;

    let offered = region.at(SEZ).offer(case, G7, HELP).await.unwrap_err();
    assert_eq!((offered.stage, offered.reason), (Stage::Covenant, Reason::CovenantDenied));
    let asked = region.at(SEZ).ask(Ask { candidates: vec![org(G7)], ..question(case) }).await;
    assert_eq!(why(asked), Reason::CovenantDenied);
    let own = region.at(G7).open(dossier()).await.id;
    assert_eq!(why(region.at(G7).offer(own, SEZ, "crisisinterventie").await), Reason::CovenantDenied);
    assert_eq!(region.waiting().await.len(), 0);
}

#[tokio::test]
async fn a_refusal_of_the_covenant_names_the_clause() {
    let region = Region::new(&[SEZ, PACTUM]);
    let adult = Dossier {
        identity: schakel_domain::dossier::Identity { birth_date: Some(date(2006, 1, 1).into()), ..dossier().identity },
        ..dossier()
    };
    let adult = Dossier { legal: None, ..adult };
    let case = region.at(SEZ).open(adult).await.id;

    let refused = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap_err();

    assert_eq!((refused.reason, refused.clause.as_deref()), (Reason::CovenantDenied, Some("4.1")));
    let entry = region.at(SEZ).log().await.pop().unwrap();
    assert!(!entry.decision.allowed && entry.decision.sentence.contains("4.1"), "{entry:?}");
}

#[tokio::test]
async fn the_receiver_asks_the_covenant_again() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let before = region.at(PACTUM).log().await.len();
    // A gateway that does not keep to the covenant offers what Pactum does not do.
    let other = forged(&letter, |message| {
        let Body::Propose(propose) = &mut message.body else { panic!() };
        propose.service = "lvb-crisis".to_owned();
    });

    assert_eq!(reason(region.bring(&other).await), Reason::CovenantDenied);

    assert!(region.at(PACTUM).record(case).await.is_none(), "nothing changed");
    assert_eq!(region.at(PACTUM).log().await.len(), before + 1, "and the refusal is in the log");
}

#[tokio::test]
async fn a_receiver_refuses_more_than_the_dataset() {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).ask(question(case)).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let Body::Ask(asked) = letter.message().body else { panic!() };
    let schakel_domain::message::AskAbout::Case { dossier: travelled, .. } = &asked.about else { panic!() };
    assert!(travelled.identity.bsn.is_none() && travelled.identity.family_name.is_some(), "the BSN is not in the dataset of 3.1");

    let with_bsn = forged(&letter, |message| {
        let Body::Ask(ask) = &mut message.body else { panic!() };
        let mut more = Dossier::clone(travelled);
        more.identity.bsn = dossier().identity.bsn;
        let package = schakel::wire::dossier::encode_dossier(&more);
        ask.about = schakel_domain::message::AskAbout::Case { case, package, dossier: Box::new(more) };
    });
    let Verdict::Refused(refusal) = region.bring(&with_bsn).await else { panic!("refused") };

    assert_eq!(
        (refusal.reason, refusal.field.as_deref(), refusal.clause.as_deref()),
        (Reason::DatasetExceeded, Some("identity.bsn"), Some("3.1"))
    );
    assert!(region.at(PRO_PERSONA).record(case).await.is_none());
}

#[tokio::test]
async fn an_anonymous_question_with_a_place_is_more_than_its_dataset() {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    region.at(SEZ).ask(anonymous("Meisje van 15")).await.unwrap();
    let letter = region.waiting().await.remove(0);

    let placed = forged(&letter, |message| {
        let Body::Ask(ask) = &mut message.body else { panic!() };
        let schakel_domain::message::AskAbout::Nobody { municipality, .. } = &mut ask.about else { panic!() };
        *municipality = Some("0202".to_owned());
    });

    assert_eq!(reason(region.bring(&placed).await), Reason::DatasetExceeded);
}

#[tokio::test]
async fn what_a_hidden_address_and_a_dangerous_parent_protect_travels_only_when_needed_and_agreed() {
    let region = Region::new(&[SEZ, PACTUM]);
    let mut marked = dossier();
    marked.safety.hidden_address = true;
    marked.safety.danger_from_parent = true;
    let case = region.at(SEZ).open(marked).await.id;
    let travels = async |needed: &[Field]| {
        let seen = Seen { id: case, version: region.at(SEZ).case(case).await.version };
        let offer = schakel_domain::command::Offer { needed: needed.iter().copied().collect(), ..offer(seen, PACTUM, HELP) };
        let id = handover(region.at(SEZ).act(CareAct::Offer(offer)).await.unwrap().answer).id;
        let letter = region.waiting().await.into_iter().find(|letter| letter.kind() == "propose-handover").unwrap();
        region.at(SEZ).withdraw(id).await.unwrap();
        region.settle_well().await;
        ["KanarieAdres", "6811AB", "KanarieVerblijf", "KanarieVader", "KanarieAchternaam"].map(|canary| holds(&letter.bytes, canary))
    };

    assert_eq!(travels(&[]).await, [false, false, false, false, true]);
    assert_eq!(travels(&[Field::Address]).await, [true, false, false, false, true]);
    let all = [Field::Address, Field::PostalCode, Field::Whereabouts, Field::UnsafeContacts];
    assert_eq!(travels(&all).await, [true; 5]);
}

#[tokio::test]
async fn consent_follows_the_ages_twelve_and_sixteen() {
    let region = Region::new(&[SEZ]);
    let consented = |born: jiff::civil::Date, by: &[ConsentBy]| {
        let mut dossier = dossier();
        dossier.identity.birth_date = Some(born.into());
        dossier.legal.as_mut().unwrap().consent = Consent::Given { by: by.to_vec(), on: date(2026, 11, 21) };
        CareAct::OpenCase { dossier: Box::new(dossier) }
    };
    use ConsentBy::{AuthorityHolder, Youth};

    for (born, by, fits) in [
        (date(2014, 11, 23), &[AuthorityHolder][..], true),
        (date(2014, 11, 22), &[AuthorityHolder], false),
        (date(2014, 11, 22), &[AuthorityHolder, Youth], true),
        (date(2010, 11, 23), &[Youth], false),
        (date(2010, 11, 22), &[Youth], true),
        (date(2010, 11, 22), &[AuthorityHolder], false),
    ] {
        let outcome = region.at(SEZ).act(consented(born, by)).await;
        assert_eq!(outcome.is_ok(), fits, "{born} {by:?}");
        if let Err(refusal) = outcome {
            assert_eq!(refusal.field.as_deref(), Some("legal.consent.by"));
        }
    }
}

#[tokio::test]
async fn an_expired_record_stops_what_is_new_and_never_what_is_open() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    for side in [SEZ, PACTUM] {
        with_record(region.at(side), PACTUM, 2, "2026-11-22T02:14:01Z");
    }

    region.clock.pass(minutes(5));
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;
    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Lead, "what is open goes on");

    let other = region.at(SEZ).open(dossier()).await.id;
    assert_eq!(why(region.at(SEZ).offer(other, PACTUM, HELP).await), Reason::PartyRecordExpired);
    assert_eq!(why(region.at(PACTUM).offer(case, SEZ, "regie").await), Reason::PartyRecordExpired, "nor may it start itself");
}

#[tokio::test]
async fn a_receiver_whose_record_of_the_sender_expired_refuses_and_the_sender_parks() {
    let region = Region::new(&[SEZ, PACTUM]);
    with_record(region.at(PACTUM), SEZ, 2, "2026-11-22T02:14:01Z");
    region.clock.pass(minutes(1));
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;

    assert_eq!(region.settle().await, [("propose-handover", Reason::PartyRecordExpired)]);

    let facts = region.at(SEZ).handover(offer).await.facts;
    assert!(facts.delivered.is_none() && facts.waiting.unwrap().contains("PARTY_RECORD_EXPIRED"));
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Offering);
}

#[tokio::test]
async fn who_cannot_be_asked_now_is_passed_over_in_the_covenants_order() {
    let region = Region::new(&[SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL]);
    region.at(SEZ).operate(OperateAct::Stop { peer: org(PRO_PERSONA), reason: "onderhoud".to_owned() }).await.unwrap();
    let case = region.at(SEZ).open(dossier()).await.id;

    let asked = region.at(SEZ).ask(question(case)).await.unwrap();
    let order: Vec<_> = asked.candidates.iter().map(|one| one.organization.as_str()).collect();
    assert_eq!(order, [GGNET, GGZ_CENTRAAL]);

    let named = region.at(SEZ).ask(Ask { candidates: vec![org(PRO_PERSONA)], ..question(case) }).await;
    assert_eq!(why(named), Reason::PeerStopped, "whoever is named must be reachable");
    for org_to_stop in [GGNET, GGZ_CENTRAAL] {
        region.at(SEZ).operate(OperateAct::Stop { peer: org(org_to_stop), reason: "onderhoud".to_owned() }).await.unwrap();
    }
    assert_eq!(why(region.at(SEZ).ask(question(case)).await), Reason::PeerStopped);
    region.at(SEZ).operate(OperateAct::Resume { peer: org(PRO_PERSONA) }).await.unwrap();
    region.at(SEZ).ask(question(case)).await.unwrap();
}

#[tokio::test]
async fn candidates_of_one_question_stand_under_one_clause() {
    let region = Region::new(&[SEZ, PRO_PERSONA, "ura:90000108"]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let mixed = Ask { candidates: vec![org(PRO_PERSONA), org("ura:90000108")], service: String::new(), ..question(case) };

    let refused = region.at(SEZ).ask(mixed).await.unwrap_err();

    assert_eq!(refused.field.as_deref(), Some("candidates"));
}

#[tokio::test]
async fn an_offer_is_judged_to_its_end_by_the_version_it_was_made_under() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    let held_back = region.waiting().await.remove(0);
    let mut second = document();
    second.version = 2;
    second.predecessor = Some(document().hash());
    second.change = Some(Change::Ordinary);
    second.in_force_from = "2026-12-01".parse().unwrap();
    second.predecessor_until = Some("2026-12-15".parse().unwrap());
    second.grants.retain(|grant| grant.act != schakel_domain::covenant::Act::Handover);
    let second = signed(second);
    for side in [SEZ, PACTUM] {
        let held = region.at(side).agreements.held();
        let mut book = held.book.clone().unwrap();
        book.install(second.clone()).unwrap();
        region.at(side).agreements.replace(Held { book: Some(book), ..held.as_ref().clone() });
    }

    // Both versions stand beside each other: the offer made under the first may still arrive.
    region.clock.pass(jiff::SignedDuration::from_hours(24 * 10));
    assert_eq!(why(region.at(SEZ).offer(region.at(SEZ).open(dossier()).await.id, PACTUM, HELP).await), Reason::CovenantDenied);
    assert_eq!(region.carry(&held_back).await, Verdict::Accepted);

    // And what is open is finished long after the first has ended.
    region.clock.pass(jiff::SignedDuration::from_hours(24 * 30));
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Completed);
}

#[tokio::test]
async fn a_version_that_ended_carries_nothing_new() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let unknown = forged(&letter, |message| message.covenant.hash = Hash([7; 32]));
    let unheld = forged(&letter, |message| {
        message.id = MessageId::new(uuid::Uuid::from_u128(77));
        message.covenant.version = 9;
    });

    assert_eq!(reason(region.bring(&unknown).await), Reason::CovenantBroken);
    assert_eq!(reason(region.bring(&unheld).await), Reason::CovenantMissing);
}

#[tokio::test]
async fn an_answer_under_another_version_is_not_about_this_offer() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let letter = region.waiting().await.remove(0);

    let other = forged(&letter, |message| message.covenant.version = 2);

    assert_eq!(reason(region.bring(&other).await), Reason::InvalidField);
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Offering);
}

#[tokio::test]
async fn a_message_between_others_is_refused_and_logged() {
    let region = Region::new(&[SEZ, PACTUM, ENTREA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    let before = region.at(ENTREA).log().await.len();

    let elsewhere = Letter { to: org(ENTREA), ..letter.clone() };
    let borrowed = Letter { from: org(ENTREA), ..letter };

    assert_eq!(reason(region.bring(&elsewhere).await), Reason::IdentityMismatch);
    assert_eq!(reason(region.bring(&borrowed).await), Reason::IdentityMismatch);
    assert_eq!(region.at(ENTREA).log().await.len(), before + 1);
}

#[tokio::test]
async fn nobody_speaks_for_another_in_a_case() {
    let region = Region::new(&[SEZ, PACTUM, ENTREA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let letter = region.waiting().await.remove(0);

    let stranger: OrgId = org(ENTREA);
    let stolen = Letter { from: stranger.clone(), ..forged(&letter, |message| message.sender = stranger) };

    assert_eq!(reason(region.bring(&stolen).await), Reason::ProtocolViolation);
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Offering);
}

#[tokio::test]
async fn without_a_covenant_nothing_is_exchanged() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap();
    let letter = region.waiting().await.remove(0);
    for side in [SEZ, PACTUM] {
        region.at(side).agreements.replace(Held::default());
    }

    assert_eq!(why(region.at(SEZ).ask(question(case)).await), Reason::CovenantMissing);
    assert!(matches!(reason(region.bring(&letter).await), Reason::CovenantMissing | Reason::UnknownPeer));
}

#[tokio::test]
async fn what_may_travel_to_one_may_be_asked_of_the_next_without_more() {
    let region = Region::new(&[SEZ, PRO_PERSONA, GGNET]);
    let mut marked = dossier();
    marked.safety.hidden_address = true;
    let case = region.at(SEZ).open(marked).await.id;
    let ask = Ask { needed: BTreeSet::from([Field::Whereabouts]), ..question(case) };
    let id = region.at(SEZ).ask(ask).await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).decline_question(id, schakel_domain::custody::DeclineCode::NoCapacity).await.unwrap();
    region.settle_well().await;

    for side in [PRO_PERSONA, GGNET] {
        let view = region.at(side).consultation_in_full(id).await;
        let seen = view.dossier.unwrap();
        assert_eq!((seen.whereabouts.reveal().as_str(), seen.identity.address), ("KanarieVerblijf", None), "{side}");
        assert_ne!(view.state, ConsultationState::Released);
    }
}

#[tokio::test]
async fn the_covenant_says_how_long_a_transfer_goes_without_receipt_and_a_yes_without_confirmation() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    region.agree(|document| {
        document.deadlines.transfer_receipt = "10m".parse().unwrap();
        document.deadlines.bid_confirmation = "5m".parse().unwrap();
    });
    let (case, offer) = offered(&region).await;
    let asked = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    let alarms = async |at: &str, alarm: &str| region.at(at).events().await.iter().filter(|kind| *kind == alarm).count();
    let heard = async || [alarms(SEZ, "handover.unconfirmed").await, alarms(PRO_PERSONA, "consultation.unconfirmed").await];

    region.cut(SEZ, PRO_PERSONA);
    region.at(PRO_PERSONA).bid(asked).await.unwrap();
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.into_iter().find(|letter| letter.from == org(PACTUM)).unwrap();
    region.carry(&accept).await;
    region.cut(SEZ, PACTUM);

    region.pass(SignedDuration::from_secs(299)).await;
    assert_eq!(heard().await, [0, 0]);
    region.pass(SignedDuration::from_secs(1)).await;
    assert_eq!(heard().await, [0, 1]);
    region.pass(SignedDuration::from_secs(299)).await;
    assert_eq!(heard().await, [0, 1]);
    region.pass(SignedDuration::from_secs(1)).await;
    assert_eq!(heard().await, [1, 1]);
}
