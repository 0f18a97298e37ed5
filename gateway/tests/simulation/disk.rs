//! The disk of one gateway: a store in memory whose durability is explicit.
//!
//! A commit is written at one moment. A crash before it leaves nothing of it, a crash after it all of it, whether or not anybody heard. At
//! every step that the outbox, the inbox, a timer or a person's command takes there is a fault point with a pair of faults: the step is
//! not made and fails, or it is made and the answer is lost. Planted faults ([`Bug`]) are here too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel::store::memory::{self, MemoryStore};
use schakel::store::{
    ClientKey, Commit, Committed, EntryRow, EventRow, InboxRow, Kind, OutboxChange, OutboxRow, OutboxState, Page, PeerQueue, Record,
    Replay, Store, StoreError, Timer, TimerChange,
};
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use tokio::sync::oneshot;

use crate::bug::Bug;
use crate::dice::Dice;
use crate::record::Chronicle;

/// How often the disk that answers first writes.
const LAZY: Duration = Duration::from_secs(4);

/// A step at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    /// A received message is kept.
    Inbox,
    /// What became of a sent message is kept.
    Outbox,
    /// A timer fires.
    Timer,
    /// A command of a person is executed.
    Command,
    /// Anything else is written: looks, checkpoints.
    Other,
    /// Something is read.
    Read,
}

impl Point {
    fn of(commit: &Commit) -> Self {
        if !commit.received.is_empty() {
            Point::Inbox
        } else if !commit.outbox.is_empty() {
            Point::Outbox
        } else if commit.replay.is_some() {
            Point::Command
        } else if commit.timers.iter().any(|change| matches!(change, TimerChange::Clear(_))) {
            Point::Timer
        } else {
            Point::Other
        }
    }
}

/// How often each fault strikes, in thousandths, and how often it did: (not made, made and not answered).
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) per_thousand: BTreeMap<Point, u64>,
    pub(crate) struck: BTreeMap<Point, (u64, u64)>,
}

/// What survives a crash, and the means to make it go wrong.
pub(crate) struct Disk {
    org: OrgId,
    live: Mutex<Arc<MemoryStore>>,
    /// What a crash leaves, when that is less than what was answered.
    written: Mutex<Arc<MemoryStore>>,
    dice: Mutex<Dice>,
    pub(crate) faults: Mutex<Faults>,
    bug: Option<Bug>,
    chronicle: Arc<Chronicle>,
}

impl Disk {
    pub(crate) fn new(org: OrgId, store: Arc<MemoryStore>, seed: u64, bug: Option<Bug>, chronicle: Arc<Chronicle>) -> Arc<Self> {
        let dice = Mutex::new(Dice::of(seed, &format!("disk of {org}")));
        let (live, written) = (Mutex::new(Arc::clone(&store)), Mutex::new(store.restarted()));
        Arc::new(Self { org, live, written, dice, faults: Mutex::default(), bug, chronicle })
    }

