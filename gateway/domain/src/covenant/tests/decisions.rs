use jiff::SignedDuration;

use super::*;
use crate::field::Field;
use crate::refusal::Lang;

fn allowed(from: &str, to: &str, act: Act) -> Grant {
    first().permits(&question(from, to, act), night()).into_result().unwrap()
}

fn denied(edit: impl FnOnce(&mut Question)) -> Refusal {
    let mut ask = question(SEZ, PRO_PERSONA, Act::Consult);
    edit(&mut ask);
    denial(first().permits(&ask, night()))
}

#[test]
fn a_grant_says_everything_the_asker_needs() {
    let grant = allowed(SEZ, PRO_PERSONA, Act::Consult);

    assert_eq!(grant.clause.as_str(), "3.1");
    assert_eq!(grant.covenant, first().reference().unwrap());
    assert_eq!(grant.service.as_ref().unwrap().as_str(), "propersona-crisisdienst");
    assert_eq!(grant.response_target, Some(SignedDuration::from_mins(30)));
    assert_eq!(grant.overall_deadline, Some(SignedDuration::from_mins(90)));
    assert_eq!(grant.candidates, [org(PRO_PERSONA), org(GGNET), org(GGZ_CENTRAAL)]);
    let escalation = grant.escalation.as_ref().unwrap();
    assert_eq!((escalation.org.as_str(), escalation.telephone.as_str()), (PRO_PERSONA, "+31000000102"));
    assert!(!escalation.telephone_of_clause);
}

#[test]
fn the_sentence_names_parties_clause_purpose_basis_and_time_in_both_languages() {
    let grant = allowed(SEZ, PRO_PERSONA, Act::Consult);

    assert_eq!(
        grant.sentence(Lang::Nl),
        "SEZ (Jeugdbescherming Gelderland) mag Pro Persona op naam om expertise vragen (artikel 3.1, Convenant Crisisinterventie Jeugd \
         Gelderland, versie 1). Doel: samen de juiste crisishulp bepalen. Grondslag: rechtstreeks betrokken bij dezelfde jeugdhulp \
         (Jeugdwet 7.3.11 lid 2a); antwoord binnen 30 minuten."
    );
    assert!(grant.sentence(Lang::En).contains("may ask Pro Persona for expertise about a named young person (clause 3.1"));
}

#[test]
fn the_sentence_of_the_longest_covenant_fits_an_entry_of_the_log() {
    let longest = "ë".repeat(500);
    let mut document = keyed();
    document.title = Words { nl: longest.clone(), en: longest.clone() };
    document.parties.iter_mut().for_each(|party| party.name = longest.clone());
    document.grants.iter_mut().for_each(|clause| clause.purpose = Words { nl: longest.clone(), en: longest.clone() });
    assert_eq!(check::first_blocking(&document), None);
    let covenant = Covenant::judge(signed(document), None);

    let grant = covenant.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night()).into_result().unwrap();

    for lang in [Lang::Nl, Lang::En] {
        let length = grant.sentence(lang).chars().count();
        assert!((2_000..=crate::audit::entry::MAX_SENTENCE).contains(&length), "{length}");
    }
}

#[test]
fn who_works_in_the_area_comes_first_and_the_others_fall_in() {
    let ask = Question { municipality: Some("0222".parse().unwrap()), ..question(SEZ, PRO_PERSONA, Act::Consult) };

    let grant = first().permits(&ask, night()).into_result().unwrap();

    assert_eq!(grant.candidates, [org(GGNET), org(PRO_PERSONA), org(GGZ_CENTRAAL)], "Doetinchem is GGNet's");
    let options: Vec<_> = first().options(&ask, night()).into_iter().map(|grant| grant.to).collect();
    assert_eq!(options[..3], [org(GGNET), org(PRO_PERSONA), org(GGZ_CENTRAAL)]);
}

#[test]
fn a_service_that_is_closed_comes_last_and_is_not_refused() {
    let mut document = keyed();
    let service = document.services.iter_mut().find(|service| service.by == org(PRO_PERSONA)).unwrap();
    service.hours = vec![time::Hours { days: vec![time::Day::Mon], from: "09:00".parse().unwrap(), until: "17:00".parse().unwrap() }];
    let covenant = Covenant::judge(signed(document), None);
    let ask = question(SEZ, PRO_PERSONA, Act::Consult);
    let candidates = |now| covenant.permits(&ask, now).into_result().unwrap().candidates;

    assert_eq!(candidates(night()).last(), Some(&org(PRO_PERSONA)));
    assert_eq!(candidates(at("2026-11-23T09:00:00Z")).first(), Some(&org(PRO_PERSONA)));
}

