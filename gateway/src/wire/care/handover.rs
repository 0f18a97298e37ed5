//! Handing cases over.

use prost::Message as _;
use schakel_domain::command::{CareAct, Offer, Read, ReadAct, Write};
use schakel_domain::dossier::MAX_KEY_POINTS;
use schakel_domain::id::CaseId;
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{HandoverState, HandoverView, ProofView, ProvenMessage};
use schakel_proto::care::v1 as wire;
use schakel_proto::r#type::v1 as words;

use super::{Head, MAX_NOTE, Together, code, decline, direction, facts, lister, needed, read, reader, responsibility};
use crate::wire::dossier;
use crate::wire::fields::{Fields, timestamp};
use crate::wire::names;
use crate::wire::words::{actor_from_wire, actor_to_wire, decline_code_from_wire, decline_code_to_wire};

/// Reads an offer.
///
/// # Errors
/// Every wrong field.
pub fn create(request: &wire::CreateHandoverRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("parent", &request.parent);
    let case = fields.seen(case, &request.etag);
    let to = fields.optional_id("receiver", &request.receiver);
    let service = code(&mut fields, "service", &request.service);
    let urgency = code(&mut fields, "urgency", &request.urgency);
    let needed = needed(&mut fields, &request.needed_fields);
    let consultation = fields.optional_consultation("consultation", &request.consultation);
    let (Some(head), Some(case), Some(to), Some(service)) = (head, case, to, service) else { return Err(fields.refusals()) };
    let (Some(urgency), Some(needed), Some(consultation)) = (urgency, needed, consultation) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::Offer(Offer { case, to, service, urgency, needed, consultation })))
}

/// Reads a request for one handover; `caller` looks when nobody is named.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetHandoverRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let name = fields.handover("name", &request.name);
    let reader = reader(&mut fields, request.view, request.actor.as_ref(), caller);
    let (Some((case, id)), Some((full, actor))) = (name, reader) else { return Err(fields.refusals()) };
    Ok(ReadAct { within: Some(case), ..read(actor, Read::Handover { id, full }) })
}

/// Reads a request for handovers.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListHandoversRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let every = matches!(request.parent.as_str(), "" | "cases/-");
    let case = if every { Some(None) } else { fields.case("parent", &request.parent).map(Some) };
    let page = fields.page(request.page_size, &request.page_token, request.open_only);
    let (Some(actor), Some(case), Some(page)) = (actor, case, page) else { return Err(fields.refusals()) };
    Ok(read(actor, Read::Handovers { case, page }))
}

/// Reads a yes.
///
/// # Errors
/// Every wrong field. Whether every key point was repeated only the offer can say.
pub fn accept(request: &wire::AcceptHandoverRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let name = fields.handover("name", &request.name);
    let handover = fields.seen(name.map(|(_, offer)| offer), &request.etag);
    let read_back = read_back(&mut fields, &request.read_back);
    let first_action = fields.text("first_action", &request.first_action, 0, MAX_NOTE);
    let first_action_at = fields.moment("first_action_time", request.first_action_time.as_ref());
    let (Some(head), Some(handover), Some(read_back)) = (head, handover, read_back) else { return Err(fields.refusals()) };
    let (Some(first_action), Some(first_action_at)) = (first_action, first_action_at) else { return Err(fields.refusals()) };
    Ok(head.does_in(name, CareAct::AcceptHandover { handover, read_back, first_action, first_action_at }))
}

/// Reads the key points in own words, in their order: 1, 2, 3, each once.
pub(crate) fn read_back(fields: &mut Fields, points: &[words::ReadBack]) -> Option<Vec<String>> {
    let mut sorted: Vec<_> = points.iter().collect();
    sorted.sort_by_key(|point| point.point);
    if points.len() > MAX_KEY_POINTS || !(1_u32..).zip(&sorted).all(|(at, point)| point.point == at) {
        fields.wrong("read_back", format!("each key point once, from 1, at most {MAX_KEY_POINTS}"));
        return None;
    }
    let read: Vec<_> =
        sorted.iter().map(|point| fields.text(&format!("read_back[{}].words", point.point - 1), &point.words, 1, MAX_NOTE)).collect();
    read.into_iter().collect()
}

/// Reads a no.
///
/// # Errors
/// Every wrong field.
pub fn refuse(request: &wire::DeclineHandoverRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let name = fields.handover("name", &request.name);
    let handover = fields.seen(name.map(|(_, offer)| offer), &request.etag);
    let decline = decline(&mut fields, request.code, &request.note);
    let (Some(head), Some(handover), Some((code, note))) = (head, handover, decline) else { return Err(fields.refusals()) };
    Ok(head.does_in(name, CareAct::DeclineHandover { handover, code, note }))
}

/// Reads that an offer is taken back.
///
/// # Errors
/// Every wrong field.
pub fn withdraw(request: &wire::WithdrawHandoverRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let name = fields.handover("name", &request.name);
    let handover = fields.seen(name.map(|(_, offer)| offer), &request.etag);
    let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
    let (Some(head), Some(handover), Some(reason)) = (head, handover, reason) else { return Err(fields.refusals()) };
    Ok(head.does_in(name, CareAct::WithdrawHandover { handover, reason }))
}

