//! Whether the parts of a covenant fit together: every problem at once, each with its place and its remedy.
//!
//! A covenant with a problem that blocks use is broken: no gateway acts on it. A missing root key only blocks signing.

mod clauses;
mod cosigning;
mod parties;
mod versions;

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

pub(super) use self::clauses::reaches;
use super::document::{Act, Document, TwoPersonAct};
use super::name::Who;
use super::problem::{Blocks, Problem, Words};

/// Longest text, in characters.
const MAX_TEXT: usize = 500;
/// Most members of any list.
const MAX_LIST: usize = 400;
/// Most problems that are listed.
const MAX_PROBLEMS: usize = 200;
/// The audit log is kept at least this long (norm for logging in care, five years).
const MIN_LOG_YEARS: u8 = 5;

/// Everything that is wrong with a covenant, in the order of the document; empty when it can be signed.
#[must_use]
pub fn check(document: &Document) -> Vec<Problem> {
    let mut found = Found { document, problems: Vec::new() };
    found.bounds();
    found.versions();
    found.change_rules();
    found.duplicates();
    found.parties();
    found.areas();
    found.services();
    found.urgencies();
    found.datasets();
    found.clauses();
    found.agreements();
    found.problems
}

/// The first problem that makes a covenant unusable.
#[must_use]
pub fn first_blocking(document: &Document) -> Option<Problem> {
    check(document).into_iter().find(|problem| problem.blocks == Blocks::Use)
}

struct Found<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

/// A text in Dutch and in English.
type Both<'a> = (&'a str, &'a str);

impl<'a> Found<'a> {
    fn add(&mut self, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        if self.problems.len() < MAX_PROBLEMS {
            let problem = Problem {
                path: path.into(),
                what: Words::new(what.0, what.1),
                remedy: Words::new(remedy.0, remedy.1),
                blocks: Blocks::Use,
            };
            self.problems.push(problem);
        }
    }

    fn unless(&mut self, holds: bool, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        if !holds {
            self.add(path, what, remedy);
        }
    }

    fn unknown(&mut self, path: String, name: &dyn Display, kind: Both<'_>) {
        self.add(
            path,
            (&format!("`{name}` is geen {} van dit convenant.", kind.0), &format!("`{name}` is no {} of this covenant.", kind.1)),
            ("Verbeter de naam of voeg hem toe.", "Correct the name or add it."),
        );
    }

    fn bounds(&mut self) {
        let value = serde_json::to_value(self.document).unwrap_or_default();
        let mut paths = Vec::new();
        oversized("", &value, &mut paths);
        for path in paths {
            self.add(
                path,
                ("is leeg, te lang, of bevat stuurtekens.", "is empty, too long, or holds control characters."),
                ("Houd teksten op 1 tot 500 tekens en lijsten op 400 regels.", "Keep texts at 1 to 500 characters and lists at 400 lines."),
            );
        }
    }

    fn duplicates(&mut self) {
        let document = self.document;
        self.unique("roles", document.roles.iter().map(|role| role.id.to_string()));
        self.unique("parties", document.parties.iter().map(|party| party.id.to_string()));
        self.unique("parties.root_key", document.parties.iter().filter_map(|party| party.root_key.map(|key| key.to_string())));
        self.unique("areas", document.areas.iter().map(|area| area.id.to_string()));
        self.unique("services", document.services.iter().map(|service| service.id.to_string()));
        self.unique("urgencies", document.urgencies.iter().map(|urgency| urgency.code.to_string()));
        self.unique("datasets", document.datasets.iter().map(|dataset| dataset.id.to_string()));
        self.unique("grants", document.grants.iter().map(|clause| clause.id.to_string()));
    }

    fn unique(&mut self, list: &str, names: impl Iterator<Item = String>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                self.add(
                    format!("{list}[{name}]"),
                    ("komt twee keer voor.", "occurs twice."),
                    ("Geef elk een eigen naam of haal er een weg.", "Give each a name of its own or remove one."),
                );
            }
        }
    }

    fn who(&mut self, path: &str, who: &[Who], services: bool) {
        let document = self.document;
        for who in who {
            match who {
                Who::All => {}
                Who::Role(role) if document.roles.iter().any(|entry| entry.id == *role) => {}
                Who::Role(role) => self.unknown(path.to_owned(), role, ("rol", "role")),
                Who::Party(id) if document.party(id).is_some() => {}
                Who::Party(id) => self.unknown(path.to_owned(), id, ("partij", "party")),
                Who::Service(id) if services && document.services.iter().any(|service| service.id == *id) => {}
                Who::Service(id) => self.unknown(path.to_owned(), id, ("dienst die hier mag staan", "service that may stand here")),
            }
        }
    }

    fn agreements(&mut self) {
        let document = self.document;
        self.unless(
            TwoPersonAct::ALL.iter().all(|act| document.two_person.contains(act)),
            "two_person",
            (
                "terugnemen en het oplossen van een betwiste zaak vragen altijd twee personen.",
                "a forced reclaim and resolving a contested case always need two people.",
            ),
            ("Noem forced-reclaim en resolve-contested.", "Name forced-reclaim and resolve-contested."),
        );
        self.unless(
            document.retention.audit_log_years >= MIN_LOG_YEARS,
            "retention.audit_log_years",
            ("het logboek wordt minstens vijf jaar bewaard.", "the log is kept at least five years."),
            ("Kies 5 of meer.", "Choose 5 or more."),
        );
        let wants_figures = document.grants.iter().any(|clause| clause.act == Act::Figures);
        self.unless(
            !wants_figures || document.figures.as_ref().is_some_and(|figures| figures.smallest_cell >= 2),
            "figures.smallest_cell",
            (
                "er zijn cijfers zonder ondergrens: een jeugdige is dan te herkennen.",
                "figures have no lower bound: a young person could be recognised.",
            ),
            ("Zet het kleinste getal dat getoond wordt, minstens 2.", "Set the smallest number shown, at least 2."),
        );
        self.unless(
            document.hops.as_ref().is_none_or(|hops| hops.warn_from >= 1),
            "hops.warn_from",
            ("moet minstens 1 zijn.", "must be at least 1."),
            ("Kies 1 of meer.", "Choose 1 or more."),
        );
        self.cosigning();
    }
}

fn oversized(path: &str, value: &Value, found: &mut Vec<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) if text.trim().is_empty() || text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) => {
            found.push(path.to_owned());
        }
        Value::Array(items) => {
            if items.len() > MAX_LIST {
                found.push(path.to_owned());
            }
            items.iter().take(MAX_LIST).enumerate().for_each(|(index, item)| oversized(&format!("{path}[{index}]"), item, found));
        }
        Value::Object(members) => {
            if members.len() > MAX_LIST {
                found.push(path.to_owned());
            }
            members.iter().take(MAX_LIST).for_each(|(name, member)| oversized(&join(name), member, found));
        }
        _ => {}
    }
}
