//! What clients were told against what was done: an acknowledged operation was done exactly once, a refused one not at all, and one of
//! which nothing was heard at most once.
//!
//! Two traces of an operation are laid beside it: the outcome kept under its key, and the log entries in which a person did such a thing
//! to that resource. A repeated effect shows in the entries, a lost one in both.

use std::collections::BTreeMap;

use schakel_domain::audit::entry::{Entry, UserKind};
use schakel_domain::audit::event::Outcome as Logged;
use schakel_domain::id::OrgId;

use super::Violation;
use super::history::History;

/// What a client asked, under which key, and what it heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Of which organisation.
    pub org: OrgId,
    /// Name of the act, as in the table of roles: `offer-handover`.
    pub act: String,
    /// The client's own key.
    pub request: String,
    /// What it heard.
    pub outcome: Outcome,
}

/// What a client heard in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the id of what was changed.
    Done {
        /// The last part of its resource name.
        resource: String,
    },
    /// Refused: nothing was done.
    Refused {
        /// Reason code.
        reason: String,
    },
    /// Nothing was heard, or nothing that says so: it was done once, or not at all.
    Unknown,
}

/// An operation, and the resource kept as its outcome at its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The operation.
    pub operation: Operation,
    /// What the store kept under its key; none when it was never executed.
    pub kept: Option<String>,
}

/// Which entry a write by a person leaves. Two acts can leave the same.
const ENTRIES: [(&str, &str); 16] = [
    ("open-case", "case-opened"),
    ("amend-case", "case-amended"),
    ("close-case", "case-closed"),
    ("ask-expertise", "consultation-asked"),
    ("accept-consultation", "consultation-bid"),
    ("decline-consultation", "consultation-declined"),
    ("advise", "consultation-advised"),
    ("cancel-consultation", "consultation-closed"),
    ("close-consultation", "consultation-closed"),
    ("offer-handover", "handover-offered"),
    ("accept-handover", "handover-accepted"),
    ("decline-handover", "handover-declined"),
    ("withdraw-handover", "handover-withdrawn"),
    ("release-pledge", "handover-declined"),
    ("force-reclaim", "custody-forced"),
    ("resolve-contested", "contested-resolved"),
];

/// An organisation, a code of the log and a resource.
type Effect<'a> = (&'a OrgId, &'static str, String);

/// Judges every operation. Without any, nothing is known of clients and nothing is judged.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) {
    if history.operations.is_empty() {
        return;
    }
    let mut executed: BTreeMap<Effect<'_>, u64> = BTreeMap::new();
    for told in &history.operations {
        one(told, violations);
        let code = ENTRIES.iter().find(|(act, _)| *act == told.operation.act).map(|(_, code)| *code);
        if let (Some(code), Some(kept)) = (code, &told.kept) {
            *executed.entry((&told.operation.org, code, last(kept).to_owned())).or_default() += 1;
        }
    }
    let logged = logged(history);
    for (effect, times) in &executed {
        let found = logged.get(effect).copied().unwrap_or_default();
        if found != *times {
            let what = format!("{} of {}: executed {times} times, in the log {found} times", effect.1, effect.2);
            violations.push(Violation::new("effects-differ", effect.0, what));
        }
    }
    for (effect, times) in logged.iter().filter(|(effect, _)| !executed.contains_key(*effect)) {
        let what = format!("{} of {}: in the log {times} times, and nobody's request", effect.1, effect.2);
        violations.push(Violation::new("effects-differ", effect.0, what));
    }
}

fn one(told: &Told, violations: &mut Vec<Violation>) {
    let Told { operation: Operation { org, act, request, outcome }, kept } = told;
    let mut wrong = |rule, what: String| violations.push(Violation::new(rule, org, format!("{act} as {request}: {what}")));
    match (outcome, kept) {
        (Outcome::Done { resource }, None) => wrong("acknowledged-lost", format!("answered with {resource}, and not in the store")),
        (Outcome::Done { resource }, Some(kept)) if last(kept) != resource => {
            wrong("acknowledged-differs", format!("answered with {resource}, kept is {kept}"));
        }
        (Outcome::Refused { reason }, Some(kept)) => wrong("refused-done", format!("refused as {reason}, and yet {kept} was changed")),
        (Outcome::Done { .. } | Outcome::Unknown, _) | (Outcome::Refused { .. }, None) => {}
    }
}

/// How often a person of each organisation did each thing, by its log.
fn logged(history: &History) -> BTreeMap<Effect<'_>, u64> {
    let mut found: BTreeMap<Effect<'_>, u64> = BTreeMap::new();
    for side in &history.sides {
        for row in &side.entries {
            let Ok(entry) = Entry::parse(&row.entry.bytes) else { continue };
            let by_person = entry.users.first().is_some_and(|user| user.kind == UserKind::Person) && entry.event.outcome == Logged::Done;
            let code = ENTRIES.iter().map(|(_, code)| *code).find(|code| *code == &*entry.event.code);
            if let (true, Some(code), Some(object)) = (by_person, code, entry.objects.first()) {
                *found.entry((&side.org, code, object.id.clone())).or_default() += 1;
            }
        }
    }
    found
}

/// The last part of a resource name.
fn last(resource: &str) -> &str {
    resource.rsplit('/').next().unwrap_or(resource)
}
