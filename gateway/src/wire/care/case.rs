//! Cases.

use schakel_domain::command::{CareAct, PageOf, Read, ReadAct, Write};
use schakel_domain::id::Label;
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{CaseView, Standing};
use schakel_proto::care::v1 as wire;

use super::{Head, MAX_NOTE, Together, lister, read, reader, responsibility};
use crate::wire::dossier;
use crate::wire::fields::{Fields, timestamp};
use crate::wire::names;

/// Reads a request to open a case.
///
/// # Errors
/// Every wrong field.
pub fn create(request: &wire::CreateCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    // A crisis does not wait for a form: a case may start with nothing known.
    let nothing = Default::default();
    let dossier = fields.keep_part("dossier", dossier::from_wire(request.dossier.as_ref().unwrap_or(&nothing)));
    let (Some(head), Some(dossier)) = (head, dossier) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::OpenCase { dossier: Box::new(dossier) }))
}

/// Reads a request for one case; `caller` looks when nobody is named.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetCaseRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let case = fields.case("name", &request.name);
    let reader = reader(&mut fields, request.view, request.actor.as_ref(), caller);
    let (Some(id), Some((full, actor))) = (case, reader) else { return Err(fields.refusals()) };
    Ok(read(actor, Read::Case { id, full }))
}

/// Reads a request for cases.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListCasesRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let page = fields.page(request.page_size, &request.page_token, request.open_only);
    let label = label(&mut fields, &request.label, page.as_ref());
    let (Some(actor), Some(page), Some(label)) = (actor, page, label) else { return Err(fields.refusals()) };
    Ok(read(actor, label.map_or(Read::Cases(page), Read::CaseByLabel)))
}

fn label(fields: &mut Fields, text: &str, page: Option<&PageOf>) -> Option<Option<Label>> {
    if text.is_empty() {
        return Some(None);
    }
    if page.is_some_and(|page| !page.after.is_empty()) {
        fields.wrong("label", "not together with a page token");
        return None;
    }
    let read = (text.len() <= 20).then(|| Label::parse(text).ok()).flatten();
    if read.is_none() {
        fields.wrong("label", "expected a label such as ZK-7F3KD; ask to repeat it");
    }
    read.map(Some)
}

/// Reads a request to replace a dossier.
///
/// # Errors
/// Every wrong field.
pub fn update(request: &wire::UpdateCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    // An absent dossier would erase what is known.
    let dossier = match &request.dossier {
        Some(message) => fields.keep_part("dossier", dossier::from_wire(message)),
        None => {
            fields.wrong("dossier", "required: what is known now, whole");
            None
        }
    };
    let (Some(head), Some(case), Some(dossier)) = (head, case, dossier) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::AmendCase { case, dossier: Box::new(dossier) }))
}

/// Reads a request to close a case.
///
/// # Errors
/// Every wrong field.
pub fn close(request: &wire::CloseCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
    let (Some(head), Some(case), Some(reason)) = (head, case, reason) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::CloseCase { case, reason }))
}

/// Reads a request to take the lead back by force.
///
/// # Errors
/// Every wrong field; `SECOND_PERSON_REQUIRED` when both people are one.
pub fn force_reclaim(request: &wire::ForceReclaimCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let (actor, second) = (request.actor.as_ref(), request.second_actor.as_ref());
    let people = Together { actor, second, called: &request.called, reason: &request.reason }.read(&mut fields);
    let (Some(head), Some(case), Some(people)) = (head, case, people) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::ForceReclaim { case, people }))
}

/// Reads a request to step back from a contested case.
///
/// # Errors
/// Every wrong field; `SECOND_PERSON_REQUIRED` when both people are one.
pub fn resolve(request: &wire::ResolveContestedCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let (actor, second) = (request.actor.as_ref(), request.second_actor.as_ref());
    let people = Together { actor, second, called: &request.called, reason: &request.reason }.read(&mut fields);
    let (Some(head), Some(case), Some(people)) = (head, case, people) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::ResolveContested { case, people }))
}

/// A case for the wire.
#[must_use]
pub fn to_wire(case: &CaseView) -> wire::Case {
    wire::Case {
        name: names::case(case.id),
        label: case.label.to_string(),
        etag: names::etag(case.version),
        standing: standing(case.standing).into(),
        responsibility: Some(responsibility(&case.responsibility)),
        create_time: Some(timestamp(case.opened)),
        update_time: Some(timestamp(case.changed)),
        hops: case.hops,
        epoch: case.epoch.clone(),
        open_handover: case.open_handover.map(|offer| names::handover(case.id, offer)).unwrap_or_default(),
        handovers: case.handovers.iter().map(|offer| names::handover(case.id, *offer)).collect(),
        consultations: case.consultations.iter().map(|id| names::consultation(*id)).collect(),
        dossier: case.dossier.as_deref().map(dossier::to_wire),
        erasure: super::erasure::wishes(&case.erasure),
    }
}

fn standing(standing: Standing) -> wire::case::Standing {
    match standing {
        Standing::Outside => wire::case::Standing::Outside,
        Standing::Lead => wire::case::Standing::Lead,
        Standing::Offering => wire::case::Standing::Offering,
        Standing::Transferring => wire::case::Standing::Transferring,
        Standing::Contested => wire::case::Standing::Contested,
        Standing::Closed => wire::case::Standing::Closed,
    }
}
