//! The shape of a configuration: every key that is unknown, missing or of the wrong kind, with its line.
//!
//! The reader stops at the first thing it cannot place. So that an operator sees all of them, what was reported is blanked out and the rest
//! is read again; a configuration with a problem is never used, so nothing hangs on what the blanks leave.

use std::ops::Range;

use super::{Config, Problem};

/// Most problems of shape that are listed.
const MAX_PROBLEMS: usize = 50;

/// What cannot be left out, by section; `None` is the top of the file.
const REQUIRED: [(Option<&str>, &[&str]); 8] = [
    (None, &["organization", "gateway", "data", "responsible", "keys", "federation", "care", "audit", "admin"]),
    (Some("responsible"), &["person", "function"]),
    (Some("keys"), &["vault", "signing", "log", "root"]),
    (Some("federation"), &["listen", "certificate", "key", "trust"]),
    (Some("care"), &["listen", "certificate", "key"]),
    (Some("audit"), &["listen", "certificate", "key"]),
    (Some("file_drop"), &["folder", "person", "name", "function"]),
    (Some("telemetry"), &["endpoint"]),
];

/// Reads the text as a configuration.
pub(super) fn read(text: &str) -> Result<Config, Vec<Problem>> {
    let table: toml::Table = toml::from_str(text).map_err(|error| vec![syntax(text, &error)])?;
    let mut problems = missing(&table);
    let mut rest = text.to_owned();
    while problems.len() < MAX_PROBLEMS {
        let error = match toml::from_str::<Config>(&rest) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(error) => error,
        };
        let absent = error.message().starts_with("missing field");
        // What is missing at a known place has been said; what is missing because it was blanked is not.
        if absent && !problems.is_empty() {
            break;
        }
        problems.push(misshapen(&rest, &error));
        if absent || !blank(&mut rest, error.span()) {
            break;
        }
    }
    Err(problems)
}

fn missing(table: &toml::Table) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (section, keys) in REQUIRED {
        let held = match section {
            None => Some(table),
            Some(name) => table.get(name).and_then(toml::Value::as_table),
        };
        let Some(held) = held else { continue };
        for key in keys.iter().filter(|key| !held.contains_key(**key)) {
            let path = section.map_or_else(|| (*key).to_owned(), |section| format!("{section}.{key}"));
            problems.push(Problem::error(
                path,
                ("ontbreekt.", "is missing."),
                ("Vul het in; `schakel config example` toont een voorbeeld.", "Add it; `schakel config example` shows an example."),
            ));
        }
    }
    problems
}

fn syntax(text: &str, error: &toml::de::Error) -> Problem {
    let (path, line) = place(text, error.span());
    let message = shorten(error.message());
    Problem::error(
        path,
        (&format!("dit is geen TOML ({message})."), &format!("this is not TOML ({message}).")),
        ("Verbeter deze regel.", "Correct this line."),
    )
    .on(line)
}

fn misshapen(text: &str, error: &toml::de::Error) -> Problem {
    let (path, line) = place(text, error.span());
    let message = shorten(error.message());
    let key = path.rsplit('.').next().unwrap_or_default();
    let problem = if message.starts_with("unknown field") && ["url", "password", "secret", "token"].contains(&key) {
        Problem::error(
            path,
            ("een geheim hoort niet in dit bestand.", "a secret does not belong in this file."),
            (
                "Zet het in een bestand met rechten 0600 en noem dat bestand (url_file).",
                "Put it in a file of mode 0600 and name that (url_file).",
            ),
        )
    } else {
        Problem::error(
            path,
            (&format!("klopt niet ({message})."), &format!("is wrong ({message}).")),
            (
                "Verbeter deze regel; `schakel config example` toont een voorbeeld.",
                "Correct this line; `schakel config example` shows an example.",
            ),
        )
    };
    problem.on(line)
}

/// `section.key` and line of a position: the last header above it, and the key of its own line.
fn place(text: &str, span: Option<Range<usize>>) -> (String, Option<usize>) {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else { return ("configuration".to_owned(), None) };
    let number = before.matches('\n').count();
    let headers = || before.lines().map(str::trim).filter(|line| line.starts_with('[') && !line.contains('='));
    let section = headers().next_back().map(|line| line.trim_matches(|c: char| "[] ".contains(c)).to_owned());
    let own = text.lines().nth(number).unwrap_or_default();
    let key = own.split_once('=').map(|(key, _)| key.trim().trim_matches('"').to_owned()).filter(|key| !key.starts_with('#'));
    let path = [section, key].into_iter().flatten().collect::<Vec<_>>().join(".");
    (if path.is_empty() { "configuration".to_owned() } else { path }, Some(number + 1))
}

/// Turns the lines of a span into empty ones, so that all others keep their number. False when the rest is then no longer TOML.
fn blank(text: &mut String, span: Option<Range<usize>>) -> bool {
    let Some(span) = span.filter(|span| span.start < span.end && span.end <= text.len()) else { return false };
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    let lines = "\n".repeat(text[start..end].matches('\n').count());
    text.replace_range(start..end, &lines);
    toml::from_str::<toml::Table>(text).is_ok()
}

fn shorten(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(200).collect()
}
