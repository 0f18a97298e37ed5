//! Strict JSON for hostile senders: bounded, no duplicate names, no unknown fields, and every problem named by its path at once.
//!
//! Derived deserialisers stop at the first mistake and know no paths; a worker who must correct a file by hand wants the whole list.
//! Texts of the sender never appear in a problem, except a field name that looks like one.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use schakel_domain::bound::{MOMENT_EXPECTED, is_moment};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Rejection;

/// Deepest nesting accepted; the deepest the formats here use is five.
pub(crate) const MAX_DEPTH: usize = 16;

/// A parsed document. Objects are sorted, so that it serialises to one canonical form.
#[derive(Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Parses bytes: UTF-8, with or without byte order mark.
pub(crate) fn parse(bytes: &[u8], max_bytes: usize) -> Result<Json, Refusal> {
    if bytes.len() > max_bytes {
        let large = Refusal { field: Some("file".to_owned()), ..Refusal::new(Stage::Door, Reason::MessageTooLarge) };
        return Err(large.because(format!("at most {max_bytes} bytes")));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|wrong| Refusal::field("file", format!("expected UTF-8; byte {} is not", wrong.valid_up_to() + 1)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if depth(text) > MAX_DEPTH {
        return Err(Refusal::field("file", format!("nested at most {MAX_DEPTH} deep")));
    }
    serde_json::from_str(text).map_err(|wrong| Refusal::field("file", format!("not valid JSON: {wrong}")))
}

/// Deepest nesting of brackets outside texts, found without recursion.
fn depth(text: &str) -> usize {
    let (mut now, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                now += 1;
                deepest = deepest.max(now);
            }
            b']' | b'}' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A field name as it may be repeated to the sender: anything that does not look like a name might be content.
fn shown(name: &str) -> &str {
    let plain = (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    if plain { name } else { "(a field with an unusual name)" }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("`{}` is there twice", shown(&name))));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => to.serialize_unit(),
            Json::Bool(value) => to.serialize_bool(*value),
            Json::Number(value) => value.serialize(to),
            Json::Text(value) => to.serialize_str(value),
            Json::List(items) => to.collect_seq(items),
            Json::Object(entries) => to.collect_map(entries),
        }
    }
}

/// The fields of one object: what is read is taken out, what is left at the end is unknown.
pub(crate) struct Fields<'w> {
    path: String,
    left: BTreeMap<String, Json>,
    wrong: &'w mut Vec<Refusal>,
}

