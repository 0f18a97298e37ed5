//! One command in the making: what was read, what will be written, and the entries and messages that go with it.
//!
//! An entry comes before the messages of its act: it names them by id ([`Draft::announce`]), is hashed, and each message then carries its
//! leaf hash. So an entry never holds anything that depends on its own hash, and no message is sent that the log does not name.
//!
//! Nothing here is durable until [`Draft::commit`]; dropping a draft is always safe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use schakel_domain::audit::entry::{Entry, Sent};
use schakel_domain::audit::tree;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use tracing::Instrument as _;

use super::Desk;
use super::record::{Doc, Links, Shape};
use crate::store::{
    Commit, Committed, Expect, Kind, MAX_COMMIT_BYTES, NewEntry, NewEvent, Outgoing, Record, Store, StoreError, Timer, TimerChange,
};
use crate::telemetry::{context, metrics, spans};
use crate::vault::Vault;

/// Why an attempt did not end in an answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// No, and this is why.
    Refused(Refusal),
    /// Something read has changed meanwhile: try again from the start.
    Again,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Stop::Again,
            other => Stop::Refused(store_refusal(&other)),
        }
    }
}

/// What a caller is told when the store says no. The store's own text stays in the operator's log.
pub(super) fn store_refusal(error: &StoreError) -> Refusal {
    let reason = match error {
        StoreError::Full => Reason::StorageFull,
        StoreError::Damaged(_) | StoreError::Refused(_) => Reason::Internal,
        StoreError::Conflict(_) | StoreError::Unavailable(_) => Reason::StoreUnavailable,
    };
    if reason != Reason::StorageFull {
        tracing::error!(error = %error, "store");
    }
    Refusal::new(Stage::Store, reason)
}

/// Where a message belongs and on what ground it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The unit of order.
    pub thread: &'a str,
    /// The client key of the thread.
    pub key: ClientKeyId,
    /// The covenant version.
    pub covenant: &'a CovenantRef,
    /// The clause.
    pub clause: &'a str,
    /// The record it belongs to.
    pub subject: (crate::store::Kind, &'a str),
}

/// Bytes after which what need not be one commit goes on in another: far below what the store takes at once.
const LARGE: usize = MAX_COMMIT_BYTES / 4;

/// A command in the making.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    pub(super) desk: &'d Desk,
    /// The moment of the decision.
    pub now: Timestamp,
    /// What will be committed.
    pub commit: Commit,
    /// A part of it could not be written: nothing of it may be.
    broken: bool,
    /// Entries that are not hashed yet: the last one may still have to name messages.
    entries: Vec<Drafted>,
}

/// An entry that is not hashed yet.
#[derive(Debug)]
struct Drafted {
    entry: Entry,
    case: Option<String>,
    salts: Option<Vec<u8>>,
}

/// The right to send one message, which an entry of this draft names.
#[derive(Debug)]
pub(super) struct Letter {
    /// Id of the message.
    pub id: MessageId,
    /// Leaf hash of the entry.
    pub leaf: Hash,
    to: OrgId,
}

/// The letters of one act, in the order in which they were announced.
#[derive(Debug, Default)]
pub(super) struct Letters(VecDeque<Letter>);

impl Letters {
    /// The next one, which must be to this organisation.
    pub(super) fn next(&mut self, to: &OrgId) -> Result<Letter, Stop> {
        self.0.pop_front().filter(|letter| letter.to == *to).ok_or_else(|| internal("sending what no entry names"))
    }
}

impl<'d> Draft<'d> {
    /// An empty draft at this moment.
    pub(super) fn new(desk: &'d Desk) -> Self {
        let now = desk.now();
        Self { desk, now, commit: Commit { at: now, ..Commit::default() }, broken: false, entries: Vec::new() }
    }

    /// A new client key, stored with this draft.
    pub(super) fn new_key(&mut self) -> Result<ClientKeyId, Stop> {
        let key = self.desk.parts.vault.new_key(self.now).map_err(|_| internal("making a client key"))?;
        let id = key.id;
        self.commit.keys.push(key);
        Ok(id)
    }

