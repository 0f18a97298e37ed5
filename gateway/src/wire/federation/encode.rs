//! A message to its bytes. The same message always gives the same bytes: fields are written in the order of their numbers, once.

use jiff::Timestamp;
use prost::Message as _;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::custody::{DeclineCode, Epoch};
use schakel_domain::dossier::Severity;
use schakel_domain::id::{Hash, MessageId, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body, Message, ProposeBody};
use schakel_domain::person::Actor;
use schakel_proto::federation::v1 as pb;
use schakel_proto::r#type::v1 as ty;

use crate::wire::words;

/// The exact bytes of a message: what is hashed, signed, sent and stored.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    let wire = pb::Message {
        message_id: message.id.to_string(),
        sender: message.sender.to_string(),
        receiver: message.receiver.to_string(),
        thread: message.thread.clone(),
        sequence: message.seq,
        incarnation: message.incarnation,
        covenant: Some(covenant(&message.covenant)),
        clause: message.clause.clone(),
        sent_time: Some(time(message.sent)),
        leaf_hash: message.leaf.map_or_else(Vec::new, |leaf| leaf.0.to_vec()),
        body: Some(body(&message.body)),
    };
    wire.encode_to_vec()
}

/// The bytes of a void in the place of a message: the envelope of `bytes` as it stands, whatever they say, with the leaf hash of the entry
/// that names the void. `None` when they have no envelope, or one that no peer takes.
#[must_use]
pub fn void_of(bytes: &[u8], id: MessageId, replaces: MessageId, incarnation: u64, now: Timestamp, leaf: Hash) -> Option<Vec<u8>> {
    let body = pb::message::Body::VoidMessage(pb::VoidMessage { message_id: replaces.to_string() });
    let wire = pb::Message {
        message_id: id.to_string(),
        incarnation,
        sent_time: Some(time(now)),
        leaf_hash: leaf.0.to_vec(),
        body: Some(body),
        ..pb::Message::decode(bytes).ok()?
    };
    let void = wire.encode_to_vec();
    super::decode(&void).is_ok().then_some(void)
}

fn body(body: &Body) -> pb::message::Body {
    use pb::message::Body as Wire;
    match body {
        Body::Ask(body) => Wire::Ask(ask(body)),
        Body::Bid { consultation, available, by, note } => Wire::Bid(pb::Bid {
            consultation_id: consultation.to_string(),
            available_time: available.map(time),
            by: Some(actor(by)),
            note: note.clone(),
        }),
        Body::DeclineAsk { consultation, code, note } => {
            Wire::DeclineAsk(pb::DeclineAsk { consultation_id: consultation.to_string(), code: decline(*code), note: note.clone() })
        }
        Body::Confirm { consultation } => Wire::ConfirmBid(pb::ConfirmBid { consultation_id: consultation.to_string() }),
        Body::Release { consultation } => Wire::ReleaseAsk(pb::ReleaseAsk { consultation_id: consultation.to_string() }),
        Body::Advice { consultation, text, by } => {
            Wire::Advice(pb::Advice { consultation_id: consultation.to_string(), text: text.clone(), by: Some(actor(by)) })
        }
        Body::CloseConsultation { consultation } => {
            Wire::CloseConsultation(pb::CloseConsultation { consultation_id: consultation.to_string() })
        }
        Body::Propose(body) => Wire::ProposeHandover(propose(body)),
        Body::Seen { subject, at } => Wire::Seen(pb::Seen { subject: subject.clone(), seen_time: Some(time(*at)) }),
        Body::RequestErasure { ground } => Wire::RequestErasure(pb::RequestErasure { ground: words::erasure_ground(*ground).into() }),
        Body::DeclineErasure { until } => Wire::DeclineErasure(pb::DeclineErasure { keep_until_time: until.map(time) }),
        Body::Void { replaces } => Wire::VoidMessage(pb::VoidMessage { message_id: replaces.to_string() }),
        Body::Accept { offer, content, by, read_back, first_action, first_action_at } => Wire::AcceptHandover(pb::AcceptHandover {
            offer_id: offer.to_string(),
            content_hash: content.0.to_vec(),
            by: Some(actor(by)),
            read_back: (1..).zip(read_back).map(|(point, words)| ty::ReadBack { point, words: words.clone() }).collect(),
            first_action: first_action.clone(),
            first_action_time: first_action_at.map(time),
        }),
        Body::Decline { offer, code, note } => {
            Wire::DeclineHandover(pb::DeclineHandover { offer_id: offer.to_string(), code: decline(*code), note: note.clone() })
        }
        Body::Withdraw { offer } => Wire::WithdrawHandover(pb::WithdrawHandover { offer_id: offer.to_string() }),
        Body::Transfer { offer, epoch: at, content, package, accept } => Wire::TransferCustody(pb::TransferCustody {
            offer_id: offer.to_string(),
            epoch: Some(epoch(at)),
            content_hash: content.0.to_vec(),
            package: package.clone(),
            accept_hash: accept.0.to_vec(),
        }),
        Body::Receipt { offer, epoch: at, transfer } => Wire::CustodyReceipt(pb::CustodyReceipt {
            offer_id: offer.to_string(),
            epoch: Some(epoch(at)),
            transfer_hash: transfer.0.to_vec(),
        }),
        Body::Refuse { offer, epoch: at, transfer } => Wire::RefuseTransfer(pb::RefuseTransfer {
            offer_id: offer.to_string(),
            epoch: Some(epoch(at)),
            transfer_hash: transfer.0.to_vec(),
        }),
        Body::Fence { epoch: at } => Wire::FenceCustody(pb::FenceCustody { epoch: Some(epoch(at)) }),
    }
}

