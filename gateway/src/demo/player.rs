//! PLAYER: plays a story as real clients do: every step through the doors of the organisation that acts, and then asks the organisations
//! themselves whether what must be true is true.
//!
//! Nothing here looks behind a door. What must become true is waited for: every event of any organisation is a reason to look again.

mod act;
mod look;
mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use schakel_domain::refusal::Refusal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;

use super::client::{Client, Person};
use super::line::Line;
use super::scenario::{Does, OrgKey, Scenario, Step};
use super::tamper;
use super::world::World;
use crate::bounded;
use crate::wire::status::to_refusal;
pub use look::Custody;

/// Longest wait for an expectation: far more than a working federation needs, also after the back-off of a cut line.
const PATIENCE: Duration = Duration::from_secs(20);
/// Without any event, a look again after this time: delivery makes no event at every side.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Largest token that is read, in bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// What became of one step.
#[derive(Debug, Clone)]
pub struct Played {
    /// `02:11:04 sez open-case`.
    pub name: String,
    /// Everything expected was true.
    pub ok: bool,
    /// What was not, or why it could not be played.
    pub detail: Option<String>,
    /// What was found of the tampered copy, when the step made one.
    pub tampered: Option<tamper::Verdict>,
    /// Custody of the story's current case after it; none before the first case.
    pub custody: Option<Custody>,
}

