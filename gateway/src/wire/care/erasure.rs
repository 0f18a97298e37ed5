//! Erasure: asking, refusing and deciding it, and what is left of a case.

use schakel_domain::command::{CareAct, Read, ReadAct, Write};
use schakel_domain::id::Label;
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{ErasureView, ErasureWishes, PeerAnswer, PeerErasureView};
use schakel_proto::care::v1 as wire;

use super::{Head, MAX_NOTE, lister, read};
use crate::wire::fields::{Fields, timestamp};
use crate::wire::names;
use crate::wire::words::{erasure_ground, erasure_ground_from_wire};

/// Reads a request to ask for erasure.
///
/// # Errors
/// Every wrong field.
pub fn ask(request: &wire::AskCaseErasureRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let ground = erasure_ground_from_wire(request.ground);
    if ground.is_none() {
        fields.wrong("ground", "required: CLIENT_REQUEST or RETENTION_ENDED");
    }
    let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
    let (Some(head), Some(case), Some(ground), Some(reason)) = (head, case, ground, reason) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::AskErasure { case, ground, reason }))
}

/// Reads a request to keep a case.
///
/// # Errors
/// Every wrong field.
pub fn keep(request: &wire::KeepCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
    let until = fields.moment("hold_until_time", request.hold_until_time.as_ref());
    let (Some(head), Some(case), Some(reason), Some(until)) = (head, case, reason, until) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::KeepCase { case, until, reason }))
}

/// Reads a request to erase a case.
///
/// # Errors
/// Every wrong field.
pub fn erase(request: &wire::EraseCaseRequest) -> Result<Write<CareAct>, Vec<Refusal>> {
    let mut fields = Fields::new();
    let head = Head::read(&mut fields, request, request.actor.as_ref());
    let case = fields.case("name", &request.name);
    let case = fields.seen(case, &request.etag);
    let (Some(head), Some(case)) = (head, case) else { return Err(fields.refusals()) };
    Ok(head.does(CareAct::EraseCase { case }))
}

/// Reads a request for what is left of a case; `caller` looks when nobody is named.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetErasureRequest, caller: &Actor) -> Result<ReadAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let case = fields.erasure("name", &request.name);
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let (Some(case), Some(actor)) = (case, actor) else { return Err(fields.refusals()) };
    Ok(read(actor, Read::Erasure(case)))
}

/// What stands about the erasure of a case, for the wire; none when nothing does.
#[must_use]
pub fn wishes(wishes: &ErasureWishes) -> Option<wire::ErasureWishes> {
    if *wishes == ErasureWishes::default() {
        return None;
    }
    let peers = wishes.peers.iter().map(|(org, at, ground, declined)| wire::ErasureWish {
        organization: org.to_string(),
        ask_time: Some(timestamp(*at)),
        ground: erasure_ground(*ground).into(),
        decline_time: declined.map(timestamp),
    });
    let asked = wishes.asked.as_ref();
    Some(wire::ErasureWishes {
        ask_time: asked.map(|(at, _, _)| timestamp(*at)),
        ground: asked.map(|(_, ground, _)| erasure_ground(*ground).into()).unwrap_or_default(),
        asked_by: asked.map(|(_, _, by)| by.to_string()).unwrap_or_default(),
        hold_until_time: wishes.held_until.map(timestamp),
        peers: peers.collect(),
    })
}

/// What is left of a case, for the wire.
#[must_use]
pub fn to_wire(erasure: &ErasureView) -> wire::Erasure {
    wire::Erasure {
        name: names::erasure(erasure.case),
        label: Label::of(erasure.case).to_string(),
        erase_time: Some(timestamp(erasure.at)),
        ground: erasure_ground(erasure.ground).into(),
        asked_by: erasure.asked_by.to_string(),
        erased_by: erasure.erased_by.to_string(),
        entry: erasure.entry.map(|index| format!("entries/{index}")).unwrap_or_default(),
        peers: erasure.peers.iter().map(peer).collect(),
    }
}

fn peer(peer: &PeerErasureView) -> wire::PeerErasure {
    use wire::peer_erasure::Answer;
    let (answer, at, until) = match peer.answer {
        None => (Answer::Unspecified, None, None),
        Some(PeerAnswer::Erased { at }) => (Answer::Erased, Some(at), None),
        Some(PeerAnswer::Kept { at, until }) => (Answer::Kept, Some(at), until),
    };
    wire::PeerErasure {
        organization: peer.org.to_string(),
        deliver_time: peer.delivered.map(timestamp),
        refused: peer.refused.clone().unwrap_or_default(),
        answer: answer.into(),
        answer_time: at.map(timestamp),
        keep_until_time: until.map(timestamp),
    }
}