/// Reads that a reserved place is freed.
///
/// # Errors
/// Every wrong field; `SECOND_PERSON_REQUIRED` when both people are one.
pub fn release(request: &wire::ReleaseHandoverRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let name = fields.handover("name", &request.name);
    let handover = fields.seen(name.map(|(_, offer)| offer), &request.etag);
    let code = decline_code_from_wire(&mut fields, "code", request.code);
    let (actor, second) = (request.actor.as_ref(), request.second_actor.as_ref());
    let people = Together { actor, second, called: &request.called, reason: &request.reason }.read(&mut fields);
    let (Some(head), Some(handover), Some(code), Some(people)) = (head, handover, code, people) else { return Err(fields.refusals()) };
    Ok(head.does_in(name, CareAct::ReleasePledge { handover, code, people }))
}

/// Reads a request for the proof of a handover; gives its case too, for the answer's name.
///
/// # Errors
/// Every wrong field.
pub fn proof(request: &wire::GetHandoverProofRequest) -> Result<(CaseId, ReadAct), Vec<Refusal>> {
    let mut fields = Fields::new();
    let name = fields.handover("name", &request.name);
    let actor = actor_from_wire(&mut fields, "actor", request.actor.as_ref());
    let (Some((case, id)), Some(actor)) = (name, actor) else { return Err(fields.refusals()) };
    Ok((case, ReadAct { within: Some(case), ..read(actor, Read::Proof(id)) }))
}

/// A handover for the wire.
#[must_use]
pub fn to_wire(view: &HandoverView) -> wire::Handover {
    let (decline_code, decline_note) =
        view.decline.as_ref().map_or((0, String::new()), |(code, note)| (decline_code_to_wire(*code).into(), note.clone()));
    wire::Handover {
        name: names::handover(view.case, view.id),
        label: view.label.to_string(),
        etag: names::etag(view.version),
        direction: direction(view.direction).into(),
        sender: view.from.to_string(),
        receiver: view.to.to_string(),
        state: state(view.state).into(),
        facts: Some(facts(&view.facts)),
        service: view.service.clone(),
        urgency: view.urgency.clone(),
        respond_by_time: Some(timestamp(view.respond_by)),
        clause: view.clause.clone(),
        sentence_nl: view.sentence_nl.clone(),
        sentence_en: view.sentence_en.clone(),
        hops: view.hops,
        is_return: view.is_return,
        decline_code,
        decline_note,
        offered_by: view.offered_by.as_ref().map(actor_to_wire),
        accepted_by: view.accepted_by.as_ref().map(actor_to_wire),
        first_action: view.first_action.clone(),
        first_action_time: view.first_action_at.map(timestamp),
        key_point_count: view.key_points,
        read_back: read_back_to_wire(&view.read_back),
        content_hash: view.content.0.to_vec(),
        dossier: view.dossier.as_deref().map(dossier::to_wire),
        next_organization: view.next.as_ref().map(ToString::to_string).unwrap_or_default(),
        responsibility: Some(responsibility(&view.responsibility)),
    }
}

/// Key points in own words, for the wire.
pub(crate) fn read_back_to_wire(points: &[String]) -> Vec<words::ReadBack> {
    (1..).zip(points).map(|(point, words)| words::ReadBack { point, words: words.clone() }).collect()
}

fn state(state: HandoverState) -> wire::handover::State {
    match state {
        HandoverState::Offered => wire::handover::State::Offered,
        HandoverState::Accepted => wire::handover::State::Accepted,
        HandoverState::Transferring => wire::handover::State::Transferring,
        HandoverState::Completed => wire::handover::State::Completed,
        HandoverState::Declined => wire::handover::State::Declined,
        HandoverState::Withdrawn => wire::handover::State::Withdrawn,
        HandoverState::Released => wire::handover::State::Released,
        HandoverState::Returned => wire::handover::State::Returned,
    }
}

/// A proof for the wire.
///
/// # Errors
/// `INTERNAL` when a stored proof cannot be read: it is not passed off as a message without one.
pub fn proof_to_wire(case: CaseId, view: &ProofView) -> Result<wire::HandoverProof, Refusal> {
    let messages = view.messages.iter().map(proven_to_wire).collect::<Result<_, _>>()?;
    Ok(wire::HandoverProof { handover: names::handover(case, view.handover), messages })
}

fn proven_to_wire(message: &ProvenMessage) -> Result<wire::ProvenMessage, Refusal> {
    let proof = message.proof.as_deref().map(words::MessageProof::decode).transpose();
    let proof = proof.map_err(|_| super::another_answer().because("a stored proof cannot be read"))?;
    Ok(wire::ProvenMessage { kind: message.kind.clone(), message: message.bytes.clone(), message_hash: message.hash.0.to_vec(), proof })
}
