//! CHECKER: reads what every organisation stored, after the fact, and says whether the rules held at every moment.
//!
//! It shares no code with the player and asks no gateway anything: records, messages, events and log entries are read from the stores and
//! laid beside each other. It knows six things: who had a case when ([`custody`]), who answered a question ([`consultations`]), that a token moved with proof at both sides
//! ([`transfers`]), that messages arrived once and in order ([`messages`]), that every log holds and tells of it all ([`log`]), and, when
//! what clients were told is given too, that it was so ([`operations`]). A simulation knows the one order of all commits and gives that as
//! well: custody is then judged at every instant, without any clock ([`instants`]).

mod consultations;
mod custody;
mod history;
mod instants;
mod log;
mod messages;
mod operations;
mod transfers;

use std::fmt;

use schakel_domain::id::OrgId;

pub use history::{History, Side, Subject};
pub use instants::Moment;
pub use operations::{Operation, Outcome, Told};

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule: `two-leads`, `not-received`, and so on.
    pub rule: &'static str,
    /// At which organisation.
    pub org: OrgId,
    /// What exactly, without care content.
    pub what: String,
}

impl Violation {
    fn new(rule: &'static str, org: &OrgId, what: impl Into<String>) -> Self {
        Self { rule, org: org.clone(), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.rule, self.org, self.what)
    }
}

/// What the stores show.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Changes of lead or responsibility over all cases.
    pub transitions: u64,
    /// Consultations asked.
    pub consultations: u64,
    /// Handovers offered.
    pub handovers: u64,
    /// Log entries over all organisations.
    pub entries: u64,
    /// Every log holds by itself.
    pub logs_hold: bool,
    /// Everything that did not hold.
    pub violations: Vec<Violation>,
}

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Findings {
    let mut violations = Vec::new();
    let transitions = custody::check(history, &mut violations);
    transfers::check(history, &mut violations);
    consultations::check(history, &mut violations);
    messages::check(history, &mut violations);
    operations::check(history, &mut violations);
    instants::check(history, &mut violations);
    let before = violations.len();
    log::check_each(history, &mut violations);
    let logs_hold = violations.len() == before;
    log::check_told(history, &mut violations);
    log::check_messages(history, &mut violations);
    let sides = &history.sides;
    let own = |records: &[history::Record]| records.iter().filter(|record| record.clear["side"] == "sender").count() as u64;
    Findings {
        transitions,
        consultations: sides.iter().map(|side| own(&side.consultations)).sum(),
        handovers: sides.iter().map(|side| own(&side.handovers)).sum(),
        entries: sides.iter().map(|side| side.entries.len() as u64).sum(),
        logs_hold,
        violations,
    }
}

/// The first entry of one organisation's store that was changed after it was written; none when all are as they were.
#[must_use]
pub fn first_changed_entry(side: &Side) -> Option<u64> {
    log::first_changed(side)
}

#[cfg(test)]
mod tests;
