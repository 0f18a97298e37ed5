//! Bytes of a peer to a message, or the refusal that names what is wrong.

use prost::Message as _;
use schakel_domain::bound::MAX_NOTE;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::dossier::{Dossier, MAX_KEY_POINTS, MAX_TEXT};
use schakel_domain::id::{CaseId, Hash};
use schakel_domain::message::{AskAbout, AskBody, Body, MAX_MESSAGE_BYTES, Message, ProposeBody};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_proto::federation::v1 as pb;
use schakel_proto::r#type::v1 as ty;

use super::anonymous;
use super::checks::{
    actor, decline, epoch, erasure_ground, hash, id, name, optional_id, optional_time, ordinal, severity, text, time, uuid,
};
use crate::wire::dossier::decode_dossier;

/// Most organisations that can have led a case before.
const MAX_HOPS: u32 = 1_000;
/// Oldest person a question can be about, in years.
const MAX_AGE: u32 = 130;

/// The part of a message that says in which life of its sender it was made.
#[derive(Clone, PartialEq, prost::Message)]
struct Dated {
    #[prost(uint64, tag = "6")]
    incarnation: u64,
}

/// In which life of its sender a message of our own was made, without reading the rest; 0 when these bytes are no message.
#[must_use]
pub fn incarnation_of(bytes: &[u8]) -> u64 {
    Dated::decode(bytes).map_or(0, |dated| dated.incarnation)
}

/// Reads the bytes of a message.
///
/// # Errors
/// `MESSAGE_TOO_LARGE`, `INVALID_FIELD` with the field, `UNSUPPORTED_MESSAGE` for a body this version does not know, or
/// `IDENTITY_IN_ANONYMOUS` for an anonymous question that may hold more than the anonymous fields.
pub fn decode(bytes: &[u8]) -> Result<Message, Refusal> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        let large = Refusal::new(Stage::Door, Reason::MessageTooLarge);
        return Err(large.because(format!("{} bytes; at most {MAX_MESSAGE_BYTES}", bytes.len())));
    }
    let wire = pb::Message::decode(bytes).map_err(|_| Refusal::field("message", "expected a schakel.federation.v1.Message"))?;
    let pb::Message { message_id, sender, receiver, thread, sequence, incarnation, covenant, clause, sent_time, leaf_hash, body } = wire;
    let body = body.ok_or_else(|| Refusal::new(Stage::Door, Reason::UnsupportedMessage))?;
    if let pb::message::Body::Ask(pb::Ask { question: Some(pb::ask::Question::Anonymous(_)), .. }) = body {
        anonymous::check(bytes)?;
    }
    let message = Message {
        id: id("message_id", &message_id)?,
        sender: id("sender", &sender)?,
        receiver: id("receiver", &receiver)?,
        thread: uuid("thread", thread)?,
        seq: ordinal("sequence", sequence)?,
        incarnation: if incarnation == 0 { 0 } else { ordinal("incarnation", incarnation)? },
        covenant: covenant_ref(covenant)?,
        clause: name("clause", clause)?,
        sent: time("sent_time", sent_time)?,
        leaf: if leaf_hash.is_empty() { None } else { Some(hash("leaf_hash", &leaf_hash)?) },
        body: decode_body(body)?,
    };
    check_thread(&message)?;
    Ok(message)
}

/// A question's thread follows from what it is about; the thread of an anonymous one must not be a case.
fn check_thread(message: &Message) -> Result<(), Refusal> {
    let expected = match &message.body {
        Body::Ask(ask) => match &ask.about {
            AskAbout::Nobody { .. } => ask.consultation.to_string(),
            AskAbout::Case { case, .. } => case.to_string(),
        },
        _ => return Ok(()),
    };
    if message.thread == expected {
        Ok(())
    } else {
        Err(Refusal::field("thread", "expected the case, or the anonymous consultation itself"))
    }
}

fn covenant_ref(covenant: Option<ty::CovenantRef>) -> Result<CovenantRef, Refusal> {
    let Some(ty::CovenantRef { covenant, version, hash: digest }) = covenant else {
        return Err(Refusal::field("covenant", "expected the covenant version it is made under"));
    };
    if version == 0 {
        return Err(Refusal::field("covenant.version", "expected a number from 1"));
    }
    Ok(CovenantRef {
        id: covenant.parse().map_err(|_| Refusal::field("covenant.covenant", "expected the id of a covenant"))?,
        version,
        hash: hash("covenant.hash", &digest)?,
    })
}

