//! Peers, outbox and adapters, as operators ask for them.

use schakel_domain::command::{OperateAct, Operation, OperationsRead};
use schakel_domain::person::PersonId;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{AdapterView, MessageState, MessageView, PeerState, PeerView};
use schakel_proto::admin::v1 as wire;

use super::care::{MAX_NOTE, WriteRequest, key};
use super::fields::{Fields, timestamp};
use super::log::number;
use super::names;
use super::words::actor_from_wire;

/// Reads a request for peers.
///
/// # Errors
/// Every wrong field.
pub fn list_peers(request: &wire::ListPeersRequest) -> Result<OperationsRead, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some(page) = fields.page(request.page_size, &request.page_token, false) else { return Err(fields.refusals()) };
    Ok(OperationsRead::Peers(page))
}

/// Reads a request for adapters.
///
/// # Errors
/// Every wrong field.
pub fn list_adapters(request: &wire::ListAdaptersRequest) -> Result<OperationsRead, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some(page) = fields.page(request.page_size, &request.page_token, false) else { return Err(fields.refusals()) };
    Ok(OperationsRead::Adapters(page))
}

/// Reads a request for messages.
///
/// # Errors
/// Every wrong field.
pub fn list_messages(request: &wire::ListMessagesRequest) -> Result<OperationsRead, Vec<Refusal>> {
    let mut fields = Fields::new();
    let peer = fields.peer("parent", &request.parent);
    let state = match wire::outbox_message::State::try_from(request.state) {
        Ok(wire::outbox_message::State::Unspecified | wire::outbox_message::State::Waiting) => Some(MessageState::Waiting),
        Ok(wire::outbox_message::State::Delivered) => Some(MessageState::Delivered),
        Ok(wire::outbox_message::State::Parked) => Some(MessageState::Parked),
        Ok(wire::outbox_message::State::Cancelled) => Some(MessageState::Cancelled),
        Err(_) => {
            fields.wrong("state", "expected WAITING, DELIVERED, PARKED or CANCELLED");
            None
        }
    };
    let size = fields.page_size(request.page_size);
    let after = fields.numbered_page(&request.page_token);
    let (Some(peer), Some(state), Some(size), Some(after)) = (peer, state, size, after) else { return Err(fields.refusals()) };
    Ok(OperationsRead::Messages { peer, state, after, size })
}

/// Reads that traffic with a peer stops.
///
/// # Errors
/// Every wrong field.
pub fn stop(request: &wire::StopPeerRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| {
        let peer = fields.peer("name", &request.name);
        let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
        Some(OperateAct::Stop { peer: peer?, reason: reason? })
    })
}

/// Reads that traffic with a peer resumes.
///
/// # Errors
/// Every wrong field.
pub fn resume(request: &wire::ResumePeerRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| Some(OperateAct::Resume { peer: fields.peer("name", &request.name)? }))
}

/// Reads that recovery ends.
///
/// # Errors
/// Every wrong field.
pub fn end_recovery(request: &wire::EndRecoveryRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| {
        let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
        let second = actor_from_wire(fields, "second_actor", request.second_actor.as_ref());
        if second.as_ref().is_some_and(|second| second.person == *person) {
            let same = Refusal::new(Stage::Caller, Reason::SecondPersonRequired).because("both are the same person");
            fields.note(Refusal { field: Some("second_actor".to_owned()), ..same });
        }
        Some(OperateAct::EndRecovery { reason: reason?, second: second? })
    })
}

/// Reads that a peer is tried now.
///
/// # Errors
/// Every wrong field.
pub fn retry(request: &wire::RetryPeerRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| Some(OperateAct::Retry { peer: fields.peer("name", &request.name)? }))
}

/// Reads that a message is taken back.
///
/// # Errors
/// Every wrong field.
pub fn cancel(request: &wire::CancelMessageRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| {
        let message = fields.message("name", &request.name);
        let reason = fields.text("reason", &request.reason, 1, MAX_NOTE);
        Some(OperateAct::Cancel { message: message?, reason: reason? })
    })
}

/// Reads that a parked message is sent again.
///
/// # Errors
/// Every wrong field.
pub fn replay(request: &wire::ReplayMessageRequest, person: &PersonId) -> Result<Operation, Vec<Refusal>> {
    operation(request, person, |fields| Some(OperateAct::Replay { message: fields.message("name", &request.name)? }))
}

fn operation(
    request: &impl WriteRequest,
    person: &PersonId,
    act: impl FnOnce(&mut Fields) -> Option<OperateAct>,
) -> Result<Operation, Vec<Refusal>> {
    let mut fields = Fields::new();
    let key = key(&mut fields, request);
    let act = act(&mut fields);
    let (Some((request, body)), Some(act)) = (key, act) else { return Err(fields.refusals()) };
    Ok(Operation { request, body, person: person.clone(), act })
}

/// A peer for the wire.
#[must_use]
pub fn peer_to_wire(view: &PeerView, lang: Lang) -> wire::Peer {
    let state = match view.state {
        PeerState::Open => wire::peer::State::Open,
        PeerState::Unreachable => wire::peer::State::Unreachable,
        PeerState::Stopped => wire::peer::State::Stopped,
        PeerState::Expired => wire::peer::State::Expired,
        PeerState::KnowsMore => wire::peer::State::KnowsMore,
    };
    wire::Peer {
        name: names::peer(&view.organization),
        organization_name: view.name.clone(),
        state: state.into(),
        reason: view.reason.clone().unwrap_or_default(),
        waiting: number(view.waiting),
        oldest_time: view.oldest.map(timestamp),
        next_attempt_time: view.next_attempt.map(timestamp),
        contact_time: view.contact.map(timestamp),
        reason_code: view.refusal.as_ref().map(|refusal| refusal.reason.code().to_owned()).unwrap_or_default(),
        remedy: view.refusal.as_ref().map(|refusal| refusal.reason.remedy(lang).to_owned()).unwrap_or_default(),
        certificate_expire_time: view.certificate_ends.map(timestamp),
    }
}

/// A message for the wire.
#[must_use]
pub fn message_to_wire(view: &MessageView) -> wire::OutboxMessage {
    let state = match view.state {
        MessageState::Waiting => wire::outbox_message::State::Waiting,
        MessageState::Delivered => wire::outbox_message::State::Delivered,
        MessageState::Parked => wire::outbox_message::State::Parked,
        MessageState::Cancelled => wire::outbox_message::State::Cancelled,
    };
    wire::OutboxMessage {
        name: names::message(view.id),
        peer: names::peer(&view.peer),
        kind: view.kind.clone(),
        state: state.into(),
        reason: view.reason.clone().unwrap_or_default(),
        number: number(view.number),
        message_hash: view.hash.0.to_vec(),
        create_time: Some(timestamp(view.queued)),
        update_time: Some(timestamp(view.changed)),
    }
}

/// An adapter for the wire.
#[must_use]
pub fn adapter_to_wire(view: &AdapterView) -> wire::Adapter {
    wire::Adapter {
        name: format!("adapters/{}", view.name),
        kind: view.kind.clone(),
        problem: view.problem.clone().unwrap_or_default(),
        waiting: number(view.waiting),
        active_time: view.active.map(timestamp),
    }
}
