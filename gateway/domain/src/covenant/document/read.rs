//! Reads a covenant from TOML, and says what cannot be read, where, and what to do about it.

use super::{Document, MAX_DOCUMENT_BYTES};
use crate::covenant::problem::{Blocks, Problem, Words};
use crate::field::{Field, UnknownField};

/// The document, or every unknown field name at once, or else the first thing that cannot be read.
pub(super) fn from_toml(text: &str) -> Result<Document, Vec<Problem>> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(vec![unreadable("covenant", &format!("larger than {MAX_DOCUMENT_BYTES} bytes"))]);
    }
    toml::from_str(text).map_err(|error| {
        let unknown = unknown_fields(text);
        if unknown.is_empty() { vec![unreadable(&place(text, error.span()), error.message())] } else { unknown }
    })
}

fn unreadable(path: &str, message: &str) -> Problem {
    let message: String = message.chars().take(300).collect();
    Problem {
        path: path.to_owned(),
        what: Words::new(format!("kan niet worden gelezen ({message})."), format!("cannot be read ({message}).")),
        remedy: Words::new("Verbeter deze regel.", "Correct this line."),
        blocks: Blocks::Use,
    }
}

fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let before = span.and_then(|span| text.get(..span.start));
    before.map_or("covenant".to_owned(), |before| format!("line {}", before.matches('\n').count() + 1))
}

/// Every field name that does not exist, so that an author sees all of them at once.
fn unknown_fields(text: &str) -> Vec<Problem> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let datasets = table.get("datasets").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut problems = Vec::new();
    for dataset in datasets {
        let id = dataset.get("id").and_then(toml::Value::as_str).unwrap_or("?");
        for list in ["fields", "protected"] {
            let names = dataset.get(list).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let wrong = names.iter().filter_map(|name| name.as_str()?.parse::<Field>().err());
            problems.extend(wrong.map(|unknown| unknown_field(&format!("datasets[{id}].{list}"), &unknown)));
        }
    }
    problems
}

fn unknown_field(path: &str, unknown: &UnknownField) -> Problem {
    let remedy = unknown.hint.map_or_else(
        || Words::new("Gebruik een bestaande veldnaam.", "Use the name of an existing field."),
        |near| Words::new(format!("Bedoelt u `{near}`?"), format!("Do you mean `{near}`?")),
    );
    Problem {
        path: path.to_owned(),
        what: Words::new(format!("het veld `{}` bestaat niet.", unknown.name), format!("the field `{}` does not exist.", unknown.name)),
        remedy,
        blocks: Blocks::Use,
    }
}
