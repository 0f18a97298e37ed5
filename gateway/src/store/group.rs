//! GROUP: which commits of a group hold. Pure: its arguments are the commits and what one transaction read for them ([`Seen`]).
//!
//! Commits are judged one by one in the order they came, each seeing the accepted ones before it; one that does not hold is answered
//! and leaves its neighbours alone (a commit that breaks the rules by itself does not even get here: [`check`]). The [`Plan`] is what the transaction then writes, already numbered and with each row once, however
//! many commits of the group touched it. All stores use this file, so that they cannot differ.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use schakel_domain::id::{ClientKeyId, MessageId, OrgId};
use schakel_domain::traceparent::TraceParent;

use super::{
    ClientKey, Commit, Committed, Erase, Expect, InboxRow, Kind, MAX_COMMIT_BYTES, MAX_ENTRY_BYTES, MAX_ERASED, MAX_ITEMS, MAX_NAME_BYTES,
    NewEntry, NewEvent, OutboxChange, OutboxState, Outgoing, Record, Replay, StoreError, Timer, TimerChange,
};

/// What a transaction must read before [`decide`]; each key once.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) records: BTreeSet<(Kind, &'a str)>,
    pub(super) replays: BTreeSet<(&'a str, &'a str)>,
    pub(super) received: BTreeSet<(&'a OrgId, MessageId)>,
    pub(super) outbox: BTreeSet<(&'a OrgId, u64)>,
    pub(super) peers: BTreeSet<&'a OrgId>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(commits: &'a [Commit]) -> Self {
        let mut wanted = Self::default();
        for commit in commits {
            wanted.records.extend(commit.expect.iter().map(|e| (e.kind, e.id.as_str())));
            wanted.replays.extend(commit.replay.iter().map(|r| (r.scope.as_str(), r.request_id.as_str())));
            wanted.received.extend(commit.received.iter().map(|m| (&m.peer, m.message)));
            wanted.outbox.extend(commit.outbox.iter().map(|c| (&c.peer, c.number)));
            wanted.peers.extend(commit.received.iter().map(|m| &m.peer).chain(commit.send.iter().map(|m| &m.peer)));
            wanted.peers.extend(commit.skip.iter().map(|(peer, _)| peer));
        }
        wanted
    }
}

/// Numbers given out to and received from one peer, highest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PeerHead {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// What one transaction read. A missing record has version 0.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) versions: HashMap<(Kind, String), u64>,
    pub(super) replays: HashSet<(String, String)>,
    pub(super) received: HashSet<(OrgId, MessageId)>,
    pub(super) outbox: HashMap<(OrgId, u64), OutboxState>,
    /// Ids of sent messages and of keys. They are fresh UUIDs: a database need not read them and may leave the clash to its unique index.
    pub(super) messages: HashSet<MessageId>,
    pub(super) keys: HashSet<ClientKeyId>,
    pub(super) peers: HashMap<OrgId, PeerHead>,
    pub(super) log_size: u64,
    pub(super) last_event: u64,
}

/// A message with its number.
#[derive(Debug)]
pub(super) struct NewSent<'a> {
    pub(super) number: u64,
    pub(super) message: &'a Outgoing,
    pub(super) queued: Timestamp,
    pub(super) trace: Option<TraceParent>,
}

/// An event with its place.
#[derive(Debug)]
pub(super) struct NewTold<'a> {
    pub(super) seq: u64,
    pub(super) event: &'a NewEvent,
    pub(super) at: Timestamp,
    pub(super) trace: Option<TraceParent>,
}

