//! WITNESS: cosigns the heads of other organisations' logs, by the rules of C2SP tlog-witness.
//!
//! The rules are [`schakel_domain::audit::witness`]. Here the head that was cosigned last is kept, one record per organisation: compared
//! and replaced in one commit, and only then is the cosignature made. Cosigning writes no entry and no event. A log that contradicts
//! itself is shown to the desk, with both heads.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::audit::checkpoint::{Checkpoint, origin};
use schakel_domain::audit::note::{Note, Signer, Vkey};
use schakel_domain::audit::witness::{AddCheckpoint, Objection, judge};
use schakel_domain::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::desk::Source;
use crate::store::{Commit, Expect, Kind, Record, Store, StoreError};

/// How often a head is judged again because another replica kept one meanwhile.
const ATTEMPTS: u32 = 4;

/// Two heads of one log, each signed by it, of which the second was not shown to extend the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Whose log.
    pub org: OrgId,
    /// The head that was cosigned, as signed.
    pub held: String,
    /// The head that does not extend it, as signed.
    pub given: String,
    /// When it was given.
    pub at: Timestamp,
}

/// Whoever keeps evidence and alarms people: the desk.
pub trait Evident: Send + Sync + 'static {
    /// Keeps it durably, once.
    fn fork_found(&self, evidence: Evidence) -> BoxFuture<'_, ()>;
}

/// An answer to `add-checkpoint`, as the specification has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Signature line, size held, or a sentence.
    pub body: String,
}

/// The key of an organisation's log, when its party record names one.
pub type LogKeys = Arc<dyn Fn(&OrgId) -> Option<Vkey> + Send + Sync>;

/// The witness of one organisation.
pub struct Witness {
    /// Where the heads are kept.
    pub store: Arc<dyn Store>,
    /// Our cosigning key.
    pub key: Signer,
    /// The keys of the logs.
    pub logs: LogKeys,
    /// The clock.
    pub source: Arc<dyn Source>,
    /// Who is shown a log that contradicts itself.
    pub evident: Arc<dyn Evident>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The head of a log that was cosigned last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    checkpoint: String,
}

/// Id of the record ([`Kind::Gateway`]) with the head of this organisation's log that we cosigned last.
#[must_use]
pub fn held_id(org: &OrgId) -> String {
    format!("witness/{org}")
}

impl Witness {
    /// Judges a request of this organisation, keeps the new head and cosigns it.
    ///
    /// # Errors
    /// [`StoreError`] when the head cannot be kept: nothing was cosigned.
    pub async fn add(&self, peer: &OrgId, body: &[u8]) -> Result<Answer, StoreError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(objection) => return Ok(refused(&objection)),
        };
        let log = (self.logs)(peer).filter(|log| log.name() == origin(peer));
        for _ in 0..ATTEMPTS {
            let (version, held) = self.held(peer).await?;
            let known = held.as_ref().map(|(_, checkpoint)| checkpoint);
            let (checkpoint, note) = match judge(&request, log.as_ref(), known) {
                Ok(good) => good,
                Err(objection) => {
                    if let (Objection::Inconsistent, Some((held, _))) = (&objection, held) {
                        let given = String::from_utf8_lossy(&request.note).into_owned();
                        self.evident.fork_found(Evidence { org: peer.clone(), held, given, at: self.source.now() }).await;
                    }
                    return Ok(refused(&objection));
                }
            };
            if known != Some(&checkpoint) {
                match self.keep(peer, version, &note).await {
                    Ok(()) => {}
                    Err(StoreError::Conflict(_)) => continue,
                    Err(error) => return Err(error),
                }
            }
            return Ok(self.cosign(&note));
        }
        Err(StoreError::Unavailable("other replicas keep cosigning first".to_owned()))
    }

    fn cosign(&self, note: &Note) -> Answer {
        let now = u64::try_from(self.source.now().as_second()).unwrap_or_default();
        match self.key.cosign(note, now) {
            Ok(line) => Answer { status: 200, body: format!("{line}\n") },
            Err(error) => {
                tracing::error!(%error, "our key does not cosign");
                Answer { status: 500, body: "no cosigning key\n".to_owned() }
            }
        }
    }

    /// The head kept of this log, with the version of its record. One that cannot be read stops the cosigning of that log.
    async fn held(&self, peer: &OrgId) -> Result<(u64, Option<(String, Checkpoint)>), StoreError> {
        let Some(record) = self.store.record(Kind::Gateway, &held_id(peer)).await? else { return Ok((0, None)) };
        let damaged = |_| StoreError::Damaged(format!("the cosigned head of {peer}"));
        let held: Held = serde_json::from_str(&record.clear).map_err(|error| damaged(error.to_string()))?;
        let note = Note::parse(held.checkpoint.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| damaged(error.to_string()))?;
        Ok((record.version, Some((held.checkpoint, checkpoint))))
    }

    /// Compare-and-set: durable when it returns.
    async fn keep(&self, peer: &OrgId, version: u64, note: &Note) -> Result<(), StoreError> {
        let clear = serde_json::to_string(&Held { checkpoint: note.to_string() }).expect("one text always serialises");
        self.store.commit(replace(held_id(peer), version, clear, self.source.now())).await.map(drop)
    }
}

/// A commit that replaces one record of the gateway itself, and nothing else.
pub(crate) fn replace(id: String, version: u64, clear: String, at: Timestamp) -> Commit {
    let expect = Expect { kind: Kind::Gateway, id: id.clone(), version };
    let record = Record { kind: Kind::Gateway, id, version: version + 1, parent: None, open: false, alias: None, clear, sealed: None };
    Commit { at, expect: vec![expect], put: vec![record], ..Commit::default() }
}

fn refused(objection: &Objection) -> Answer {
    Answer { status: objection.status(), body: objection.body() }
}
