//! The people of every organisation: they do whatever is theirs to do at any time, and are the clients whose histories are judged.
//!
//! Each call may be lost on the way, and its answer too. Whoever hears nothing asks again under the same key, or gives up and never
//! knows. What is worth doing they see on the disk itself, so that a run does not consist of looking.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schakel::demo::checker::{Operation, Outcome};
use schakel::desk::Reply;
use schakel_domain::caller::{Caller, Role};
use schakel_domain::command::{CareAct, Command, Read, ReadAct, Write};
use schakel_domain::id::{Hash, OrgId, RequestId};
use schakel_domain::person::{Actor, PersonId};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::Answer;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::acts;
use crate::dice::Dice;
use crate::world::{Node, World};

/// Longest wait for an answer. Nothing that a gateway was asked takes longer, so that what was not heard by then is over.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the same request is made at most.
const TRIES: u32 = 8;

/// One call at the door for own people, and what the network does to it.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) command: Command,
    pub(crate) there: Duration,
    pub(crate) lost_there: bool,
    pub(crate) back: Duration,
    pub(crate) lost_back: bool,
    pub(crate) answer: oneshot::Sender<Result<Reply, Refusal>>,
}

/// One person of one organisation, who acts in its name.
pub(crate) struct Person {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
    pub(crate) dice: Dice,
}

impl Person {
    /// Two people of each organisation, so that colleagues cross each other.
    pub(crate) fn all(world: &Arc<World>) -> Vec<Person> {
        let people = world.nodes.values().flat_map(|node| (1..=2).map(move |number| (Arc::clone(node), number)));
        people
            .map(|(node, number)| {
                let dice = Dice::of(world.seed, &format!("person {number} of {}", node.me));
                Person { world: Arc::clone(world), node, dice }
            })
            .collect()
    }

    /// Acts until the run is over.
    pub(crate) async fn live(mut self) {
        while !self.world.chronicle.over.load(Ordering::Relaxed) {
            let settling = self.settling();
            tokio::time::sleep(if settling { self.dice.between(200, 1_500) } else { self.dice.between(200, 3_000) }).await;
            acts::something(&mut self).await;
        }
    }

    pub(crate) fn settling(&self) -> bool {
        self.world.chronicle.settling.load(Ordering::Relaxed)
    }

    /// The time by the clock of the organisation.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.chronicle.now() + SignedDuration::from_millis(self.node.skew_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn me(&self) -> &OrgId {
        &self.node.me
    }

    /// Writes, with repetition under one key, and keeps in the chronicle what was heard.
    pub(crate) async fn write(&mut self, role: Role, act: CareAct) -> Option<Answer> {
        let mut bytes = [0; 10];
        self.dice.fill(&mut bytes);
        let request = RequestId::new(uuid::Builder::from_unix_timestamp_millis(self.world.chronicle.elapsed_ms(), &bytes).into_uuid());
        let name = act.act().name().to_owned();
        let operation = Operation { org: self.me().clone(), act: name, request: request.to_string(), outcome: Outcome::Unknown };
        let chronicle = Arc::clone(&self.world.chronicle);
        let place = chronicle.begins(operation);
        let body = Hash::sha256(format!("{act:?}").as_bytes());
        let command = Command::Care(Write { request, body, actor: actor("w-1"), within: None, act });
        // Also between two tries somebody is about to ask again: nothing is at rest then.
        chronicle.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.insist(role, &command, place).await;
        chronicle.calls.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    /// Asks until it is answered, or given up.
    async fn insist(&mut self, role: Role, command: &Command, place: usize) -> Option<Answer> {
        let chronicle = Arc::clone(&self.world.chronicle);
        for _ in 0..TRIES {
            match self.call(role, command.clone()).await {
                Some(Ok(reply)) => {
                    chronicle.ends(place, Outcome::Done { resource: resource(&reply.answer) });
                    return Some(reply.answer);
                }
                Some(Err(refusal)) if !uncertain(&refusal) => {
                    chronicle.ends(place, Outcome::Refused { reason: refusal.reason.code().to_owned() });
                    return None;
                }
                Some(Err(_)) | None => {}
            }
            if self.dice.chance(200) && !self.settling() {
                break;
            }
            tokio::time::sleep(self.dice.between(300, 4_000)).await;
        }
        None
    }

    /// Looks; who hears nothing looks again later, or not.
    pub(crate) async fn read(&mut self, what: Read) -> Option<Answer> {
        let command = Command::Read(ReadAct { actor: actor("w-1"), within: None, what });
        self.call(Role::Worker, command).await?.ok().map(|reply| reply.answer)
    }

    /// One call; none when nothing was heard.
    async fn call(&mut self, role: Role, command: Command) -> Option<Result<Reply, Refusal>> {
        let (answer, answered) = oneshot::channel();
        let lossy = if self.settling() { 0 } else { 40 };
        let call = Call {
            caller: self.caller(role),
            command,
            there: self.dice.between(1, 300),
            lost_there: self.dice.chance(lossy),
            back: self.dice.between(1, 300),
            lost_back: self.dice.chance(lossy),
            answer,
        };
        let sent = self.node.front.lock().unwrap().as_ref().is_some_and(|front| front.send(call).is_ok());
        if !sent {
            return None;
        }
        self.world.chronicle.calls.fetch_add(1, Ordering::Relaxed);
        let heard = tokio::time::timeout(PATIENCE, answered).await;
        self.world.chronicle.calls.fetch_sub(1, Ordering::Relaxed);
        heard.ok()?.ok()
    }

    fn caller(&self, role: Role) -> Caller {
        let person = if role == Role::Coordinator { "local:c-1" } else { "local:w-1" };
        Caller {
            organization: self.me().clone(),
            person: Some(PersonId::parse(person).unwrap()),
            client: "console".to_owned(),
            roles: [role].into(),
            two_factor: true,
            spki: None,
            door: "care",
        }
    }
}

/// What the store says is no answer to the question: it may have been done.
fn uncertain(refusal: &Refusal) -> bool {
    refusal.stage == Stage::Store && refusal.reason != Reason::AuditUnavailable
}

pub(crate) fn actor(person: &str) -> Actor {
    Actor::parse(person, "Medewerker", "crisismedewerker").unwrap()
}

/// The id of what an answer shows.
fn resource(answer: &Answer) -> String {
    let id: Uuid = match answer {
        Answer::Case(view) => view.id.uuid(),
        Answer::Handover(view) => view.id.uuid(),
        Answer::Consultation(view) => view.id.uuid(),
        other => panic!("a write is answered with what it changed, not {other:?}"),
    };
    id.to_string()
}
