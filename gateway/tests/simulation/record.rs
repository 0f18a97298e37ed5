//! The chronicle of a run: true time, every commit of every store in the one order in which they became durable, and what clients
//! were told. The checker reads it afterwards; the gateways never see it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use schakel::demo::checker::{Moment, Operation};
use schakel::store::{Commit, Committed, Kind};
use schakel_domain::id::{Hash, OrgId};

use crate::trace::Trace;

/// A Sunday night in November.
pub(crate) const START: &str = "2026-11-22T02:14:00Z";

/// See the file's own words.
pub(crate) struct Chronicle {
    start: Timestamp,
    elapsed_ms: AtomicU64,
    trace: Mutex<Trace>,
    commits: AtomicU64,
    moments: Mutex<Vec<Moment>>,
    order: Mutex<BTreeMap<(OrgId, u64), u64>>,
    operations: Mutex<Vec<Operation>>,
    /// Clients begin nothing new, and finish what is open.
    pub(crate) settling: AtomicBool,
    /// Clients do nothing any more.
    pub(crate) over: AtomicBool,
    /// Calls of clients under way, and writes that they have not given up.
    pub(crate) calls: AtomicU64,
}

impl Chronicle {
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            start: START.parse().unwrap(),
            elapsed_ms: AtomicU64::new(0),
            trace: Mutex::new(Trace::new(aloud)),
            commits: AtomicU64::new(0),
            moments: Mutex::default(),
            order: Mutex::default(),
            operations: Mutex::default(),
            settling: AtomicBool::new(false),
            over: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        }
    }

    /// Milliseconds since the start, by no gateway's clock.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            self.elapsed_ms.fetch_max(u64::try_from(elapsed.as_millis()).unwrap(), Ordering::Relaxed);
        }
        self.elapsed_ms.load(Ordering::Relaxed)
    }

    /// True time.
    pub(crate) fn now(&self) -> Timestamp {
        self.start + jiff::SignedDuration::from_millis(i64::try_from(self.elapsed_ms()).unwrap())
    }

    pub(crate) fn say(&self, line: &str) {
        let line = format!("{:>7} {line}", self.elapsed_ms());
        self.trace.lock().unwrap().say(&line);
    }

    /// A commit became durable.
    pub(crate) fn committed(&self, org: &OrgId, commit: &Commit, committed: &Committed) {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let first_event = committed.last_event + 1 - commit.events.len() as u64;
        let mut order = self.order.lock().unwrap();
        order.extend((first_event..=committed.last_event).map(|event| ((org.clone(), event), number)));
        let cases = commit.put.iter().filter(|record| record.kind == Kind::Case);
        let moments = cases.map(|record| {
            let clear: serde_json::Value = serde_json::from_str(&record.clear).unwrap();
            Moment { org: org.clone(), case: record.id.clone(), custody: clear["custody"].clone() }
        });
        self.moments.lock().unwrap().extend(moments);
        self.say(&described(org, commit));
    }

    /// A client begins an operation; its place, to say later how it ended.
    pub(crate) fn begins(&self, operation: Operation) -> usize {
        self.say(&format!("{} asks {} as {}", operation.org, operation.act, operation.request));
        let mut operations = self.operations.lock().unwrap();
        operations.push(operation);
        operations.len() - 1
    }

    pub(crate) fn ends(&self, place: usize, outcome: schakel::demo::checker::Outcome) {
        let mut operations = self.operations.lock().unwrap();
        operations[place].outcome = outcome;
        let Operation { org, act, request, outcome } = &operations[place];
        self.say(&format!("{org} was told of {act} as {request}: {outcome:?}"));
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap().clone()
    }

    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap().clone()
    }

    pub(crate) fn order(&self) -> BTreeMap<(OrgId, u64), u64> {
        self.order.lock().unwrap().clone()
    }

    /// Lines, and the hash of all of them.
    pub(crate) fn sum(&self) -> (u64, Hash) {
        let trace = self.trace.lock().unwrap();
        (trace.lines(), trace.hash())
    }
}

/// A commit in one line, with the hash of everything that must not differ between two runs of one seed.
fn described(org: &OrgId, commit: &Commit) -> String {
    let whole = Hash::sha256(format!("{commit:?}").as_bytes()).to_string();
    let records: Vec<String> =
        commit.put.iter().map(|record| format!("{:?} {} v{}", record.kind, short(&record.id), record.version)).collect();
    let sent: Vec<String> = commit.send.iter().map(|message| format!("{} to {}", message.kind, message.peer)).collect();
    let got: Vec<String> = commit.received.iter().map(|row| format!("{} of {} {}", row.kind, row.peer, row.outcome)).collect();
    let changed: Vec<String> = commit.outbox.iter().map(|change| format!("{} {:?}", change.number, change.state)).collect();
    let events: Vec<&str> = commit.events.iter().map(|event| event.kind.as_str()).collect();
    format!("{org} commits {records:?} got {got:?} sends {sent:?} outbox {changed:?} events {events:?} {}", &whole[..12])
}

fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(6)..).unwrap_or(id)
}
