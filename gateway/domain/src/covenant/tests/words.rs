use super::document::Change;
use super::*;
use crate::refusal::Lang;

fn changes(edit: impl FnOnce(&mut Document)) -> (String, String) {
    let mut new = keyed();
    edit(&mut new);
    let found = diff(&keyed(), &new);
    (describe(&found, Lang::Nl), describe(&found, Lang::En))
}

#[test]
fn the_explanation_says_what_to_ask_what_to_answer_and_whom_to_call() {
    let text = explain(&first(), &org(SEZ), Lang::Nl);

    for part in [
        "Uitleg voor SEZ (Jeugdbescherming Gelderland)",
        "Artikel 3.1. U mag Pro Persona, GGNet en GGZ Centraal om expertise vragen over een jeugdige, op naam.",
        "Grondslag: rechtstreeks betrokken bij dezelfde jeugdhulp (Jeugdwet 7.3.11 lid 2a).",
        "Dit mag u meesturen (zie onder): Expertise op naam.",
        "Vraag zonder naam: leeftijd in hele jaren, ernst, vraag en advies.",
        "Is dit in de zaak afgeschermd, dan alleen als het voor de hulp nodig is: postcode, huisnummer, adres,",
        "U krijgt antwoord binnen: acuut: 30 minuten; spoed: 2 uur; kan wachten tot morgen: 24 uur.",
        "Geen antwoord? Bel de dienstdoende psychiater van Pro Persona: +31000000102.",
        "Artikel 3.2. Deze organisaties mogen u om expertise vragen over een jeugdige, op naam: Pro Persona, GGNet en GGZ Centraal.",
        "Deze organisaties mogen u om cijfers vragen, nooit om een zaak: G7",
        "Komt die niet binnen 1 minuut, bel dan.",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn the_explanation_speaks_english_too() {
    let text = explain(&first(), &org(PACTUM), Lang::En);

    assert!(text.contains("Clause 4.1. These organisations may ask you to take over a case: SEZ (Jeugdbescherming Gelderland)."), "{text}");
    assert!(text.contains("You answer within: acute: 2 hours; urgent: 8 hours; can wait until tomorrow: 24 hours."), "{text}");
    assert!(!text.contains("Clause 3.1"), "not about Pactum");
}

#[test]
fn the_commissioner_reads_that_it_never_sees_a_case() {
    let text = explain(&first(), &org(G7), Lang::Nl);

    assert!(text.contains("om cijfers vragen. U ziet nooit een zaak."), "{text}");
    assert!(!text.contains("expertise"), "{text}");
    assert!(text.contains("Niemand mag u op grond van dit convenant iets vragen."), "{text}");
}

#[test]
fn an_explanation_of_what_does_not_bind_says_so() {
    let mut waiting = signed(keyed());
    waiting.signatures.retain(|signature| signature.party != org(G7));
    let mut altered = signed(keyed());
    altered.document.version = 7;

    let before_the_rest = |covenant: Covenant, note: &str| {
        let text = explain(&covenant, &org(SEZ), Lang::Nl);
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        place("Uitleg voor") < place(note) && place(note) < place("WAT U MAG VRAGEN")
    };
    assert!(before_the_rest(Covenant::judge(waiting, None), "Nog niet getekend: G7"));
    assert!(before_the_rest(Covenant::judge(altered, None), "geldt dus niet"));
    assert!(explain(&Covenant::read(b"", None), &org(SEZ), Lang::En).contains("cannot be read"));
    assert!(explain(&first(), &org("ura:99999999"), Lang::Nl).contains("is geen partij"));
}

#[test]
fn no_change_is_said_to_be_none() {
    assert_eq!(changes(|_| {}), ("Geen verschillen.\n".to_owned(), "No differences.\n".to_owned()));
}

#[test]
fn a_shorter_response_time_is_told_per_clause() {
    let (nl, en) = changes(|document| {
        document.grants[3].response.insert("spoed".parse().unwrap(), "1h".parse().unwrap());
    });

    assert_eq!(nl, "- Artikel 3.1, reactietijd bij spoed: 2h wordt 1h.\n");
    assert_eq!(en, "- Clause 3.1, response time for urgent: 2h becomes 1h.\n");
}

#[test]
fn a_field_that_is_added_names_the_clauses_it_touches() {
    let (_, en) = changes(|document| document.datasets[1].fields.push(crate::field::Field::Bsn));

    assert_eq!(en, "- Clause 3.1, 3.2, 3.3, 3.4, 3.5, dataset consult: identity.bsn is added.\n");
}

#[test]
fn a_party_that_joins_and_a_telephone_number_that_changes_are_told() {
    let (nl, _) = changes(|document| {
        let mut party = document.parties[4].clone();
        (party.id, party.name) = (org("kvk:90000150"), "Nieuwkomer".to_owned());
        document.parties.push(party);
        document.parties[0].telephone = "+31000000999".parse().unwrap();
    });

    assert!(nl.contains("- Partij Nieuwkomer komt erbij.\n"), "{nl}");
    assert!(nl.contains("- Telefoonnummer van SEZ (Jeugdbescherming Gelderland): +31000000101 wordt +31000000999.\n"), "{nl}");
}

#[test]
fn no_change_of_substance_goes_untold() {
    let edits: [fn(&mut Document); 17] = [
        |document| document.grants.swap(0, 1),
        |document| document.parties.reverse(),
        |document| document.areas[0].title.nl.push('!'),
        |document| document.grants[0].purpose.nl.push('.'),
        |document| document.grants[3].escalation = None,
        |document| document.grants[3].mode = document::Mode::FanOut,
        |document| document.grants[3].order.reverse(),
        |document| document.grants[3].legal_basis = document::LegalBasis::VitalInterest,
        |document| document.services[0].ages.until = 21,
        |document| document.services[1].backup_areas.clear(),
        |document| document.areas[0].municipalities.truncate(1),
        |document| document.parties[0].signatory.mandate.push('.'),
        |document| document.parties[0].root_key = None,
        |document| document.roles[0].figures_only = true,
        |document| document.change_rules.ordinary.clear(),
        |document| document.hops = None,
        |document| document.urgencies[0].label.en.push('!'),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let (nl, en) = changes(edit);
        assert_ne!(nl, "Geen verschillen.\n", "edit {index}");
        assert_ne!(en, "No differences.\n", "edit {index}");
    }
}

#[test]
fn a_successor_is_compared_with_its_predecessor() {
    let new = next(&keyed(), Change::Ordinary, |_| {});

    let paths: Vec<_> = diff(&keyed(), &new).into_iter().map(|difference| difference.path).collect();

    assert_eq!(paths, ["version", "in_force_from"]);
}
