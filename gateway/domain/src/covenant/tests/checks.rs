use super::*;
use crate::refusal::Lang;

#[test]
fn the_gelderland_covenant_has_no_problem_but_its_missing_keys() {
    let problems = check(&draft());

    assert_eq!(problems.len(), draft().parties.len());
    assert!(problems.iter().all(|problem| problem.blocks == Blocks::Signing && problem.path.ends_with(".root_key")), "{problems:?}");
    assert_eq!(check(&keyed()), []);
}

#[test]
fn the_gelderland_covenant_covers_the_55_municipalities_of_its_seven_regions() {
    let regions = ["Achterhoek", "Arnhem", "Food Valley", "Midden IJssel-Oost Veluwe", "Noord Veluwe", "Rijk van Nijmegen", "Rivierenland"];
    let mut table: Vec<_> = crate::municipality::all().filter(|row| regions.contains(&row.region)).map(|row| row.code).collect();
    let mut covered: Vec<_> = draft().areas.into_iter().flat_map(|area| area.municipalities).collect();
    table.sort_unstable();
    covered.sort_unstable();

    assert_eq!(covered, table);
    assert_eq!(covered.len(), 55);
}

#[test]
fn no_anonymous_clause_of_gelderland_holds_an_identity_field() {
    let document = draft();
    let anonymous: Vec<_> = document.grants.iter().filter(|clause| clause.act == Act::ConsultAnonymous).collect();

    assert_eq!(anonymous.len(), 3);
    for clause in anonymous {
        let dataset = document.dataset(clause.dataset.as_ref().unwrap()).unwrap();
        assert!(dataset.fields.iter().chain(&dataset.protected).all(|field| field.is_anonymous()), "{}", clause.id);
    }
}

#[test]
fn the_commissioner_stands_in_no_clause_about_a_case() {
    let document = draft();
    let commissioner = document.party(&org(G7)).unwrap();

    assert!(document.is_figures_only(commissioner));
    for clause in document.grants.iter().filter(|clause| clause.act != Act::Figures) {
        assert!(!document.names(&clause.from, commissioner) && !document.names(&clause.to, commissioner), "{}", clause.id);
    }
}

#[test]
fn the_covenant_survives_toml_and_json_with_the_same_hash() {
    let document = keyed();

    let toml = Document::from_toml(&document.to_toml().unwrap()).unwrap();
    let json: Document = serde_json::from_slice(&document.canonical()).unwrap();

    assert_eq!((toml.hash(), json.hash()), (document.hash(), document.hash()));
}

#[test]
fn the_hash_of_the_shipped_covenant_is_fixed() {
    // A change of this hash without a change of the file would make every signature of an installed version worthless.
    assert_eq!(draft().hash().to_string(), "932de6edfd086af8bf0f0932218607a0cf9761020c43ac051767004b6034c7e2");
}

/// Replaces one text of the shipped file, and says what is wrong then.
fn broken(from: &str, to: &str) -> Vec<Problem> {
    assert!(GELDERLAND.contains(from), "{from}");
    match Document::from_toml(&GELDERLAND.replacen(from, to, 1)) {
        Ok(document) => check(&document).into_iter().filter(|problem| problem.blocks == Blocks::Use).collect(),
        Err(problems) => problems,
    }
}

