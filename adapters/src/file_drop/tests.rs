use schakel_domain::command::{About, Ask, CareAct, Offer};
use schakel_domain::dossier::Dossier;
use schakel_domain::id::CaseId;
use schakel_domain::refusal::Reason;
use schakel_domain::view::{Answer, CaseView, Responsibility, Standing};
use serde_json::{Value, json};

use super::*;
use crate::contract::{self, Broken, Fault, Sample};

/// A record system that writes files for us.
struct RecordSystem(FileDrop);

impl Sample for RecordSystem {
    fn inlet(&self) -> &dyn Inlet {
        &self.0
    }

    fn outlet(&self) -> &dyn Outlet {
        &self.0
    }

    fn write(&self, request: &Inbound) -> Option<Vec<u8>> {
        serde_json::to_vec(&file_of(request)).ok()
    }

    fn write_otherwise(&self, request: &Inbound) -> Option<Vec<u8>> {
        let Value::Object(fields) = file_of(request) else { return None };
        let lines: Vec<_> = fields.iter().rev().map(|(name, value)| format!("  {:?} :\t{value:#}", name)).collect();
        Some(format!("\u{feff}{{\r\n{}\r\n}}\r\n", lines.join(",\r\n")).into_bytes())
    }

    fn broken(&self) -> Vec<Broken> {
        let open = |change: &dyn Fn(&mut Value)| {
            let mut file = file_of(&contract::requests()[0]);
            change(&mut file);
            file.to_string().into_bytes()
        };
        let broken = |fault, bytes, field: &str| Broken { fault, bytes, field: field.to_owned(), secret: None };
        let latin1 = open(&|file| file["dossier"]["background"] = json!("E#n opname"));
        let latin1 = latin1.iter().map(|byte| if *byte == b'#' { 0xe9 } else { *byte }).collect();
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        vec![
            broken(Fault::Truncated, b"{\"request_id\":".to_vec(), "file"),
            broken(Fault::Nested, "[".repeat(100_000).into_bytes(), "file"),
            broken(Fault::Nested, format!("{{\"actor\":{}", "{\"a\":".repeat(50_000)).into_bytes(), "file"),
            broken(Fault::Charset, latin1, "file"),
            broken(Fault::Charset, utf16, "file"),
            broken(Fault::UnknownField, open(&|file| file["dossier"]["identity"]["shoe_size"] = json!(38)), "dossier.identity.shoe_size"),
            broken(Fault::UnknownField, open(&|file| file["versoin"] = json!(3)), "versoin"),
            broken(
                Fault::ImpossibleDate,
                open(&|file| file["dossier"]["identity"]["birth_date"] = json!("2014-02-30")),
                "dossier.identity.birth_date",
            ),
            broken(
                Fault::ImpossibleDate,
                open(&|file| file["dossier"]["actions"][0]["by"] = json!("2026-11-22T25:00:00Z")),
                "dossier.actions[0].by",
            ),
            Broken {
                secret: Some("123456789".to_owned()),
                ..broken(Fault::InvalidBsn, open(&|file| file["dossier"]["identity"]["bsn"] = json!("123456789")), "dossier.identity.bsn")
            },
            broken(Fault::Oversized, vec![b' '; MAX_FILE_BYTES + 1], "file"),
        ]
    }
}

/// A request as a record system writes it.
fn file_of(request: &Inbound) -> Value {
    let actor = &request.actor;
    let mut file = json!({
        "request_id": request.request.to_string(),
        "actor": { "person": actor.person.as_str(), "name": actor.name, "function": actor.function },
    });
    let Value::Object(fields) = fields_of(&request.act) else { panic!("an act is an object") };
    for (name, value) in fields {
        file[name] = value;
    }
    if request.to_previous_lead {
        file["command"] = json!("return");
    }
    if !request.version_given
        && let Value::Object(fields) = &mut file
    {
        fields.remove("version");
    }
    file
}