fn decode_body(body: pb::message::Body) -> Result<Body, Refusal> {
    use pb::message::Body as Wire;
    Ok(match body {
        Wire::Ask(body) => Body::Ask(Box::new(ask(body)?)),
        Wire::Bid(pb::Bid { consultation_id, available_time, by, note }) => Body::Bid {
            consultation: id("consultation_id", &consultation_id)?,
            available: optional_time("available_time", available_time)?,
            by: actor(by)?,
            note: text("note", note, MAX_NOTE)?,
        },
        Wire::DeclineAsk(pb::DeclineAsk { consultation_id, code, note }) => Body::DeclineAsk {
            consultation: id("consultation_id", &consultation_id)?,
            code: decline(code)?,
            note: text("note", note, MAX_NOTE)?,
        },
        Wire::ConfirmBid(pb::ConfirmBid { consultation_id }) => Body::Confirm { consultation: id("consultation_id", &consultation_id)? },
        Wire::ReleaseAsk(pb::ReleaseAsk { consultation_id }) => Body::Release { consultation: id("consultation_id", &consultation_id)? },
        Wire::Advice(pb::Advice { consultation_id, text: advice, by }) => {
            Body::Advice { consultation: id("consultation_id", &consultation_id)?, text: text("text", advice, MAX_TEXT)?, by: actor(by)? }
        }
        Wire::CloseConsultation(pb::CloseConsultation { consultation_id }) => {
            Body::CloseConsultation { consultation: id("consultation_id", &consultation_id)? }
        }
        Wire::ProposeHandover(body) => Body::Propose(Box::new(propose(body)?)),
        Wire::AcceptHandover(body) => accept(body)?,
        Wire::DeclineHandover(pb::DeclineHandover { offer_id, code, note }) => {
            Body::Decline { offer: id("offer_id", &offer_id)?, code: decline(code)?, note: text("note", note, MAX_NOTE)? }
        }
        Wire::WithdrawHandover(pb::WithdrawHandover { offer_id }) => Body::Withdraw { offer: id("offer_id", &offer_id)? },
        Wire::TransferCustody(body) => transfer(body)?,
        Wire::CustodyReceipt(pb::CustodyReceipt { offer_id, epoch: at, transfer_hash }) => {
            Body::Receipt { offer: id("offer_id", &offer_id)?, epoch: epoch(at)?, transfer: hash("transfer_hash", &transfer_hash)? }
        }
        Wire::RefuseTransfer(pb::RefuseTransfer { offer_id, epoch: at, transfer_hash }) => {
            Body::Refuse { offer: id("offer_id", &offer_id)?, epoch: epoch(at)?, transfer: hash("transfer_hash", &transfer_hash)? }
        }
        Wire::FenceCustody(pb::FenceCustody { epoch: at }) => Body::Fence { epoch: epoch(at)? },
        Wire::Seen(pb::Seen { subject, seen_time }) => Body::Seen { subject: uuid("subject", subject)?, at: time("seen_time", seen_time)? },
        Wire::RequestErasure(pb::RequestErasure { ground }) => Body::RequestErasure { ground: erasure_ground(ground)? },
        Wire::DeclineErasure(pb::DeclineErasure { keep_until_time }) => {
            Body::DeclineErasure { until: optional_time("keep_until_time", keep_until_time)? }
        }
        Wire::VoidMessage(pb::VoidMessage { message_id }) => Body::Void { replaces: id("void_message.message_id", &message_id)? },
    })
}

fn ask(body: pb::Ask) -> Result<AskBody, Refusal> {
    let pb::Ask { consultation_id, service, urgency, respond_by_time, deadline_time, call_back, continues, question } = body;
    let (about, question) = match question {
        Some(pb::ask::Question::Anonymous(question)) => nobody(question)?,
        Some(pb::ask::Question::Named(pb::NamedQuestion { case_id, question, dossier })) => {
            let case: CaseId = id("case_id", &case_id)?;
            let parsed = read_dossier(&dossier)?;
            (AskAbout::Case { case, package: dossier, dossier: parsed }, question)
        }
        None => return Err(Refusal::field("question", "expected an anonymous or a named question")),
    };
    Ok(AskBody {
        consultation: id("consultation_id", &consultation_id)?,
        service: name("service", service)?,
        urgency: name("urgency", urgency)?,
        respond_by: time("respond_by_time", respond_by_time)?,
        deadline: time("deadline_time", deadline_time)?,
        call_back: name("call_back", call_back)?,
        about,
        question: text("question", question, MAX_TEXT)?,
        continues: optional_id("continues", &continues)?,
    })
}