#[test]
fn every_kind_of_mistake_is_found_at_its_place() {
    for (from, to, path, says) in [
        ("from = [\"youth-protection\"]", "from = [\"ura:11111111\"]", "grants[3.1].from", "`ura:11111111` is no party"),
        ("from = [\"youth-protection\"]", "from = [\"police\"]", "grants[3.1].from", "`police` is no role"),
        ("\"0197\",", "\"9999\",", "areas[achterhoek].municipalities", "`9999` is no municipality"),
        ("id = \"3.2\"", "id = \"3.1\"", "grants[3.1]", "occurs twice"),
        ("dataset = \"anoniem\"", "dataset = \"consult\"", "grants[2.1].dataset", "a question without personal data holds"),
        ("dataset = \"anoniem\"", "dataset = \"nergens\"", "grants[2.1].dataset", "`nergens` is no dataset"),
        ("    \"age\",\n    \"severity\",\n    \"question\",\n    \"advice\",\n", "", "datasets[anoniem].fields", "is empty"),
        ("ages = { from = 0, until = 23 }", "ages = { from = 23, until = 0 }", "services[pluryn-lvb-crisis].ages", "reversed"),
        ("response = \"24h\"\n", "", "grants[2.1].response", "no response time for urgency `morgen`"),
        ("acuut = \"30m\"", "nu = \"30m\"", "grants[3.1].response", "`nu` is no urgency"),
        ("order = [\"ura:90000102\"", "order = [\"kvk:90000105\"", "grants[2.1].order", "not in to"),
        ("service = \"ggz-crisis\"", "service = \"ambulante-spoedhulp\"", "grants[2.1].to", "does not offer the service"),
        ("by = \"kvk:90000101\"", "by = \"kvk:11111111\"", "services[sez-crisisinterventie].by", "is no party"),
        ("areas = [\"achterhoek\"", "areas = [\"betuwe\"", "services[sez-crisisinterventie].areas", "`betuwe` is no area"),
        ("\"resolve-contested\"", "\"forced-reclaim\"", "two_person", "always need two people"),
        ("audit_log_years = 5", "audit_log_years = 4", "retention.audit_log_years", "five years"),
        ("smallest_cell = 5", "smallest_cell = 1", "figures.smallest_cell", "recognised"),
        ("version = 1", "version = 2", "predecessor", "names its predecessor"),
        ("accession = [\"youth-protection\", ", "accession = [\"notaris\", ", "change_rules.accession", "`notaris` is no role"),
        (
            "legal_basis = \"wgbo-457-directly-involved\"",
            "legal_basis = \"jeugdwet-7.3.11-2a-directly-involved\"",
            "grants[3.2].legal_basis",
            "legal regime",
        ),
        ("to = [\"ggz-crisis\"]", "to = [\"ggz-crisis\", \"commissioner\"]", "grants[2.1]", "figures only"),
        ("escalation = { to = \"kvk:90000101\"", "escalation = { to = \"kvk:11111111\"", "grants[2.1].escalation", "is no party"),
        ("name = \"Pactum\"", "name = \"\"", "parties[4].name", "is empty"),
        ("    \"safety\",\n", "", "datasets[consult].protected", "without saying that they are protected"),
        ("    \"question\",\n", "", "grants[2.1].dataset", "nothing can be asked"),
        ("    \"advice\",\n", "", "grants[2.1].dataset", "nothing can be asked"),
    ] {
        let problems = broken(from, to);
        let found = problems.iter().any(|problem| problem.path == path && problem.what.en.contains(says));
        assert!(found, "{from} -> {to}: {problems:?}");
        assert!(problems.iter().all(|problem| problem.text(Lang::Nl).len() > 20 && problem.text(Lang::En).len() > 20));
    }
}

#[test]
fn every_unknown_field_is_listed_at_once() {
    let text = GELDERLAND.replacen("\"identity.bsn\"", "\"identity.bns\"", 1).replacen("\"severity\"", "\"severty\"", 1);

    let problems = Document::from_toml(&text).unwrap_err();

    let said: Vec<_> = problems.iter().map(|problem| problem.text(Lang::En)).collect();
    assert_eq!(
        said,
        [
            "datasets[anoniem].fields: the field `severty` does not exist. Do you mean `severity`?",
            "datasets[overdracht].fields: the field `identity.bns` does not exist. Do you mean `identity.bsn`?",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for (from, to, line) in [
        ("version = 1", "version = \"een\"", "line 13"),
        ("version = 1", "version = 1\ncolour = \"blue\"", "line 14"),
        ("version = 1", "version = ", "line 13"),
        ("transfer_receipt = \"60s\"", "transfer_receipt = \"a while\"", ""),
        ("id = \"kvk:90000101\"", "id = \"kvk:1\"", ""),
        ("telephone = \"+31000000101\"", "telephone = \"112\"", ""),
    ] {
        let problems = broken(from, to);
        assert_eq!(problems.len(), 1, "{from} -> {to}");
        assert!(problems[0].path.starts_with(if line.is_empty() { "line " } else { line }), "{problems:?}");
    }
    assert!(Document::from_toml(&"#".repeat(document::MAX_DOCUMENT_BYTES + 1)).is_err());
}