/// Why a step could not be done.
#[derive(Debug)]
enum Trouble {
    /// The gateway said no.
    Refused(Box<Refusal>),
    /// Something else.
    Broken(String),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        match to_refusal(&status) {
            Some(refusal) => Self::Refused(Box::new(refusal)),
            None => Self::Broken(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// Something the story gave a name.
#[derive(Debug, Clone)]
enum Named {
    /// A case, and who took part in it so far.
    Case { resource: String, members: BTreeSet<OrgKey> },
    /// A consultation and who asked.
    Consultation { resource: String, case: Option<String>, requester: OrgKey },
    /// A handover and between whom.
    Handover { resource: String, case: String, sender: OrgKey, receiver: Option<OrgKey> },
}

/// Plays one story in one world.
pub struct Player<'a> {
    scenario: &'a Scenario,
    world: &'a World,
    clients: BTreeMap<OrgKey, Client>,
    lines: BTreeMap<OrgKey, Line>,
    names: BTreeMap<String, Named>,
    /// The case the story is about now.
    case: Option<String>,
    changed: watch::Receiver<u64>,
    _watching: JoinSet<()>,
}

impl<'a> Player<'a> {
    /// A player with a client per organisation, listening to all their events.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub fn new(scenario: &'a Scenario, world: &'a World, lines: Vec<Line>) -> Result<Self, anyhow::Error> {
        let mut clients = BTreeMap::new();
        for home in &world.homes {
            clients.insert(home.key.clone(), Client::new(home, &world.ca)?);
        }
        let lines = world.homes.iter().map(|home| home.key.clone()).zip(lines).collect();
        let (events, changed) = watch::channel(0);
        let mut watching = JoinSet::new();
        let mut player = Self { scenario, world, clients, lines, names: BTreeMap::new(), case: None, changed, _watching: JoinSet::new() };
        for organization in &scenario.organizations {
            let (Some(client), Some(person)) = (player.clients.get(&organization.key).cloned(), player.anybody(&organization.key)) else {
                continue;
            };
            let events = events.clone();
            watching.spawn(async move { client.watch(&person, events).await });
        }
        player._watching = watching;
        Ok(player)
    }

    /// Plays one step and waits until what it expects is true.
    pub async fn play(&mut self, step: &Step) -> Played {
        let who = step.who.as_ref().map_or("", OrgKey::as_str);
        let name = [step.at.to_string().as_str(), who, step.does.name()]
            .iter()
            .filter(|word| !word.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        let mut tampered = None;
        let outcome = match &step.does {
            Does::TamperCopy { of } => self.tamper(of).await.map(|verdict| tampered = Some(verdict)),
            _ => self.act(step).await,
        };
        let mut detail = judge(step, outcome).err();
        if let Some(case) = step.expect.case.clone().filter(|_| detail.is_none()) {
            self.case = Some(case);
        }
        if detail.is_none() {
            detail = self.wait_for(step).await.err();
        }
        if tampered.as_ref().is_some_and(|verdict| !verdict.as_it_should()) {
            detail = Some("the change in the copy was not found where it was made, or the original was blamed".to_owned());
        }
        let custody = match self.case.clone() {
            Some(case) => self.custody(&case).await.ok(),
            None => None,
        };
        Played { name, ok: detail.is_none(), detail, tampered, custody }
    }

    /// Waits until everything the step expects is true.
    async fn wait_for(&mut self, step: &Step) -> Result<(), String> {
        let since = Instant::now();
        loop {
            self.changed.mark_unchanged();
            let unmet = match self.unmet(step).await {
                Ok(unmet) => unmet,
                Err(trouble) => vec![trouble.to_string()],
            };
            if unmet.is_empty() {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                return Err(unmet.join("; "));
            }
            self.something_happens().await;
        }
    }

    /// Waits for the next event of any organisation, and not for long.
    async fn something_happens(&mut self) {
        // When every stream has ended there are no more events, and the pause is all there is.
        if tokio::time::timeout(LOOK_AGAIN, self.changed.changed()).await.is_ok_and(|changed| changed.is_err()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Mends every line: what waits is delivered, whatever became of the story.
    pub fn restore_lines(&self) {
        self.lines.values().for_each(Line::restore);
    }

    async fn tamper(&self, of: &OrgKey) -> Result<tamper::Verdict, Trouble> {
        let home = self.world.home(of).ok_or_else(|| Trouble::Broken(format!("no {of}")))?;
        let token =
            home.tokens.get("auditor").map(|path| bounded::read_text(path, MAX_TOKEN_BYTES)).transpose().map_err(anyhow::Error::from)?;
        let files = self.client(of)?.export_log(&token.unwrap_or_default()).await?;
        Ok(tamper::try_it(&files)?)
    }

    fn client(&self, key: &OrgKey) -> Result<&Client, Trouble> {
        self.clients.get(key).ok_or_else(|| Trouble::Broken(format!("no organisation `{key}`")))
    }

    /// Somebody of the story, logged in.
    fn person(&self, key: &OrgKey, name: &str) -> Result<Person, Trouble> {
        let missing = || Trouble::Broken(format!("nobody called {key}/{name}"));
        let actor = self.scenario.organization(key).and_then(|organization| organization.people.get(name)).ok_or_else(missing)?;
        let token = self.world.home(key).and_then(|home| home.people.get(name)).ok_or_else(missing)?;
        Ok(Person { actor: actor.clone(), token: token.clone() })
    }

    /// Whoever of an organisation may look.
    fn anybody(&self, key: &OrgKey) -> Option<Person> {
        let name = self.scenario.organization(key)?.people.keys().next()?;
        self.person(key, name).ok()
    }

    fn named(&self, name: &str) -> Result<&Named, Trouble> {
        self.names.get(name).ok_or_else(|| Trouble::Broken(format!("nothing is called `{name}` yet")))
    }

    /// Somebody takes part in a case from now on.
    fn joins(&mut self, case: &str, key: &OrgKey) {
        if let Some(Named::Case { members, .. }) = self.names.get_mut(case) {
            members.insert(key.clone());
        }
    }
}

/// Whether a step was done, or refused as it should be.
fn judge(step: &Step, outcome: Result<(), Trouble>) -> Result<(), String> {
    match (&step.expect.refused, outcome) {
        (None, Ok(())) => Ok(()),
        (None, Err(trouble)) => Err(trouble.to_string()),
        (Some(expected), Ok(())) => Err(format!("was done, while {} was expected", expected.reason)),
        (Some(expected), Err(Trouble::Refused(refusal))) => {
            let clause = expected.clause.as_ref().is_none_or(|clause| refusal.clause.as_ref() == Some(clause));
            if refusal.reason.code() == expected.reason && clause {
                Ok(())
            } else {
                let wanted = expected.clause.as_ref().map_or_else(String::new, |clause| format!(", clause {clause}"));
                Err(format!("refused with {refusal}, while {}{wanted} was expected", expected.reason))
            }
        }
        (Some(_), Err(broken)) => Err(broken.to_string()),
    }
}
