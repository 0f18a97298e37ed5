//! MEMORY: the store without a disk, for simulation and tests. It keeps every rule of the trait except outliving its process.
//!
//! What it adds are two faults, in pairs as networks and disks produce them: a commit that is lost, and one that is made but not answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};

use super::group::{self, PeerHead, Plan, Seen, Wanted};
use super::{
    ClientKey, Commit, Committed, EntryRow, Erase, EventRow, FORGOTTEN, InboxRow, Kind, MAX_LEAVES, MAX_ROWS, OutboxRow, OutboxState, Page,
    PeerQueue, Record, Replay, Store, StoreError, Timer,
};

/// A new, empty store.
#[must_use]
pub fn new() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::default())
}

/// What goes wrong with the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written and the caller hears [`StoreError::Unavailable`].
    Lost,
    /// It is written, and yet the caller hears [`StoreError::Unavailable`].
    Unanswered,
    /// Nothing is written and the caller hears [`StoreError::Full`].
    Full,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    fault: Mutex<Option<Fault>>,
}

/// A commit is durable the moment it is in here: there is nothing between applied and durable.
#[derive(Debug, Clone, Default)]
struct State {
    records: BTreeMap<(Kind, String), Record>,
    replays: HashMap<(String, String), Replay>,
    inbox: Vec<InboxRow>,
    /// Place in `inbox`.
    received: HashMap<(OrgId, MessageId), usize>,
    outbox: BTreeMap<(OrgId, u64), OutboxRow>,
    /// Key in `outbox`.
    sent: HashMap<MessageId, (OrgId, u64)>,
    peers: BTreeMap<OrgId, PeerHead>,
    events: Vec<EventRow>,
    entries: Vec<EntryRow>,
    timers: BTreeMap<String, Timer>,
    keys: HashMap<ClientKeyId, ClientKey>,
}

impl MemoryStore {
    /// What a restart finds: everything committed, in a store of its own.
    #[must_use]
    pub fn restarted(&self) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(self.state().clone()), fault: Mutex::default() })
    }

    /// Makes the next commit go wrong, once.
    pub fn fail_next(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    // A panic while the state was locked would be in `apply`, which has nothing that panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_now(&self, commit: Commit) -> Result<Committed, StoreError> {
        group::check(&commit)?;
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        match fault {
            Some(Fault::Lost) => return Err(StoreError::Unavailable("lost, as asked".to_owned())),
            Some(Fault::Full) => return Err(StoreError::Full),
            Some(Fault::Unanswered) | None => {}
        }
        let commits = [commit];
        let mut state = self.state();
        let mut plan = group::decide(&commits, state.seen(&commits));
        state.apply(&plan);
        let answer = plan.answers.pop().unwrap_or(Err(StoreError::Unavailable("no answer".to_owned())));
        if fault.is_some() && answer.is_ok() { Err(StoreError::Unavailable("unanswered, as asked".to_owned())) } else { answer }
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&State) -> T + Send) -> BoxFuture<'static, Result<T, StoreError>> {
        let found = read(&self.state());
        Box::pin(std::future::ready(Ok(found)))
    }
}

impl State {
    fn seen(&self, commits: &[Commit]) -> Seen {
        let wanted = Wanted::of(commits);
        let versions = wanted.records.into_iter().map(|(kind, id)| (kind, id.to_owned()));
        let replays = wanted.replays.into_iter().map(|(scope, id)| (scope.to_owned(), id.to_owned()));
        let outbox = wanted.outbox.into_iter().map(|(peer, number)| (peer.clone(), number));
        Seen {
            versions: versions.filter_map(|key| self.records.get(&key).map(|record| record.version).map(|v| (key, v))).collect(),
            replays: replays.filter(|key| self.replays.contains_key(key)).collect(),
            received: wanted.received.into_iter().map(|(p, m)| (p.clone(), m)).filter(|key| self.received.contains_key(key)).collect(),
            outbox: outbox.filter_map(|key| self.outbox.get(&key).map(|row| row.state).map(|state| (key, state))).collect(),
            messages: commits.iter().flat_map(|c| &c.send).map(|m| m.message).filter(|id| self.sent.contains_key(id)).collect(),
            keys: commits.iter().flat_map(|c| &c.keys).map(|k| k.id).filter(|id| self.keys.contains_key(id)).collect(),
            peers: wanted.peers.into_iter().filter_map(|peer| self.peers.get(peer).map(|head| (peer.clone(), *head))).collect(),
            log_size: self.entries.len() as u64,
            last_event: self.events.len() as u64,
        }
    }

