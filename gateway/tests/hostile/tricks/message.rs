//! Messages that cannot be read, or are not this peer's to send. The batch around them is as it should be.

use prost::Message as _;
use schakel_domain::message::MAX_MESSAGE_BYTES;
use schakel_proto::federation::v1 as pb;
use schakel_proto::r#type::v1 as ty;

use super::{Attempt, tricks};
use crate::stage::Stage;

/// A good offer on the wire, with something changed.
fn offer(stage: &Stage, change: impl FnOnce(&mut pb::Message)) -> Attempt {
    let mut message = pb::Message::decode(stage.bytes(&stage.proposal().1).as_slice()).unwrap();
    change(&mut message);
    Attempt::Message(message.encode_to_vec())
}

fn propose(message: &mut pb::Message) -> &mut pb::ProposeHandover {
    match &mut message.body {
        Some(pb::message::Body::ProposeHandover(propose)) => propose,
        other => panic!("{other:?}"),
    }
}

/// A good anonymous question on the wire, with something changed.
fn anonymous(stage: &Stage, change: impl FnOnce(&mut pb::Message)) -> Vec<u8> {
    let mut message = pb::Message::decode(stage.bytes(&stage.anonymous()).as_slice()).unwrap();
    change(&mut message);
    message.encode_to_vec()
}

fn ask(message: &mut pb::Message) -> &mut pb::Ask {
    match &mut message.body {
        Some(pb::message::Body::Ask(ask)) => ask,
        other => panic!("{other:?}"),
    }
}

/// Puts a field inside the anonymous question: its number, and a text. The lengths around it are made right.
fn with_field_inside(stage: &Stage, number: u32, text: &str) -> Vec<u8> {
    let mut message = pb::Message::decode(stage.bytes(&stage.anonymous()).as_slice()).unwrap();
    let mut inner = match &ask(&mut message).question {
        Some(pb::ask::Question::Anonymous(question)) => question.encode_to_vec(),
        other => panic!("{other:?}"),
    };
    inner.extend(field(number, text.as_bytes()));
    ask(&mut message).question = None;
    let mut body = ask(&mut message).encode_to_vec();
    body.extend(field(10, &inner));
    message.body = None;
    let mut bytes = message.encode_to_vec();
    bytes.extend(field(20, &body));
    bytes
}

/// One length-delimited field.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn at(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos })
}

