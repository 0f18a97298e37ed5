//! SCENARIO: a story in a file. Who takes part, what each does in turn, and what must be true after it.
//!
//! A partner writes one to replay an incident (deploy/scenarios/README.md). Everything is checked before anything starts, and a mistake is
//! told with its step and field. Unknown keys are mistakes: a misspelt expectation would otherwise never be checked.

mod check;
mod names;
mod step;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schakel_domain::covenant::Document;
use schakel_domain::covenant::document::{Party, Service};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use serde::Deserialize;

use crate::bounded;

pub use names::{ConsultationState, HandoverState, OrgKey, StoryTime};
pub use step::{About, Does, Expect, RefusalExpected, Step};

/// The story that is played when no other is named.
pub const GELDERLAND: &str = include_str!("../../../deploy/scenarios/gelderland.toml");
/// The covenant of that story.
const GELDERLAND_COVENANT: &str = include_str!("../../../deploy/covenants/gelderland.toml");

/// Largest scenario or covenant that is read, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;
/// Most organisations and steps.
const MAX_ORGANIZATIONS: usize = 64;
const MAX_STEPS: usize = 500;

/// One thing that is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: `step 7 (02:26:10 offer-handover), to`, `organizations[2].id`, or the file.
    pub place: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// A story, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What is true of it and should be said: that it is invented.
    pub notice: String,
    /// The covenant as the story plays it, without keys.
    pub covenant: Document,
    /// Who takes part, in order.
    pub organizations: Vec<Organization>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One organisation in a story.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Its name in the story's steps.
    pub key: OrgKey,
    /// Its number in the covenant.
    pub id: OrgId,
    /// Its name in the covenant.
    pub name: String,
    /// Its telephone in the story: line and number.
    pub line: String,
    /// The number.
    pub telephone: String,
    /// Invented people, by their name in the story's steps.
    pub people: BTreeMap<String, Actor>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    #[serde(default)]
    notice: String,
    covenant: CovenantPart,
    organizations: Vec<OrganizationPart>,
    steps: Vec<toml::Table>,
}

/// Which covenant, and what this story changes in its own copy of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CovenantPart {
    file: PathBuf,
    #[serde(default)]
    parties: Vec<Party>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    clauses: Vec<ClausePart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClausePart {
    id: String,
    #[serde(default)]
    order: Vec<OrgId>,
    #[serde(default)]
    response: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationPart {
    key: String,
    id: OrgId,
    line: String,
    #[serde(default)]
    people: BTreeMap<String, PersonPart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonPart {
    person: String,
    name: String,
    function: String,
}

impl Scenario {
    /// The Gelderland story that comes with the program.
    ///
    /// # Errors
    /// Never in a released program; a test reads it.
    pub fn gelderland() -> Result<Self, Vec<Mistake>> {
        Self::parse(GELDERLAND, &|_| Ok(GELDERLAND_COVENANT.to_owned()))
    }

    /// Reads a story from a file; its covenant is found relative to it.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn read(path: &Path) -> Result<Self, Vec<Mistake>> {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let text = read_bounded(path).map_err(|problem| vec![mistake(&path.display().to_string(), problem)])?;
        Self::parse(&text, &|covenant| {
            let path = base.join(covenant);
            read_bounded(&path).map_err(|problem| format!("{}: {problem}", path.display()))
        })
    }

    /// Checks the text of a story. `covenant` reads the covenant it names.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn parse(text: &str, covenant: &dyn Fn(&Path) -> Result<String, String>) -> Result<Self, Vec<Mistake>> {
        let file: File = toml::from_str(text).map_err(|error| vec![mistake(&place_in(text, &error), error.message())])?;
        let document = play_covenant(&file.covenant, covenant)?;
        let mut mistakes = Vec::new();
        let organizations = organizations(file.organizations, &document, &mut mistakes);
        let steps = step::parse_all(file.steps, &mut mistakes);
        let scenario = Self { title: file.title, notice: file.notice, covenant: document, organizations, steps };
        check::check(&scenario, &mut mistakes);
        if mistakes.is_empty() { Ok(scenario) } else { Err(mistakes) }
    }

    /// The organisation with this name in the story.
    #[must_use]
    pub fn organization(&self, key: &OrgKey) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.key == *key)
    }

    /// The organisation with this number.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.id.as_str() == id)
    }
}