    /// The store as a starting gateway finds it. Whoever held it before the crash holds it no longer.
    pub(crate) fn mount(self: &Arc<Self>) -> Arc<Mounted> {
        let lazy = self.bug == Some(Bug::AnsweredBeforeDurable);
        let found = if lazy { self.written.lock().unwrap().restarted() } else { self.peek().restarted() };
        *self.live.lock().unwrap() = Arc::clone(&found);
        if lazy {
            let disk = Arc::clone(self);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LAZY).await;
                    *disk.written.lock().unwrap() = disk.peek().restarted();
                }
            });
        }
        Arc::new(Mounted { disk: Arc::clone(self), store: found, timers: Mutex::default() })
    }

    /// What is stored now, past all faults.
    pub(crate) fn peek(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.live.lock().unwrap())
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.faults.lock().unwrap().per_thousand.clear();
    }

    /// Whether the step fails: before it is made, or after.
    fn strikes(&self, point: Point) -> Option<bool> {
        let mut faults = self.faults.lock().unwrap();
        let rate = faults.per_thousand.get(&point).copied().unwrap_or_default();
        let mut dice = self.dice.lock().unwrap();
        if rate == 0 || !dice.chance(rate) {
            return None;
        }
        let made = point != Point::Read && dice.chance(500);
        let struck = faults.struck.entry(point).or_default();
        if made {
            struck.1 += 1
        } else {
            struck.0 += 1
        }
        Some(made)
    }

    fn wait(&self, most_ms: u64) -> Duration {
        self.dice.lock().unwrap().between(0, most_ms)
    }

    fn rarely(&self, bug: Bug) -> bool {
        self.bug == Some(bug) && self.dice.lock().unwrap().chance(20)
    }

    /// One commit, in a task of its own that only a crash ends.
    async fn write(self: Arc<Self>, store: Arc<MemoryStore>, commit: Commit) -> Result<Committed, StoreError> {
        let point = Point::of(&commit);
        tokio::time::sleep(self.wait(12)).await;
        let strikes = self.strikes(point);
        if strikes == Some(false) {
            self.chronicle.say(&format!("{} {point:?} fails before it is made", self.org));
            return Err(StoreError::Unavailable("not made, as the seed says".to_owned()));
        }
        let answer = self.make(&store, commit).await;
        tokio::time::sleep(self.wait(8)).await;
        if strikes == Some(true) && answer.is_ok() {
            self.chronicle.say(&format!("{} {point:?} is made and not answered", self.org));
            return Err(StoreError::Unavailable("made and not answered, as the seed says".to_owned()));
        }
        answer
    }

    /// The moment of durability.
    async fn make(&self, store: &Arc<MemoryStore>, mut commit: Commit) -> Result<Committed, StoreError> {
        if !commit.received.is_empty() && self.rarely(Bug::InboxLies) {
            return Ok(Committed { first_entry: None, last_event: 0, log_size: store.log_size().await? });
        }
        if self.rarely(Bug::EntryLost) {
            commit.entries.clear();
        }
        if self.bug == Some(Bug::RepeatsForgotten) {
            commit.replay = None;
        }
        if self.bug == Some(Bug::NothingCompared) {
            compare_nothing(store, &mut commit).await?;
        }
        let committed = store.commit(commit.clone()).await?;
        self.chronicle.committed(&self.org, &commit, &committed);
        Ok(committed)
    }
}

/// Writes over whatever is there.
async fn compare_nothing(store: &MemoryStore, commit: &mut Commit) -> Result<(), StoreError> {
    for expect in &mut commit.expect {
        let now = store.record(expect.kind, &expect.id).await?.map_or(0, |record| record.version);
        expect.version = now;
        for put in commit.put.iter_mut().filter(|put| put.kind == expect.kind && put.id == expect.id) {
            put.version = now + 1;
        }
    }
    Ok(())
}

/// The store of one life of a gateway.
pub(crate) struct Mounted {
    disk: Arc<Disk>,
    store: Arc<MemoryStore>,
    /// Timers set in this life.
    timers: Mutex<BTreeSet<String>>,
}

impl Mounted {
    /// A read, which may fail.
    fn read<'a, T: Send + 'a>(&'a self, read: BoxFuture<'a, Result<T, StoreError>>) -> BoxFuture<'a, Result<T, StoreError>> {
        match self.disk.strikes(Point::Read) {
            Some(_) => Box::pin(std::future::ready(Err(StoreError::Unavailable("unreadable, as the seed says".to_owned())))),
            None => read,
        }
    }

    async fn send_once(&self, rows: Vec<OutboxRow>, peer: &OrgId) -> Result<Vec<OutboxRow>, StoreError> {
        let delivered = |row: &OutboxRow| OutboxChange {
            peer: peer.clone(),
            number: row.number,
            state: OutboxState::Delivered,
            reason: None,
            proof: None,
        };
        let outbox = rows.iter().map(delivered).collect();
        self.store.commit(Commit { at: self.disk.chronicle.now(), outbox, ..Commit::default() }).await?;
        Ok(rows)
    }
}

