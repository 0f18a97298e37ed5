//! STORE: one command, one commit. Neighbours: the desk decides what is in a [`Commit`], the courier reads the outbox.
//!
//! The store knows no care: it keeps versioned records, two queues (outbox, inbox), timers, events and the log's entries, and applies
//! a [`Commit`] whole or not at all. Whoever decides reads first and then states in the commit what it read ([`Expect`]); when any of
//! that has changed meanwhile nothing is written and the answer is [`StoreError::Conflict`]. That one compare-and-set rule serves all
//! three implementations and makes two replicas of one gateway safe.
//!
//! Consistency: `commit` returns after the data is durable (SQLite: WAL with `synchronous=FULL`; PostgreSQL: `synchronous_commit=on`).
//! A dropped future never undoes or hides a commit: commits run in a task of their own. Reads see every commit that was answered.
//!
//! In reading order: `group` decides which commits of a group hold, the same code in every store; `queue` collects groups and runs them in
//! one task; [`memory`], [`sqlite`] and [`postgres`] keep the rows; `rows` reads them back; `contract` is what all three must pass.

#[cfg(any(test, feature = "contract"))]
#[expect(clippy::unwrap_used, reason = "a broken contract panics")]
pub mod contract;
mod group;
pub mod memory;
pub mod postgres;
mod queue;
mod rows;
pub mod sqlite;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use schakel_domain::traceparent::TraceParent;

/// What kind of thing a record is. Kinds never mix: an id is unique within its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One case as this organisation knows it: custody state in the clear, dossier sealed.
    Case,
    /// One handover offer, made or received; parent is its case.
    Handover,
    /// One consultation, asked or received; parent is its case when it has one.
    Consultation,
    /// One version of a covenant with its signatures; id is `covenant/version`.
    Covenant,
    /// The newest party record held of one organisation.
    PartyRecord,
    /// What this gateway knows of a peer's gateway: counters, stop, recovery.
    Peer,
    /// Few singletons of the gateway itself: incarnation, newest signed checkpoint.
    Gateway,
    /// What stands in the place of something that was erased; id is that of the case, handover or consultation it was.
    Erasure,
}

impl Kind {
    /// Every kind, in storage order.
    pub const ALL: [Kind; 8] =
        [Kind::Case, Kind::Handover, Kind::Consultation, Kind::Covenant, Kind::PartyRecord, Kind::Peer, Kind::Gateway, Kind::Erasure];

    /// The number kept in the database; never reused.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Kind::Case => 1,
            Kind::Handover => 2,
            Kind::Consultation => 3,
            Kind::Covenant => 4,
            Kind::PartyRecord => 5,
            Kind::Peer => 6,
            Kind::Gateway => 7,
            Kind::Erasure => 8,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One versioned record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its kind.
    pub kind: Kind,
    /// Its id, unique within the kind; at most 200 bytes.
    pub id: String,
    /// 1 for a new record, one higher at each change.
    pub version: u64,
    /// Id of the record it belongs to; listed by [`Store::children`].
    pub parent: Option<String>,
    /// Whether it still asks for attention: open records are listed first and loaded at start.
    pub open: bool,
    /// A second key to find it by, such as a case label; need not be unique.
    pub alias: Option<String>,
    /// State without care content or identity: JSON.
    pub clear: String,
    /// Care content and identity, sealed under a client key; opaque here.
    pub sealed: Option<Vec<u8>>,
}

/// What the decider read: a record's version (0: absent).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Kind of the record.
    pub kind: Kind,
    /// Id of the record.
    pub id: String,
    /// The version read; 0 when there was none.
    pub version: u64,
}

/// The stored outcome of an executed command: same key and same body give the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// By which method it was asked; a request id counts within it.
    pub scope: String,
    /// The caller's own key.
    pub request_id: String,
    /// SHA-256 of the canonical request.
    pub body: Hash,
    /// What was answered, as the desk encodes it (resource names and ids; no care content).
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