impl Fields<'_> {
    /// Reads a whole document with `read`; every problem it met, at most [`Rejection::MAX`], or the value.
    pub(crate) fn document<T>(json: Json, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<T, Vec<Refusal>> {
        let Json::Object(left) = json else {
            return Err(vec![Refusal::field("file", "expected one JSON object")]);
        };
        let mut wrong = Vec::new();
        let mut fields = Fields { path: String::new(), left, wrong: &mut wrong };
        let value = read(&mut fields);
        fields.finish();
        match value {
            Some(value) if wrong.is_empty() => Ok(value),
            _ => {
                wrong.truncate(Rejection::MAX);
                if wrong.is_empty() {
                    wrong.push(Refusal::field("file", "incomplete"));
                }
                Err(wrong)
            }
        }
    }

    fn finish(self) {
        for name in self.left.keys().take(Rejection::MAX) {
            self.wrong.push(Refusal::field(format!("{}{}", self.path, shown(name)), "not a field of this; check the spelling"));
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        self.left.remove(name).filter(|value| *value != Json::Null)
    }

    /// Whether a field is there; it is not taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| *value != Json::Null)
    }

    /// Takes fields out unread, where another problem already says why.
    pub(crate) fn drop_fields(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    /// Takes everything out unread: without knowing what this is, no field can be called unknown.
    pub(crate) fn give_up(&mut self) {
        self.left.clear();
    }

    /// Reports a wrong field.
    pub(crate) fn wrong(&mut self, name: &str, expected: impl Into<String>) {
        let refusal = Refusal::field(format!("{}{name}", self.path), expected);
        self.wrong.push(refusal);
    }

    /// Reports what a parser of the domain says is wrong, at this place.
    pub(crate) fn report(&mut self, below: &str, refusal: Refusal) {
        let field = refusal.field.clone().unwrap_or_default();
        let path = format!("{}{below}{field}", self.path);
        self.wrong.push(Refusal { field: Some(path), ..refusal });
    }

    /// A text of at most `max` characters, without control characters; `None` when absent.
    pub(crate) fn text(&mut self, name: &str, max: usize) -> Option<String> {
        let value = self.take(name)?;
        self.as_text(name, value, max)
    }

    fn as_text(&mut self, name: &str, value: Json, max: usize) -> Option<String> {
        let Json::Text(text) = value else {
            self.wrong(name, "expected a text");
            return None;
        };
        if text.chars().count() > max {
            self.wrong(name, format!("at most {max} characters"));
            return None;
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.wrong(name, "no control characters except line ends and tabs");
            return None;
        }
        Some(text)
    }

    /// A text that must be there and say something.
    pub(crate) fn words(&mut self, name: &str, max: usize) -> Option<String> {
        let already = self.wrong.len();
        match self.text(name, max) {
            Some(text) if !text.trim().is_empty() => Some(text),
            _ => {
                if self.wrong.len() == already {
                    self.wrong(name, format!("required, 1 to {max} characters"));
                }
                None
            }
        }
    }

    /// A text read by `parse`, whose error says what is expected and never repeats the text; `None` when absent or wrong.
    pub(crate) fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name, 500)?;
        parse(&text).map_err(|expected| self.wrong(name, expected)).ok()
    }

    /// A text read by `parse` that must be there.
    pub(crate) fn required<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.has(name) {
            self.wrong(name, "required");
        }
        self.parsed(name, parse)
    }

    /// One of a list of names.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, table: &[(&str, T)]) -> Option<T> {
        self.parsed(name, |text| pick(table, text))
    }

    /// One of a list of names that must be there.
    pub(crate) fn required_one_of<T: Copy>(&mut self, name: &str, table: &[(&str, T)]) -> Option<T> {
        self.required(name, |text| pick(table, text))
    }

    /// A day, `2026-11-22`.
    pub(crate) fn date(&mut self, name: &str) -> Option<Date> {
        self.parsed(name, |text| {
            let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
            date.ok_or_else(|| "expected an existing day, year-month-day: 2026-11-22".to_owned())
        })
    }

    /// A day that must be there.
    pub(crate) fn required_date(&mut self, name: &str) -> Option<Date> {
        if !self.has(name) {
            self.wrong(name, "required");
        }
        self.date(name)
    }

    /// A moment with its offset, `2026-11-22T02:15:00+01:00`.
    pub(crate) fn moment(&mut self, name: &str) -> Option<Timestamp> {
        self.parsed(name, |text| {
            let expected = |_| "expected an existing moment with offset: 2026-11-22T02:15:00+01:00 or …Z".to_owned();
            let at: Timestamp = text.parse().map_err(expected)?;
            if is_moment(at) { Ok(at) } else { Err(MOMENT_EXPECTED.to_owned()) }
        })
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Json::Bool(value) => Some(value),
            _ => {
                self.wrong(name, "expected true or false");
                None
            }
        }
    }

    /// A whole number from 0 to `max`.
    pub(crate) fn whole(&mut self, name: &str, max: u64) -> Option<u64> {
        let Json::Number(number) = self.take(name)? else {
            self.wrong(name, "expected a whole number");
            return None;
        };
        let whole = number.as_u64().filter(|value| *value <= max);
        if whole.is_none() {
            self.wrong(name, format!("expected a whole number, 0 to {max}"));
        }
        whole
    }

    /// A list of texts, each read by `parse`; empty when absent.
    pub(crate) fn texts<T>(&mut self, name: &str, most: usize, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        for (at, item) in self.items(name, most).into_iter().enumerate() {
            let place = format!("{name}[{at}]");
            let Some(text) = self.as_text(&place, item, schakel_domain::dossier::MAX_TEXT) else { continue };
            match parse(&text) {
                Ok(value) => values.push(value),
                Err(expected) => self.wrong(&place, expected),
            }
        }
        values
    }

    /// An object read by `read`; `None` when absent or wrong.
    pub(crate) fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        self.as_object(name, value, read)
    }

    /// An object that must be there.
    pub(crate) fn required_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        if !self.has(name) {
            self.wrong(name, "required");
        }
        self.object(name, read)
    }

    /// A list of objects, each read by `read`; empty when absent.
    pub(crate) fn objects<T>(&mut self, name: &str, most: usize, read: impl Fn(&mut Fields<'_>) -> Option<T>) -> Vec<T> {
        let items = self.items(name, most);
        items.into_iter().enumerate().filter_map(|(at, item)| self.as_object(&format!("{name}[{at}]"), item, &read)).collect()
    }

    fn as_object<T>(&mut self, name: &str, value: Json, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let Json::Object(left) = value else {
            self.wrong(name, "expected an object");
            return None;
        };
        let mut fields = Fields { path: format!("{}{name}.", self.path), left, wrong: self.wrong };
        let value = read(&mut fields);
        fields.finish();
        value
    }

    fn items(&mut self, name: &str, most: usize) -> Vec<Json> {
        match self.take(name) {
            None => Vec::new(),
            Some(Json::List(items)) if items.len() <= most => items,
            Some(Json::List(_)) => {
                self.wrong(name, format!("at most {most}"));
                Vec::new()
            }
            Some(_) => {
                self.wrong(name, "expected a list");
                Vec::new()
            }
        }
    }
}

