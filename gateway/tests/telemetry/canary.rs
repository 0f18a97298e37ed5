//! T28. A young person who stands in every field there is: nothing that an operator, a log, a collector or an error shows has any of it,
//! plain or encoded, whatever goes right or wrong.

use schakel::demo::client::by;
use schakel::store::sqlite;
use schakel_proto::care::v1 as care;
use schakel_proto::r#type::v1 as words;

use super::collector::Collector;
use super::node::{Node, Pair, request_id};

/// Each says something of the young person, of whoever cares for them, or of what was said about them.
const CANARIES: [&str; 16] = [
    "KanarieAchternaam",
    "KanarieVoornaam",
    "999990019",
    "2011-05-04",
    "KanarieStraat",
    "6811ZZ",
    "+31000000777",
    "KanarieMoeder",
    "KanarieVerblijf",
    "KanarieSituatie",
    "KanarieKernpunt",
    "KanarieVraag",
    "KanarieAdvies",
    "KanarieReden",
    "KanarieActie",
    "KanarieMedewerker",
];

fn dossier() -> words::Dossier {
    let text = |word: &str| format!("{word} met meer woorden");
    words::Dossier {
        identity: Some(words::Identity {
            family_name: Some(CANARIES[0].to_owned()),
            given_names: Some(CANARIES[1].to_owned()),
            birth_date: Some(CANARIES[3].to_owned()),
            bsn: Some(CANARIES[2].to_owned()),
            postal_code: Some(CANARIES[5].to_owned()),
            address: Some(CANARIES[4].to_owned()),
            telephone: Some(CANARIES[6].to_owned()),
            municipality: Some("0202".to_owned()),
            ..Default::default()
        }),
        contacts: vec![words::Contact {
            name: CANARIES[7].to_owned(),
            relation: "moeder".to_owned(),
            telephone: Some(CANARIES[6].to_owned()),
            kind: words::contact::Kind::Safe.into(),
        }],
        whereabouts: text(CANARIES[8]),
        situation: text(CANARIES[9]),
        background: text(CANARIES[9]),
        assessment: text(CANARIES[9]),
        recommendation: text(CANARIES[9]),
        actions: vec![words::ActionItem { what: text(CANARIES[14]), who: CANARIES[15].to_owned(), by_time: None }],
        contingencies: vec![words::Contingency { when: text(CANARIES[9]), then: text(CANARIES[14]) }],
        safety: Some(words::Safety { plan: text(CANARIES[9]), ..Default::default() }),
        key_points: vec![text(CANARIES[10])],
        ..Default::default()
    }
}

/// A question that is answered, and a case that is handed over.
async fn what_goes_right(first: &Node, second: &Node) -> care::Case {
    let case = first.open(dossier()).await.unwrap();
    let ask = care::CreateConsultationRequest {
        about: Some(care::create_consultation_request::About::Case(case.name.clone())),
        service: "ggz-crisis".to_owned(),
        urgency: "spoed".to_owned(),
        question: "KanarieVraag: wilt u meekijken?".to_owned(),
        candidates: vec![second.home.id.clone()],
        request_id: request_id(),
        actor: Some(first.person.wire()),
        ..Default::default()
    };
    let asked = first.client.consultations().create_consultation(by(&first.person, ask)).await.unwrap().into_inner();
    let name = asked.consultation.unwrap().name;
    let heard = second.until("the question", async || second.consultation(&name).await).await;
    assert!(heard.question.contains("KanarieVraag"), "the question arrives");
    let accept = care::AcceptConsultationRequest {
        name: name.clone(),
        etag: second.consultation(&name).await.unwrap().etag,
        request_id: request_id(),
        actor: Some(second.person.wire()),
        note: "KanarieReden".to_owned(),
        ..Default::default()
    };
    second.client.consultations().accept_consultation(by(&second.person, accept)).await.unwrap();
    let assigned = async || second.consultation(&name).await.filter(|one| one.state() == care::consultation::State::Assigned);
    let confirmed = second.until("the confirmation", assigned).await;
    let answer = care::AnswerConsultationRequest {
        name: name.clone(),
        etag: confirmed.etag,
        request_id: request_id(),
        actor: Some(second.person.wire()),
        advice: "KanarieAdvies voor vannacht".to_owned(),
    };
    second.client.consultations().answer_consultation(by(&second.person, answer)).await.unwrap();
    let advised = first.until("the advice", async || first.consultation(&name).await.filter(|one| !one.advice.is_empty())).await;
    assert!(advised.advice[0].contains("KanarieAdvies"), "the advice arrives");

    let case = first.case(&case.name).await.unwrap();
    let offered = first.client.handovers().create_handover(first.offer(&case, second)).await.unwrap().into_inner().handover.unwrap();
    let arrived = second.until("the offer", async || second.handover(&offered.name).await).await;
    let accept = care::AcceptHandoverRequest {
        name: offered.name.clone(),
        etag: second.handover(&arrived.name).await.unwrap().etag,
        request_id: request_id(),
        actor: Some(second.person.wire()),
        read_back: vec![words::ReadBack { point: 1, words: "KanarieKernpunt in eigen woorden".to_owned() }],
        first_action: "KanarieActie".to_owned(),
        ..Default::default()
    };
    second.client.handovers().accept_handover(by(&second.person, accept)).await.unwrap();
    let outside = async || first.case(&case.name).await.filter(|one| one.standing() == care::case::Standing::Outside);
    first.until("that the other leads", outside).await
}