/// What to write, and the answers, one per commit.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) answers: Vec<Result<Committed, StoreError>>,
    /// Before everything else.
    pub(super) erased: Vec<&'a Erase>,
    pub(super) records: BTreeMap<(Kind, &'a str), &'a Record>,
    pub(super) replays: Vec<&'a Replay>,
    pub(super) received: Vec<&'a InboxRow>,
    pub(super) sent: Vec<NewSent<'a>>,
    /// After `sent`: a commit may change what another of the group sent.
    pub(super) changed: Vec<(&'a OutboxChange, Timestamp)>,
    pub(super) entries: Vec<(u64, &'a NewEntry)>,
    pub(super) events: Vec<NewTold<'a>>,
    /// The last word on each timer; `None` clears it.
    pub(super) timers: BTreeMap<&'a str, Option<&'a Timer>>,
    pub(super) keys: Vec<&'a ClientKey>,
    /// The new heads of the peers whose numbers moved.
    pub(super) peers: BTreeMap<&'a OrgId, PeerHead>,
    pub(super) log_size: u64,
    pub(super) last_event: u64,
}

impl Plan<'_> {
    /// How many rows it writes: 0 means that no transaction is needed.
    pub(super) fn rows(&self) -> usize {
        self.erased.len()
            + self.records.len()
            + self.replays.len()
            + self.received.len()
            + self.sent.len()
            + self.changed.len()
            + self.entries.len()
            + self.events.len()
            + self.timers.len()
            + self.keys.len()
            + self.peers.len()
    }
}

/// Judges the commits of a group, in order, and plans what to write. Each has passed [`check`].
pub(super) fn decide(commits: &[Commit], mut seen: Seen) -> Plan<'_> {
    let mut plan = Plan::default();
    for commit in commits {
        let answer = check_seen(commit, &seen).map(|()| admit(commit, &mut seen, &mut plan));
        plan.answers.push(answer);
    }
    plan.log_size = seen.log_size;
    plan.last_event = seen.last_event;
    plan
}

/// Whether what the decider read still stands and every key is new.
fn check_seen(commit: &Commit, seen: &Seen) -> Result<(), StoreError> {
    let conflict = |what: String| Err(StoreError::Conflict(what));
    for Expect { kind, id, version } in &commit.expect {
        let now = seen.versions.get(&(*kind, id.clone())).copied().unwrap_or_default();
        if now != *version {
            return conflict(format!("{kind:?} {id} is at version {now}, not {version}"));
        }
    }
    if let Some(replay) = &commit.replay
        && seen.replays.contains(&(replay.scope.clone(), replay.request_id.clone()))
    {
        return conflict(format!("request {} was executed before", replay.request_id));
    }
    for row in &commit.received {
        if seen.received.contains(&(row.peer.clone(), row.message)) {
            return conflict(format!("message {} of {} was received before", row.message, row.peer));
        }
    }
    for change in &commit.outbox {
        match seen.outbox.get(&(change.peer.clone(), change.number)) {
            None => return Err(StoreError::Refused(format!("message {} to {} does not exist", change.number, change.peer))),
            Some(OutboxState::Waiting) => {}
            Some(state) if *state == change.state => {}
            Some(OutboxState::Delivered) if change.state == OutboxState::Waiting => {}
            Some(state) => return conflict(format!("message {} to {} is {state:?}", change.number, change.peer)),
        }
    }
    if let Some(message) = commit.send.iter().find(|m| seen.messages.contains(&m.message)) {
        return conflict(format!("message {} was sent before", message.message));
    }
    if let Some(key) = commit.keys.iter().find(|k| seen.keys.contains(&k.id)) {
        return conflict(format!("client key {} exists", key.id));
    }
    Ok(())
}

/// Numbers an accepted commit, adds it to the plan, and lets the commits after it see it.
fn admit<'a>(commit: &'a Commit, seen: &mut Seen, plan: &mut Plan<'a>) -> Committed {
    for erase in &commit.erase {
        for (kind, id) in &erase.records {
            seen.versions.remove(&(*kind, id.clone()));
            plan.records.remove(&(*kind, id.as_str()));
        }
        plan.erased.push(erase);
    }
    for record in &commit.put {
        seen.versions.insert((record.kind, record.id.clone()), record.version);
        plan.records.insert((record.kind, &record.id), record);
    }
    if let Some(replay) = &commit.replay {
        seen.replays.insert((replay.scope.clone(), replay.request_id.clone()));
        plan.replays.push(replay);
    }
    for row in &commit.received {
        seen.received.insert((row.peer.clone(), row.message));
        let head = seen.peers.entry(row.peer.clone()).or_default();
        head.received = head.received.max(row.number);
        plan.peers.insert(&row.peer, *head);
        plan.received.push(row);
    }
    // Changes first: a commit names messages that existed when it was decided, never its own.
    for change in &commit.outbox {
        let state = seen.outbox.entry((change.peer.clone(), change.number)).or_insert(OutboxState::Waiting);
        if *state != change.state {
            *state = change.state;
            plan.changed.push((change, commit.at));
        }
    }
    for (peer, number) in &commit.skip {
        let head = seen.peers.entry(peer.clone()).or_default();
        head.sent = head.sent.max(*number);
        plan.peers.insert(peer, *head);
    }
    for message in &commit.send {
        seen.messages.insert(message.message);
        let head = seen.peers.entry(message.peer.clone()).or_default();
        head.sent += 1;
        seen.outbox.insert((message.peer.clone(), head.sent), OutboxState::Waiting);
        plan.peers.insert(&message.peer, *head);
        plan.sent.push(NewSent { number: head.sent, message, queued: commit.at, trace: commit.trace });
    }
    for change in &commit.timers {
        match change {
            TimerChange::Set(timer) => plan.timers.insert(&timer.id, Some(timer)),
            TimerChange::Clear(id) => plan.timers.insert(id, None),
        };
    }
    for key in &commit.keys {
        seen.keys.insert(key.id);
        plan.keys.push(key);
    }
    let first_entry = (!commit.entries.is_empty()).then_some(seen.log_size);
    for entry in &commit.entries {
        plan.entries.push((seen.log_size, entry));
        seen.log_size += 1;
    }
    for event in &commit.events {
        seen.last_event += 1;
        plan.events.push(NewTold { seq: seen.last_event, event, at: commit.at, trace: commit.trace });
    }
    Committed { first_entry, last_event: seen.last_event, log_size: seen.log_size }
}

