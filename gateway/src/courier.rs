//! COURIER: alone sends. One task per peer takes messages from the outbox in the order they were committed, over one stream.
//!
//! ```text
//!   commit ──wake──► task of the peer ──► Line (whose turn) ──► batch, signed ──► Exchange stream ──► peer
//!                        ▲                                                                            │
//!                        └── desk: delivered | parked, one commit ◄── acknowledgement, verified ◄─────┘
//! ```
//!
//! It never decides and never commits: what became of a message is told to the desk ([`Outcome`]), and when telling fails the message
//! is sent again, which the receiver recognises. It never polls: it wakes for a commit, a timer of its own, or a call of the peer.
//! In reading order: `task` is the life of one peer, `session` one stream of it, `line` whose turn it is, `load` what fits a batch.

mod backoff;
mod cosign;
mod dial;
mod documents;
mod line;
mod load;
mod session;
mod shared;
mod task;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::id::{MessageId, OrgId};
use schakel_domain::refusal::{Reason, Refusal};
use tokio::task::AbortHandle;

pub use backoff::{Random, system_random};
pub use cosign::Heads;
pub use dial::{Dial, Dialled, TlsDial};
pub use documents::{SyncError, Synced, sync_with};
use shared::Shared;
pub use shared::State;

use crate::peers::agreements::Agreements;
use crate::peers::{Directory, Incarnation, Signer};
use crate::store::{OutboxRow, Store, StoreError};

/// Gives the exact bytes of a message that is stored sealed.
pub trait Unseal: Send + Sync + 'static {
    /// The bytes; their SHA-256 is `row.message.hash`.
    ///
    /// # Errors
    /// Why not, for the operator; never content. The message then waits, and its thread with it.
    fn open<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// A message the peer has durably stored and judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its number.
    pub number: u64,
    /// The message.
    pub message: MessageId,
    /// Encoded `schakel.type.v1.MessageProof` with the peer's signed answer; for the outbox.
    pub proof: Vec<u8>,
}

/// A message the peer can never accept as it is, or that can never be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its number.
    pub number: u64,
    /// The message.
    pub message: MessageId,
    /// Reason code of the peer; a newer peer may send one that is unknown here.
    pub reason: String,
    /// Field or clause to blame; may be empty.
    pub detail: String,
    /// Encoded proof with the signed refusal; none when it was never sent.
    pub proof: Option<Vec<u8>>,
}

/// Whoever commits what became of messages: the desk. Each call is one commit, durable when it returns, and may be repeated.
///
/// On an error the stream is given up and the messages are sent again after a while.
pub trait Outcome: Send + Sync + 'static {
    /// The messages of one acknowledgement that were accepted. One that was cancelled meanwhile is passed over.
    fn delivered<'a>(&'a self, peer: &'a OrgId, messages: Vec<Delivered>) -> BoxFuture<'a, Result<(), Refusal>>;

    /// One refused message: parks it, and puts a void with the same position in the thread in the outbox.
    fn parked<'a>(&'a self, peer: &'a OrgId, message: Parked) -> BoxFuture<'a, Result<(), Refusal>>;

    /// The peer proved to hold a message of ours with a higher number than we ever gave out: we have lost data and must stop deciding. Told again at
    /// every connection for as long as it is so; nothing is sent to this peer meanwhile.
    fn peer_knows_more<'a>(&'a self, peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()>;

    /// The peer holds nothing of ours after this number, though it acknowledged more: it lost data. Those messages are put back to waiting.
    fn peer_knows_less<'a>(&'a self, peer: &'a OrgId, theirs: u64) -> BoxFuture<'a, Result<(), Refusal>>;

    /// The peer claims the same and cannot prove it: people must know, and nothing is sent to this peer meanwhile. Told again at every
    /// connection for as long as it is so.
    fn peer_disbelieved<'a>(&'a self, peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()>;
}

/// What the courier needs.
#[derive(Clone)]
pub struct Ports {
    /// This organisation.
    pub us: OrgId,
    /// Which life of this gateway's data it is, now.
    pub incarnation: Incarnation,
    /// The outbox.
    pub store: Arc<dyn Store>,
    /// Opens what is stored sealed.
    pub unseal: Arc<dyn Unseal>,
    /// What is known of peers.
    pub directory: Arc<dyn Directory>,
    /// Our signing key.
    pub signer: Arc<dyn Signer>,
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// Who is told.
    pub outcome: Arc<dyn Outcome>,
    /// Covenants and party records, compared with each peer at connecting.
    pub agreements: Arc<dyn Agreements>,
    /// Jitter.
    pub random: Random,
}

