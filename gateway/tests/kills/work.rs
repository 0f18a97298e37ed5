//! The load, and what must hold afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use schakel::demo::checker::{self, History, Operation, Outcome, Subject};
use schakel::demo::client::{Client, Person, by};
use schakel::store::{Kind, Page};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use schakel_proto::care::v1 as care;
use schakel_proto::r#type::v1 as ty;
use tokio::sync::watch;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::node::Node;

/// Pause before a call that failed is made again; the gateway may be starting.
const AGAIN: Duration = Duration::from_millis(50);
/// Longest a handover may take in all; catches a hang only.
const LIMIT: Duration = Duration::from_secs(240);

/// What the clients know to be done.
#[derive(Default)]
pub(crate) struct Ledger {
    steps: watch::Sender<usize>,
    done: Mutex<Vec<String>>,
    told: Mutex<Vec<Asked>>,
}

/// Something that was asked, and what was heard of it, when.
struct Asked {
    org: OrgId,
    act: String,
    request: String,
    heard: Option<(Timestamp, String)>,
}

impl Ledger {
    /// Waits until some steps have been made since the last kill, a different number each time, so that kills fall anywhere.
    pub(crate) async fn progress(&self, kill: usize) {
        let mut steps = self.steps.subscribe();
        let until = *steps.borrow() + 1 + kill * 7 % 5;
        let made = tokio::time::timeout(LIMIT, steps.wait_for(|steps| *steps >= until)).await;
        drop(made.expect("the load goes on").expect("this ledger is alive"));
        // Waits for nothing: else every kill would fall right after a step.
        tokio::time::sleep(Duration::from_millis((kill * 5 % 11) as u64)).await;
    }

    /// Cases whose handover was answered as completed.
    pub(crate) fn finished(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    /// What was asked and heard, for the checker.
    pub(crate) fn told(&self) -> Vec<Operation> {
        self.told_by(Timestamp::MAX)
    }

    /// The same, heard no later than at this moment.
    pub(crate) fn told_by(&self, moment: Timestamp) -> Vec<Operation> {
        let known = |asked: &Asked| match &asked.heard {
            Some((at, resource)) if *at <= moment => Outcome::Done { resource: resource.clone() },
            _ => Outcome::Unknown,
        };
        let operation = |asked: &Asked| {
            let (org, act, request) = (asked.org.clone(), asked.act.clone(), asked.request.clone());
            Operation { org, act, request, outcome: known(asked) }
        };
        self.told.lock().unwrap().iter().map(operation).collect()
    }

    /// Something is asked; what is heard of it is still to come.
    fn asks(&self, at: &str, act: &str, request: &str) {
        let (org, act, request) = (at.parse().unwrap(), act.to_owned(), request.to_owned());
        self.told.lock().unwrap().push(Asked { org, act, request, heard: None });
    }

    /// It was done, to a resource of this name.
    fn hears(&self, request: &str, name: &str) {
        let heard = Some((Timestamp::now(), name.rsplit('/').next().unwrap().to_owned()));
        let mut told = self.told.lock().unwrap();
        told.iter_mut().find(|one| one.request == request).unwrap().heard = heard;
    }

    fn step(&self) {
        self.steps.send_modify(|steps| *steps += 1);
    }
}

/// One client of both organisations that hands one case over after another.
pub(crate) struct Worker {
    giving: Client,
    giver: Person,
    taking: Client,
    taker: Person,
    sender: String,
    receiver: String,
    ledger: Arc<Ledger>,
}

impl Worker {
    pub(crate) fn new(giving: &Node, taking: &Node, ledger: Arc<Ledger>) -> Self {
        Self {
            giving: Client::new(&giving.home, &giving.ca).unwrap(),
            giver: person(giving),
            taking: Client::new(&taking.home, &taking.ca).unwrap(),
            taker: person(taking),
            sender: giving.home.id.clone(),
            receiver: taking.home.id.clone(),
            ledger,
        }
    }

    pub(crate) async fn run(self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Acquire) {
            let case = tokio::time::timeout(LIMIT, self.hand_over()).await.expect("a handover ends");
            self.ledger.done.lock().unwrap().push(case);
        }
    }