    /// Writes a record: expects the version that was read, and seals its sealed part.
    pub(super) async fn put<T: Shape>(&mut self, doc: &Doc<T>) -> Result<(), Stop> {
        let clear = serde_json::to_string(&doc.clear).map_err(|_| internal("writing a record"))?;
        let plain = serde_json::to_vec(&doc.sealed).map_err(|_| internal("writing a record"))?;
        let sealed = self.desk.seal(doc.clear.key(), &plain).await?;
        self.commit.expect.push(Expect { kind: T::KIND, id: doc.id.clone(), version: doc.version });
        self.commit.put.push(Record {
            kind: T::KIND,
            id: doc.id.clone(),
            version: doc.version + 1,
            parent: doc.clear.parent(),
            open: doc.clear.open(),
            alias: doc.clear.alias(),
            clear,
            sealed: Some(sealed),
        });
        Ok(())
    }

    /// Names messages to these organisations in the entry that was logged last, and hashes it.
    pub(super) fn announce<'o>(&mut self, to: impl Iterator<Item = &'o OrgId>) -> Result<Letters, Stop> {
        let (desk, now) = (self.desk, self.now);
        let sent: Vec<Sent> = to.map(|to| Sent { id: MessageId::new(desk.parts.ids.uuid(now)), to: to.clone() }).collect();
        if sent.is_empty() {
            return Ok(Letters::default());
        }
        let last = self.entries.last_mut().ok_or_else(|| internal("sending without an entry"))?;
        last.entry.sent.extend(sent.iter().cloned());
        self.hash_entries()?;
        let leaf = self.commit.entries.last().map(|entry| entry.leaf).ok_or_else(|| internal("hashing an entry"))?;
        Ok(Letters(sent.into_iter().map(|Sent { id, to }| Letter { id, leaf, to }).collect()))
    }

    /// Writes a record without a sealed part, at the version that was read.
    pub(super) fn put_clear(&mut self, kind: Kind, id: &str, version: u64, open: bool, clear: String) {
        let id = id.to_owned();
        self.commit.expect.push(Expect { kind, id: id.clone(), version });
        self.commit.put.push(Record { kind, id, version: version + 1, parent: None, open, alias: None, clear, sealed: None });
    }

    /// Puts a message in the outbox, at the next place of its thread. Returns its hash; refuses what no gateway could read.
    pub(super) async fn send(&mut self, links: &mut Links, letter: Letter, envelope: Envelope<'_>, body: Body) -> Result<Hash, Stop> {
        let Letter { id, leaf, to } = letter;
        let link = links.entry(to.clone()).or_default();
        link.sent += 1;
        let message = Message {
            id,
            sender: self.desk.parts.me.clone(),
            receiver: to.clone(),
            thread: envelope.thread.to_owned(),
            seq: link.sent,
            incarnation: self.desk.incarnation(),
            covenant: envelope.covenant.clone(),
            clause: envelope.clause.to_owned(),
            sent: self.now,
            leaf: Some(leaf),
            body,
        };
        let bytes = crate::wire::federation::encode(&message);
        // The receiver holds it against the same rules. What it could never take must not be promised to anybody: whoever asked for it
        // hears now which field is wrong.
        crate::wire::federation::decode(&bytes)?;
        let hash = Hash::sha256(&bytes);
        let sealed = self.desk.seal(envelope.key, &bytes).await?;
        self.commit.send.push(Outgoing {
            peer: to,
            message: message.id,
            thread: message.thread,
            seq: message.seq,
            kind: message.body.kind().to_owned(),
            hash,
            sealed,
            subject: (envelope.subject.0, envelope.subject.1.to_owned()),
        });
        Ok(hash)
    }

    /// Whether it is time to commit this and go on in another draft: one commit has room for this and one more record of the largest kind.
    pub(super) fn is_large(&self) -> bool {
        let records = self.commit.put.iter().map(|record| record.clear.len() + record.sealed.as_ref().map_or(0, Vec::len));
        let proofs = self.commit.outbox.iter().filter_map(|change| change.proof.as_ref()).map(Vec::len);
        records.chain(proofs).sum::<usize>() > LARGE
    }

    /// Adds an entry to the log. Its messages are named afterwards, with [`Draft::announce`].
    pub(super) fn log(&mut self, entry: Entry, case: Option<String>, salts: Option<Vec<u8>>) {
        self.entries.push(Drafted { entry, case, salts });
    }

    /// Hashes what was logged; from now on these entries are final.
    fn hash_entries(&mut self) -> Result<(), Stop> {
        for Drafted { entry, case, salts } in self.entries.drain(..) {
            let bytes = entry.bytes().map_err(|error| {
                tracing::error!(error = %error, "an entry cannot be written");
                internal("writing the log entry")
            })?;
            let leaf = tree::leaf_hash(&bytes);
            self.commit.entries.push(NewEntry { bytes, leaf, salts, case });
        }
        Ok(())
    }

    /// Leaf hash of the first entry: the one about the message this draft takes in.
    pub(super) fn leaf(&mut self) -> Result<Hash, Stop> {
        self.hash_entries()?;
        self.commit.entries.first().map(|entry| entry.leaf).ok_or_else(|| internal("logging what came in"))
    }

    /// Adds an event.
    pub(super) fn event(&mut self, kind: &str, resource: String, state: &str) {
        self.commit.events.push(NewEvent { kind: kind.to_owned(), resource, state: state.to_owned() });
    }

    /// Sets a timer.
    pub(super) fn timer(&mut self, id: String, due: Timestamp, action: &super::clock::Action) {
        match serde_json::to_string(action) {
            Ok(action) => self.commit.timers.push(TimerChange::Set(Timer { id, due, action })),
            Err(error) => {
                tracing::error!(timer = %id, %error, "a timer cannot be written");
                self.broken = true;
            }
        }
    }

    /// Removes a timer.
    pub(super) fn clear_timer(&mut self, id: String) {
        self.commit.timers.push(TimerChange::Clear(id));
    }

    /// Makes it all durable, and wakes whoever waits for messages, events or timers. A commit of which nobody can say whether it was
    /// made wakes them too: what is in the outbox then would wait for the next message to that peer, however long that takes.
    pub(super) async fn commit(mut self) -> Result<Committed, Stop> {
        if self.broken {
            return Err(internal("writing a timer"));
        }
        self.hash_entries()?;
        let wakes: Vec<OrgId> = self.commit.send.iter().map(|message| message.peer.clone()).collect();
        let timer = self.commit.timers.iter().filter_map(|change| match change {
            TimerChange::Set(timer) => Some(timer.due),
            TimerChange::Clear(_) => None,
        });
        let timer = timer.min();
        let erased = Erased { vault: &self.desk.parts.vault, keys: self.commit.erase.iter().map(|erase| erase.key).collect() };
        let committed = traced(Arc::clone(&self.desk.parts.store), self.commit).await;
        drop(erased);
        match &committed {
            Ok(committed) => self.desk.signals.committed(committed, wakes, timer),
            Err(StoreError::Unavailable(_)) => self.desk.signals.perhaps_committed(wakes, timer),
            Err(_) => {}
        }
        Ok(committed?)
    }
}