fn mistake(place: &str, problem: impl Into<String>) -> Mistake {
    Mistake { place: place.to_owned(), problem: problem.into() }
}

/// The line of a TOML error, for people with an editor.
fn place_in(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("line {line}")
}

fn read_bounded(path: &Path) -> Result<String, String> {
    bounded::read_text(path, MAX_FILE_BYTES).map_err(|error| error.to_string())
}

/// The covenant with what the story changes in its throw-away copy.
fn play_covenant(part: &CovenantPart, read: &dyn Fn(&Path) -> Result<String, String>) -> Result<Document, Vec<Mistake>> {
    let text = read(&part.file).map_err(|problem| vec![mistake("covenant.file", problem)])?;
    let wrong = |problems: Vec<schakel_domain::covenant::Problem>| {
        let text = |problem: &schakel_domain::covenant::Problem| problem.text(schakel_domain::refusal::Lang::En);
        problems.iter().map(|problem| mistake("covenant", text(problem))).collect::<Vec<_>>()
    };
    let mut document = Document::from_toml(&text).map_err(wrong)?;
    let mut mistakes = Vec::new();
    document.parties.extend(part.parties.iter().cloned());
    document.services.extend(part.services.iter().cloned());
    for change in &part.clauses {
        change_clause(&mut document, change, &mut mistakes);
    }
    if mistakes.is_empty() { Ok(document) } else { Err(mistakes) }
}

fn change_clause(document: &mut Document, change: &ClausePart, mistakes: &mut Vec<Mistake>) {
    let place = format!("covenant.clauses, {}", change.id);
    let Some(clause) = document.grants.iter_mut().find(|clause| clause.id.as_str() == change.id) else {
        mistakes.push(mistake(&place, "the covenant has no such clause"));
        return;
    };
    if !change.order.is_empty() {
        clause.order.clone_from(&change.order);
    }
    for (urgency, period) in &change.response {
        match (urgency.parse(), period.parse()) {
            (Ok(urgency), Ok(period)) => drop(clause.response.insert(urgency, period)),
            _ => mistakes.push(mistake(&place, format!("response.{urgency}: expected an urgency and a period such as 30m"))),
        }
    }
}

fn organizations(parts: Vec<OrganizationPart>, covenant: &Document, mistakes: &mut Vec<Mistake>) -> Vec<Organization> {
    if parts.is_empty() || parts.len() > MAX_ORGANIZATIONS {
        mistakes.push(mistake("organizations", format!("expected 1 to {MAX_ORGANIZATIONS}")));
    }
    let one = |(index, part): (usize, OrganizationPart)| {
        let place = format!("organizations[{index}]");
        let key = part.key.parse::<OrgKey>().map_err(|problem| vec![mistake(&format!("{place}.key"), problem)])?;
        let party = covenant.party(&part.id);
        let party = party.ok_or_else(|| vec![mistake(&format!("{place}.id"), format!("{} is no party of the covenant", part.id))])?;
        let mut people = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, person) in part.people {
            match Actor::parse(&person.person, &person.name, &person.function) {
                Ok(actor) => drop(people.insert(name, actor)),
                Err(refusal) => wrong.push(mistake(&format!("{place}.people.{name}"), refusal.detail)),
            }
        }
        let (name, telephone) = (party.name.clone(), party.telephone.as_str().to_owned());
        if wrong.is_empty() { Ok(Organization { key, id: part.id, name, line: part.line, telephone, people }) } else { Err(wrong) }
    };
    let mut made = Vec::new();
    for result in parts.into_iter().enumerate().map(one) {
        match result {
            Ok(organization) => made.push(organization),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    made
}

#[cfg(test)]
mod tests;
