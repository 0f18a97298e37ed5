//! The form an entry must have: nothing mandatory empty, everything within its bounds.

use serde_json::Value;

use super::parts::{Decision, Event, Object, User, UserKind};
use super::{Entry, EntryError, FORMAT, MAX_OBJECTS, MAX_TEXT, MAX_USERS};

impl Entry {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        ensure(self.format == FORMAT, "v", "a format this version does not know")?;
        self.event.check()?;
        ensure((1..=MAX_USERS).contains(&self.users.len()), "users", "one to eight users")?;
        for (i, user) in self.users.iter().enumerate() {
            user.check(&format!("users[{i}]"))?;
        }
        ensure((1..=MAX_OBJECTS).contains(&self.objects.len()), "objects", "one to sixteen objects")?;
        for (i, object) in self.objects.iter().enumerate() {
            object.check(&format!("objects[{i}]"))?;
        }
        text("source.gateway", &self.source.gateway)?;
        self.decision.check()?;
        let about_client = self.objects.iter().any(|object| object.relation.is_some() && object.consent.is_some());
        ensure(self.client.is_none() || about_client, "objects", "an entry about a client names relation and consent")?;
        optional("trace", self.trace.as_deref())
    }
}

impl Event {
    fn check(&self) -> Result<(), EntryError> {
        let named = self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        ensure(named && (1..=64).contains(&self.code.len()), "event.code", "lower-case letters, digits and hyphens")?;
        let shape = b"0000-00-00T00:00:00.000Z";
        let shaped = self.time.len() == shape.len()
            && self.time.bytes().zip(shape).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == *s });
        ensure(shaped, "event.time", "UTC with milliseconds, such as 2026-11-21T21:47:13.482Z")
    }
}

impl User {
    fn check(&self, path: &str) -> Result<(), EntryError> {
        text(&format!("{path}.id"), &self.id)?;
        text(&format!("{path}.role"), &self.role)?;
        let answered = self.kind != UserKind::Process || self.responsible.is_some();
        ensure(answered, path, "a person answers for what a process does")?;
        if let Some(responsible) = &self.responsible {
            text(&format!("{path}.responsible.id"), &responsible.id)?;
            text(&format!("{path}.responsible.role"), &responsible.role)?;
        }
        if let Some(point) = &self.access_point {
            text(&format!("{path}.access_point.kind"), &point.kind)?;
            text(&format!("{path}.access_point.id"), &point.id)?;
        }
        Ok(())
    }
}

impl Object {
    fn check(&self, path: &str) -> Result<(), EntryError> {
        for (name, value) in [("kind", &self.kind), ("scheme", &self.scheme), ("id", &self.id), ("authorization", &self.authorization)] {
            text(&format!("{path}.{name}"), value)?;
        }
        for (name, value) in [("version", &self.version), ("relation", &self.relation), ("consent", &self.consent)] {
            optional(&format!("{path}.{name}"), value.as_deref())?;
        }
        Ok(())
    }
}

impl Decision {
    fn check(&self) -> Result<(), EntryError> {
        text("decision.rule", &self.rule)?;
        text("decision.sentence", &self.sentence)?;
        optional("decision.purpose", self.purpose.as_deref())?;
        if let Some(covenant) = &self.covenant {
            text("decision.covenant.id", &covenant.id)?;
            text("decision.covenant.clause", &covenant.clause)?;
        }
        Ok(())
    }
}

/// Whether everything of `part` stands at the same place in `whole`.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|given| contains(given, value)))
        }
        (Value::Array(whole), Value::Array(part)) => whole.len() == part.len() && whole.iter().zip(part).all(|(w, p)| contains(w, p)),
        (whole, part) => whole == part,
    }
}

fn text(field: &str, value: &str) -> Result<(), EntryError> {
    ensure(!value.is_empty(), field, "is empty")?;
    ensure(value.chars().count() <= MAX_TEXT, field, "is longer than 512 characters")?;
    ensure(!value.chars().any(|c| c < ' ' || c == '\u{7f}'), field, "has control characters")
}

fn optional(field: &str, value: Option<&str>) -> Result<(), EntryError> {
    value.map_or(Ok(()), |value| text(field, value))
}

pub(super) fn ensure(holds: bool, field: &str, problem: &'static str) -> Result<(), EntryError> {
    if holds { Ok(()) } else { Err(EntryError::Field { field: field.to_owned(), problem }) }
}