/// One message to a peer, as it will be signed and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Receiver.
    pub peer: OrgId,
    /// Unique id of the message.
    pub message: MessageId,
    /// Order is kept within a thread: a case or an anonymous consultation.
    pub thread: String,
    /// Position in the thread towards this peer, from 1 without gaps.
    pub seq: u64,
    /// What kind of message, such as `propose-handover`, for operators.
    pub kind: String,
    /// SHA-256 of the bytes of the message itself (before sealing).
    pub hash: Hash,
    /// The message, sealed.
    pub sealed: Vec<u8>,
    /// The record it belongs to (`Kind` and id), to show delivery at.
    pub subject: (Kind, String),
}

/// Where an outgoing message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboxState {
    /// To be sent, for ever if need be.
    Waiting,
    /// Durably stored by the peer.
    Delivered,
    /// The peer cannot accept it; a void took its place in the thread.
    Parked,
    /// Taken back by an operator before it was delivered; a void took its place.
    Cancelled,
}

impl OutboxState {
    /// Every state.
    pub const ALL: [OutboxState; 4] = [OutboxState::Waiting, OutboxState::Delivered, OutboxState::Parked, OutboxState::Cancelled];

    /// The number kept in the database; never reused.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            OutboxState::Waiting => 1,
            OutboxState::Delivered => 2,
            OutboxState::Parked => 3,
            OutboxState::Cancelled => 4,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Position towards this peer over all threads, from 1, given at commit; a peer that has seen a higher one knows more than we do.
    pub number: u64,
    /// The message.
    pub message: Outgoing,
    /// Where it stands.
    pub state: OutboxState,
    /// Why it is parked or cancelled: a reason code.
    pub reason: Option<String>,
    /// The signature over its batch and its path to the batch root, once delivered or parked: opaque here.
    pub proof: Option<Vec<u8>>,
    /// When it was put in the outbox.
    pub queued: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// The act that put it here, when that was traced.
    pub trace: Option<TraceParent>,
}

/// A change of an outgoing message's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxChange {
    /// Receiver.
    pub peer: OrgId,
    /// Position towards this peer.
    pub number: u64,
    /// New state. Only `Waiting` messages change, and `Delivered` ones back to `Waiting` when the peer lost them; a change of any other is a
    /// [`StoreError::Conflict`], except the same state again, which changes nothing. A number that was never given out is
    /// [`StoreError::Refused`].
    pub state: OutboxState,
    /// Reason code, for parked and cancelled.
    pub reason: Option<String>,
    /// Proof, for delivered and parked.
    pub proof: Option<Vec<u8>>,
}

/// A message received from a peer, kept as proof and to recognise repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Sender.
    pub peer: OrgId,
    /// Unique id the sender gave it; (peer, message) is unique for ever.
    pub message: MessageId,
    /// Position towards us over all threads.
    pub number: u64,
    /// Thread.
    pub thread: String,
    /// Position in the thread.
    pub seq: u64,
    /// What kind of message.
    pub kind: String,
    /// SHA-256 of the message's bytes.
    pub hash: Hash,
    /// The message, sealed.
    pub sealed: Vec<u8>,
    /// The sender's signature over its batch and the path to the root: opaque here.
    pub proof: Vec<u8>,
    /// `accepted`, or the reason code of the signed refusal.
    pub outcome: String,
    /// Leaf hash of our own entry about it, as the receipt states it; none for what came in before receipts stated it.
    pub leaf: Option<Hash>,
    /// When.
    pub at: Timestamp,
}

/// Something that happened, thin: who may see the details asks for them (and is logged).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Such as `handover.offered`.
    pub kind: String,
    /// Resource name, such as `cases/…/handovers/…`.
    pub resource: String,
    /// State of the resource after it.
    pub state: String,
}

/// An event with its place in the one durable sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Position, from 1, without gaps.
    pub seq: u64,
    /// What happened.
    pub event: NewEvent,
    /// When.
    pub at: Timestamp,
    /// The act that told it, when that was traced.
    pub trace: Option<TraceParent>,
}

/// A timer: a row that fires once, also when its moment passed while we were down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Unique; setting it again moves it.
    pub id: String,
    /// When it fires.
    pub due: Timestamp,
    /// What the desk does then, as the desk encodes it.
    pub action: String,
}

/// A change of the timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    /// Sets or moves a timer.
    Set(Timer),
    /// Removes it; no error when there is none.
    Clear(String),
}

