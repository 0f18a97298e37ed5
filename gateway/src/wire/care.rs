//! What every request and answer of the care door has: the head of a write, who reads, who is responsible.

pub mod case;
pub mod consultation;
pub mod erasure;
pub mod event;
pub mod handover;

use std::collections::BTreeSet;

use prost::Message;
use schakel_domain::command::{CareAct, Read, ReadAct, Write};
use schakel_domain::field::Field;
use schakel_domain::id::{CaseId, Hash, OfferId, RequestId};
use schakel_domain::person::{Actor, TwoPeople};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{Call, Direction, Facts, Responsibility};
use schakel_proto::care::v1 as wire;
use schakel_proto::r#type::v1 as words;

use super::fields::{Fields, timestamp};
use super::words::actor_from_wire;

/// Longest question, advice or other text with care content, in characters.
pub(crate) const MAX_TEXT: usize = schakel_domain::dossier::MAX_TEXT;
/// Longest note or reason, in characters.
pub(crate) const MAX_NOTE: usize = schakel_domain::bound::MAX_NOTE;
/// Longest name of a service or code of an urgency, in characters.
const MAX_CODE: usize = schakel_domain::bound::MAX_NAME;
/// Most organisations named in one question.
const MAX_CANDIDATES: usize = 50;

/// A request that changes something: it has the caller's own key, and a person answers for it.
pub(crate) trait WriteRequest: Message + Clone + Default {
    /// The key.
    fn request_id(&self) -> &str;
    /// The same request without the key.
    fn without_request_id(&self) -> Self;
}

macro_rules! write_requests {
    ($($request:ty),* $(,)?) => {$(
        impl WriteRequest for $request {
            fn request_id(&self) -> &str {
                &self.request_id
            }

            fn without_request_id(&self) -> Self {
                Self { request_id: String::new(), ..self.clone() }
            }
        }
    )*};
}

write_requests!(
    wire::CreateCaseRequest,
    wire::UpdateCaseRequest,
    wire::CloseCaseRequest,
    wire::AskCaseErasureRequest,
    wire::KeepCaseRequest,
    wire::EraseCaseRequest,
    wire::ForceReclaimCaseRequest,
    wire::ResolveContestedCaseRequest,
    wire::CreateConsultationRequest,
    wire::AcceptConsultationRequest,
    wire::DeclineConsultationRequest,
    wire::AnswerConsultationRequest,
    wire::CancelConsultationRequest,
    wire::CloseConsultationRequest,
    wire::CreateHandoverRequest,
    wire::AcceptHandoverRequest,
    wire::DeclineHandoverRequest,
    wire::WithdrawHandoverRequest,
    wire::ReleaseHandoverRequest,
    schakel_proto::admin::v1::StopPeerRequest,
    schakel_proto::admin::v1::ResumePeerRequest,
    schakel_proto::admin::v1::EndRecoveryRequest,
    schakel_proto::admin::v1::RetryPeerRequest,
    schakel_proto::admin::v1::CancelMessageRequest,
    schakel_proto::admin::v1::ReplayMessageRequest,
    schakel_proto::admin::v1::InstallCovenantRequest,
    schakel_proto::admin::v1::InstallPartyRecordRequest,
);

/// What identifies a write: its key, and the hash that tells a repetition from a reuse of the key.
///
/// The hash is SHA-256 of the request as this gateway encodes it, so that two clients that order or pad their bytes differently
/// agree. The key is left out because it is what the hash is looked up by; the method is part of the key's scope.
pub(crate) fn key(fields: &mut Fields, request: &impl WriteRequest) -> Option<(RequestId, Hash)> {
    let id = if request.request_id().is_empty() {
        fields.wrong("request_id", "required: a lower-case UUID of the caller, the same at every repetition");
        None
    } else {
        fields.id("request_id", request.request_id())
    };
    Some((id?, Hash::sha256(&request.without_request_id().encode_to_vec())))
}

/// The part that every write of care has.
pub(crate) struct Head {
    request: RequestId,
    body: Hash,
    actor: Actor,
}

impl Head {
    /// Reads key and actor.
    pub(crate) fn read(fields: &mut Fields, request: &impl WriteRequest, actor: Option<&words::Actor>) -> Option<Self> {
        let key = key(fields, request);
        let actor = actor_from_wire(fields, "actor", actor);
        let (request, body) = key?;
        Some(Self { request, body, actor: actor? })
    }

    /// The write that does this to a handover, named under its case.
    pub(crate) fn does_in(self, name: Option<(CaseId, OfferId)>, act: CareAct) -> Write<CareAct> {
        Write { within: name.map(|(case, _)| case), ..self.does(act) }
    }

    /// The write that does this.
    pub(crate) fn does(self, act: CareAct) -> Write<CareAct> {
        Write { request: self.request, body: self.body, actor: self.actor, within: None, act }
    }
}

/// Reads how much is to be shown and who looks. A look at everything names the person; anything less may fall to the caller itself.
pub(crate) fn reader(fields: &mut Fields, view: i32, actor: Option<&words::Actor>, caller: &Actor) -> Option<(bool, Actor)> {
    let full = match wire::View::try_from(view) {
        Ok(wire::View::Unspecified | wire::View::Basic) => Some(false),
        Ok(wire::View::Full) => Some(true),
        Err(_) => {
            fields.wrong("view", "expected BASIC or FULL");
            None
        }
    };
    let actor = match (full, actor) {
        (Some(false), None) => Some(caller.clone()),
        (_, actor) => actor_from_wire(fields, "actor", actor),
    };
    Some((full?, actor?))
}

