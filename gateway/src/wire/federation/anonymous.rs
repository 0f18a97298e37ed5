//! Whether the bytes of an anonymous question can hold nothing but an anonymous question.
//!
//! A parser that keeps the last of two answers, or passes over what it does not know, would let a named question travel, and be
//! stored, inside a message that reads as anonymous.

use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_proto::federation::v1 as pb;

/// Field numbers in `message.proto`.
const ASK: u32 = 20;
const ANONYMOUS: u32 = 10;
const NAMED: u32 = 11;
/// First field number of a body; below it is the envelope.
const FIRST_BODY: u32 = 20;

/// Checks the bytes of a message whose parsed body is an anonymous question.
pub(super) fn check(message: &[u8]) -> Result<(), Refusal> {
    let refused = || Refusal::new(Stage::Door, Reason::IdentityInAnonymous);
    let bodies: Vec<_> = fields(message).ok_or_else(refused)?.into_iter().filter(|(tag, _)| *tag >= FIRST_BODY).collect();
    let [(ASK, Some(ask))] = bodies.as_slice() else { return Err(refused().because("more than one body")) };
    let questions: Vec<_> = fields(ask).ok_or_else(refused)?.into_iter().filter(|(tag, _)| [ANONYMOUS, NAMED].contains(tag)).collect();
    let [(ANONYMOUS, Some(question))] = questions.as_slice() else { return Err(refused().because("more than one question")) };
    let again = pb::AnonymousQuestion::decode(*question).map_err(|_| refused())?.encode_to_vec();
    if again == *question { Ok(()) } else { Err(refused().because("a field that is not part of an anonymous question")) }
}

/// A field as written: its number, and its bytes when it is length-delimited.
type Written<'a> = (u32, Option<&'a [u8]>);

/// The fields of a message in the order written.
fn fields(mut rest: &[u8]) -> Option<Vec<Written<'_>>> {
    let mut found = Vec::new();
    while rest.has_remaining() {
        let (tag, wire) = decode_key(&mut rest).ok()?;
        if wire == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            found.push((tag, Some(value)));
            rest = after;
        } else {
            skip_field(wire, tag, &mut rest, DecodeContext::default()).ok()?;
            found.push((tag, None));
        }
    }
    Some(found)
}