fn nobody(question: pb::AnonymousQuestion) -> Result<(AskAbout, String), Refusal> {
    let pb::AnonymousQuestion { age, municipality, severity: code, question } = question;
    let age = age.map(|age| u8::try_from(age.min(MAX_AGE + 1)).unwrap_or(u8::MAX));
    if age.is_some_and(|age| u32::from(age) > MAX_AGE) {
        return Err(Refusal::field("age", format!("expected whole years, 0 to {MAX_AGE}")));
    }
    let is_code = |code: &String| (1..=6).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if municipality.as_ref().is_some_and(|code| !is_code(code)) {
        return Err(Refusal::field("municipality", "expected a CBS municipality code"));
    }
    Ok((AskAbout::Nobody { age, municipality, severity: severity(code)? }, question))
}

fn propose(body: pb::ProposeHandover) -> Result<ProposeBody, Refusal> {
    let pb::ProposeHandover {
        offer_id,
        epoch: at,
        content_hash,
        package,
        service,
        urgency,
        respond_by_time,
        call_back,
        by,
        hops,
        is_return,
        consultation_id,
    } = body;
    if hops > MAX_HOPS {
        return Err(Refusal::field("hops", format!("at most {MAX_HOPS}")));
    }
    Ok(ProposeBody {
        offer: id("offer_id", &offer_id)?,
        epoch: epoch(at)?,
        content: content(&content_hash, &package)?,
        dossier: read_dossier(&package)?,
        package,
        service: name("service", service)?,
        urgency: name("urgency", urgency)?,
        respond_by: time("respond_by_time", respond_by_time)?,
        call_back: name("call_back", call_back)?,
        by: actor(by)?,
        hops,
        is_return,
        consultation: optional_id("consultation_id", &consultation_id)?,
    })
}

fn accept(body: pb::AcceptHandover) -> Result<Body, Refusal> {
    let pb::AcceptHandover { offer_id, content_hash, by, read_back, first_action, first_action_time } = body;
    if read_back.len() > MAX_KEY_POINTS {
        return Err(Refusal::field("read_back", format!("at most {MAX_KEY_POINTS}")));
    }
    let in_order = (1..).zip(read_back).map(|(at, ty::ReadBack { point, words })| {
        if point != at || words.trim().is_empty() {
            return Err(Refusal::field("read_back", "expected every key point in order, each in own words"));
        }
        text("read_back", words, MAX_NOTE)
    });
    Ok(Body::Accept {
        offer: id("offer_id", &offer_id)?,
        content: hash("content_hash", &content_hash)?,
        by: actor(by)?,
        read_back: in_order.collect::<Result<_, _>>()?,
        first_action: text("first_action", first_action, MAX_NOTE)?,
        first_action_at: optional_time("first_action_time", first_action_time)?,
    })
}

fn transfer(body: pb::TransferCustody) -> Result<Body, Refusal> {
    let pb::TransferCustody { offer_id, epoch: at, content_hash, package, accept_hash } = body;
    read_dossier(&package)?;
    Ok(Body::Transfer {
        offer: id("offer_id", &offer_id)?,
        epoch: epoch(at)?,
        content: content(&content_hash, &package)?,
        package,
        accept: hash("accept_hash", &accept_hash)?,
    })
}

/// The stated hash, when it is that of the package.
fn content(stated: &[u8], package: &[u8]) -> Result<Hash, Refusal> {
    let stated = hash("content_hash", stated)?;
    if stated == Hash::sha256(package) { Ok(stated) } else { Err(Refusal::field("content_hash", "expected SHA-256 of `package`")) }
}

/// The dossier, checked; the first of its wrong fields when there are any.
fn read_dossier(package: &[u8]) -> Result<Box<Dossier>, Refusal> {
    let checked = decode_dossier(package).and_then(|dossier| dossier.check().map(|()| dossier));
    let first = |wrong: Vec<Refusal>| wrong.into_iter().next().unwrap_or_else(|| Refusal::field("dossier", "expected a valid dossier"));
    checked.map(Box::new).map_err(first)
}
