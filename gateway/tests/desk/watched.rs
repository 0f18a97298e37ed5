//! A store that counts what is committed to it, and is otherwise the store it wraps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel::store::{
    ClientKey, Commit, Committed, EntryRow, EventRow, InboxRow, Kind, OutboxRow, OutboxState, Page, PeerQueue, Record, Replay, Store,
    StoreError, Timer,
};
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};

type Read<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The store and its count.
pub(crate) struct Watched {
    inner: Arc<dyn Store>,
    commits: AtomicU64,
}

impl Watched {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, commits: AtomicU64::new(0) })
    }

    /// Commits asked for until now.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Store for Watched {
    fn commit(&self, commit: Commit) -> Read<'_, Committed> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(commit)
    }

    fn record<'a>(&'a self, kind: Kind, id: &'a str) -> Read<'a, Option<Record>> {
        self.inner.record(kind, id)
    }

    fn records(&self, kind: Kind, page: Page) -> Read<'_, Vec<Record>> {
        self.inner.records(kind, page)
    }

    fn children<'a>(&'a self, kind: Kind, parent: &'a str) -> Read<'a, Vec<Record>> {
        self.inner.children(kind, parent)
    }

    fn aliased<'a>(&'a self, kind: Kind, alias: &'a str) -> Read<'a, Vec<Record>> {
        self.inner.aliased(kind, alias)
    }

    fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> Read<'a, Option<Replay>> {
        self.inner.replay(scope, request_id)
    }

    fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> Read<'a, Option<InboxRow>> {
        self.inner.received(peer, message)
    }

    fn received_in<'a>(&'a self, thread: &'a str) -> Read<'a, Vec<InboxRow>> {
        self.inner.received_in(thread)
    }

    fn newest_received<'a>(&'a self, peer: &'a OrgId) -> Read<'a, Option<InboxRow>> {
        self.inner.newest_received(peer)
    }

    fn received_numbers(&self) -> Read<'_, Vec<(OrgId, u64)>> {
        self.inner.received_numbers()
    }

    fn outbox<'a>(&'a self, peer: &'a OrgId, state: OutboxState, after: u64, limit: u32) -> Read<'a, Vec<OutboxRow>> {
        self.inner.outbox(peer, state, after, limit)
    }

    fn sent_in<'a>(&'a self, thread: &'a str) -> Read<'a, Vec<OutboxRow>> {
        self.inner.sent_in(thread)
    }

    fn sent(&self, message: MessageId) -> Read<'_, Option<OutboxRow>> {
        self.inner.sent(message)
    }

    fn outbox_peers(&self) -> Read<'_, Vec<PeerQueue>> {
        self.inner.outbox_peers()
    }

    fn events(&self, after: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        self.inner.events(after, limit)
    }

    fn event_range(&self) -> Read<'_, (u64, u64)> {
        self.inner.event_range()
    }

    fn entries(&self, from: u64, limit: u32) -> Read<'_, Vec<EntryRow>> {
        self.inner.entries(from, limit)
    }

    fn entries_of<'a>(&'a self, case: &'a str, from: u64, limit: u32) -> Read<'a, Vec<EntryRow>> {
        self.inner.entries_of(case, from, limit)
    }

    fn leaves(&self, from: u64, limit: u32) -> Read<'_, Vec<Hash>> {
        self.inner.leaves(from, limit)
    }

    fn log_size(&self) -> Read<'_, u64> {
        self.inner.log_size()
    }

    fn due(&self, now: Timestamp, limit: u32) -> Read<'_, Vec<Timer>> {
        self.inner.due(now, limit)
    }

    fn next_due(&self) -> Read<'_, Option<Timestamp>> {
        self.inner.next_due()
    }

    fn client_key(&self, id: ClientKeyId) -> Read<'_, Option<ClientKey>> {
        self.inner.client_key(id)
    }

    fn ready(&self) -> Read<'_, ()> {
        self.inner.ready()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