/// The rules of a commit by itself: bounds, and every put stated in `expect`. Comes before the group, because even reading what a bad
/// commit names could fail the transaction of its neighbours.
pub(super) fn check(commit: &Commit) -> Result<(), StoreError> {
    let refused = |what: String| Err(StoreError::Refused(what));
    if items(commit) > MAX_ITEMS {
        return refused(format!("more than {MAX_ITEMS} items"));
    }
    if commit.erase.iter().map(|erase| erase.records.len() + erase.outcomes.len()).sum::<usize>() > MAX_ERASED {
        return refused(format!("more than {MAX_ERASED} erased records and outcomes"));
    }
    if size(commit) > MAX_COMMIT_BYTES {
        return refused(format!("more than {MAX_COMMIT_BYTES} bytes"));
    }
    if commit.entries.iter().any(|e| e.bytes.len() > MAX_ENTRY_BYTES) {
        return refused(format!("an entry of more than {MAX_ENTRY_BYTES} bytes"));
    }
    if let Some(name) = names(commit).find(|n| n.len() > MAX_NAME_BYTES) {
        return refused(format!("a name of {} bytes, at most {MAX_NAME_BYTES}", name.len()));
    }
    if names(commit).chain(texts(commit)).any(|text| text.contains('\0')) {
        return refused("a text with a NUL".to_owned());
    }
    if numbers(commit).any(|n| i64::try_from(n).is_err()) {
        return refused("a number of more than 63 bits".to_owned());
    }
    if moments(commit).any(|at| i64::try_from(at.as_nanosecond()).is_err()) {
        return refused("a moment outside 1678 to 2262".to_owned());
    }
    check_puts(commit)?;
    check_unique(commit)
}

fn check_puts(commit: &Commit) -> Result<(), StoreError> {
    let mut expected = BTreeMap::new();
    for expect in &commit.expect {
        if expected.insert((expect.kind, expect.id.as_str()), expect.version).is_some() {
            return Err(StoreError::Refused(format!("{:?} {} is expected twice", expect.kind, expect.id)));
        }
    }
    for record in &commit.put {
        // Taken out, so that a second put of the same record finds none.
        let Some(version) = expected.remove(&(record.kind, record.id.as_str())) else {
            return Err(StoreError::Refused(format!("{:?} {} is put without being expected, or twice", record.kind, record.id)));
        };
        if record.version != version + 1 {
            let Record { kind, id, version: new, .. } = record;
            return Err(StoreError::Refused(format!("{kind:?} {id} is put at version {new} after {version}")));
        }
    }
    Ok(())
}

