//! What may be known of a young person: identity, legal status, and the warm handover. Sealed at rest, trimmed before it travels.
//!
//! A dossier is data; what leaves the organisation is decided by the covenant's dataset (`dossier/mask.rs`).
//! The handover follows SBAR and I-PASS, closed by a read-back of up to three key points.

mod bsn;
mod legal;
mod mask;
mod scan;

pub use bsn::Bsn;
pub use legal::{Authority, Basis, Consent, ConsentBy, CourtOrder, IdentityStatus, LegalStatus, OrderState, Regime};
pub use mask::{present, trim};
pub use scan::{Finding, scan};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::bound::{MOMENT_EXPECTED, is_moment};
use crate::personal::{Personal, Words};
use crate::refusal::Refusal;

/// Most key points a receiver must read back.
pub const MAX_KEY_POINTS: usize = 3;
/// Longest free text, in characters.
pub const MAX_TEXT: usize = 4_000;
/// Longest list of anything in a dossier.
pub const MAX_ITEMS: usize = 20;

/// Everything known of one young person in one crisis. Every part may be absent: a crisis does not wait for a form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dossier {
    /// Who the young person is.
    pub identity: Identity,
    /// Age in whole years when the birth date is unknown or does not travel.
    pub age: Option<u8>,
    /// Legal status.
    pub legal: Option<LegalStatus>,
    /// People around the young person.
    pub contacts: Vec<Contact>,
    /// Where the young person is now, in words.
    pub whereabouts: Words,
    /// SBAR: what is happening now.
    pub situation: Words,
    /// SBAR: what came before.
    pub background: Words,
    /// SBAR: what we make of it.
    pub assessment: Words,
    /// SBAR: what we ask.
    pub recommendation: Words,
    /// I-PASS illness severity.
    pub severity: Option<Severity>,
    /// Agreed actions.
    pub actions: Vec<ActionItem>,
    /// If-then plan.
    pub contingencies: Vec<Contingency>,
    /// What makes this unsafe.
    pub safety: Safety,
    /// At most three points the receiver repeats in own words.
    pub key_points: Vec<Words>,
}

/// Identity. Absent fields are unknown, not empty. BSN is optional: in urgent cases duties about it wait (Jeugdwet 7.2.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Surname.
    pub family_name: Option<Words>,
    /// First names.
    pub given_names: Option<Words>,
    /// Date of birth.
    pub birth_date: Option<Personal<Date>>,
    /// Sex as registered: `male`, `female`, `other`, `unknown` (FHIR administrative gender).
    pub sex: Option<Words>,
    /// Citizen service number.
    pub bsn: Option<Bsn>,
    /// Postal code, `1234AB`.
    pub postal_code: Option<Words>,
    /// House number with addition.
    pub house_number: Option<Words>,
    /// Address in words.
    pub address: Option<Words>,
    /// Telephone of the young person.
    pub telephone: Option<Words>,
    /// CBS code of the municipality held responsible.
    pub municipality: Option<String>,
}

/// Somebody around the young person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Name.
    pub name: Words,
    /// Relation, such as `moeder`, `mentor`.
    pub relation: Words,
    /// Telephone.
    pub telephone: Option<Words>,
    /// Whether this person may be called.
    pub kind: ContactKind,
}

/// How a person around the young person may be approached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactKind {
    /// Holds parental authority or guardianship.
    AuthorityHolder,
    /// Safe to call.
    Safe,
    /// A danger to the young person: never call through this person.
    Unsafe,
}

/// I-PASS illness severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Stable.
    Stable,
    /// Needs watching.
    Watcher,
    /// Unstable.
    Unstable,
}

/// One agreed action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionItem {
    /// What.
    pub what: Words,
    /// Who does it, in words.
    pub who: Words,
    /// By when.
    pub by: Option<Timestamp>,
}

/// If this happens, then do that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contingency {
    /// If.
    pub when: Words,
    /// Then.
    pub then: Words,
}

/// The safety block. Marks protect fields: see [`trim`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Safety {
    /// The address is secret; it never travels unless the receiver needs it and the covenant says so.
    pub hidden_address: bool,
    /// A parent is a danger; contacts marked unsafe never travel unless needed and allowed.
    pub danger_from_parent: bool,
    /// Danger to self.
    pub self_harm: bool,
    /// Danger to others.
    pub aggression: bool,
    /// What has been agreed to stay safe tonight.
    pub plan: Words,
}