/// Commits, and keeps where in a trace that was beside what it puts in queues.
async fn traced(store: Arc<dyn Store>, mut commit: Commit) -> Result<Committed, StoreError> {
    let span = spans::commit(commit.send.len(), commit.entries.len(), commit.events.len());
    commit.trace = context::of(&span);
    let began = Instant::now();
    let committed = store.commit(commit).instrument(span.clone()).await;
    let (outcome, failed) = match &committed {
        Ok(_) => ("committed", None),
        Err(StoreError::Conflict(_)) => ("conflict", None),
        Err(StoreError::Full) => ("full", Some("full")),
        Err(_) => ("failed", Some("failed")),
    };
    spans::outcome(&span, outcome, failed);
    metrics::committed(outcome, began.elapsed());
    committed
}

/// A fault of our own; the text is for the log only.
pub(super) fn internal(doing: &str) -> Stop {
    Stop::Refused(Refusal::new(Stage::Store, Reason::Internal).because(doing))
}

/// Keys that a commit erases. They are forgotten when it is over, also when nobody can say whether it was made, or when whoever asked for it
/// hung up meanwhile: a key that still exists is read again.
struct Erased<'d> {
    vault: &'d Vault,
    keys: Vec<ClientKeyId>,
}

impl Drop for Erased<'_> {
    fn drop(&mut self) {
        self.keys.iter().for_each(|key| self.vault.forget(*key));
    }
}