#[test]
fn each_part_that_does_not_match_is_named_with_the_nearest_clause() {
    let cases: [(Refusal, Option<&str>, &str); 8] = [
        (denied(|ask| ask.age = Some(18)), Some("3.1"), "age"),
        (denied(|ask| ask.municipality = Some("0363".parse().unwrap())), Some("3.1"), "municipality"),
        (denied(|ask| ask.urgency = None), Some("3.1"), "urgency"),
        (denied(|ask| ask.urgency = Some("ooit".parse().unwrap())), Some("3.1"), "urgency"),
        (denied(|ask| ask.service = Some("ggnet-crisisdienst".parse().unwrap())), Some("3.1"), "service"),
        (denied(|ask| ask.from = org(VELDHOF)), Some("2.1"), "act: kvk:90000199 may ask ura:90000102 something, but not consult"),
        (denied(|ask| ask.to = org(VELDHOF)), Some("4.1"), "act"),
        (denied(|ask| (ask.from, ask.to) = (org(VELDHOF), org(PACTUM))), None, "no clause lets"),
    ];
    for (refusal, clause, says) in cases {
        assert_eq!(refusal.reason, Reason::CovenantDenied, "{refusal}");
        assert_eq!(refusal.clause.as_deref(), clause, "{refusal}");
        assert!(refusal.detail.contains(says), "{refusal}");
    }
}

#[test]
fn a_stranger_and_a_party_that_asks_itself_are_refused() {
    assert_eq!(denied(|ask| ask.from = org("ura:99999999")).reason, Reason::UnknownPeer);
    assert_eq!(denied(|ask| ask.to = org("ura:99999999")).reason, Reason::UnknownPeer);
    assert_eq!(denied(|ask| ask.to = org(SEZ)).reason, Reason::CovenantDenied);
}

#[test]
fn a_disabled_client_may_be_handed_over_until_23_and_no_later() {
    let ask = |age| first().permits(&Question { age: Some(age), ..question(SEZ, PLURYN, Act::Handover) }, night());

    assert!(ask(22).is_allowed());
    assert!(!ask(23).is_allowed());
}

#[test]
fn a_case_can_always_be_returned_to_who_handed_it_over() {
    for (from, to) in [(PACTUM, SEZ), (PLURYN, GGNET), (LINDENHOUT, PRO_PERSONA), (PRO_PERSONA, SEZ), (SEZ, GGZ_CENTRAAL)] {
        let ask = Question { age: Some(22), ..question(from, to, Act::Handover) };
        assert!(first().permits(&ask, night()).is_allowed(), "{from} {to}");
    }
}

#[test]
fn the_commissioner_sees_figures_and_never_a_case_whatever_a_clause_says() {
    let mut document = keyed();
    document.grants[3].from = vec!["all".parse().unwrap()];
    document.grants[3].legal_basis = document::LegalBasis::VitalInterest;
    let covenant = Covenant::judge(signed(document), None);
    let ask = |act| covenant.permits(&question(G7, PRO_PERSONA, act), night());

    assert!(denial(ask(Act::Consult)).detail.contains("figures only"));
    let figures = ask(Act::Figures).into_result().unwrap();
    assert_eq!((figures.response_target, figures.escalation, figures.mask), (None, None, Mask::default()));
    assert!(!covenant.permits(&question(SEZ, PRO_PERSONA, Act::Figures), night()).is_allowed());
}

#[test]
fn an_anonymous_grant_lets_no_identity_through() {
    let grant = allowed(PACTUM, PRO_PERSONA, Act::ConsultAnonymous);

    let through: Vec<_> = Field::ALL.iter().copied().filter(|field| grant.allows(*field)).collect();

    assert_eq!(through, [Field::Age, Field::Severity, Field::Question, Field::Advice]);
    assert_eq!(grant.mask.first_excess([Field::Age, Field::Bsn]), Some(Field::Bsn));
}

#[test]
fn a_marked_field_travels_only_when_needed_and_listed_as_protected() {
    let handover = allowed(SEZ, PACTUM, Act::Handover).mask;
    let consult = allowed(SEZ, PRO_PERSONA, Act::Consult).mask;

    assert!(handover.may_send(Field::Address, false, false));
    assert!(!handover.may_send(Field::Address, true, false));
    assert!(handover.may_send(Field::Address, true, true));
    assert!(!consult.may_send(Field::Address, false, false), "in the protected list alone");
    assert!(consult.may_send(Field::Address, false, true));
    assert!(!consult.may_send(Field::Bsn, false, true) && !consult.allows(Field::Bsn));
    assert!(!handover.may_send(Field::FamilyName, true, true), "marked, and not listed as protected");
}

#[test]
fn a_refusal_says_the_same_sentence_everywhere() {
    let decision = first().permits(&question(VELDHOF, PRO_PERSONA, Act::Consult), night());

    assert_eq!(decision.sentence(Lang::Nl), "Het convenant staat dit niet toe. (artikel 2.1)");
}

#[test]
fn sender_and_receiver_decide_alike() {
    let ours = first();
    let copy = Covenant::read(signed(keyed()).to_json().as_bytes(), None);
    for from in &keyed().parties {
        for to in &keyed().parties {
            for act in Act::ALL {
                let ask = question(from.id.as_str(), to.id.as_str(), act);
                assert_eq!(ours.permits(&ask, night()), copy.permits(&ask, night()));
            }
        }
    }
}
