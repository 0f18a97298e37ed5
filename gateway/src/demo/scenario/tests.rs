use super::*;

/// The Gelderland story with one text replaced.
fn with(from: &str, to: &str) -> Result<Scenario, Vec<Mistake>> {
    assert!(GELDERLAND.contains(from), "{from}");
    Scenario::parse(&GELDERLAND.replacen(from, to, 1), &|_| Ok(GELDERLAND_COVENANT.to_owned()))
}

fn told(from: &str, to: &str) -> String {
    with(from, to).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_gelderland_story_has_no_mistakes_and_all_twelve_organizations() {
    let scenario = Scenario::gelderland().unwrap();

    assert_eq!(scenario.organizations.len(), 12);
    assert!(scenario.steps.len() > 30);
    assert!(schakel_domain::covenant::check(&scenario.covenant).iter().all(|problem| problem.path.contains("root_key")));
}

#[test]
fn an_unknown_key_in_a_step_is_told_with_the_step() {
    let told = told("consultation = \"beoordeling\"\ncode", "consultatie = \"x\"\nconsultation = \"beoordeling\"\ncode");

    assert!(told.contains("step 3 (02:16:10 decline-consultation)"), "{told}");
    assert!(told.contains("consultatie"), "{told}");
}

#[test]
fn an_unknown_key_in_an_expectation_is_told_with_the_step() {
    let told = told("expect = { consultation = \"closed\", responsible", "expect = { consultation = \"closed\", responsable");

    assert!(told.contains("step 7 (03:07:00 close-consultation)") && told.contains("responsable"), "{told}");
}

#[test]
fn a_name_that_no_earlier_step_made_is_told_with_its_field() {
    let told = told("handover = \"spoedhulp\"\nread_back", "handover = \"spoedhup\"\nread_back");

    assert!(told.contains("accept-handover), handover: no earlier step made `spoedhup`"), "{told}");
}

#[test]
fn a_person_nobody_knows_is_told_with_those_who_are_known() {
    let told = told("who = \"propersona/aydin\"", "who = \"propersona/aydon\"");

    assert!(told.contains("expected propersona/ and one of: aydin"), "{told}");
}

#[test]
fn a_reason_code_a_state_or_a_time_that_does_not_exist_is_told() {
    assert!(told("reason = \"COVENANT_DENIED\"", "reason = \"COVENANT_DENYED\"").contains("not a reason code"));
    assert!(told("consultation = \"advised\"", "consultation = \"adviced\"").contains("not a state"));
    assert!(told("at = \"02:14:30\"", "at = \"2:14:30\"").contains("expected hh:mm:ss"));
    assert!(told("at = \"02:14:30\"", "at = \"01:14:30\"").contains("earlier than the step before it"));
}

#[test]
fn an_organization_outside_the_covenant_takes_no_part() {
    let told = told("id = \"kvk:90000110\"\nline", "id = \"kvk:90000111\"\nline");

    assert!(told.contains("organizations[9].id"), "{told}");
}