tricks! {
    "bytes that are no message" => Refused(InvalidField), _stage { Attempt::Message(b"no message".to_vec()) }
    "no bytes" => Refused(UnsupportedMessage), _stage { Attempt::Message(Vec::new()) }
    "a message of one byte too many" => Refused(MessageTooLarge), _stage { Attempt::Message(vec![0; MAX_MESSAGE_BYTES + 1]) }
    "a body of a later version" => Refused(UnsupportedMessage), stage {
        let mut message = pb::Message::decode(stage.bytes(&stage.proposal().1).as_slice()).unwrap();
        message.body = None;
        let mut bytes = message.encode_to_vec();
        bytes.extend(field(99, b"later"));
        Attempt::Message(bytes)
    }
    "a message of another sender" => Refused(IdentityMismatch), stage { offer(stage, |m| m.sender = "ura:90000103".to_owned()) }
    "a message for another receiver" => Refused(IdentityMismatch), stage { offer(stage, |m| m.receiver = "ura:90000103".to_owned()) }
    "a message in the victim's name" => Refused(IdentityMismatch), stage { offer(stage, |m| m.sender.clone_from(&m.receiver)) }
    "a later incarnation than the hello's" => Refused(InvalidField), stage { offer(stage, |m| m.incarnation = 2) }
    "an incarnation beyond 63 bits" => Refused(InvalidField), stage { offer(stage, |m| m.incarnation = u64::MAX) }
    "a message id that is none" => Refused(InvalidField), stage { offer(stage, |m| m.message_id = "1".to_owned()) }
    "a thread that is a path" => Refused(InvalidField), stage { offer(stage, |m| m.thread = "../../etc/passwd".to_owned()) }
    "a thread in capitals" => Refused(InvalidField), stage { offer(stage, |m| m.thread = m.thread.to_uppercase() + "A") }
    "position zero" => Refused(InvalidField), stage { offer(stage, |m| m.sequence = 0) }
    "a position beyond 63 bits" => Refused(InvalidField), stage { offer(stage, |m| m.sequence = u64::MAX) }
    "a clock in the year 9999" => Refused(InvalidField), stage { offer(stage, |m| m.sent_time = at(253_402_300_799, 0)) }
    "a clock beyond every year" => Refused(InvalidField), stage { offer(stage, |m| m.sent_time = at(i64::MAX, 0)) }
    "negative nanoseconds" => Refused(InvalidField), stage { offer(stage, |m| m.sent_time = at(1_800_000_000, -1)) }
    "no clock" => Refused(InvalidField), stage { offer(stage, |m| m.sent_time = None) }
    "no covenant" => Refused(InvalidField), stage { offer(stage, |m| m.covenant = None) }
    "half a hash of the covenant" => Refused(InvalidField), stage { offer(stage, |m| m.covenant.as_mut().unwrap().hash.truncate(16)) }
    "version zero of the covenant" => Refused(InvalidField), stage { offer(stage, |m| m.covenant.as_mut().unwrap().version = 0) }
    "a clause of two lines" => Refused(InvalidField), stage { offer(stage, |m| m.clause = "4.5\n9.9".to_owned()) }
    "nobody who offers" => Refused(InvalidField), stage { offer(stage, |m| propose(m).by = None) }
    "a package that is no dossier" => Refused(InvalidField), stage {
        offer(stage, |m| {
            propose(m).package = vec![0xff; 32];
            propose(m).content_hash = schakel_domain::id::Hash::sha256(&[0xff; 32]).0.to_vec();
        })
    }
    "a hash that is not that of the package" => Refused(InvalidField), stage { offer(stage, |m| propose(m).content_hash = vec![7; 32]) }
    "an epoch beyond all bounds" => Refused(InvalidField), stage {
        offer(stage, |m| propose(m).epoch.as_mut().unwrap().counter = u64::MAX)
    }
    "more hops than a case can make" => Refused(InvalidField), stage { offer(stage, |m| propose(m).hops = u32::MAX) }
    "a service of a megabyte's beginning" => Refused(InvalidField), stage { offer(stage, |m| propose(m).service = "x".repeat(100_000)) }
    "a no without a code" => Refused(InvalidField), stage {
        let thread = crate::peer::fresh().to_string();
        offer(stage, |m| {
            m.thread.clone_from(&thread);
            let offer_id = crate::peer::fresh().to_string();
            m.body = Some(pb::message::Body::DeclineHandover(pb::DeclineHandover { offer_id, code: 0, note: String::new() }));
        })
    }
    "a note with a NUL" => Refused(InvalidField), stage {
        offer(stage, |m| {
            let offer_id = crate::peer::fresh().to_string();
            let code = ty::DeclineCode::Other.into();
            m.body = Some(pb::message::Body::DeclineHandover(pb::DeclineHandover { offer_id, code, note: "a\0b".to_owned() }));
        })
    }
    "a severity nobody knows" => Refused(InvalidField), stage {
        Attempt::Message(anonymous(stage, |m| {
            let Some(pb::ask::Question::Anonymous(question)) = &mut ask(m).question else { panic!() };
            question.severity = 99;
        }))
    }
    "an age of a thousand years" => Refused(InvalidField), stage {
        Attempt::Message(anonymous(stage, |m| {
            let Some(pb::ask::Question::Anonymous(question)) = &mut ask(m).question else { panic!() };
            question.age = Some(1_000);
        }))
    }
    "an anonymous question in the thread of a case" => Refused(InvalidField), stage {
        Attempt::Message(anonymous(stage, |m| m.thread = crate::peer::fresh().to_string()))
    }
    "a name hidden in an anonymous question" => Refused(IdentityInAnonymous), stage {
        Attempt::Message(with_field_inside(stage, 77, "Noor Testpersoon"))
    }
    "a second question behind an anonymous one" => Refused(IdentityInAnonymous), stage {
        let mut bytes = anonymous(stage, |_| {});
        let mut body = Vec::new();
        let mut message = pb::Message::decode(bytes.as_slice()).unwrap();
        ask(&mut message).encode(&mut body).unwrap();
        bytes.extend(field(20, &body));
        Attempt::Message(bytes)
    }
}