/// The same key twice in one commit is a fault of the caller, not a conflict with anybody.
fn check_unique(commit: &Commit) -> Result<(), StoreError> {
    let (mut received, mut sent, mut changed, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let unique = commit.received.iter().all(|m| received.insert((&m.peer, m.message)))
        && commit.send.iter().all(|m| sent.insert(m.message))
        && commit.outbox.iter().all(|c| changed.insert((&c.peer, c.number)))
        && commit.keys.iter().all(|k| keys.insert(k.id));
    unique.then_some(()).ok_or_else(|| StoreError::Refused("the same message or key twice".to_owned()))
}

fn items(commit: &Commit) -> usize {
    let Commit {
        expect,
        put,
        replay,
        received,
        send,
        outbox,
        skip,
        entries,
        events,
        timers,
        keys,
        erase,
        at: _,
        from_reserve: _,
        trace: _,
    } = commit;
    expect.len()
        + put.len()
        + usize::from(replay.is_some())
        + received.len()
        + send.len()
        + outbox.len()
        + skip.len()
        + entries.len()
        + events.len()
        + timers.len()
        + keys.len()
        + erase.len()
}

/// Bytes of a commit, near enough to bound it.
pub(super) fn size(commit: &Commit) -> usize {
    let blobs = (commit.put.iter().filter_map(|r| r.sealed.as_ref()))
        .chain(commit.received.iter().flat_map(|m| [&m.sealed, &m.proof]))
        .chain(commit.send.iter().map(|m| &m.sealed))
        .chain(commit.outbox.iter().filter_map(|c| c.proof.as_ref()))
        .chain(commit.entries.iter().flat_map(|e| [Some(&e.bytes), e.salts.as_ref()].into_iter().flatten()))
        .chain(commit.keys.iter().map(|k| &k.wrapped));
    blobs.map(Vec::len).sum::<usize>() + names(commit).chain(texts(commit)).map(str::len).sum::<usize>()
}

/// Every short text.
fn names(commit: &Commit) -> impl Iterator<Item = &str> {
    let records =
        commit.put.iter().flat_map(|r| [Some(&r.id), r.parent.as_ref(), r.alias.as_ref()].into_iter().flatten().map(String::as_str));
    let timers = commit.timers.iter().map(|change| match change {
        TimerChange::Set(timer) => timer.id.as_str(),
        TimerChange::Clear(id) => id.as_str(),
    });
    (commit.expect.iter().map(|e| e.id.as_str()))
        .chain(records)
        .chain(commit.replay.iter().flat_map(|r| [r.scope.as_str(), r.request_id.as_str()]))
        .chain(commit.received.iter().flat_map(|m| [m.thread.as_str(), m.kind.as_str(), m.outcome.as_str()]))
        .chain(commit.send.iter().flat_map(|m| [m.thread.as_str(), m.kind.as_str(), m.subject.1.as_str()]))
        .chain(commit.outbox.iter().filter_map(|c| c.reason.as_deref()))
        .chain(commit.entries.iter().filter_map(|e| e.case.as_deref()))
        .chain(commit.events.iter().flat_map(|e| [e.kind.as_str(), e.resource.as_str(), e.state.as_str()]))
        .chain(commit.erase.iter().map(|e| e.thread.as_str()))
        .chain(commit.erase.iter().flat_map(|e| e.records.iter().map(|(_, id)| id).chain(&e.outcomes).map(String::as_str)))
        .chain(timers)
}

/// Every text of free length.
fn texts(commit: &Commit) -> impl Iterator<Item = &str> {
    let actions = commit.timers.iter().filter_map(|change| match change {
        TimerChange::Set(timer) => Some(timer.action.as_str()),
        TimerChange::Clear(_) => None,
    });
    (commit.put.iter().map(|r| r.clear.as_str())).chain(commit.replay.iter().map(|r| r.outcome.as_str())).chain(actions)
}

fn numbers(commit: &Commit) -> impl Iterator<Item = u64> {
    (commit.expect.iter().map(|e| e.version))
        .chain(commit.put.iter().map(|r| r.version))
        .chain(commit.received.iter().flat_map(|m| [m.number, m.seq]))
        .chain(commit.send.iter().map(|m| m.seq))
        .chain(commit.outbox.iter().map(|c| c.number))
        .chain(commit.skip.iter().map(|(_, number)| *number))
}

fn moments(commit: &Commit) -> impl Iterator<Item = Timestamp> {
    let timers = commit.timers.iter().filter_map(|change| match change {
        TimerChange::Set(timer) => Some(timer.due),
        TimerChange::Clear(_) => None,
    });
    std::iter::once(commit.at).chain(commit.replay.iter().map(|r| r.at)).chain(commit.received.iter().map(|m| m.at)).chain(timers)
}