/// Everything that is refused, with the young person in whatever is wrong: what each answer says, whole.
async fn what_goes_wrong(first: &Node, case: &care::Case) -> Vec<String> {
    let mut said = Vec::new();
    let mut heard = |status: tonic::Status| said.push(format!("{status:?} {} {:?}", status, status.details()));
    let wrong = |change: fn(&mut words::Dossier)| {
        let mut dossier = dossier();
        change(&mut dossier);
        dossier
    };
    let dossiers = [
        wrong(|dossier| dossier.identity.as_mut().unwrap().bsn = Some("999990019x".to_owned())),
        wrong(|dossier| dossier.identity.as_mut().unwrap().postal_code = Some("KanarieStraat 6811ZZ".to_owned())),
        wrong(|dossier| dossier.identity.as_mut().unwrap().birth_date = Some("KanarieVoornaam 2011-05-04".to_owned())),
        wrong(|dossier| dossier.identity.as_mut().unwrap().municipality = Some("KanarieStraat".to_owned())),
        wrong(|dossier| dossier.identity.as_mut().unwrap().sex = Some("KanarieVoornaam".to_owned())),
        wrong(|dossier| dossier.situation = "KanarieSituatie".repeat(1_000)),
        wrong(|dossier| dossier.key_points = vec!["KanarieKernpunt".to_owned(); 9]),
        wrong(|dossier| dossier.identity.as_mut().unwrap().family_name = Some("KanarieAchternaam".repeat(60))),
    ];
    for dossier in dossiers {
        heard(first.open(dossier).await.unwrap_err());
    }
    let mut ask = care::CreateConsultationRequest {
        about: Some(care::create_consultation_request::About::Case("KanarieAchternaam".to_owned())),
        service: "KanarieVraag".to_owned(),
        urgency: "KanarieReden".to_owned(),
        question: "KanarieVraag".repeat(1_000),
        candidates: vec!["KanarieMoeder".to_owned()],
        needed_fields: vec!["KanarieAchternaam".to_owned()],
        request_id: "KanarieVoornaam".to_owned(),
        actor: Some(first.person.wire()),
        ..Default::default()
    };
    heard(first.client.consultations().create_consultation(by(&first.person, ask.clone())).await.unwrap_err());
    // Only the service and the urgency are wrong: the covenant says no.
    ask.about = Some(care::create_consultation_request::About::Case(case.name.clone()));
    (ask.question, ask.needed_fields, ask.candidates, ask.request_id) = ("KanarieVraag".to_owned(), vec![], vec![], request_id());
    heard(first.client.consultations().create_consultation(by(&first.person, ask)).await.unwrap_err());
    for name in ["KanarieAchternaam", "cases/KanarieAchternaam", "cases/999990019"] {
        let get = care::GetCaseRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(first.person.wire()) };
        heard(first.client.cases().get_case(by(&first.person, get)).await.unwrap_err());
    }
    let close = care::CloseCaseRequest {
        name: case.name.clone(),
        etag: case.etag.clone(),
        request_id: request_id(),
        actor: Some(first.person.wire()),
        reason: "KanarieReden".to_owned(),
    };
    heard(first.client.cases().close_case(by(&first.person, close)).await.unwrap_err());
    // A token that is none, and a person whose number is none.
    let mut stranger = by(&first.person, care::ListCasesRequest::default());
    stranger.metadata_mut().insert("authorization", "Bearer KanarieMedewerker".parse().unwrap());
    heard(first.client.cases().list_cases(stranger).await.unwrap_err());
    let nobody = words::Actor { person: "KanarieMedewerker :".to_owned(), name: "KanarieMedewerker".to_owned(), function: String::new() };
    let create = care::CreateCaseRequest { dossier: Some(dossier()), request_id: request_id(), actor: Some(nobody) };
    heard(first.client.cases().create_case(by(&first.person, create)).await.unwrap_err());
    said
}

