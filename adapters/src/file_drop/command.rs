//! A command file: one JSON object, one act. Field by field in the crate's README.

use std::collections::BTreeSet;

use schakel_domain::bound::{MAX_NAME, MAX_NOTE};
use schakel_domain::command::{About, Ask, CareAct, Offer, Seen};
use schakel_domain::custody::DeclineCode;
use schakel_domain::dossier::MAX_TEXT;
use schakel_domain::field::Field;
use schakel_domain::id::{CaseId, ConsultationId, Hash, OfferId, OrgId, RequestId};
use schakel_domain::person::Actor;

use super::dossier;
use crate::json::{Fields, Json};
use crate::{Inbound, Rejection, Resource};

/// Longest id, name or function of a person, in characters; [`Actor::parse`] has the exact bound of each.
const PERSON: usize = 100;
/// Most organisations asked at once.
const CANDIDATES: usize = 20;

/// A reader of one kind of command.
type ReadAct = fn(&mut Fields<'_>) -> Option<CareAct>;

/// Every command a file can hold, and how it is read.
const COMMANDS: &[(&str, ReadAct)] = &[
    ("open-case", |f| Some(CareAct::OpenCase { dossier: dossier::read(f)? })),
    ("amend-case", amend_case),
    ("close-case", close_case),
    ("ask", ask),
    ("accept-consultation", accept_consultation),
    ("decline-consultation", decline_consultation),
    ("advise", advise),
    ("cancel-consultation", cancel_consultation),
    ("close-consultation", |f| Some(CareAct::CloseConsultation { consultation: consultation(f)? })),
    ("offer-handover", |f| offer(f, true)),
    ("accept-handover", accept_handover),
    ("decline-handover", decline_handover),
    ("withdraw-handover", withdraw_handover),
    ("return", |f| offer(f, false)),
];

/// Parses a command file whose JSON is well-formed.
pub(super) fn read(json: Json) -> Result<Inbound, Rejection> {
    let body = body_hash(&json);
    let request = request_of(&json);
    let parsed = Fields::document(json, |f| {
        let request = f.required("request_id", |text| text.parse::<RequestId>().map_err(|wrong| wrong.problem));
        let actor = f.required_object("actor", actor);
        let version_given = f.has("version");
        let Some(command) = f.required("command", known_command) else {
            f.give_up();
            return None;
        };
        let act = command.1(f);
        Some(Inbound { request: request?, body, actor: actor?, act: act?, version_given, to_previous_lead: command.0 == "return" })
    });
    parsed.map_err(|refusals| Rejection { request, refusals })
}

/// The hash tells a repetition from a reuse of the key: it covers everything the sender said, and not how it was laid out.
fn body_hash(json: &Json) -> Hash {
    Hash::sha256(&serde_json::to_vec(json).expect("a parsed document has text keys and finite numbers"))
}

fn request_of(json: &Json) -> Option<RequestId> {
    let Json::Object(fields) = json else { return None };
    let Some(Json::Text(text)) = fields.get("request_id") else { return None };
    text.parse().ok()
}

/// Every command, by the name it has in a file.
pub(super) fn names() -> Vec<&'static str> {
    COMMANDS.iter().map(|row| row.0).collect()
}

fn known_command(text: &str) -> Result<&'static (&'static str, ReadAct), String> {
    COMMANDS.iter().find(|row| row.0 == text).ok_or_else(|| format!("expected one of: {}", names().join(", ")))
}

fn actor(f: &mut Fields<'_>) -> Option<Actor> {
    let person = f.words("person", PERSON);
    let name = f.words("name", PERSON);
    let function = f.words("function", PERSON);
    match Actor::parse(&person?, &name?, &function?) {
        Ok(actor) => Some(actor),
        Err(refusal) => {
            let field = refusal.field.as_deref().and_then(|path| path.strip_prefix("actor.")).unwrap_or("person").to_owned();
            f.wrong(&field, refusal.detail);
            None
        }
    }
}

/// The version as read; 0, to be filled in, when the file does not say.
fn version(f: &mut Fields<'_>) -> u64 {
    f.whole("version", i64::MAX.unsigned_abs()).unwrap_or_default()
}

/// A resource by its name as notices and answers write it, or by its id alone.
fn resource<T: std::str::FromStr>(text: &str, of_name: impl FnOnce(Resource) -> Option<T>, expected: &str) -> Result<T, String> {
    let named = text.parse::<Resource>().ok().and_then(of_name);
    named.or_else(|| text.parse().ok()).ok_or_else(|| format!("expected {expected} or the id alone, as in a notice or an answer"))
}

fn case_id(text: &str) -> Result<CaseId, String> {
    resource(text, |name| if let Resource::Case(id) = name { Some(id) } else { None }, "cases/…")
}

fn consultation_id(text: &str) -> Result<ConsultationId, String> {
    resource(text, |name| if let Resource::Consultation(id) = name { Some(id) } else { None }, "consultations/…")
}

fn handover_id(text: &str) -> Result<OfferId, String> {
    resource(text, |name| if let Resource::Handover(_, id) = name { Some(id) } else { None }, "cases/…/handovers/…")
}

fn case(f: &mut Fields<'_>) -> Option<Seen<CaseId>> {
    let (id, version) = (f.required("case", case_id), version(f));
    Some(Seen { id: id?, version })
}

fn consultation(f: &mut Fields<'_>) -> Option<Seen<ConsultationId>> {
    let (id, version) = (f.required("consultation", consultation_id), version(f));
    Some(Seen { id: id?, version })
}

fn handover(f: &mut Fields<'_>) -> Option<Seen<OfferId>> {
    let (id, version) = (f.required("handover", handover_id), version(f));
    Some(Seen { id: id?, version })
}