impl Dossier {
    /// Checks bounds and formats; all problems at once.
    ///
    /// # Errors
    /// One refusal per wrong field, each with its path and what is expected.
    pub fn check(&self) -> Result<(), Vec<Refusal>> {
        let mut wrong = Vec::new();
        let mut text = |path: &str, value: &str, max: usize| {
            if value.chars().count() > max {
                wrong.push(Refusal::field(path, format!("at most {max} characters")));
            }
        };
        for (path, value) in [
            ("whereabouts", &self.whereabouts),
            ("situation", &self.situation),
            ("background", &self.background),
            ("assessment", &self.assessment),
            ("recommendation", &self.recommendation),
            ("safety.plan", &self.safety.plan),
        ] {
            text(path, value.reveal(), MAX_TEXT);
        }
        let id = &self.identity;
        for (path, value) in [
            ("identity.family_name", &id.family_name),
            ("identity.given_names", &id.given_names),
            ("identity.house_number", &id.house_number),
            ("identity.address", &id.address),
            ("identity.telephone", &id.telephone),
        ] {
            text(path, shown(value.as_ref()), 200);
        }
        for (at, contact) in self.contacts.iter().enumerate() {
            text(&format!("contacts[{at}]"), &format!("{}{}", contact.name.reveal(), contact.relation.reveal()), 200);
            text(&format!("contacts[{at}].telephone"), shown(contact.telephone.as_ref()), 200);
        }
        for (at, item) in self.actions.iter().enumerate() {
            text(&format!("actions[{at}]"), &format!("{}{}", item.what.reveal(), item.who.reveal()), 500);
        }
        for (at, item) in self.contingencies.iter().enumerate() {
            text(&format!("contingencies[{at}]"), &format!("{}{}", item.when.reveal(), item.then.reveal()), 500);
        }
        for (at, point) in self.key_points.iter().enumerate() {
            text(&format!("key_points[{at}]"), point.reveal(), 200);
        }
        self.check_formats(&mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn check_formats(&self, wrong: &mut Vec<Refusal>) {
        for (path, length, max) in [
            ("contacts", self.contacts.len(), MAX_ITEMS),
            ("actions", self.actions.len(), MAX_ITEMS),
            ("contingencies", self.contingencies.len(), MAX_ITEMS),
            ("key_points", self.key_points.len(), MAX_KEY_POINTS),
        ] {
            if length > max {
                wrong.push(Refusal::field(path, format!("at most {max}")));
            }
        }
        if self.key_points.iter().any(|point| point.reveal().trim().is_empty()) {
            wrong.push(Refusal::field("key_points", "a key point has words"));
        }
        if self.age.is_some_and(|age| age > 130) {
            wrong.push(Refusal::field("age", "expected whole years, 0 to 130"));
        }
        let id = &self.identity;
        if id.postal_code.as_ref().is_some_and(|code| !is_postal_code(code.reveal())) {
            wrong.push(Refusal::field("identity.postal_code", "expected four digits and two letters, 6811AB"));
        }
        if id.sex.as_ref().is_some_and(|sex| !["male", "female", "other", "unknown"].contains(&sex.reveal().as_str())) {
            wrong.push(Refusal::field("identity.sex", "expected male, female, other or unknown"));
        }
        if id.municipality.as_deref().is_some_and(|code| code.len() != 4 || !code.bytes().all(|b| b.is_ascii_digit())) {
            wrong.push(Refusal::field("identity.municipality", "expected a CBS municipality code of four digits, such as 0202"));
        }
        for (at, _) in self.actions.iter().enumerate().filter(|(_, item)| item.by.is_some_and(|by| !is_moment(by))) {
            wrong.push(Refusal::field(format!("actions[{at}].by"), MOMENT_EXPECTED));
        }
        if let Some(legal) = &self.legal {
            legal.check(wrong);
        }
    }

    /// Age in whole years on a day: from the birth date, else as stated.
    #[must_use]
    pub fn age_on(&self, day: Date) -> Option<u8> {
        let from_birth = self.identity.birth_date.as_ref().and_then(|birth| {
            let birth = birth.reveal();
            let years = i32::from(day.year()) - i32::from(birth.year());
            let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
            u8::try_from(if had_birthday { years } else { years - 1 }).ok()
        });
        from_birth.or(self.age)
    }
}

/// The text of a field that may be absent, to be measured.
fn shown(field: Option<&Words>) -> &str {
    field.map_or("", |field| field.reveal())
}

fn is_postal_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 6 && bytes[0] != b'0' && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4..].iter().all(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let dossier = Dossier {
            key_points: vec!["a".into(); 4],
            identity: Identity { postal_code: Some("123".into()), ..Identity::default() },
            situation: "x".repeat(MAX_TEXT + 1).into(),
            ..Dossier::default()
        };

        let fields: Vec<_> = dossier.check().unwrap_err().into_iter().filter_map(|r| r.field).collect();

        assert_eq!(fields, ["situation", "key_points", "identity.postal_code"]);
    }

    #[test]
    fn age_turns_on_the_birthday() {
        let born = |text: &str| Dossier {
            identity: Identity { birth_date: text.parse::<Date>().ok().map(Personal::new), ..Identity::default() },
            ..Dossier::default()
        };
        let day = "2026-11-22".parse().unwrap();

        assert_eq!(born("2014-11-22").age_on(day), Some(12));
        assert_eq!(born("2014-11-23").age_on(day), Some(11));
    }
}
