//! The words all doors share: actors and coded reasons.

use schakel_domain::custody::DeclineCode;
use schakel_domain::erasure::Ground;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Refusal, Stage};
use schakel_proto::r#type::v1 as wire;

use super::fields::Fields;

/// Reads the person who answers for an act; `path` is where it stands in the message.
pub fn actor_from_wire(fields: &mut Fields, path: &str, message: Option<&wire::Actor>) -> Option<Actor> {
    let Some(message) = message else {
        fields.wrong(path, "every act names the responsible person: person, name and function");
        return None;
    };
    // The domain stops at the first problem; each field is tried beside two that are right, so that all problems are told.
    let tries = [
        Actor::parse(&message.person, "-", "-"),
        Actor::parse("local:-", &message.name, "-"),
        Actor::parse("local:-", "-", &message.function),
    ];
    let mut fine = true;
    for refusal in tries.into_iter().filter_map(Result::err) {
        fine = false;
        fields.note(moved(refusal, path));
    }
    let read = [&message.name, &message.function].iter().all(|text| !text.contains(char::is_control));
    if fine && !read {
        fields.wrong(path, "no control characters");
    }
    if !fine || !read {
        return None;
    }
    Actor::parse(&message.person, &message.name, &message.function).ok()
}

/// The domain calls an actor's fields `actor.…`; here they stand under another name.
fn moved(mut refusal: Refusal, path: &str) -> Refusal {
    refusal.stage = Stage::Door;
    refusal.field = refusal.field.map(|field| field.strip_prefix("actor").map_or_else(|| field.clone(), |rest| format!("{path}{rest}")));
    refusal
}

/// The wire form of an actor.
#[must_use]
pub fn actor_to_wire(actor: &Actor) -> wire::Actor {
    wire::Actor { person: actor.person.as_str().to_owned(), name: actor.name.clone(), function: actor.function.clone() }
}

/// Why a file is destroyed; none for a ground that is not said or not known.
#[must_use]
pub fn erasure_ground_from_wire(number: i32) -> Option<Ground> {
    match wire::ErasureGround::try_from(number) {
        Ok(wire::ErasureGround::ClientRequest) => Some(Ground::ClientRequest),
        Ok(wire::ErasureGround::RetentionEnded) => Some(Ground::RetentionEnded),
        Ok(wire::ErasureGround::Unspecified) | Err(_) => None,
    }
}

/// The wire form of a ground.
#[must_use]
pub fn erasure_ground(ground: Ground) -> wire::ErasureGround {
    match ground {
        Ground::ClientRequest => wire::ErasureGround::ClientRequest,
        Ground::RetentionEnded => wire::ErasureGround::RetentionEnded,
    }
}

/// Reads why somebody says no.
pub fn decline_code_from_wire(fields: &mut Fields, path: &str, number: i32) -> Option<DeclineCode> {
    match wire::DeclineCode::try_from(number) {
        Ok(wire::DeclineCode::NoCapacity) => Some(DeclineCode::NoCapacity),
        Ok(wire::DeclineCode::NotThisCare) => Some(DeclineCode::NotThisCare),
        Ok(wire::DeclineCode::OutsideArea) => Some(DeclineCode::OutsideArea),
        Ok(wire::DeclineCode::OutsideHours) => Some(DeclineCode::OutsideHours),
        Ok(wire::DeclineCode::InsufficientInformation) => Some(DeclineCode::InsufficientInformation),
        Ok(wire::DeclineCode::Other) => Some(DeclineCode::Other),
        Ok(wire::DeclineCode::Unspecified) | Err(_) => {
            fields.wrong(path, "expected NO_CAPACITY, NOT_THIS_CARE, OUTSIDE_AREA, OUTSIDE_HOURS, INSUFFICIENT_INFORMATION or OTHER");
            None
        }
    }
}

/// The wire form of a coded no.
#[must_use]
pub fn decline_code_to_wire(code: DeclineCode) -> wire::DeclineCode {
    match code {
        DeclineCode::NoCapacity => wire::DeclineCode::NoCapacity,
        DeclineCode::NotThisCare => wire::DeclineCode::NotThisCare,
        DeclineCode::OutsideArea => wire::DeclineCode::OutsideArea,
        DeclineCode::OutsideHours => wire::DeclineCode::OutsideHours,
        DeclineCode::InsufficientInformation => wire::DeclineCode::InsufficientInformation,
        DeclineCode::Other => wire::DeclineCode::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_actor_and_every_wrong_part_of_one_are_named() {
        let mut fields = Fields::new();
        let empty = wire::Actor { person: "passport:1".to_owned(), ..wire::Actor::default() };

        assert!(actor_from_wire(&mut fields, "actor", None).is_none());
        assert!(actor_from_wire(&mut fields, "second_actor", Some(&empty)).is_none());

        let paths: Vec<_> = fields.refusals().into_iter().filter_map(|refusal| refusal.field).collect();
        assert_eq!(paths, ["actor", "second_actor.person", "second_actor.name", "second_actor.function"]);
    }

    #[test]
    fn an_actor_and_every_code_come_back() {
        let mut fields = Fields::new();
        let actor = Actor::parse("skj:190012345", "K. de Wit", "gedragswetenschapper").unwrap();

        assert_eq!(actor_from_wire(&mut fields, "actor", Some(&actor_to_wire(&actor))), Some(actor));
        for number in 1..=6 {
            let code = decline_code_from_wire(&mut fields, "code", number).unwrap();
            assert_eq!(i32::from(decline_code_to_wire(code)), number);
        }
        assert!(decline_code_from_wire(&mut fields, "code", 0).is_none());
    }
}