/// The value of a name in a list of names.
pub(crate) fn pick<T: Copy>(table: &[(&str, T)], text: &str) -> Result<T, String> {
    let names = || table.iter().map(|row| row.0).collect::<Vec<_>>().join(", ");
    table.iter().find(|row| row.0 == text).map(|row| row.1).ok_or_else(|| format!("expected one of: {}", names()))
}

/// The name of a value in such a list.
pub(crate) fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|row| row.1 == *value).map_or("", |row| row.0)
}

schakel_domain::shows_its_name!(Json);

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text.as_bytes(), 1_000_000).unwrap_err().to_string()
    }

    #[test]
    fn layout_and_order_do_not_change_the_canonical_form() {
        let one = parse(b"{\"b\": 1, \"a\": [true, null]}", 100).unwrap();
        let other = parse("\u{feff}{\n \"a\":[true,null],\"b\":1}".as_bytes(), 100).unwrap();

        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"a":[true,null],"b":1}"#);
        assert_eq!(one, other);
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        assert!(problem(r#"{"actor":1,"actor":2}"#).contains("`actor` is there twice"));
        assert!(!problem(r#"{"Jan Jansen":1,"Jan Jansen":2}"#).contains("Jansen"));
    }

    #[test]
    fn brackets_in_a_text_are_not_depth() {
        assert!(parse(br#"{"a":"[[[[[[[[[[[[[[[[[[[[ \" [[[["}"#, 100).is_ok());
        assert!(problem(&"[".repeat(100_000)).contains("nested at most"));
    }

    #[test]
    fn every_problem_is_named_by_its_path() {
        let json = parse(br#"{"a":{"b":[{"c":1,"d":2}]},"e":"x"}"#, 100).unwrap();

        let wrong = Fields::document(json, |fields| {
            fields.object("a", |a| Some(a.objects("b", 5, |b| b.text("c", 5))));
            fields.whole("e", 5)
        });

        let paths: Vec<_> = wrong.unwrap_err().into_iter().filter_map(|refusal| refusal.field).collect();
        assert_eq!(paths, ["a.b[0].c", "a.b[0].d", "e"]);
    }
}