    fn erase(&mut self, erase: &Erase) {
        self.keys.remove(&erase.key);
        for key in &erase.records {
            self.records.remove(key);
        }
        self.inbox.iter_mut().filter(|row| row.thread == erase.thread).for_each(|row| row.sealed = Vec::new());
        let of_thread = |row: &&mut OutboxRow| row.message.thread == erase.thread;
        self.outbox.values_mut().filter(of_thread).for_each(|row| row.message.sealed = Vec::new());
        let of_case = |row: &&mut EntryRow| row.entry.case.as_deref() == Some(&erase.thread);
        self.entries.iter_mut().filter(of_case).for_each(|row| row.entry.salts = None);
        self.replays.values_mut().filter(|replay| erase.outcomes.contains(&replay.outcome)).for_each(|replay| replay.body = FORGOTTEN);
    }

    fn apply(&mut self, plan: &Plan<'_>) {
        for erase in &plan.erased {
            self.erase(erase);
        }
        for ((kind, id), record) in &plan.records {
            self.records.insert((*kind, (*id).to_owned()), (*record).clone());
        }
        for replay in &plan.replays {
            self.replays.insert((replay.scope.clone(), replay.request_id.clone()), (*replay).clone());
        }
        for row in &plan.received {
            self.received.insert((row.peer.clone(), row.message), self.inbox.len());
            self.inbox.push((*row).clone());
        }
        for sent in &plan.sent {
            let (message, queued) = (sent.message.clone(), sent.queued);
            let (number, trace, state) = (sent.number, sent.trace, OutboxState::Waiting);
            let row = OutboxRow { number, state, reason: None, proof: None, queued, changed: queued, message, trace };
            let key = (row.message.peer.clone(), row.number);
            self.sent.insert(row.message.message, key.clone());
            self.outbox.insert(key, row);
        }
        for (change, at) in &plan.changed {
            if let Some(row) = self.outbox.get_mut(&(change.peer.clone(), change.number)) {
                row.state = change.state;
                row.reason.clone_from(&change.reason);
                row.proof.clone_from(&change.proof);
                row.changed = *at;
            }
        }
        for (peer, head) in &plan.peers {
            self.peers.insert((*peer).clone(), *head);
        }
        self.events.extend(plan.events.iter().map(|e| EventRow { seq: e.seq, event: e.event.clone(), at: e.at, trace: e.trace }));
        self.entries.extend(plan.entries.iter().map(|(index, entry)| EntryRow { index: *index, entry: (*entry).clone() }));
        for (id, timer) in &plan.timers {
            match timer {
                Some(timer) => self.timers.insert((*id).to_owned(), (*timer).clone()),
                None => self.timers.remove(*id),
            };
        }
        self.keys.extend(plan.keys.iter().map(|key| (key.id, (*key).clone())));
    }

    fn records(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        self.records.range((kind, String::new())..).map(|(_, record)| record).take_while(move |record| record.kind == kind)
    }

    fn due(&self, now: Timestamp) -> Vec<Timer> {
        let mut due: Vec<_> = self.timers.values().filter(|timer| timer.due <= now).cloned().collect();
        due.sort_by(|a, b| (a.due, &a.id).cmp(&(b.due, &b.id)));
        due
    }
}

/// Place of the first event after a sequence number, and of the entry with an index: both count without gaps.
fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn cut<T>(rows: impl Iterator<Item = T>, limit: u32) -> Vec<T> {
    rows.take(limit.min(MAX_ROWS) as usize).collect()
}

