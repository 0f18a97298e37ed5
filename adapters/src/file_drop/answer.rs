//! An answer file: what became of a command, thin; or why not, in two languages.

use schakel_domain::id::RequestId;
use schakel_domain::refusal::{Lang, Refusal};
use schakel_domain::view::{Answer, CaseView, ConsultationState, ConsultationView, Direction, HandoverState, HandoverView, Standing};
use serde_json::{Value, json};

use super::notice::{call, responsibility};
use crate::json::name_of;
use crate::{No, Resource};

const STANDING: &[(&str, Standing)] = &[
    ("outside", Standing::Outside),
    ("lead", Standing::Lead),
    ("offering", Standing::Offering),
    ("transferring", Standing::Transferring),
    ("contested", Standing::Contested),
    ("closed", Standing::Closed),
];
const HANDOVER_STATE: &[(&str, HandoverState)] = &[
    ("offered", HandoverState::Offered),
    ("accepted", HandoverState::Accepted),
    ("transferring", HandoverState::Transferring),
    ("completed", HandoverState::Completed),
    ("declined", HandoverState::Declined),
    ("withdrawn", HandoverState::Withdrawn),
    ("released", HandoverState::Released),
    ("returned", HandoverState::Returned),
];
const CONSULTATION_STATE: &[(&str, ConsultationState)] = &[
    ("asked", ConsultationState::Asked),
    ("bid", ConsultationState::Bid),
    ("assigned", ConsultationState::Assigned),
    ("advised", ConsultationState::Advised),
    ("escalated", ConsultationState::Escalated),
    ("cancelled", ConsultationState::Cancelled),
    ("declined", ConsultationState::Declined),
    ("released", ConsultationState::Released),
    ("closed", ConsultationState::Closed),
];
const DIRECTION: &[(&str, Direction)] = &[("outgoing", Direction::Outgoing), ("incoming", Direction::Incoming)];

/// What was answered. Commands answer one view; lists and proofs are for other doors.
pub(super) fn answer(request: RequestId, answer: &Answer) -> Value {
    let result = match answer {
        Answer::Case(view) => case(view),
        Answer::Consultation(view) => consultation(view),
        Answer::Handover(view) => handover(view),
        Answer::Cases(..) | Answer::Consultations(..) | Answer::Handovers(..) | Answer::Proof(_) | Answer::Erasure(_) | Answer::Done => {
            Value::Null
        }
    };
    json!({ "request_id": request.to_string(), "ok": true, "result": result })
}

fn case(view: &CaseView) -> Value {
    json!({
        "resource": Resource::Case(view.id).to_string(),
        "version": view.version,
        "label": view.label.as_str(),
        "state": name_of(STANDING, &view.standing),
        "open_handover": view.open_handover.map(|id| Resource::Handover(view.id, id).to_string()),
        "responsibility": responsibility(&view.responsibility),
    })
}

fn handover(view: &HandoverView) -> Value {
    json!({
        "resource": Resource::Handover(view.case, view.id).to_string(),
        "version": view.version,
        "label": view.label.as_str(),
        "state": name_of(HANDOVER_STATE, &view.state),
        "direction": name_of(DIRECTION, &view.direction),
        "from": view.from.as_str(),
        "to": view.to.as_str(),
        "respond_by": view.respond_by.to_string(),
        "clause": view.clause,
        "sentence_nl": view.sentence_nl,
        "sentence_en": view.sentence_en,
        "responsibility": responsibility(&view.responsibility),
    })
}

fn consultation(view: &ConsultationView) -> Value {
    json!({
        "resource": Resource::Consultation(view.id).to_string(),
        "case": view.case.map(|id| Resource::Case(id).to_string()),
        "version": view.version,
        "state": name_of(CONSULTATION_STATE, &view.state),
        "direction": name_of(DIRECTION, &view.direction),
        "from": view.from.as_str(),
        "respond_by": view.deadline.to_string(),
        "clause": view.clause,
        "sentence_nl": view.sentence_nl,
        "sentence_en": view.sentence_en,
        "findings": view.findings.iter().map(|finding| json!({ "kind": finding.kind, "at": finding.at })).collect::<Vec<_>>(),
        "escalation": view.escalation.as_ref().map(call),
        "responsibility": responsibility(&view.responsibility),
    })
}

/// Why not: every problem with its reason, in Dutch and in English.
pub(super) fn refuse(no: &No<'_>) -> Value {
    json!({
        "request_id": no.request.map(|request| request.to_string()),
        "ok": false,
        "waiting": no.waiting,
        "problems": no.refusals.iter().map(problem).collect::<Vec<_>>(),
        "call": no.call.map(call),
    })
}

fn problem(refusal: &Refusal) -> Value {
    let text = |lang| json!({ "sentence": refusal.sentence(lang), "remedy": refusal.reason.remedy(lang) });
    json!({
        "reason": refusal.reason.code(),
        "field": refusal.field,
        "clause": refusal.clause,
        "nl": text(Lang::Nl),
        "en": text(Lang::En),
        "detail": refusal.detail,
    })
}