    /// A new case, handed over; its name, when the giving side knows that the other leads.
    pub(crate) async fn hand_over(&self) -> String {
        let case = self.open().await;
        self.ledger.step();
        let name = self.offer(&case).await;
        self.ledger.step();
        self.accept(&name).await;
        self.ledger.step();
        self.completed(&name).await;
        self.ledger.step();
        case
    }

    /// Until the giving side knows that the other leads.
    pub(crate) async fn completed(&self, name: &str) {
        until(|| async {
            let request = care::GetHandoverRequest { name: name.to_owned(), ..Default::default() };
            let handover = self.giving.handovers().get_handover(by(&self.giver, request)).await?.into_inner().handover.unwrap();
            Ok((handover.state() == care::handover::State::Completed).then_some(()))
        })
        .await;
    }

    pub(crate) async fn open(&self) -> String {
        let request = self.new_case();
        self.ledger.asks(&self.sender, "open-case", &request.request_id);
        let name = until(|| async {
            let answer = self.giving.cases().create_case(by(&self.giver, request.clone())).await?.into_inner();
            Ok(Some(answer.case.unwrap().name))
        })
        .await;
        self.ledger.hears(&request.request_id, &name);
        name
    }

    /// One try to open a case.
    pub(crate) async fn try_open(&self) -> Result<(), Status> {
        self.giving.cases().create_case(by(&self.giver, self.new_case())).await.map(drop)
    }

    fn new_case(&self) -> care::CreateCaseRequest {
        let dossier = ty::Dossier { situation: "onrust".to_owned(), age: Some(15), ..Default::default() };
        care::CreateCaseRequest { request_id: Uuid::now_v7().to_string(), actor: Some(self.giver.wire()), dossier: Some(dossier) }
    }

    /// One look at a case, with its dossier.
    pub(crate) async fn look(&self, case: &str) -> Result<(), Status> {
        let request = care::GetCaseRequest { name: case.to_owned(), view: care::View::Full.into(), actor: Some(self.giver.wire()) };
        let case = self.giving.cases().get_case(by(&self.giver, request)).await?.into_inner().case.unwrap();
        assert!(case.dossier.is_some(), "a full look shows the dossier");
        Ok(())
    }

    pub(crate) async fn offer(&self, case: &str) -> String {
        self.offer_within(case, "spoed").await
    }

    /// Offers a case with this urgency.
    pub(crate) async fn offer_within(&self, case: &str, urgency: &str) -> String {
        let request_id = Uuid::now_v7().to_string();
        let read = care::GetCaseRequest { name: case.to_owned(), ..Default::default() };
        let etag = until(|| async {
            Ok(Some(self.giving.cases().get_case(by(&self.giver, read.clone())).await?.into_inner().case.unwrap().etag))
        })
        .await;
        let request = care::CreateHandoverRequest {
            parent: case.to_owned(),
            etag,
            request_id,
            actor: Some(self.giver.wire()),
            receiver: self.receiver.clone(),
            service: "ambulante-spoedhulp".to_owned(),
            urgency: urgency.to_owned(),
            ..Default::default()
        };
        self.ledger.asks(&self.sender, "offer-handover", &request.request_id);
        let name = until(|| async {
            let answer = self.giving.handovers().create_handover(by(&self.giver, request.clone())).await?.into_inner();
            Ok(Some(answer.handover.unwrap().name))
        })
        .await;
        self.ledger.hears(&request.request_id, &name);
        name
    }

    pub(crate) async fn accept(&self, name: &str) {
        let request = self.acceptance(name, self.arrived(name).await);
        self.ledger.asks(&self.receiver, "accept-handover", &request.request_id);
        until(|| async { self.taking.handovers().accept_handover(by(&self.taker, request.clone())).await.map(Some) }).await;
        self.ledger.hears(&request.request_id, name);
    }

    /// One try to accept.
    pub(crate) async fn try_accept(&self, name: &str, etag: String) -> Result<(), Status> {
        self.taking.handovers().accept_handover(by(&self.taker, self.acceptance(name, etag))).await.map(drop)
    }

