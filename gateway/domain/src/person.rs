//! People who act: workers, not clients. Every act names one; a client is only ever named inside a sealed dossier.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bound::MAX_NOTE;
use crate::refusal::Refusal;

/// A worker's id in a register, written `scheme:value`: `uzi`, `big`, `skj`, or `local` for the organisation's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonId(String);

const SCHEMES: [&str; 4] = ["uzi", "big", "skj", "local"];
const MAX_ID: usize = 64;

impl PersonId {
    /// Reads `scheme:value`; a value alone is the organisation's own (`local:`).
    ///
    /// # Errors
    /// When the scheme is unknown, or the value is empty, longer than 64 characters or not plain ASCII.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (scheme, value) = text.split_once(':').unwrap_or(("local", text));
        let plain = !value.is_empty() && value.len() <= MAX_ID && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@".contains(&b));
        if !SCHEMES.contains(&scheme) || !plain {
            return Err(Refusal::field("actor.person", "expected uzi:, big:, skj: or local: and at most 64 letters, digits, -._@"));
        }
        Ok(Self(format!("{scheme}:{value}")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PersonId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<PersonId> for String {
    fn from(id: PersonId) -> String {
        id.0
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who answers for an act: always a natural person (NEN 7513 7.3.6), beside the system that carried it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person.
    pub person: PersonId,
    /// The name shown to the other organisation on the telephone, such as `K. de Wit`; sealed wherever it is stored.
    pub name: String,
    /// The function, such as `verpleegkundige crisisdienst`; NEN 7513 7.3.4.
    pub function: String,
}

impl Actor {
    /// Parses an actor.
    ///
    /// # Errors
    /// A refusal that names the field: person, name or function (each 1 to 100 characters on one line).
    pub fn parse(person: &str, name: &str, function: &str) -> Result<Self, Refusal> {
        let within = |text: &str| (1..=100).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
        if person.is_empty() {
            return Err(Refusal::field("actor.person", "every act names the responsible person"));
        }
        if !within(name) {
            return Err(Refusal::field("actor.name", "expected 1 to 100 characters on one line"));
        }
        if !within(function) {
            return Err(Refusal::field("actor.function", "expected 1 to 100 characters on one line"));
        }
        Ok(Self { person: PersonId::parse(person)?, name: name.trim().to_owned(), function: function.trim().to_owned() })
    }
}

/// Two different people who together do what one may not: forced reclaim, resolving a contested case, releasing a pledge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoPeople {
    /// The one who acts.
    pub first: Actor,
    /// The one who confirms.
    pub second: Actor,
    /// The telephone call they record: with whom, in words.
    pub called: String,
    /// Why.
    pub reason: String,
}

impl TwoPeople {
    /// Joins two people and the call they record.
    ///
    /// # Errors
    /// `SECOND_PERSON_REQUIRED` when both are the same person, a wrong field when call or reason is empty or over 500 characters.
    pub fn parse(first: Actor, second: Actor, called: &str, reason: &str) -> Result<Self, Refusal> {
        if first.person == second.person {
            let same = Refusal::new(crate::refusal::Stage::Caller, crate::refusal::Reason::SecondPersonRequired);
            return Err(same.because("both are the same person"));
        }
        for (path, text) in [("called", called), ("reason", reason)] {
            if !(1..=MAX_NOTE).contains(&text.trim().chars().count()) {
                return Err(Refusal::field(path, format!("expected 1 to {MAX_NOTE} characters")));
            }
        }
        Ok(Self { first, second, called: called.trim().to_owned(), reason: reason.trim().to_owned() })
    }
}

crate::shows_its_name!(Actor, TwoPeople);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Reason;

    #[test]
    fn one_person_cannot_be_two() {
        let actor = |person| Actor::parse(person, "K. de Wit", "coördinator").unwrap();

        let refused = TwoPeople::parse(actor("skj:1"), actor("skj:1"), "N. Vos, GGNet", "geen antwoord").unwrap_err();

        assert_eq!(refused.reason, Reason::SecondPersonRequired);
    }

    #[test]
    fn an_act_without_a_person_is_refused_by_field() {
        assert_eq!(Actor::parse("", "K. de Wit", "arts").unwrap_err().field.as_deref(), Some("actor.person"));
        assert_eq!(Actor::parse("uzi:1", " ", "arts").unwrap_err().field.as_deref(), Some("actor.name"));
    }
}
