//! Requests for expertise.

use schakel_domain::command::{About, Ask, CareAct, Read, ReadAct, Write};
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{CandidateView, ConsultationState, ConsultationView};
use schakel_proto::care::v1 as wire;

use super::{Head, MAX_NOTE, MAX_TEXT, call, candidates, code, decline, direction, facts, lister, needed, read, reader, responsibility};
use crate::wire::dossier;
use crate::wire::fields::{Fields, timestamp};
use crate::wire::names;
use crate::wire::words::{actor_to_wire, decline_code_to_wire};

/// Reads a question.
///
/// # Errors
/// Every wrong field.
pub fn create(request: &wire::CreateConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let about = about(&mut fields, request.about.as_ref());
    let service = code(&mut fields, "service", &request.service);
    let urgency = code(&mut fields, "urgency", &request.urgency);
    let question = fields.text("question", &request.question, 1, MAX_TEXT);
    let candidates = candidates(&mut fields, &request.candidates);
    let needed = needed(&mut fields, &request.needed_fields);
    let continues = fields.optional_consultation("continues", &request.continues);
    let (Some(head), Some(about), Some(service), Some(urgency)) = (head, about, service, urgency) else { return Err(fields.refusals()) };
    let (Some(question), Some(candidates), Some(needed), Some(continues)) = (question, candidates, needed, continues) else {
        return Err(fields.refusals());
    };
    let fan_out = request.fan_out;
    Ok(head.does(CareAct::Ask(Ask { about, service, urgency, question, candidates, fan_out, needed, continues })))
}

fn about(fields: &mut Fields, about: Option<&wire::create_consultation_request::About>) -> Option<About> {
    match about {
        Some(wire::create_consultation_request::About::Case(name)) => fields.case("case", name).map(About::Case),
        Some(wire::create_consultation_request::About::Anonymous(nobody)) => {
            let mut part = Fields::new();
            let age = dossier::age(&mut part, nobody.age);
            let municipality = dossier::municipality(&mut part, "municipality", Some(&nobody.municipality));
            let severity = dossier::severity(&mut part, "severity", nobody.severity);
            fields.keep_part("anonymous", part.done())?;
            Some(About::Nobody { age: age?, municipality: municipality?, severity: severity?, scanned: nobody.scan_seen })
        }
        None => {
            fields.wrong("about", "required: a case, or anonymous");
            None
        }
    }
}

/// Reads a request for one consultation; `caller` looks when nobody is named.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetConsultationRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let consultation = fields.consultation("name", &request.name);
    let reader = reader(&mut fields, request.view, request.actor.as_ref(), caller);
    let (Some(id), Some((full, actor))) = (consultation, reader) else { return Err(fields.refusals()) };
    Ok(read(actor, Read::Consultation { id, full }))
}

/// Reads a request for consultations.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListConsultationsRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let page = fields.page(request.page_size, &request.page_token, request.open_only);
    let (Some(actor), Some(page)) = (actor, page) else { return Err(fields.refusals()) };
    Ok(read(actor, Read::Consultations(page)))
}

/// Reads a yes.
///
/// # Errors
/// Every wrong field.
pub fn accept(request: &wire::AcceptConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let id = fields.consultation("name", &request.name);
    let consultation = fields.seen(id, &request.etag);
    let available = fields.moment("available_time", request.available_time.as_ref());
    let note = fields.text("note", &request.note, 0, MAX_NOTE);
    let (Some(head), Some(consultation), Some(available), Some(note)) = (head, consultation, available, note) else {
        return Err(fields.refusals());
    };
    Ok(head.does(CareAct::AcceptConsultation { consultation, available, note }))
}

/// Reads a no.
///
/// # Errors
/// Every wrong field.
pub fn refuse(request: &wire::DeclineConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let id = fields.consultation("name", &request.name);
    let consultation = fields.seen(id, &request.etag);
    let decline = decline(&mut fields, request.code, &request.note);
    let (Some(head), Some(consultation), Some((code, note))) = (head, consultation, decline) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::DeclineConsultation { consultation, code, note }))
}

