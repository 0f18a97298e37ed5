//! Reads the fields of one message and remembers what was wrong with each.
//!
//! Every reader gives `None` exactly when it has noted a problem: a message whose readers all gave a value has no wrong field.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use schakel_domain::bound::{MOMENT_EXPECTED, is_moment};
use schakel_domain::id::InvalidId;
use schakel_domain::refusal::Refusal;

/// Most wrong fields told in one answer: all of them must fit in the 8 KiB of headers that clients accept.
const MAX_TOLD: usize = 20;
/// Longest explanation of one wrong field, in characters: it may quote what was sent.
const MAX_TOLD_TEXT: usize = 160;

/// First and last second of the years a protobuf timestamp can hold: 0001 to 9999.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The wrong fields of one message, found so far.
#[derive(Debug, Default)]
pub struct Fields {
    wrong: Vec<Refusal>,
}

impl Fields {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a wrong field.
    pub fn wrong(&mut self, path: &str, expected: impl Into<String>) {
        self.note(Refusal::field(path, expected));
    }

    /// Notes a refusal as it is; its path starts at the message's root.
    pub fn note(&mut self, mut refusal: Refusal) {
        if refusal.detail.chars().count() > MAX_TOLD_TEXT {
            refusal.detail = refusal.detail.chars().take(MAX_TOLD_TEXT).chain(['…']).collect();
        }
        if self.wrong.len() < MAX_TOLD {
            self.wrong.push(refusal);
        }
    }

    /// Keeps a value, or notes why there is none: its path is put after `under`.
    pub fn keep<T>(&mut self, under: &str, read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|refusal| self.note(below(under, refusal))).ok()
    }

    /// Keeps a value, or notes every problem of a part, each put after `under`.
    pub fn keep_part<T>(&mut self, under: &str, read: Result<T, Vec<Refusal>>) -> Option<T> {
        read.map_err(|wrong| wrong.into_iter().for_each(|refusal| self.note(below(under, refusal)))).ok()
    }

    /// Reads an identifier.
    pub fn id<T: FromStr<Err = InvalidId>>(&mut self, path: &str, text: &str) -> Option<T> {
        text.parse().map_err(|invalid: InvalidId| self.wrong(path, invalid.problem)).ok()
    }

    /// Reads an identifier that may be absent (empty).
    pub fn optional_id<T: FromStr<Err = InvalidId>>(&mut self, path: &str, text: &str) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.id(path, text).map(Some) }
    }

    /// Reads a text of `least` to `most` characters, without the white space around it and without control characters.
    pub fn text(&mut self, path: &str, text: &str, least: usize, most: usize) -> Option<String> {
        let trimmed = text.trim();
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if !(least..=most).contains(&trimmed.chars().count()) {
            self.wrong(
                path,
                if least == 0 { format!("at most {most} characters") } else { format!("expected {least} to {most} characters") },
            );
            return None;
        }
        if trimmed.contains(control) {
            self.wrong(path, "no control characters");
            return None;
        }
        Some(trimmed.to_owned())
    }

    /// Reads a moment that may be absent: one that every gateway takes, in the years 2000 to 2199.
    pub fn moment(&mut self, path: &str, time: Option<&prost_types::Timestamp>) -> Option<Option<Timestamp>> {
        let Some(time) = time else { return Some(None) };
        let moment = moment_from_wire(*time);
        if moment.is_none() {
            self.wrong(path, MOMENT_EXPECTED);
        }
        moment.map(Some)
    }

    /// Reads a moment to search from or to, in any year of a protobuf timestamp: 0001 to 9999.
    pub fn any_moment(&mut self, path: &str, time: Option<&prost_types::Timestamp>) -> Option<Option<Timestamp>> {
        let Some(time) = time else { return Some(None) };
        let within = TIMESTAMP_SECONDS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
        let moment = Timestamp::new(time.seconds, time.nanos).ok().filter(|_| within);
        if moment.is_none() {
            self.wrong(path, "expected a moment in the years 1 to 9999");
        }
        moment.map(Some)
    }

    /// Reads a day, `2026-11-22`.
    pub fn day(&mut self, path: &str, text: &str) -> Option<Date> {
        let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
        if day.is_none() {
            self.wrong(path, "expected a day such as 2026-11-22");
        }
        day
    }

    /// Everything that was wrong, to refuse with.
    #[must_use]
    pub fn refusals(self) -> Vec<Refusal> {
        self.wrong
    }

    /// Whether nothing was wrong.
    ///
    /// # Errors
    /// Everything that was.
    pub fn done(self) -> Result<(), Vec<Refusal>> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong) }
    }
}

fn below(under: &str, mut refusal: Refusal) -> Refusal {
    if !under.is_empty() {
        refusal.field = Some(refusal.field.map_or_else(|| under.to_owned(), |path| format!("{under}.{path}")));
    }
    refusal
}

/// A moment of the wire, when it is one that every gateway takes.
pub(crate) fn moment_from_wire(time: prost_types::Timestamp) -> Option<Timestamp> {
    let prost_types::Timestamp { seconds, nanos } = time;
    Timestamp::new(seconds, nanos).ok().filter(|at| (0..1_000_000_000).contains(&nanos) && is_moment(*at))
}

/// A moment for the wire.
#[must_use]
pub fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    // A moment before 1970 has negative nanoseconds here and never on the wire.
    let (seconds, nanos) = (moment.as_second(), moment.subsec_nanosecond());
    let borrow = i64::from(nanos < 0);
    prost_types::Timestamp { seconds: seconds - borrow, nanos: if nanos < 0 { nanos + 1_000_000_000 } else { nanos } }
}
