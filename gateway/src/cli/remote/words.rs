//! How answers of a gateway look: lines for people, one object for programs. Nothing that came over the network steers a terminal.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// A text in which every control character is a blank: names and reasons may come from another organisation.
pub(in crate::cli) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A moment on the clock of this machine, with its distance to UTC: `2026-11-22 03:14:00+01:00`; empty when there is none.
pub(in crate::cli) fn moment(at: Option<&prost_types::Timestamp>) -> String {
    moment_in(at, &TimeZone::system())
}

/// The same in some time zone.
pub(super) fn moment_in(at: Option<&prost_types::Timestamp>, zone: &TimeZone) -> String {
    let local = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string();
    instant(at).map(local).unwrap_or_default()
}

/// A moment for programs, in UTC: `2026-11-22T02:14:00Z`; absent instead of empty.
pub(in crate::cli) fn moment_json(at: Option<&prost_types::Timestamp>) -> Value {
    instant(at).map_or(Value::Null, |at| json!(at.to_string()))
}

fn instant(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_second(at.seconds).ok())
}

/// A name without its collection: `ura:90000102` of `peers/ura:90000102`.
pub(in crate::cli) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Lines with columns of one width each; what is empty at the end of a line is left out.
pub(in crate::cli) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{:<width$}  ", plain(cell));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