    /// Until the offer is at the receiver; its etag there.
    pub(crate) async fn arrived(&self, name: &str) -> String {
        let read = care::GetHandoverRequest { name: name.to_owned(), ..Default::default() };
        until(|| async {
            match self.taking.handovers().get_handover(by(&self.taker, read.clone())).await {
                Ok(answer) => Ok(Some(answer.into_inner().handover.unwrap().etag)),
                Err(status) if status.code() == Code::NotFound => Ok(None),
                Err(status) => Err(status),
            }
        })
        .await
    }

    fn acceptance(&self, name: &str, etag: String) -> care::AcceptHandoverRequest {
        care::AcceptHandoverRequest {
            name: name.to_owned(),
            etag,
            request_id: Uuid::now_v7().to_string(),
            actor: Some(self.taker.wire()),
            first_action: "bellen".to_owned(),
            ..Default::default()
        }
    }
}

fn person(node: &Node) -> Person {
    let (role, token) = node.home.tokens.iter().find(|(role, _)| **role == "worker").unwrap();
    let actor: Actor = node.home.holders[role].clone();
    Person { actor, token: std::fs::read_to_string(token).unwrap().trim().to_owned() }
}

/// Calls again for as long as the gateway cannot answer; every other refusal is a fault of the gateway.
async fn until<T, F: Future<Output = Result<Option<T>, Status>>>(mut call: impl FnMut() -> F) -> T {
    loop {
        match call().await {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(status) if passing(&status) => {}
            Err(status) => panic!("a call was refused: {status:?}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What a killed gateway looks like from outside. The same request is then sent again under the same key.
fn passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal)
}

/// Every answered handover is there once, at both sides; no case is there that nobody knows of; everything answered was done once; the
/// history holds.
pub(crate) async fn check(nodes: &[Node; 2], handovers: &[String], told: Vec<Operation>) {
    let known: BTreeSet<&str> = handovers.iter().filter_map(|name| name.strip_prefix("cases/")).collect();
    assert_eq!(known.len(), handovers.len(), "no handover was counted twice");
    for node in nodes {
        let store = node.open_store().await;
        let mut cases = BTreeSet::new();
        loop {
            let after = cases.last().cloned().unwrap_or_default();
            let page = store.records(Kind::Case, Page { open_only: false, after, limit: 1_000 }).await.unwrap();
            if page.is_empty() {
                break;
            }
            cases.extend(page.into_iter().map(|record| record.id));
        }
        let cases: BTreeSet<&str> = cases.iter().map(String::as_str).collect();
        assert_eq!(cases, known, "{}: exactly the cases that were handed over", node.home.id);
        store.close().await;
    }
    judged(nodes, handovers.len(), told).await;
}

/// The history of both holds, logs and what clients were told included, and has so many handovers.
pub(crate) async fn judged(nodes: &[Node; 2], handovers: usize, told: Vec<Operation>) {
    holds(&history(nodes, told).await, handovers);
}

/// The same where the clocks of the two cannot be compared. A case that is handed over once has one order: each step is caused by the one
/// before it.
pub(crate) async fn judged_by_cause(nodes: &[Node; 2], handovers: usize, told: Vec<Operation>) {
    const STEPS: [&str; 4] = ["case.opened", "handover.transferring", "case.lead", "handover.completed"];
    let mut history = history(nodes, told).await;
    let mut order = BTreeMap::new();
    for side in &history.sides {
        for row in &side.events {
            let step = STEPS.iter().position(|kind| *kind == row.event.kind);
            order.extend(step.map(|step| ((side.org.clone(), row.seq), step as u64)));
        }
    }
    history.order = Some(order);
    holds(&history, handovers);
}

async fn history(nodes: &[Node; 2], told: Vec<Operation>) -> History {
    let mut subjects = Vec::new();
    for node in nodes {
        let store = node.open_store().await;
        subjects.push(Subject { org: node.home.id.parse().unwrap(), store, checkpoint: Some(node.checkpoint()) });
    }
    History::read_with(subjects, told).await.unwrap()
}

fn holds(history: &History, handovers: usize) {
    let findings = checker::check(history);
    let violations: Vec<String> = findings.violations.iter().map(ToString::to_string).collect();
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!(findings.handovers, handovers as u64);
}
