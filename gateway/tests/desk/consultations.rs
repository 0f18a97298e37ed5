//! Expertise is called in: in sequence and all at once, with refusals, silence and late answers, by name and without.

use jiff::SignedDuration;
use schakel::desk::Verdict;
use schakel_domain::command::{About, Ask, CareAct};
use schakel_domain::custody::DeclineCode;
use schakel_domain::message::{AskAbout, Body};
use schakel_domain::refusal::Reason;
use schakel_domain::view::{ConsultationState, ConsultationView, Standing};

use super::kit::*;

const CRISIS: [&str; 4] = [SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL];

fn states(view: &ConsultationView) -> Vec<(&str, &str)> {
    view.candidates.iter().map(|one| (one.organization.as_str(), one.state.as_str())).collect()
}

#[tokio::test]
async fn candidates_are_asked_in_order_past_a_no_and_past_silence() {
    let region = Region::new(&CRISIS);
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let id = sez.ask(question(case)).await.unwrap().id;
    region.settle_well().await;

    region.at(PRO_PERSONA).decline_question(id, DeclineCode::NoCapacity).await.unwrap();
    region.settle_well().await;
    assert_eq!(states(&sez.consultation(id).await), [(PRO_PERSONA, "declined"), (GGNET, "asked"), (GGZ_CENTRAAL, "waiting")]);

    region.pass(minutes(30)).await;
    assert_eq!(states(&sez.consultation(id).await), [(PRO_PERSONA, "declined"), (GGNET, "silent"), (GGZ_CENTRAAL, "asked")]);
    assert_eq!(region.at(GGNET).consultation(id).await.state, ConsultationState::Released);

    region.at(GGZ_CENTRAAL).bid(id).await.unwrap();
    assert_eq!(region.at(GGZ_CENTRAAL).consultation(id).await.state, ConsultationState::Bid);
    region.settle_well().await;
    let view = sez.consultation(id).await;
    assert_eq!((view.state, states(&view)[2].1), (ConsultationState::Assigned, "confirmed"));
    assert_eq!(region.at(GGZ_CENTRAAL).consultation(id).await.state, ConsultationState::Assigned);
    assert_eq!(sez.case(case).await.standing, Standing::Lead, "asking never moves a case");
}

#[tokio::test]
async fn a_late_bid_helps_while_nobody_else_was_assigned() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    region.cut(SEZ, PRO_PERSONA);
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    region.pass(minutes(30)).await;

    region.mend();
    region.settle_well().await;

    assert_eq!(states(&region.at(SEZ).consultation(id).await)[0], (PRO_PERSONA, "confirmed"));
    assert_eq!(region.at(PRO_PERSONA).consultation(id).await.state, ConsultationState::Assigned);
    assert_eq!(region.at(GGNET).consultation(id).await.state, ConsultationState::Released);
}

#[tokio::test]
async fn a_question_nobody_answers_ends_at_a_named_telephone() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;

    for _ in 0..3 {
        region.pass(minutes(30)).await;
    }

    let view = region.at(SEZ).consultation(id).await;
    assert_eq!(view.state, ConsultationState::Escalated);
    let call = view.escalation.unwrap();
    assert_eq!((call.organization.as_str(), call.line.as_str()), (PRO_PERSONA, "de dienstdoende psychiater"));
    assert!(call.telephone.starts_with("+31"));
    assert_eq!(region.at(SEZ).logged("consultation-escalated").await, 1);
    assert_eq!(region.at(SEZ).store.next_due().await.unwrap(), None, "nothing is left to fire");

    assert_eq!(why(region.at(GGZ_CENTRAAL).bid(id).await), Reason::ConsultationNotOpen);
}

#[tokio::test]
async fn a_yes_after_the_escalation_is_shown_and_never_confirmed() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    region.pass(minutes(30)).await;
    region.pass(minutes(30)).await;
    region.cut(SEZ, GGZ_CENTRAAL);
    region.at(GGZ_CENTRAAL).bid(id).await.unwrap();
    region.pass(minutes(30)).await;

    region.mend();
    region.settle_well().await;

    let view = region.at(SEZ).consultation(id).await;
    assert_eq!((view.state, states(&view)[2].1), (ConsultationState::Escalated, "late"));
    assert_eq!(region.at(GGZ_CENTRAAL).consultation(id).await.state, ConsultationState::Released);
}

