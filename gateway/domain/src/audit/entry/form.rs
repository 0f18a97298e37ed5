//! The form an entry must have: nothing mandatory empty, everything within its bounds.

use std::fmt::{Arguments, Display};

use serde_json::Value;

use super::parts::{Decision, Event, Object, User, UserKind};
use super::{Entry, EntryError, FORMAT, MAX_OBJECTS, MAX_SENTENCE, MAX_TEXT, MAX_USERS};

impl Entry {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        ensure(self.format == FORMAT, "v", "a format this version does not know")?;
        self.event.check()?;
        ensure((1..=MAX_USERS).contains(&self.users.len()), "users", "one to eight users")?;
        for (i, user) in self.users.iter().enumerate() {
            user.check(format_args!("users[{i}]"))?;
        }
        ensure((1..=MAX_OBJECTS).contains(&self.objects.len()), "objects", "one to sixteen objects")?;
        for (i, object) in self.objects.iter().enumerate() {
            object.check(format_args!("objects[{i}]"))?;
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
    fn check(&self, path: Arguments<'_>) -> Result<(), EntryError> {
        text(format_args!("{path}.id"), &self.id)?;
        text(format_args!("{path}.role"), &self.role)?;
        let answered = self.kind != UserKind::Process || self.responsible.is_some();
        ensure(answered, path, "a person answers for what a process does")?;
        if let Some(responsible) = &self.responsible {
            text(format_args!("{path}.responsible.id"), &responsible.id)?;
            text(format_args!("{path}.responsible.role"), &responsible.role)?;
        }
        if let Some(point) = &self.access_point {
            text(format_args!("{path}.access_point.kind"), &point.kind)?;
            text(format_args!("{path}.access_point.id"), &point.id)?;
        }
        Ok(())
    }
}

impl Object {
    fn check(&self, path: Arguments<'_>) -> Result<(), EntryError> {
        for (name, value) in [("kind", &self.kind), ("scheme", &self.scheme), ("id", &self.id), ("authorization", &self.authorization)] {
            text(format_args!("{path}.{name}"), value)?;
        }
        for (name, value) in [("version", &self.version), ("relation", &self.relation), ("consent", &self.consent)] {
            optional(format_args!("{path}.{name}"), value.as_deref())?;
        }
        Ok(())
    }
}

impl Decision {
    fn check(&self) -> Result<(), EntryError> {
        text("decision.rule", &self.rule)?;
        bounded("decision.sentence", &self.sentence, MAX_SENTENCE, "is longer than 2,560 characters")?;
        optional("decision.purpose", self.purpose.as_deref())?;
        if let Some(covenant) = &self.covenant {
            text("decision.covenant.id", &covenant.id)?;
            text("decision.covenant.clause", &covenant.clause)?;
        }
        Ok(())
    }
}

/// Serde also reads a struct from an array; the format has objects only.
pub(super) fn check_shape(value: &Value) -> Result<(), EntryError> {
    parts_are_objects("entry", value, &["event", "source", "decision", "peer", "custody"])?;
    parts_are_objects("decision", &value["decision"], &["covenant"])?;
    for (list, parts) in [("users", &["responsible", "access_point"][..]), ("objects", &[])] {
        for item in value[list].as_array().into_iter().flatten() {
            parts_are_objects(list, item, parts)?;
        }
    }
    Ok(())
}

fn parts_are_objects(name: &str, value: &Value, parts: &[&str]) -> Result<(), EntryError> {
    let object = |value: &Value| value.is_object() || value.is_null();
    let shaped = object(value) && parts.iter().all(|part| object(&value[part]));
    ensure(shaped, name, "a part has another shape than the format's")
}

fn text(field: impl Display + Copy, value: &str) -> Result<(), EntryError> {
    bounded(field, value, MAX_TEXT, "is longer than 512 characters")
}

fn bounded(field: impl Display + Copy, value: &str, most: usize, too_long: &'static str) -> Result<(), EntryError> {
    ensure(!value.is_empty(), field, "is empty")?;
    ensure(value.chars().count() <= most, field, too_long)?;
    ensure(!value.chars().any(|c| c < ' ' || c == '\u{7f}'), field, "has control characters")
}

fn optional(field: impl Display + Copy, value: Option<&str>) -> Result<(), EntryError> {
    value.map_or(Ok(()), |value| text(field, value))
}

fn ensure(holds: bool, field: impl Display, problem: &'static str) -> Result<(), EntryError> {
    if holds { Ok(()) } else { Err(EntryError::Field { field: field.to_string(), problem }) }
}