/// Files that are refused by the door for adapters.
async fn what_is_dropped(first: &Node) {
    let command =
        serde_json::json!({ "open-case": { "dossier": { "identity": { "family_name": "KanarieAchternaam", "bsn": 999_990_019 } } } });
    let answer = first.client.drop_file("canary", &command).await.unwrap();
    assert!(!answer.to_string().contains("Kanarie"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_young_person_is_in_any_log_span_metric_error_or_clear_part_of_the_audit_log() {
    let mut collector = Collector::start();
    let mut pair = Pair::make(Some(&collector.endpoint)).await;
    pair.first.start();
    pair.second.start();

    let case = what_goes_right(&pair.first, &pair.second).await;
    let said = what_goes_wrong(&pair.first, &case).await;
    what_is_dropped(&pair.first).await;
    pair.first.stop();
    pair.second.stop();
    collector.stop();

    let mut artefacts = collector.raw();
    artefacts.extend(said.into_iter().enumerate().map(|(at, said)| (format!("error {at}"), said.into_bytes())));
    for node in [&pair.first, &pair.second] {
        artefacts.push((format!("standard error of {}", node.home.id), std::fs::read(&node.log).unwrap()));
        artefacts.push((format!("audit log of {}", node.home.id), audit_log(node).await));
        // What is sealed lies in the same file: the whole of it is looked through.
        for file in ["schakel.db", "schakel.db-wal", "checkpoint"] {
            artefacts.extend(std::fs::read(node.home.data.join(file)).ok().map(|bytes| (format!("{file} of {}", node.home.id), bytes)));
        }
    }
    let holds = |name: &str, text: &str| {
        let (_, bytes) = artefacts.iter().find(|(artefact, _)| artefact.starts_with(name)).unwrap();
        assert!(String::from_utf8_lossy(bytes).contains(text), "the scan looks at the right {name}");
    };
    holds("traces.jsonl", "schakel.care.v1.CaseService/CreateCase");
    holds("logs.jsonl", "answered");
    holds("standard error", "schakel.care.v1.CaseService/CreateCase");
    holds("audit log", "case-opened");
    holds("schakel.db", "case-opened");
    let found: Vec<String> = artefacts.iter().flat_map(|(name, bytes)| findings(name, bytes)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The entries, one after the other.
async fn audit_log(node: &Node) -> Vec<u8> {
    let store = sqlite::open_read_only(&node.home.store()).await.unwrap();
    let rows = store.entries(0, 1_000).await.unwrap();
    store.close().await;
    rows.into_iter().flat_map(|row| row.entry.bytes).collect()
}

/// Which canary is in it, and how it was written. In text of one case, which the standard library searches fast.
fn findings(name: &str, bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let mut found = Vec::new();
    for canary in CANARIES {
        for (form, written) in forms(canary) {
            let at = text.find(&String::from_utf8(written).unwrap().to_ascii_lowercase());
            let around = at.map(|at| text[at..].chars().take(240).collect::<String>());
            found.extend(around.map(|around| format!("{canary} ({form}) in {name}: {around}…")));
        }
    }
    found
}

/// The ways in which a text may be written down by whoever does not mean to.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let bytes = text.as_bytes();
    let each = |write: fn(&u8) -> String, between: &str| bytes.iter().map(write).collect::<Vec<_>>().join(between).into_bytes();
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("hexadecimal", each(|byte| format!("{byte:02x}"), "")),
        ("numbers", each(|byte| byte.to_string(), ", ")),
        ("numbers without spaces", each(|byte| byte.to_string(), ",")),
        ("percent", each(|byte| format!("%{byte:02x}"), "")),
        ("unicode escapes", each(|byte| format!("\\u{byte:04x}"), "")),
        ("wide", bytes.iter().flat_map(|byte| [*byte, 0]).collect()),
    ];
    // In base64 a text looks different at each of three places; its first and last characters depend on their neighbours.
    for (shift, name) in ["base64", "base64, shifted", "base64, shifted twice"].into_iter().enumerate() {
        let written = STANDARD_NO_PAD.encode([&vec![b' '; shift][..], bytes].concat());
        let inner = &written[if shift == 0 { 0 } else { shift + 1 }..written.len() - 2];
        forms.push((name, inner.as_bytes().to_vec()));
    }
    forms
}

#[test]
fn the_scan_finds_a_canary_in_every_form() {
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let written = [
        "name=KanarieVoornaam".to_owned(),
        "4b616e61726965566f6f726e61616d".to_owned(),
        format!("{:?}", b"KanarieVoornaam".to_vec()),
        encoded("KanarieVoornaam"),
        encoded("a KanarieVoornaam and more"),
        encoded("ab KanarieVoornaam and more"),
        encoded("abc KanarieVoornaam and more"),
    ];

    for text in written {
        assert!(findings("it", text.as_bytes()).iter().any(|found| found.starts_with("KanarieVoornaam")), "{text}");
    }
    assert!(findings("it", b"eenvoudig logboek").is_empty());
}