impl Store for Mounted {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        self.timers.lock().unwrap().extend(commit.timers.iter().filter_map(|change| match change {
            TimerChange::Set(timer) => Some(timer.id.clone()),
            TimerChange::Clear(_) => None,
        }));
        let (answer, answered) = oneshot::channel();
        let (disk, store) = (Arc::clone(&self.disk), Arc::clone(&self.store));
        tokio::spawn(async move { answer.send(disk.write(store, commit).await) });
        let stopped = || Err(StoreError::Unavailable("the gateway stopped".to_owned()));
        Box::pin(async move { answered.await.unwrap_or_else(|_| stopped()) })
    }

    fn record<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        self.read(self.store.record(kind, id))
    }

    fn records(&self, kind: Kind, page: Page) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        self.read(self.store.records(kind, page))
    }

    fn children<'a>(&'a self, kind: Kind, parent: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.read(self.store.children(kind, parent))
    }

    fn aliased<'a>(&'a self, kind: Kind, alias: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.read(self.store.aliased(kind, alias))
    }

    fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> BoxFuture<'a, Result<Option<Replay>, StoreError>> {
        self.read(self.store.replay(scope, request_id))
    }

    fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
        self.read(self.store.received(peer, message))
    }

    fn received_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>> {
        self.read(self.store.received_in(thread))
    }

    fn received_numbers(&self) -> BoxFuture<'_, Result<Vec<(OrgId, u64)>, StoreError>> {
        self.read(self.store.received_numbers())
    }

    fn newest_received<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
        self.read(self.store.newest_received(peer))
    }

    fn outbox<'a>(
        &'a self,
        peer: &'a OrgId,
        state: OutboxState,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
        if self.disk.bug == Some(Bug::SentIsDelivered) && state == OutboxState::Waiting {
            return Box::pin(async move { self.send_once(self.store.outbox(peer, state, after, limit).await?, peer).await });
        }
        self.read(self.store.outbox(peer, state, after, limit))
    }

    fn sent_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
        self.read(self.store.sent_in(thread))
    }

    fn sent(&self, message: MessageId) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>> {
        self.read(self.store.sent(message))
    }

    fn outbox_peers(&self) -> BoxFuture<'_, Result<Vec<PeerQueue>, StoreError>> {
        self.read(self.store.outbox_peers())
    }

    fn events(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        self.read(self.store.events(after, limit))
    }

    fn event_range(&self) -> BoxFuture<'_, Result<(u64, u64), StoreError>> {
        self.read(self.store.event_range())
    }

    fn entries(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EntryRow>, StoreError>> {
        self.read(self.store.entries(from, limit))
    }

    fn entries_of<'a>(&'a self, case: &'a str, from: u64, limit: u32) -> BoxFuture<'a, Result<Vec<EntryRow>, StoreError>> {
        self.read(self.store.entries_of(case, from, limit))
    }

    fn leaves(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        self.read(self.store.leaves(from, limit))
    }

    fn log_size(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.read(self.store.log_size())
    }

    fn due(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Timer>, StoreError>> {
        if self.disk.bug == Some(Bug::TimersForgotten) {
            return Box::pin(async move {
                let due = self.store.due(now, limit).await?;
                Ok(due.into_iter().filter(|timer| self.timers.lock().unwrap().contains(&timer.id)).collect())
            });
        }
        self.read(self.store.due(now, limit))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        if self.disk.bug == Some(Bug::TimersForgotten) {
            return Box::pin(std::future::ready(Ok(None)));
        }
        self.read(self.store.next_due())
    }

    fn client_key(&self, id: ClientKeyId) -> BoxFuture<'_, Result<Option<ClientKey>, StoreError>> {
        self.read(self.store.client_key(id))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.ready()
    }
}

/// A disk with nothing on it.
pub(crate) fn empty() -> Arc<MemoryStore> {
    memory::new()
}