fn fields_of(act: &CareAct) -> Value {
    match act {
        CareAct::OpenCase { dossier } => json!({ "command": "open-case", "dossier": dossier::write(dossier) }),
        CareAct::AmendCase { case, dossier } => {
            json!({ "command": "amend-case", "case": case.id, "version": case.version, "dossier": dossier::write(dossier) })
        }
        CareAct::CloseCase { case, reason } => {
            json!({ "command": "close-case", "case": format!("cases/{}", case.id), "version": case.version, "reason": reason })
        }
        CareAct::Ask(ask) => ask_fields(ask),
        CareAct::AcceptConsultation { consultation: c, available, note } => json!({
            "command": "accept-consultation", "consultation": c.id, "version": c.version,
            "available": available.map(|at| at.to_string()), "note": note,
        }),
        CareAct::DeclineConsultation { consultation: c, code, note } => {
            json!({ "command": "decline-consultation", "consultation": c.id, "version": c.version, "code": code.as_str(), "note": note })
        }
        CareAct::Advise { consultation: c, text } => {
            json!({ "command": "advise", "consultation": format!("consultations/{}", c.id), "version": c.version, "text": text })
        }
        CareAct::CancelConsultation { consultation: c, reason } => {
            json!({ "command": "cancel-consultation", "consultation": c.id, "version": c.version, "reason": reason })
        }
        CareAct::CloseConsultation { consultation: c } => {
            json!({ "command": "close-consultation", "consultation": c.id, "version": c.version })
        }
        CareAct::Offer(offer) => offer_fields(offer),
        CareAct::AcceptHandover { handover, read_back, first_action, first_action_at } => json!({
            "command": "accept-handover", "handover": handover.id, "version": handover.version, "read_back": read_back,
            "first_action": first_action, "first_action_at": first_action_at.map(|at| at.to_string()),
        }),
        CareAct::DeclineHandover { handover: h, code, note } => {
            json!({ "command": "decline-handover", "handover": h.id, "version": h.version, "code": code.as_str(), "note": note })
        }
        CareAct::WithdrawHandover { handover: h, reason } => {
            json!({ "command": "withdraw-handover", "handover": h.id, "version": h.version, "reason": reason })
        }
        CareAct::AskErasure { .. }
        | CareAct::KeepCase { .. }
        | CareAct::EraseCase { .. }
        | CareAct::ReleasePledge { .. }
        | CareAct::ForceReclaim { .. }
        | CareAct::ResolveContested { .. } => {
            panic!("what takes two people is not for a file")
        }
    }
}

fn ask_fields(ask: &Ask) -> Value {
    let mut file = json!({
        "command": "ask", "service": ask.service, "urgency": ask.urgency, "question": ask.question, "candidates": ask.candidates,
        "fan_out": ask.fan_out, "needed": ask.needed, "continues": ask.continues,
    });
    match &ask.about {
        About::Case(case) => file["case"] = json!(case),
        About::Nobody { age, municipality, severity, scanned } => {
            file["anonymous"] = json!({ "age": age, "municipality": municipality, "severity": severity, "scanned": scanned });
        }
    }
    file
}

fn offer_fields(offer: &Offer) -> Value {
    let mut file = json!({
        "command": "offer-handover", "case": offer.case.id, "version": offer.case.version, "service": offer.service,
        "urgency": offer.urgency, "needed": offer.needed, "consultation": offer.consultation,
    });
    if let Some(to) = &offer.to {
        file["to"] = json!(to);
    }
    file
}

fn refusals(file: &Value) -> Vec<(Reason, String)> {
    let rejection = FileDrop.translate(file.to_string().as_bytes()).unwrap_err();
    rejection.refusals.into_iter().map(|refusal| (refusal.reason, refusal.field.unwrap_or_default())).collect()
}

#[test]
fn file_drop_keeps_the_contract() {
    contract::check(&RecordSystem(FileDrop));
}

#[test]
fn every_wrong_field_of_a_file_is_named_at_once() {
    let file = json!({
        "command": "open-case", "actor": { "person": "skj:1", "name": " " }, "color": "red",
        "dossier": { "age": 900, "identity": { "postal_code": "12" }, "contacts": [{ "kind": "friend" }], "legal": { "consent": {} } },
    });

    let fields: Vec<_> = refusals(&file).into_iter().map(|row| row.1).collect();

    assert_eq!(
        fields,
        [
            "request_id",
            "actor.name",
            "actor.function",
            "dossier.age",
            "dossier.legal.regime",
            "dossier.legal.basis",
            "dossier.legal.consent.state",
            "dossier.contacts[0].name",
            "dossier.contacts[0].kind",
            "dossier.identity.postal_code",
            "color"
        ]
    );
}

