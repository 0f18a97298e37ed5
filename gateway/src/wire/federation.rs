//! WIRE, federation: a [`Message`] to its exact bytes and back.
//!
//! [`encode`] gives the bytes that are hashed, signed and stored; [`decode`] believes nothing: every field is checked and bounded,
//! and a message is either whole or refused with the field that is wrong. Fields this version does not know are passed over, as
//! newer gateways may send them, except in an anonymous question, which must be provably anonymous.

mod anonymous;
mod checks;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{decode, incarnation_of};
pub use encode::{encode, void_of};

use schakel_domain::message::Message;
use schakel_domain::refusal::Refusal;

/// The name of a message's kind, or `unreadable`; for whoever stores a message that was refused.
#[must_use]
pub fn kind_of(message: Result<&Message, &Refusal>) -> &'static str {
    message.map_or("unreadable", |message| message.body.kind())
}