#[tokio::test]
async fn of_all_who_are_asked_at_once_one_is_confirmed_and_the_others_released() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(Ask { fan_out: Some(true), ..question(case) }).await.unwrap().id;
    region.settle_well().await;

    region.at(GGNET).bid(id).await.unwrap();
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    region.settle_well().await;

    let at = async |org| region.at(org).consultation(id).await.state;
    let confirmed = [at(GGNET).await, at(PRO_PERSONA).await].iter().filter(|state| **state == ConsultationState::Assigned).count();
    assert_eq!(confirmed, 1);
    assert_eq!(at(GGZ_CENTRAAL).await, ConsultationState::Released);
    let words: Vec<_> = states(&region.at(SEZ).consultation(id).await).iter().map(|(_, word)| (*word).to_owned()).collect();
    assert_eq!(words.iter().filter(|word| *word == "confirmed").count(), 1, "{words:?}");
}

#[tokio::test]
async fn advice_arrives_and_closing_ends_it_on_both_sides() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    assert_eq!(why(region.at(PRO_PERSONA).advise(id).await), Reason::ConsultationNotOpen);
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    region.settle_well().await;

    region.at(PRO_PERSONA).advise(id).await.unwrap();
    region.settle_well().await;
    let advised = region.at(SEZ).consultation_in_full(id).await;
    assert_eq!((advised.state, advised.advice), (ConsultationState::Advised, vec!["KanarieAdvies: kom langs".to_owned()]));
    assert!(region.at(SEZ).consultation(id).await.advice.is_empty(), "not in a view that is not full");

    region.at(SEZ).close_question(id).await.unwrap();
    region.settle_well().await;
    for side in [SEZ, PRO_PERSONA] {
        assert_eq!(region.at(side).consultation(id).await.state, ConsultationState::Closed, "{side}");
    }
    assert_eq!(why(region.at(PRO_PERSONA).advise(id).await), Reason::ConsultationNotOpen);
}

#[tokio::test]
async fn sent_delivered_and_seen_are_known_of_each_candidate() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let asked = region.at(SEZ).ask(question(case)).await.unwrap();
    let first = |view: &ConsultationView| {
        let facts = &view.candidates[0].facts;
        [facts.sent, facts.delivered, facts.seen].map(|fact| fact.is_some())
    };
    assert_eq!(first(&asked), [true, false, false]);

    region.settle_well().await;
    assert_eq!(first(&region.at(SEZ).consultation(asked.id).await), [true, true, false]);

    region.at(PRO_PERSONA).consultation(asked.id).await;
    region.settle_well().await;
    assert_eq!(first(&region.at(SEZ).consultation(asked.id).await), [true, true, false], "a list is not a look");

    region.at(PRO_PERSONA).consultation_in_full(asked.id).await;
    region.settle_well().await;
    assert_eq!(first(&region.at(SEZ).consultation(asked.id).await), [true, true, true]);
}

#[tokio::test]
async fn a_yes_that_is_not_confirmed_raises_the_alarm_at_the_one_who_said_it() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    region.cut(SEZ, PRO_PERSONA);
    region.at(PRO_PERSONA).bid(id).await.unwrap();

    region.pass(SignedDuration::from_secs(30)).await;

    assert!(region.at(PRO_PERSONA).events().await.contains(&"consultation.unconfirmed".to_owned()));
}

