//! Canonical JSON (RFC 8785): one value, one sequence of bytes, so that a hash or signature means the value.
//!
//! Narrower than the RFC on purpose: numbers are integers that every JSON reader holds exactly (within 2^53), because fractions are
//! where implementations differ, and nothing we sign needs them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Deepest nesting of arrays and objects that is written or read.
pub const MAX_DEPTH: usize = 32;

/// Largest integer, positive or negative, that every JSON reader holds exactly: 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a value has no canonical form here, or bytes are not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A fraction, an exponent, or an integer beyond 2^53.
    #[error("number {0} is not an integer within 2^53")]
    Number(String),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// JSON, but written in another way than the canonical one.
    #[error("JSON in another than its canonical form")]
    NotCanonical,
}

/// The canonical bytes of a value.
///
/// # Errors
/// [`CanonicalError::Number`] and [`CanonicalError::Depth`].
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = String::new();
    write_value(&mut out, value, 0)?;
    Ok(out.into_bytes())
}

/// Reads a value that must be written canonically: other spacing, order, escapes or a repeated key are refused.
///
/// # Errors
/// Any [`CanonicalError`].
pub fn from_bytes(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| CanonicalError::Syntax(error.to_string()))?;
    if to_bytes(&value)? != bytes {
        return Err(CanonicalError::NotCanonical);
    }
    Ok(value)
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        return Err(CanonicalError::Depth);
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(out, i);
                write_value(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by(|a, b| by_utf16(a.0, b.0));
            out.push('{');
            for (i, (key, member)) in members.into_iter().enumerate() {
                separate(out, i);
                write_string(out, key);
                out.push(':');
                write_value(out, member, depth + 1)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// The RFC sorts by UTF-16 code units, which differs from Rust's order above U+FFFF.
fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn separate(out: &mut String, position: usize) {
    if position > 0 {
        out.push(',');
    }
}

fn write_number(out: &mut String, number: &Number) -> Result<(), CanonicalError> {
    let small = number.as_u64().is_some_and(|n| n <= MAX_INTEGER) || number.as_i64().is_some_and(|n| n.unsigned_abs() <= MAX_INTEGER);
    if !small {
        return Err(CanonicalError::Number(number.to_string()));
    }
    out.push_str(&number.to_string());
    Ok(())
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    // Only quote, backslash and control characters are escaped; most texts have none of them.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..at]);
        match char::from(rest.as_bytes()[at]) {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical(json: &str) -> String {
        String::from_utf8(to_bytes(&serde_json::from_str(json).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn strings_and_literals_are_written_as_in_section_3_2_of_the_rfc() {
        let text = r#"{ "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#;

        assert_eq!(canonical(text), "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
    }

    #[test]
    fn keys_are_sorted_by_utf_16_code_units_as_in_section_3_2_3_of_the_rfc() {
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;

        let written = canonical(text);

        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"].map(|word| written.find(word).unwrap());
        assert!(order.is_sorted(), "{written}");
    }

    #[test]
    fn every_control_character_has_its_one_escape() {
        assert_eq!(
            canonical(r#""\u0000\u0008\u0009\u000a\u000b\u000c\u000d\u001f\u007f""#),
            "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\""
        );
    }

    #[test]
    fn only_integers_that_every_reader_holds_exactly_are_written() {
        assert_eq!(canonical("[9007199254740991,-9007199254740991,0]"), "[9007199254740991,-9007199254740991,0]");
        for bad in ["9007199254740992", "-9007199254740992", "1.5", "1e3", "-0", "18446744073709551615"] {
            let value: Value = serde_json::from_str(bad).unwrap();
            assert!(matches!(to_bytes(&value), Err(CanonicalError::Number(_))), "{bad}");
        }
    }

    #[test]
    fn reading_refuses_every_other_way_to_write_the_same_value() {
        assert_eq!(from_bytes(br#"{"a":1,"b":"x"}"#).unwrap(), json!({"a": 1, "b": "x"}));
        for bad in
            [r#"{"b":"x","a":1}"#, r#"{"a":1, "b":"x"}"#, r#"{"a":0,"a":1,"b":"x"}"#, r#"{"a":1,"b":"\u0078"}"#, "{\"a\":1,\"b\":\"x\"}\n"]
        {
            assert_eq!(from_bytes(bad.as_bytes()), Err(CanonicalError::NotCanonical), "{bad}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

        assert!(from_bytes(deep(MAX_DEPTH + 1).as_bytes()).is_ok());
        assert_eq!(from_bytes(deep(MAX_DEPTH + 2).as_bytes()), Err(CanonicalError::Depth));
    }
}