/// A new entry for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Canonical bytes, at most 65,535.
    pub bytes: Vec<u8>,
    /// RFC 6962 leaf hash of the bytes.
    pub leaf: Hash,
    /// Salts of the commitments in it, kept beside the log so that they can be erased: opaque here.
    pub salts: Option<Vec<u8>>,
    /// The case it is about, to find a client's entries; an opaque id.
    pub case: Option<String>,
}

/// An entry with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Position, from 0, without gaps.
    pub index: u64,
    /// The entry.
    pub entry: NewEntry,
}

/// A client's data key, wrapped by the organisation's key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its id.
    pub id: ClientKeyId,
    /// The wrapped key: opaque here.
    pub wrapped: Vec<u8>,
}

/// What goes when a thread is erased: its records, the bytes of its messages, the salts of its entries, the hashes of what was asked about
/// it, and the key under which all of it was sealed. Entries, events, and the counters and hashes of messages stay: they are the log's, and
/// the peers'.
///
/// An erasure is applied before everything else of its commit, which may therefore put records and messages in the place of what went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// The client key that is destroyed.
    pub key: ClientKeyId,
    /// The records that go. The commit states in `expect` the version of those on which it was decided.
    pub records: Vec<(Kind, String)>,
    /// The thread whose messages lose their bytes; entries about a case of this id lose their salts.
    pub thread: String,
    /// Outcomes of executed commands whose hash of the request becomes [`FORGOTTEN`].
    pub outcomes: Vec<String>,
}

/// What stands in the place of the hash of a request that was about something erased: no request has it.
pub const FORGOTTEN: Hash = Hash([0; 32]);

/// The whole effect of one command. Applied whole, durably, or not at all.
///
/// Bounds, beyond which it is [`StoreError::Refused`]: [`MAX_ITEMS`] items, [`MAX_COMMIT_BYTES`] in all, [`MAX_ENTRY_BYTES`] an entry,
/// [`MAX_NAME_BYTES`] for every id, key, kind and other short text; no text holds a NUL; numbers fit 63 bits; moments lie in 1678 to 2262.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// When the decision was made.
    pub at: Timestamp,
    /// What was read to decide.
    pub expect: Vec<Expect>,
    /// New and changed records; each version is the one expected plus one, and each has its [`Expect`].
    pub put: Vec<Record>,
    /// Idempotency record; a key that exists is a conflict.
    pub replay: Option<Replay>,
    /// Received messages; one that exists is a conflict.
    pub received: Vec<InboxRow>,
    /// Messages to send.
    pub send: Vec<Outgoing>,
    /// Changes of messages sent before.
    pub outbox: Vec<OutboxChange>,
    /// Numbers towards peers that are never given out, up to and including these: the peer holds messages of ours under them that this
    /// store lacks. A number that was passed already changes nothing.
    pub skip: Vec<(OrgId, u64)>,
    /// Entries for the log, in order.
    pub entries: Vec<NewEntry>,
    /// Events, in order.
    pub events: Vec<NewEvent>,
    /// Timers.
    pub timers: Vec<TimerChange>,
    /// New client keys.
    pub keys: Vec<ClientKey>,
    /// What is erased, before anything of this commit is written.
    pub erase: Vec<Erase>,
    /// May be written from the reserve when the disk is full: reading a case and accepting, nothing else.
    pub from_reserve: bool,
    /// Where it stands in a trace; kept beside its messages and events.
    pub trace: Option<TraceParent>,
}

/// Where a commit ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Index of its first log entry, when it had any.
    pub first_entry: Option<u64>,
    /// Sequence of its last event; 0 when none was ever written.
    pub last_event: u64,
    /// Size of the log after it.
    pub log_size: u64,
}

/// Why the store did not do it. In every case nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Something that was read has changed, or a unique key exists: read again and decide again.
    #[error("changed meanwhile: {0}")]
    Conflict(String),
    /// The disk is full (or the reserve is all that is left).
    #[error("the disk is full")]
    Full,
    /// The store cannot be reached or written; the text is for the operator's log.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be read; the text names table and key, never content.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A commit that breaks the store's own rules: a fault of the caller.
    #[error("refused commit: {0}")]
    Refused(String),
}

/// How records are listed: by kind, open ones only or all, by id, a page at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only open records.
    pub open_only: bool,
    /// Ids after this one; empty: from the start.
    pub after: String,
    /// At most this many, 1 to 1,000.
    pub limit: u32,
}