#[test]
fn a_command_that_does_not_exist_is_refused_with_the_list_of_those_that_do() {
    let mut file = file_of(&contract::requests()[0]);
    file["command"] = json!("delete-case");

    let rejection = FileDrop.translate(file.to_string().as_bytes()).unwrap_err();

    assert_eq!(rejection.refusals.len(), 1, "{rejection}");
    assert!(rejection.refusals[0].detail.contains("offer-handover, accept-handover"), "{rejection}");
    assert_eq!(rejection.request, Some(contract::requests()[0].request));
}

#[test]
fn a_question_is_about_a_case_or_about_nobody_and_never_about_both() {
    let mut file = fields_of(&CareAct::Ask(
        match contract::requests().into_iter().find_map(|r| if let CareAct::Ask(ask) = r.act { Some(ask) } else { None }) {
            Some(ask) => ask,
            None => panic!("the contract asks"),
        },
    ));
    file["request_id"] = json!(contract::requests()[0].request);
    file["actor"] = json!({ "person": "skj:1", "name": "K. de Wit", "function": "arts" });
    file["anonymous"] = json!({ "age": 15 });

    assert_eq!(refusals(&file), [(Reason::InvalidField, "case".to_owned())]);
}

#[test]
fn what_takes_two_people_cannot_be_asked_by_file() {
    for command in ["force-reclaim", "resolve-contested", "release-pledge"] {
        let mut file = file_of(&contract::requests()[0]);
        file["command"] = json!(command);

        assert_eq!(refusals(&file), [(Reason::InvalidField, "command".to_owned())], "{command}");
    }
}

#[test]
fn an_answer_names_the_case_and_who_is_responsible_and_nothing_of_its_content() {
    let id: CaseId = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".parse().unwrap();
    let view = CaseView {
        id,
        label: schakel_domain::id::Label::of(id),
        version: 3,
        standing: Standing::Lead,
        responsibility: Responsibility {
            lead: None,
            responsible: std::collections::BTreeSet::new(),
            sentence_nl: "Wij hebben de regie.".to_owned(),
            sentence_en: "We lead.".to_owned(),
            call: None,
        },
        opened: "2026-11-22T02:00:00Z".parse().unwrap(),
        changed: "2026-11-22T02:00:00Z".parse().unwrap(),
        hops: 0,
        erasure: Default::default(),
        epoch: "1.0".to_owned(),
        open_handover: None,
        handovers: Vec::new(),
        consultations: Vec::new(),
        dossier: Some(Box::new(contract::full_dossier())),
    };

    let bytes = FileDrop.answer(contract::requests()[0].request, &Answer::Case(Box::new(view)));

    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer["result"]["resource"], format!("cases/{id}"));
    assert_eq!(answer["result"]["responsibility"]["sentence_nl"], "Wij hebben de regie.");
    assert!(!String::from_utf8(bytes).unwrap().contains("Testpersoon"));
}

#[test]
fn an_empty_dossier_opens_a_case_because_a_crisis_does_not_wait_for_a_form() {
    let file = json!({
        "request_id": "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36", "command": "open-case",
        "actor": { "person": "skj:1", "name": "K. de Wit", "function": "arts" }, "dossier": {},
    });

    let read = FileDrop.translate(file.to_string().as_bytes()).unwrap();

    assert_eq!(read.act, CareAct::OpenCase { dossier: Box::new(Dossier::default()) });
}

#[test]
fn every_example_in_the_readme_is_accepted_and_every_command_has_one() {
    let readme = include_str!("../../README.md");
    let sections = readme.split("\n### ").filter_map(|section| {
        let example = section.split("```json").nth(1)?.split("```").next()?;
        Some((section.lines().next().unwrap_or_default().to_owned(), example.to_owned()))
    });

    let mut shown = Vec::new();
    for (title, example) in sections {
        let read = FileDrop.translate(example.as_bytes());
        assert!(read.is_ok(), "{title}: {}", read.unwrap_err());
        assert!(example.contains(&format!("\"command\": \"{title}\"")), "{title} shows another command");
        shown.push(title);
    }

    assert_eq!(shown, command::names());
}