impl Store for MemoryStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        // One poll: whoever drops the future before it has started nothing.
        Box::pin(async move { self.commit_now(commit) })
    }

    fn record<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        self.read(|state| state.records.get(&(kind, id.to_owned())).cloned())
    }

    fn records(&self, kind: Kind, page: Page) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        let wanted = |record: &&Record| record.id > page.after && (record.open || !page.open_only);
        self.read(|state| cut(state.records(kind).filter(wanted).cloned(), page.limit))
    }

    fn children<'a>(&'a self, kind: Kind, parent: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.read(|state| cut(state.records(kind).filter(|r| r.parent.as_deref() == Some(parent)).cloned(), MAX_ROWS))
    }

    fn aliased<'a>(&'a self, kind: Kind, alias: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.read(|state| cut(state.records(kind).filter(|r| r.alias.as_deref() == Some(alias)).cloned(), MAX_ROWS))
    }

    fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> BoxFuture<'a, Result<Option<Replay>, StoreError>> {
        self.read(|state| state.replays.get(&(scope.to_owned(), request_id.to_owned())).cloned())
    }

    fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
        self.read(|state| state.received.get(&(peer.clone(), message)).and_then(|place| state.inbox.get(*place)).cloned())
    }

    fn received_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>> {
        self.read(|state| cut(state.inbox.iter().filter(|row| row.thread == thread).cloned(), MAX_ROWS))
    }

    fn received_numbers(&self) -> BoxFuture<'_, Result<Vec<(OrgId, u64)>, StoreError>> {
        self.read(|state| state.peers.iter().filter(|(_, head)| head.received > 0).map(|(p, head)| (p.clone(), head.received)).collect())
    }

    fn newest_received<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
        self.read(|state| state.inbox.iter().filter(|row| row.peer == *peer).max_by_key(|row| row.number).cloned())
    }

    fn outbox<'a>(
        &'a self,
        peer: &'a OrgId,
        state: OutboxState,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
        let wanted = move |row: &&OutboxRow| row.message.peer == *peer && row.state == state && row.number > after;
        self.read(move |all| cut(all.outbox.values().filter(wanted).cloned(), limit))
    }

    fn sent_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
        self.read(|state| {
            let mut rows: Vec<_> = state.outbox.values().filter(|row| row.message.thread == thread).cloned().collect();
            rows.sort_by(|a, b| (a.number, &a.message.peer).cmp(&(b.number, &b.message.peer)));
            cut(rows.into_iter(), MAX_ROWS)
        })
    }

    fn sent(&self, message: MessageId) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>> {
        self.read(|state| state.sent.get(&message).and_then(|key| state.outbox.get(key)).cloned())
    }

    fn outbox_peers(&self) -> BoxFuture<'_, Result<Vec<PeerQueue>, StoreError>> {
        self.read(|state| {
            let sent = state.peers.iter().filter(|(_, head)| head.sent > 0);
            sent.map(|(peer, head)| {
                let waiting = || state.outbox.values().filter(|r| r.message.peer == *peer && r.state == OutboxState::Waiting);
                let oldest = waiting().map(|row| row.queued).min();
                PeerQueue { peer: peer.clone(), waiting: waiting().count() as u64, oldest, highest: head.sent }
            })
            .collect()
        })
    }

    fn events(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        self.read(|state| cut(state.events.iter().skip(place(after)).cloned(), limit))
    }

    fn event_range(&self) -> BoxFuture<'_, Result<(u64, u64), StoreError>> {
        self.read(|state| (1, state.events.len() as u64))
    }

    fn entries(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EntryRow>, StoreError>> {
        self.read(|state| cut(state.entries.iter().skip(place(from)).cloned(), limit))
    }

    fn entries_of<'a>(&'a self, case: &'a str, from: u64, limit: u32) -> BoxFuture<'a, Result<Vec<EntryRow>, StoreError>> {
        let wanted = move |row: &&EntryRow| row.index >= from && row.entry.case.as_deref() == Some(case);
        self.read(move |state| cut(state.entries.iter().filter(wanted).cloned(), limit))
    }

    fn leaves(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        let rows = limit.min(MAX_LEAVES) as usize;
        self.read(|state| state.entries.iter().skip(place(from)).take(rows).map(|row| row.entry.leaf).collect())
    }

    fn log_size(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.read(|state| state.entries.len() as u64)
    }

    fn due(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Timer>, StoreError>> {
        self.read(|state| cut(state.due(now).into_iter(), limit))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.read(|state| state.timers.values().map(|timer| timer.due).min())
    }

    fn client_key(&self, id: ClientKeyId) -> BoxFuture<'_, Result<Option<ClientKey>, StoreError>> {
        self.read(|state| state.keys.get(&id).cloned())
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(|_| ())
    }
}