/// Reads who looks at a list.
pub(crate) fn lister(fields: &mut Fields, actor: Option<&words::Actor>, caller: &Actor) -> Option<Actor> {
    actor.map_or_else(|| Some(caller.clone()), |actor| actor_from_wire(fields, "actor", Some(actor)))
}

/// A read by somebody.
pub(crate) fn read(actor: Actor, what: Read) -> ReadAct {
    ReadAct { actor, within: None, what }
}

/// The four things two people say together.
pub(crate) struct Together<'a> {
    /// The first, as in the head.
    pub(crate) actor: Option<&'a words::Actor>,
    /// The second.
    pub(crate) second: Option<&'a words::Actor>,
    /// The call.
    pub(crate) called: &'a str,
    /// Why.
    pub(crate) reason: &'a str,
}

impl Together<'_> {
    /// Reads two different people and the call they record.
    pub(crate) fn read(&self, fields: &mut Fields) -> Option<TwoPeople> {
        let second = actor_from_wire(fields, "second_actor", self.second);
        let called = fields.text("called", self.called, 1, MAX_NOTE);
        let reason = fields.text("reason", self.reason, 1, MAX_NOTE);
        // The head reads the first person too, and tells what is wrong with it.
        let first = actor_from_wire(&mut Fields::new(), "actor", self.actor);
        let people = TwoPeople::parse(first?, second?, &called?, &reason?);
        fields.keep("", people.map_err(|refusal| Refusal { field: Some("second_actor".to_owned()), ..refusal }))
    }
}

/// Reads a service or an urgency: a name that only the covenant can judge.
pub(crate) fn code(fields: &mut Fields, path: &str, text: &str) -> Option<String> {
    fields.text(path, text, 1, MAX_CODE)
}

/// Reads the protected fields a receiver needs.
pub(crate) fn needed(fields: &mut Fields, names: &[String]) -> Option<BTreeSet<Field>> {
    if names.len() > Field::ALL.len() {
        fields.wrong("needed_fields", format!("at most {}", Field::ALL.len()));
        return None;
    }
    let mut read = |(at, name): (usize, &String)| {
        let parsed = name.parse::<Field>();
        // What was sent is not repeated: it may be anything.
        let expected =
            |near: Option<&str>| format!("expected a field name of the covenant, such as {}", near.unwrap_or("identity.address"));
        parsed.map_err(|unknown| fields.wrong(&format!("needed_fields[{at}]"), expected(unknown.hint))).ok()
    };
    let read: Vec<_> = names.iter().enumerate().map(&mut read).collect();
    read.into_iter().collect()
}

/// Reads whom to ask.
pub(crate) fn candidates(fields: &mut Fields, names: &[String]) -> Option<Vec<schakel_domain::id::OrgId>> {
    if names.len() > MAX_CANDIDATES {
        fields.wrong("candidates", format!("at most {MAX_CANDIDATES}"));
        return None;
    }
    let read: Vec<_> = names.iter().enumerate().map(|(at, name)| fields.id(&format!("candidates[{at}]"), name)).collect();
    let distinct = BTreeSet::from_iter(names).len() == names.len();
    if !distinct {
        fields.wrong("candidates", "each organisation once");
    }
    read.into_iter().collect::<Option<_>>().filter(|_| distinct)
}

/// Reads why somebody says no, with the note that a reason of one's own needs.
pub(crate) fn decline(fields: &mut Fields, code: i32, note: &str) -> Option<(schakel_domain::custody::DeclineCode, String)> {
    let code = super::words::decline_code_from_wire(fields, "code", code);
    let least = usize::from(code == Some(schakel_domain::custody::DeclineCode::Other));
    let note = fields.text("note", note, least, MAX_NOTE);
    Some((code?, note?))
}

/// Who is responsible now, for the wire.
pub(crate) fn responsibility(responsibility: &Responsibility) -> wire::Responsibility {
    wire::Responsibility {
        lead: responsibility.lead.as_ref().map(ToString::to_string).unwrap_or_default(),
        responsible: responsibility.responsible.iter().map(ToString::to_string).collect(),
        sentence_nl: responsibility.sentence_nl.clone(),
        sentence_en: responsibility.sentence_en.clone(),
        call: responsibility.call.as_ref().map(call),
    }
}

/// A telephone line, for the wire.
pub(crate) fn call(call: &Call) -> wire::Call {
    wire::Call {
        organization: call.organization.to_string(),
        name: call.name.clone(),
        line: call.line.clone(),
        telephone: call.telephone.clone(),
    }
}

/// The separate facts, for the wire.
pub(crate) fn facts(facts: &Facts) -> wire::Facts {
    wire::Facts {
        sent_time: facts.sent.map(timestamp),
        delivered_time: facts.delivered.map(timestamp),
        seen_time: facts.seen.map(timestamp),
        accepted_time: facts.accepted.map(timestamp),
        transferred_time: facts.transferred.map(timestamp),
        received_time: facts.received.map(timestamp),
        waiting: facts.waiting.clone().unwrap_or_default(),
    }
}

/// Which side we are, for the wire.
pub(crate) fn direction(direction: Direction) -> wire::Direction {
    match direction {
        Direction::Outgoing => wire::Direction::Outgoing,
        Direction::Incoming => wire::Direction::Incoming,
    }
}

/// The refusal for an answer of another kind than the question: a fault of ours.
pub(crate) fn another_answer() -> Refusal {
    Refusal::new(Stage::Door, Reason::Internal).because("the answer is of another kind than the question")
}