/// Reads an answer.
///
/// # Errors
/// Every wrong field.
pub fn answer(request: &wire::AnswerConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let id = fields.consultation("name", &request.name);
    let consultation = fields.seen(id, &request.etag);
    let text = fields.text("advice", &request.advice, 1, MAX_TEXT);
    let (Some(head), Some(consultation), Some(text)) = (head, consultation, text) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::Advise { consultation, text }))
}

/// Reads that a question is taken back.
///
/// # Errors
/// Every wrong field.
pub fn cancel(request: &wire::CancelConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let id = fields.consultation("name", &request.name);
    let consultation = fields.seen(id, &request.etag);
    let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
    let (Some(head), Some(consultation), Some(reason)) = (head, consultation, reason) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::CancelConsultation { consultation, reason }))
}

/// Reads that a question is ended.
///
/// # Errors
/// Every wrong field.
pub fn close(request: &wire::CloseConsultationRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let id = fields.consultation("name", &request.name);
    let consultation = fields.seen(id, &request.etag);
    let (Some(head), Some(consultation)) = (head, consultation) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::CloseConsultation { consultation }))
}

/// A consultation for the wire.
#[must_use]
pub fn to_wire(view: &ConsultationView) -> wire::Consultation {
    let finding = |finding: &schakel_domain::dossier::Finding| wire::Finding {
        kind: finding.kind.to_owned(),
        position: u32::try_from(finding.at).unwrap_or(u32::MAX),
    };
    wire::Consultation {
        name: names::consultation(view.id),
        case: view.case.map(names::case).unwrap_or_default(),
        etag: names::etag(view.version),
        direction: direction(view.direction).into(),
        requester: view.from.to_string(),
        state: state(view.state).into(),
        anonymous: view.anonymous,
        service: view.service.clone(),
        urgency: view.urgency.clone(),
        deadline_time: Some(timestamp(view.deadline)),
        clause: view.clause.clone(),
        sentence_nl: view.sentence_nl.clone(),
        sentence_en: view.sentence_en.clone(),
        candidates: view.candidates.iter().map(candidate).collect(),
        escalation: view.escalation.as_ref().map(call),
        findings: view.findings.iter().map(finding).collect(),
        question: view.question.clone().unwrap_or_default(),
        dossier: view.dossier.as_deref().map(dossier::to_wire),
        advice: view.advice.clone(),
        continues: view.continues.map(names::consultation).unwrap_or_default(),
        responsibility: Some(responsibility(&view.responsibility)),
    }
}

fn candidate(view: &CandidateView) -> wire::Candidate {
    wire::Candidate {
        organization: view.organization.to_string(),
        state: view.state.clone(),
        due_time: view.due.map(timestamp),
        available_time: view.available.map(timestamp),
        by: view.by.as_ref().map(actor_to_wire),
        decline_code: view.decline.map(|code| decline_code_to_wire(code).into()).unwrap_or_default(),
        note: view.note.clone(),
        facts: Some(facts(&view.facts)),
        call: view.call.as_ref().map(call),
    }
}

fn state(state: ConsultationState) -> wire::consultation::State {
    match state {
        ConsultationState::Asked => wire::consultation::State::Asked,
        ConsultationState::Bid => wire::consultation::State::Bid,
        ConsultationState::Assigned => wire::consultation::State::Assigned,
        ConsultationState::Advised => wire::consultation::State::Advised,
        ConsultationState::Escalated => wire::consultation::State::Escalated,
        ConsultationState::Cancelled => wire::consultation::State::Cancelled,
        ConsultationState::Declined => wire::consultation::State::Declined,
        ConsultationState::Released => wire::consultation::State::Released,
        ConsultationState::Closed => wire::consultation::State::Closed,
    }
}