/// How much a range read returns at most; larger requests are cut.
pub const MAX_ROWS: u32 = 1_000;
/// How many leaf hashes are read at once; larger requests are cut.
pub const MAX_LEAVES: u32 = 65_536;
/// Bytes of an id, key, kind or other short text.
pub const MAX_NAME_BYTES: usize = 200;
/// Bytes of one log entry.
pub const MAX_ENTRY_BYTES: usize = 65_535;
/// Records, messages, entries, events, timers and so on in one commit, together.
pub const MAX_ITEMS: usize = 1_000;
/// Records and outcomes that one commit erases: the handovers and consultations of one case, twice.
pub const MAX_ERASED: usize = 4_096;
/// Bytes of one commit, all its parts together.
pub const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// What the desk, the courier and the log need. All methods see every answered commit.
pub trait Store: Send + Sync + 'static {
    /// Applies one command's effect, durably.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>>;
    /// One record.
    fn record<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;
    /// Records of a kind, ordered by id.
    fn records(&self, kind: Kind, page: Page) -> BoxFuture<'_, Result<Vec<Record>, StoreError>>;
    /// Records of a kind with this parent, ordered by id, at most [`MAX_ROWS`].
    fn children<'a>(&'a self, kind: Kind, parent: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;
    /// Records of a kind with this alias, ordered by id, at most [`MAX_ROWS`].
    fn aliased<'a>(&'a self, kind: Kind, alias: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;
    /// The outcome of an executed command.
    fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> BoxFuture<'a, Result<Option<Replay>, StoreError>>;
    /// A received message.
    fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>>;
    /// Received messages of a thread, in order of arrival, at most [`MAX_ROWS`].
    fn received_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>>;
    /// Highest number received from each peer.
    fn received_numbers(&self) -> BoxFuture<'_, Result<Vec<(OrgId, u64)>, StoreError>>;
    /// The received message of a peer with the highest number.
    fn newest_received<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>>;
    /// Messages to a peer in one state after a number, in order.
    fn outbox<'a>(
        &'a self,
        peer: &'a OrgId,
        state: OutboxState,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>>;
    /// Messages sent in a thread, in order of number, at most [`MAX_ROWS`].
    fn sent_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>>;
    /// One sent message.
    fn sent(&self, message: MessageId) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>>;
    /// Every peer that was ever sent something: what waits, and the highest number given out.
    fn outbox_peers(&self) -> BoxFuture<'_, Result<Vec<PeerQueue>, StoreError>>;
    /// Events after a sequence number, in order.
    fn events(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>>;
    /// Lowest event sequence kept, and the highest ever given out; (1, 0) when there was none.
    fn event_range(&self) -> BoxFuture<'_, Result<(u64, u64), StoreError>>;
    /// Log entries from an index, in order.
    fn entries(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EntryRow>, StoreError>>;
    /// Log entries about one case from an index, in order.
    fn entries_of<'a>(&'a self, case: &'a str, from: u64, limit: u32) -> BoxFuture<'a, Result<Vec<EntryRow>, StoreError>>;
    /// Leaf hashes from an index, in order, at most [`MAX_LEAVES`].
    fn leaves(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>>;
    /// Number of entries in the log.
    fn log_size(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
    /// Timers due at a moment, oldest first.
    fn due(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Timer>, StoreError>>;
    /// The moment of the next timer.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// A client's wrapped key.
    fn client_key(&self, id: ClientKeyId) -> BoxFuture<'_, Result<Option<ClientKey>, StoreError>>;
    /// Whether a commit would be possible now: `Ok`, or what stands in the way.
    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Waits until this store can never be trusted again (an fsync failed), and says why: the process must then stop at once.
    fn fatal(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }
    /// Finishes the commits already queued, refuses later ones and lets go of files and connections. Dropping the store does the same, later.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One peer's queue, as operators and the courier see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerQueue {
    /// The peer.
    pub peer: OrgId,
    /// Messages waiting.
    pub waiting: u64,
    /// When the oldest waiting message was queued.
    pub oldest: Option<Timestamp>,
    /// Highest number given out towards this peer.
    pub highest: u64,
}
