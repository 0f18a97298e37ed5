//! One check per kind of field. Each refusal names the field as a path in the message.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use schakel_domain::bound::{MAX_NAME, MOMENT_EXPECTED};
use schakel_domain::custody::{DeclineCode, Epoch, MAX_EPOCH, Term};
use schakel_domain::dossier::Severity;
use schakel_domain::erasure::Ground;
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_proto::r#type::v1 as ty;
use uuid::Uuid;

use crate::wire::fields::moment_from_wire;

/// An identifier.
pub(super) fn id<T: FromStr<Err: Display>>(path: &str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error| Refusal::field(path, format!("{error}").chars().take(200).collect::<String>()))
}

/// An identifier that may be absent.
pub(super) fn optional_id<T: FromStr<Err: Display>>(path: &str, text: &str) -> Result<Option<T>, Refusal> {
    if text.is_empty() { Ok(None) } else { id(path, text).map(Some) }
}

/// A UUID as text: the thread, and what was seen.
pub(super) fn uuid(path: &str, text: String) -> Result<String, Refusal> {
    let same = Uuid::parse_str(&text).is_ok_and(|uuid| uuid.to_string() == text);
    if same { Ok(text) } else { Err(Refusal::field(path, "expected a lower-case UUID")) }
}

/// A code, name or telephone number: something, on one line.
pub(super) fn name(path: &str, text: String) -> Result<String, Refusal> {
    let fits = (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err(Refusal::field(path, format!("expected 1 to {MAX_NAME} characters on one line"))) }
}

/// Free text; no NUL, which not every store keeps.
pub(super) fn text(path: &str, text: String, max: usize) -> Result<String, Refusal> {
    let fits = text.chars().count() <= max && !text.contains('\0');
    if fits { Ok(text) } else { Err(Refusal::field(path, format!("at most {max} characters, no NUL"))) }
}

/// A number from 1 that fits 63 bits.
pub(super) fn ordinal(path: &str, number: u64) -> Result<u64, Refusal> {
    let fits = number >= 1 && i64::try_from(number).is_ok();
    if fits { Ok(number) } else { Err(Refusal::field(path, "expected a number from 1")) }
}

/// A SHA-256 digest.
pub(super) fn hash(path: &str, bytes: &[u8]) -> Result<Hash, Refusal> {
    bytes.try_into().map(Hash).map_err(|_| Refusal::field(path, "expected 32 bytes"))
}

/// A required moment.
pub(super) fn time(path: &str, at: Option<prost_types::Timestamp>) -> Result<Timestamp, Refusal> {
    optional_time(path, at)?.ok_or_else(|| Refusal::field(path, "expected a moment"))
}

/// A moment that may be absent.
pub(super) fn optional_time(path: &str, at: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>, Refusal> {
    let read = |at| moment_from_wire(at).ok_or_else(|| Refusal::field(path, MOMENT_EXPECTED));
    at.map(read).transpose()
}

/// A person who acts.
pub(super) fn actor(actor: Option<ty::Actor>) -> Result<Actor, Refusal> {
    let Some(ty::Actor { person, name, function }) = actor else {
        return Err(Refusal::field("actor.person", "every act names the responsible person"));
    };
    Actor::parse(&person, &name, &function)
}

/// A custody epoch.
pub(super) fn epoch(epoch: Option<ty::Epoch>) -> Result<Epoch<OrgId>, Refusal> {
    let Some(ty::Epoch { counter, organization, step }) = epoch else {
        return Err(Refusal::field("epoch", "expected an epoch"));
    };
    let within = |path: &str, number: u64| {
        let fits = u32::try_from(number).ok().filter(|number| *number <= MAX_EPOCH);
        fits.ok_or_else(|| Refusal::field(path, format!("at most {MAX_EPOCH}")))
    };
    let term = Term { counter: within("epoch.counter", counter)?, org: id("epoch.organization", &organization)? };
    Ok(Epoch { term, step: within("epoch.step", step)? })
}

/// A coded no.
pub(super) fn decline(code: i32) -> Result<DeclineCode, Refusal> {
    use ty::DeclineCode as Wire;
    match Wire::try_from(code) {
        Ok(Wire::NoCapacity) => Ok(DeclineCode::NoCapacity),
        Ok(Wire::NotThisCare) => Ok(DeclineCode::NotThisCare),
        Ok(Wire::OutsideArea) => Ok(DeclineCode::OutsideArea),
        Ok(Wire::OutsideHours) => Ok(DeclineCode::OutsideHours),
        Ok(Wire::InsufficientInformation) => Ok(DeclineCode::InsufficientInformation),
        // A no with a code of a newer version is still a no.
        Ok(Wire::Other) | Err(_) => Ok(DeclineCode::Other),
        Ok(Wire::Unspecified) => Err(Refusal::field("code", "a no has a code")),
    }
}

/// Severity, which may be absent.
pub(super) fn severity(severity: i32) -> Result<Option<Severity>, Refusal> {
    match ty::Severity::try_from(severity) {
        Ok(ty::Severity::Unspecified) => Ok(None),
        Ok(ty::Severity::Stable) => Ok(Some(Severity::Stable)),
        Ok(ty::Severity::Watcher) => Ok(Some(Severity::Watcher)),
        Ok(ty::Severity::Unstable) => Ok(Some(Severity::Unstable)),
        Err(_) => Err(Refusal::field("severity", "expected a known severity")),
    }
}

/// Why the sender destroyed its file. A ground of a newer version is refused: people here could not judge it.
pub(super) fn erasure_ground(ground: i32) -> Result<Ground, Refusal> {
    crate::wire::words::erasure_ground_from_wire(ground).ok_or_else(|| Refusal::field("ground", "expected a known ground"))
}