#[tokio::test]
async fn a_question_taken_back_reaches_whoever_was_asked() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;

    region.at(SEZ).cancel_question(id).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(SEZ).consultation(id).await.state, ConsultationState::Cancelled);
    assert_eq!(region.at(PRO_PERSONA).consultation(id).await.state, ConsultationState::Released);
    assert_eq!(region.at(SEZ).store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn an_anonymous_question_holds_no_identity_on_the_wire() {
    let region = Region::new(&CRISIS);
    region.at(SEZ).open(dossier()).await;
    let asked = region.at(SEZ).ask(anonymous("Meisje van 15, onrustig; wat raden jullie aan?")).await.unwrap();
    assert!(asked.anonymous && asked.case.is_none());

    let letter = region.waiting().await.remove(0);

    for canary in CANARIES {
        assert!(!holds(&letter.bytes, canary), "{canary}");
    }
    let Body::Ask(ask) = letter.message().body else { panic!("a question") };
    assert!(matches!(ask.about, AskAbout::Nobody { age: Some(15), municipality: None, .. }), "and no place, which the dataset lacks");
    region.settle_well().await;
    region.at(PRO_PERSONA).bid(asked.id).await.unwrap();
    region.settle_well().await;
    region.at(PRO_PERSONA).advise(asked.id).await.unwrap();
    region.settle_well().await;
    assert_eq!(region.at(SEZ).consultation(asked.id).await.state, ConsultationState::Advised);
}

#[tokio::test]
async fn whoever_asks_anonymously_is_warned_of_what_the_text_gives_away() {
    let region = Region::new(&CRISIS);
    let telling = "BSN 999990019, geboren 04-03-2011, bel 06-00000001";

    let refused = region.at(SEZ).ask(anonymous(telling)).await.unwrap_err();
    assert_eq!((refused.reason, refused.field.as_deref()), (Reason::IdentityInAnonymous, Some("question")));
    for kind in ["bsn", "date", "telephone"] {
        assert!(refused.detail.contains(kind), "{refused}");
    }
    assert!(!refused.detail.contains("999990019"), "kinds and places, never the text");

    let About::Nobody { age, municipality, severity, .. } = anonymous("").about else { panic!() };
    let knowing = Ask { about: About::Nobody { age, municipality, severity, scanned: true }, ..anonymous(telling) };
    assert_eq!(region.at(SEZ).ask(knowing).await.unwrap().findings.len(), 3);
}

#[tokio::test]
async fn an_anonymous_question_goes_on_by_name_and_then_as_a_handover() {
    let region = Region::new(&CRISIS);
    let sez = region.at(SEZ);
    let before = sez.ask(anonymous("Meisje van 15, onrustig")).await.unwrap().id;
    region.settle_well().await;
    let case = sez.open(dossier()).await.id;

    let named = sez.ask(Ask { continues: Some(before), ..question(case) }).await.unwrap().id;
    region.settle_well().await;
    assert_eq!(region.at(PRO_PERSONA).consultation(named).await.continues, Some(before));
    assert_eq!(sez.logged("consultation-upgraded").await, 1);

    let seen = schakel_domain::command::Seen { id: case, version: sez.case(case).await.version };
    let grown = schakel_domain::command::Offer { consultation: Some(named), ..offer(seen, PRO_PERSONA, "ggz-crisis") };
    let offered = handover(sez.act(CareAct::Offer(grown)).await.unwrap().answer);
    region.settle_well().await;
    region.at(PRO_PERSONA).accept(offered.id).await.unwrap();
    region.settle_well().await;
    assert_eq!(region.at(PRO_PERSONA).case(case).await.standing, Standing::Lead);
    assert!(region.at(PRO_PERSONA).consultation(named).await.case.is_some());
}

#[tokio::test]
async fn only_an_own_anonymous_question_is_continued_and_only_by_name() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let named = region.at(SEZ).ask(question(case)).await.unwrap().id;
    let unknown = schakel_domain::id::ConsultationId::new(uuid::Uuid::from_u128(7));

    assert_eq!(why(region.at(SEZ).ask(Ask { continues: Some(unknown), ..question(case) }).await), Reason::NotFound);
    assert_eq!(why(region.at(SEZ).ask(Ask { continues: Some(named), ..question(case) }).await), Reason::InvalidField);
}

#[tokio::test]
async fn only_who_leads_asks_about_a_case() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let case = region.at(SEZ).open(dossier()).await.id;
    region.at(SEZ).offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap();
    region.settle_well().await;

    assert_eq!(why(region.at(PACTUM).ask(question(case)).await), Reason::NotLead);
}

#[tokio::test]
async fn the_same_question_again_is_answered_from_the_state_as_it_is() {
    let region = Region::new(&CRISIS);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    let letter = region.waiting().await.remove(0);
    region.carry(&letter).await;
    region.at(PRO_PERSONA).decline_question(id, DeclineCode::NotThisCare).await.unwrap();
    let again = Letter { bytes: renumbered(&letter, 2), number: 99, ..letter };

    assert_eq!(region.bring(&again).await, Verdict::Accepted);

    let said: Vec<_> = region.waiting().await.iter().map(Letter::kind).collect();
    assert_eq!(said, ["decline-ask", "decline-ask"]);
}

/// The same words in a new message at another place of its thread.
fn renumbered(letter: &Letter, seq: u64) -> Vec<u8> {
    let id = schakel_domain::id::MessageId::new(uuid::Uuid::from_u128(u128::from(seq) + 99));
    schakel::wire::federation::encode(&schakel_domain::message::Message { id, seq, ..letter.message() })
}