fn ask(body: &AskBody) -> pb::Ask {
    pb::Ask {
        consultation_id: body.consultation.to_string(),
        service: body.service.clone(),
        urgency: body.urgency.clone(),
        respond_by_time: Some(time(body.respond_by)),
        deadline_time: Some(time(body.deadline)),
        call_back: body.call_back.clone(),
        continues: body.continues.map(|id| id.to_string()).unwrap_or_default(),
        question: Some(match &body.about {
            AskAbout::Nobody { age, municipality, severity } => pb::ask::Question::Anonymous(pb::AnonymousQuestion {
                age: age.map(u32::from),
                municipality: municipality.clone(),
                severity: severity.map_or(ty::Severity::Unspecified, self::severity).into(),
                question: body.question.clone(),
            }),
            AskAbout::Case { case, package, dossier: _ } => pb::ask::Question::Named(pb::NamedQuestion {
                case_id: case.to_string(),
                question: body.question.clone(),
                dossier: package.clone(),
            }),
        }),
    }
}

fn propose(body: &ProposeBody) -> pb::ProposeHandover {
    pb::ProposeHandover {
        offer_id: body.offer.to_string(),
        epoch: Some(epoch(&body.epoch)),
        content_hash: body.content.0.to_vec(),
        package: body.package.clone(),
        service: body.service.clone(),
        urgency: body.urgency.clone(),
        respond_by_time: Some(time(body.respond_by)),
        call_back: body.call_back.clone(),
        by: Some(actor(&body.by)),
        hops: body.hops,
        is_return: body.is_return,
        consultation_id: body.consultation.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn covenant(covenant: &CovenantRef) -> ty::CovenantRef {
    ty::CovenantRef { covenant: covenant.id.to_string(), version: covenant.version, hash: covenant.hash.0.to_vec() }
}

fn epoch(epoch: &Epoch<OrgId>) -> ty::Epoch {
    ty::Epoch { counter: epoch.term.counter.into(), organization: epoch.term.org.to_string(), step: epoch.step.into() }
}

fn actor(actor: &Actor) -> ty::Actor {
    ty::Actor { person: actor.person.to_string(), name: actor.name.clone(), function: actor.function.clone() }
}

fn decline(code: DeclineCode) -> i32 {
    use ty::DeclineCode as Wire;
    let wire = match code {
        DeclineCode::NoCapacity => Wire::NoCapacity,
        DeclineCode::NotThisCare => Wire::NotThisCare,
        DeclineCode::OutsideArea => Wire::OutsideArea,
        DeclineCode::OutsideHours => Wire::OutsideHours,
        DeclineCode::InsufficientInformation => Wire::InsufficientInformation,
        DeclineCode::Other => Wire::Other,
    };
    wire.into()
}

fn severity(severity: Severity) -> ty::Severity {
    match severity {
        Severity::Stable => ty::Severity::Stable,
        Severity::Watcher => ty::Severity::Watcher,
        Severity::Unstable => ty::Severity::Unstable,
    }
}

fn time(at: Timestamp) -> prost_types::Timestamp {
    let whole = at.as_second().saturating_sub(i64::from(at.subsec_nanosecond() < 0));
    let nanos = at.as_nanosecond() - i128::from(whole) * 1_000_000_000;
    prost_types::Timestamp { seconds: whole, nanos: i32::try_from(nanos).unwrap_or_default() }
}