/// Why messages to a peer wait, for operators and for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub peer: OrgId,
    /// Where the link stands.
    pub state: State,
    /// Messages waiting.
    pub waiting: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
    /// What went wrong last: the peer's TLS alert, its refusal, or our own reason. None as soon as it works.
    pub last_error: Option<String>,
    /// The same as a reason with a remedy, when the connection itself failed.
    pub last_refusal: Option<Refusal>,
    /// When the next attempt starts, from now; none while connected, idle or stopped.
    pub next_attempt: Option<Duration>,
    /// Attempts in a row that failed.
    pub attempts: u32,
    /// Threads the peer asked to send again later.
    pub held_threads: usize,
}

/// The courier.
pub struct Courier {
    ports: Arc<Ports>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    stopped: bool,
    of: BTreeMap<OrgId, (Arc<Shared>, Option<AbortHandle>)>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("us", &self.ports.us).finish_non_exhaustive()
    }
}

impl Courier {
    /// A courier that does nothing yet.
    #[must_use]
    pub fn new(ports: Ports) -> Arc<Self> {
        Arc::new(Self { ports: Arc::new(ports), tasks: Mutex::default() })
    }

    /// Greets every peer, to learn whether one has seen more of ours than we hold, and sends what waits.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn start(&self) -> Result<(), StoreError> {
        let queues = self.ports.store.outbox_peers().await?;
        let waiting = queues.into_iter().filter(|queue| queue.waiting > 0).map(|queue| queue.peer);
        let peers: BTreeSet<OrgId> = waiting.chain(self.ports.directory.peers()).collect();
        peers.iter().for_each(|peer| self.shared(peer).ring(|bells| bells.work = true));
        Ok(())
    }

    /// A commit put messages for these peers in the outbox, or their stop was lifted or set.
    pub fn wake(&self, peers: &[OrgId]) {
        peers.iter().for_each(|peer| self.shared(peer).ring(|bells| bells.work = true));
    }

    /// The peer called us, so it can be reached: what waits goes now, but not sooner than a second after the last attempt.
    pub fn nudge(&self, peer: &OrgId) {
        if let Some((shared, _)) = self.tasks().of.get(peer) {
            shared.ring(|bells| bells.nudge = true);
        }
    }

    /// An operator wants an attempt now.
    pub fn retry(&self, peer: &OrgId) {
        self.shared(peer).ring(|bells| (bells.work, bells.retry) = (true, true));
    }

    /// Compares covenants and party records with this peer again, as after one of them changed here.
    pub fn sync(&self, peer: &OrgId) {
        self.shared(peer).ring(|bells| bells.sync = true);
    }

    /// How the link with one peer stands.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn status(&self, peer: &OrgId) -> Result<PeerStatus, StoreError> {
        let queues = self.ports.store.outbox_peers().await?;
        let queue = queues.into_iter().find(|queue| queue.peer == *peer);
        let shown = self.tasks().of.get(peer).map(|(shared, _)| shared.shown()).unwrap_or_default();
        Ok(PeerStatus {
            peer: peer.clone(),
            state: shown.state,
            waiting: queue.as_ref().map_or(0, |queue| queue.waiting),
            oldest: queue.and_then(|queue| queue.oldest),
            last_refusal: shown.error.as_ref().and_then(|trouble| trouble.refusal.clone()),
            last_error: shown.error.map(|trouble| trouble.text),
            next_attempt: shown.next_attempt.map(|at| at.saturating_duration_since(tokio::time::Instant::now())),
            attempts: shown.attempts,
            held_threads: shown.held,
        })
    }

    /// Ends every task, for good. What was under way is sent again after the next start. To be called before the store is closed:
    /// whoever is told of outcomes usually holds the courier too, so that it is never dropped by itself.
    pub fn stop(&self) {
        let mut tasks = self.tasks();
        tasks.stopped = true;
        tasks.of.values().filter_map(|(_, task)| task.as_ref()).for_each(AbortHandle::abort);
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bells of a peer's task, which is started when there was none. Peers come from the outbox and the covenants: they are few.
    fn shared(&self, peer: &OrgId) -> Arc<Shared> {
        let mut tasks = self.tasks();
        let stopped = tasks.stopped;
        let (shared, _) = tasks.of.entry(peer.clone()).or_insert_with(|| {
            let shared = Arc::new(Shared::default());
            let life = task::live(Arc::clone(&self.ports), peer.clone(), Arc::clone(&shared));
            let task = (!stopped).then(|| tokio::spawn(life).abort_handle());
            (shared, task)
        });
        Arc::clone(shared)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The code under which a message that is too large is parked.
const TOO_LARGE: Reason = Reason::MessageTooLarge;