fn note(f: &mut Fields<'_>) -> String {
    f.text("note", MAX_NOTE).unwrap_or_default()
}

fn code(f: &mut Fields<'_>) -> Option<DeclineCode> {
    f.required("code", |text| {
        let known = DeclineCode::ALL.iter().find(|code| code.as_str() == text);
        let names = || DeclineCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", ");
        known.copied().ok_or_else(|| format!("expected one of: {}", names()))
    })
}

fn organization(text: &str) -> Result<OrgId, String> {
    text.parse::<OrgId>().map_err(|_| "expected ura:, oin:, kvk: or agb: and the number".to_owned())
}

fn needed(f: &mut Fields<'_>) -> BTreeSet<Field> {
    let parse =
        |text: &str| text.parse::<Field>().map_err(|_| "expected a field name of the covenant, such as identity.address".to_owned());
    f.texts("needed", Field::ALL.len(), parse).into_iter().collect()
}

fn amend_case(f: &mut Fields<'_>) -> Option<CareAct> {
    let (case, dossier) = (case(f), dossier::read(f));
    Some(CareAct::AmendCase { case: case?, dossier: dossier? })
}

fn close_case(f: &mut Fields<'_>) -> Option<CareAct> {
    let (case, reason) = (case(f), f.words("reason", MAX_NOTE));
    Some(CareAct::CloseCase { case: case?, reason: reason? })
}

fn ask(f: &mut Fields<'_>) -> Option<CareAct> {
    let about = about(f);
    let service = f.words("service", MAX_NAME);
    let urgency = f.words("urgency", MAX_NAME);
    let question = f.words("question", MAX_TEXT);
    let candidates = f.texts("candidates", CANDIDATES, organization);
    let fan_out = f.flag("fan_out");
    let needed = needed(f);
    let continues = f.parsed("continues", consultation_id);
    let (about, service, urgency, question) = (about?, service?, urgency?, question?);
    Some(CareAct::Ask(Ask { about, service, urgency, question, candidates, fan_out, needed, continues }))
}

fn about(f: &mut Fields<'_>) -> Option<About> {
    match (f.has("case"), f.has("anonymous")) {
        (true, false) => f.parsed("case", case_id).map(About::Case),
        (false, true) => f.object("anonymous", |f| {
            Some(About::Nobody {
                age: f.whole("age", 130).and_then(|age| u8::try_from(age).ok()),
                municipality: f.parsed("municipality", municipality),
                severity: f.one_of("severity", dossier::SEVERITY),
                scanned: f.flag("scanned").unwrap_or_default(),
            })
        }),
        _ => {
            f.wrong("case", "expected either `case` or `anonymous`");
            f.drop_fields(&["case", "anonymous"]);
            None
        }
    }
}

fn municipality(text: &str) -> Result<String, String> {
    let is_code = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    if is_code { Ok(text.to_owned()) } else { Err("expected a CBS municipality code of four digits, such as 0202".to_owned()) }
}

fn accept_consultation(f: &mut Fields<'_>) -> Option<CareAct> {
    let (consultation, available, note) = (consultation(f), f.moment("available"), note(f));
    Some(CareAct::AcceptConsultation { consultation: consultation?, available, note })
}

fn decline_consultation(f: &mut Fields<'_>) -> Option<CareAct> {
    let (consultation, code, note) = (consultation(f), code(f), note(f));
    Some(CareAct::DeclineConsultation { consultation: consultation?, code: code?, note })
}

fn advise(f: &mut Fields<'_>) -> Option<CareAct> {
    let (consultation, text) = (consultation(f), f.words("text", MAX_TEXT));
    Some(CareAct::Advise { consultation: consultation?, text: text? })
}

fn cancel_consultation(f: &mut Fields<'_>) -> Option<CareAct> {
    let (consultation, reason) = (consultation(f), f.words("reason", MAX_NOTE));
    Some(CareAct::CancelConsultation { consultation: consultation?, reason: reason? })
}

/// An offer; a return has no receiver of its own: it goes to who led before.
fn offer(f: &mut Fields<'_>, names_receiver: bool) -> Option<CareAct> {
    let case = case(f);
    let to = if names_receiver { f.parsed("to", organization) } else { None };
    let service = f.words("service", MAX_NAME);
    let urgency = f.words("urgency", MAX_NAME);
    let needed = needed(f);
    let consultation = f.parsed("consultation", consultation_id);
    Some(CareAct::Offer(Offer { case: case?, to, service: service?, urgency: urgency?, needed, consultation }))
}

fn accept_handover(f: &mut Fields<'_>) -> Option<CareAct> {
    let handover = handover(f);
    let read_back = f.texts("read_back", schakel_domain::dossier::MAX_KEY_POINTS, bounded_note);
    let first_action = f.words("first_action", MAX_NOTE);
    let first_action_at = f.moment("first_action_at");
    Some(CareAct::AcceptHandover { handover: handover?, read_back, first_action: first_action?, first_action_at })
}

fn bounded_note(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > MAX_NOTE { Err(format!("expected 1 to {MAX_NOTE} characters")) } else { Ok(text.to_owned()) }
}

fn decline_handover(f: &mut Fields<'_>) -> Option<CareAct> {
    let (handover, code, note) = (handover(f), code(f), note(f));
    Some(CareAct::DeclineHandover { handover: handover?, code: code?, note })
}

fn withdraw_handover(f: &mut Fields<'_>) -> Option<CareAct> {
    let (handover, reason) = (handover(f), f.words("reason", MAX_NOTE));
    Some(CareAct::WithdrawHandover { handover: handover?, reason: reason? })
}
