//! DESK: the one place that decides. Neighbours: doors hand in commands, the courier hands in what peers send, the clock ticks.
//!
//! Every way in ends in one [`Commit`](crate::store::Commit): state, outgoing messages, log entries, events and the idempotency
//! record together, or nothing. Reads of care data are commands too: their entry is durable before the answer leaves.
//!
//! `erasure` destroys what people decided to destroy. `agreements` installs covenants and party records; `case`, `consultation` and `handover` execute what people ask; `inbound` takes
//! what peers say; `clock` fires timers; `read` answers and logs the look; `views` shows; `operate` is for operators; `outcome` notes
//! what became of messages, and `void` fills the place of a parked one; `recovery` is for a gateway that lost data; `trace` writes the
//! log entries; `known` joins what came with what was known; `draft` is one commit in the making.

mod agreements;
mod case;
mod clock;
mod consultation;
mod cosigning;
mod draft;
pub mod endings;
mod erasure;
mod handover;
mod inbound;
pub mod issuer_keys;
mod known;
mod operate;
mod outcome;
mod read;
mod record;
mod recovery;
mod signals;
mod trace;
mod views;
mod void;

pub use agreements::{Installed, Paper};
pub use clock::Action;
pub use erasure::ErasureRecord;
pub use outcome::Delivered;
pub use record::{CaseRecord, ConsultationRecord, Doc, HandoverRecord, Shape, Side as HandoverSide};
pub use recovery::Halted;
pub use signals::Signals;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use schakel_domain::audit::entry::Responsible;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{CareAct, Command, Write};
use schakel_domain::id::{ClientKeyId, Hash, OrgId};
use schakel_domain::message::Message;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::traceparent::TraceParent;
use schakel_domain::view::Answer;
use tokio::sync::watch;
use uuid::Uuid;

use self::draft::{Draft, Stop, internal, store_refusal};
use self::recovery::FIRST_LIFE;
use self::trace::By;
use crate::agreements::Agreements;
use crate::store::{FORGOTTEN, Replay, Store};
use crate::vault::{Vault, VaultError};

/// How often a command starts again because something it read has changed. More means a fault, and is answered as unavailable.
const ATTEMPTS: usize = 16;

/// Where time, ids and salts come from: given, never taken from the air.
pub trait Source: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// A new UUIDv7 for this moment.
    fn uuid(&self, now: Timestamp) -> Uuid;
    /// Thirty-two random bytes.
    fn salt(&self) -> [u8; 32];
}

/// What a desk works with.
pub struct Parts {
    /// Our organisation.
    pub me: OrgId,
    /// Name of this gateway (replica), as in the log.
    pub gateway: String,
    /// The natural person who answers for what the gateway does by itself (NEN 7513 7.3.6).
    pub responsible: Responsible,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seals and opens care content.
    pub vault: Arc<Vault>,
    /// Covenants and party records.
    pub agreements: Arc<Agreements>,
    /// Time, ids and salts.
    pub ids: Arc<dyn Source>,
}

/// What the desk answers to a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The answer is the stored outcome of an earlier, equal request.
    pub replayed: bool,
}

/// A message from a peer whose certificate, batch signature and sender were checked by the federation door.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Position in everything this peer sent us.
    pub number: u64,
    /// The message, parsed; or why it cannot be parsed (it is then refused, signed and parked at the sender).
    pub message: Result<Message, Refusal>,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Encoded proof: `schakel.type.v1.MessageProof`.
    pub proof: Vec<u8>,
    /// Where it stood in the sender's trace, as the sender says.
    pub trace: Option<TraceParent>,
}

/// What became of a delivery. Returned only after the commit that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Durable and judged, now or earlier.
    Accepted,
    /// Cannot be accepted as it is: the sender parks it.
    Refused(Refusal),
    /// Not now: the sender keeps it and sends it again.
    Later(Refusal),
}

/// What became of a delivery, and where our own log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The verdict.
    pub verdict: Verdict,
    /// Leaf hash of the entry about the message; none when it is to be sent again, or came in before receipts stated it.
    pub leaf: Option<Hash>,
}

/// The desk.
pub struct Desk {
    parts: Parts,
    signals: Arc<Signals>,
    /// Whether this gateway decides, and if not why.
    halted: watch::Sender<Halted>,
    /// Timers that this version cannot read, told of.
    unreadable: Mutex<BTreeSet<String>>,
    incarnation: AtomicU64,
    refusals: inbound::Refusals,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("me", &self.parts.me).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk over its parts. Nothing happens until something comes in.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            signals: Arc::new(Signals::default()),
            halted: watch::Sender::default(),
            unreadable: Mutex::default(),
            incarnation: AtomicU64::new(FIRST_LIFE),
            refusals: inbound::Refusals::default(),
        }
    }

    /// Executes one command of one known caller.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was changed, and the log says so (except when the log itself cannot be written).
    pub async fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        let outcome = self.attempts(caller, &command).await;
        let by = By { caller, actor: Some(command.actor()), second: None };
        self.logged_when_refused(outcome, by, command.act(), command.about()).await
    }

    /// Logs a refusal with the person who asked and what it was about. When the store itself says no there is nowhere to log; a fault of
    /// ours is logged like any refusal.
    async fn logged_when_refused<T>(
        &self,
        outcome: Result<T, Refusal>,
        by: By<'_>,
        act: Act,
        about: Option<(&'static str, String)>,
    ) -> Result<T, Refusal> {
        match outcome {
            Err(refusal) if refusal.stage != Stage::Store || is_fault(refusal.reason) => {
                self.log_refusal(by, act, about, &refusal).await?;
                Err(refusal)
            }
            outcome => outcome,
        }
    }

    async fn log_refusal(&self, by: By<'_>, act: Act, about: Option<(&'static str, String)>, refusal: &Refusal) -> Result<(), Refusal> {
        let mut draft = Draft::new(self);
        let case = about.as_ref().filter(|(kind, _)| *kind == "case").map(|(_, id)| id.clone());
        let entry = self.denial_of(by, act, about, refusal, draft.now);
        draft.log(entry, case, None);
        draft.commit().await.map(drop).map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }

    /// Logs that a known caller was refused; a door calls it for what it refused itself.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE` when the log cannot be written: the caller then hears that instead.
    pub async fn refused(&self, caller: &Caller, act: Act, refusal: &Refusal) -> Result<(), Refusal> {
        self.log_refusal(By { caller, actor: None, second: None }, act, None, refusal).await
    }

    /// Wakes for events, outgoing messages and timers.
    #[must_use]
    pub fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// The store, for the neighbours that only read.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    /// Covenants and party records.
    #[must_use]
    pub fn agreements(&self) -> &Arc<Agreements> {
        &self.parts.agreements
    }

    /// Our organisation.
    #[must_use]
    pub fn me(&self) -> &OrgId {
        &self.parts.me
    }

    /// The present moment, by the clock this desk was given.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.parts.ids.now()
    }

    /// Whether this gateway stopped deciding because it lost data: see [`Halted`].
    #[must_use]
    pub fn recovering(&self) -> bool {
        self.halted.borrow().decides_nothing()
    }

    /// Follows whether it decides.
    #[must_use]
    pub fn halts(&self) -> watch::Receiver<Halted> {
        self.halted.subscribe()
    }

    /// Which life of this gateway's data it is, from 1: raised whenever recovery ends, and part of every message.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Acquire)
    }

    async fn attempts(&self, caller: &Caller, command: &Command) -> Result<Reply, Refusal> {
        caller.may(command.act())?;
        self.again_and_again(|| self.attempt(caller, command)).await
    }

    /// Repeats what lost a race with another change, a bounded number of times. Whatever the desk does ends in this loop.
    async fn again_and_again<T, F, W>(&self, work: W) -> Result<T, Refusal>
    where
        W: Fn() -> F,
        F: Future<Output = Result<T, Stop>>,
    {
        for _ in 0..ATTEMPTS {
            match work().await {
                Ok(done) => return Ok(done),
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Again) => tokio::task::yield_now().await,
            }
        }
        tracing::error!(attempts = ATTEMPTS, "a record changed again and again");
        Err(Refusal::new(Stage::Store, Reason::StoreUnavailable).because("the record changed again and again"))
    }

    async fn attempt(&self, caller: &Caller, command: &Command) -> Result<Reply, Stop> {
        self.lies_within(command).await?;
        match command {
            Command::Read(read) => self.read(caller, read).await.map(fresh),
            Command::Care(write) => self.care(caller, write).await,
        }
    }

    /// A handover is named under its case; under another one it does not exist, like one that is not there at all.
    async fn lies_within(&self, command: &Command) -> Result<(), Stop> {
        let (Some(case), Some(("handover", id))) = (command.within(), command.about()) else { return Ok(()) };
        let Some(record) = self.parts.store.record(HandoverRecord::KIND, &id).await? else { return Ok(()) };
        let known: HandoverRecord = serde_json::from_str(&record.clear).map_err(|_| internal("reading a record"))?;
        if known.case == case { Ok(()) } else { Err(Refusal::new(Stage::State, Reason::NotFound).into()) }
    }

    async fn care(&self, caller: &Caller, write: &Write<CareAct>) -> Result<Reply, Stop> {
        if let Some(reply) = self.replayed(caller, write).await? {
            return Ok(reply);
        }
        if self.recovering() {
            return Err(Refusal::new(Stage::State, Reason::Recovering).into());
        }
        let mut draft = Draft::new(self);
        let resource = match &write.act {
            CareAct::OpenCase { .. } | CareAct::AmendCase { .. } | CareAct::CloseCase { .. } => {
                self.case_act(caller, write, &mut draft).await?
            }
            CareAct::AskErasure { .. } | CareAct::KeepCase { .. } | CareAct::EraseCase { .. } => {
                self.erasure_act(caller, write, &mut draft).await?
            }
            CareAct::ForceReclaim { .. } | CareAct::ResolveContested { .. } => self.two_people_act(caller, write, &mut draft).await?,
            CareAct::Ask(_)
            | CareAct::AcceptConsultation { .. }
            | CareAct::DeclineConsultation { .. }
            | CareAct::Advise { .. }
            | CareAct::CancelConsultation { .. }
            | CareAct::CloseConsultation { .. } => self.consultation_act(caller, write, &mut draft).await?,
            CareAct::Offer(_)
            | CareAct::AcceptHandover { .. }
            | CareAct::DeclineHandover { .. }
            | CareAct::WithdrawHandover { .. }
            | CareAct::ReleasePledge { .. } => self.handover_act(caller, write, &mut draft).await?,
        };
        draft.commit.replay = Some(Replay {
            scope: write.act.act().name().to_owned(),
            request_id: write.request.to_string(),
            body: write.body,
            outcome: resource.clone(),
            at: draft.now,
        });
        draft.commit().await?;
        // It is done: what goes wrong from here on is no refusal of the act, and the same request again shows it.
        let unseen = Refusal::new(Stage::Store, Reason::StoreUnavailable).because("it was done; the same request_id again shows it");
        self.resource(&resource).await.map(fresh).map_err(|_| unseen.into())
    }

    /// The stored outcome of an equal request, shown as it stands now: a look, and logged as one.
    async fn replayed(&self, caller: &Caller, write: &Write<CareAct>) -> Result<Option<Reply>, Stop> {
        let Some(replay) = self.parts.store.replay(write.act.act().name(), &write.request.to_string()).await? else { return Ok(None) };
        if replay.body == FORGOTTEN {
            return Err(self.was_erased(&replay.outcome).await?);
        }
        if replay.body != write.body {
            let reused = Refusal { field: Some("request_id".to_owned()), ..Refusal::new(Stage::Door, Reason::RequestIdReused) };
            return Err(reused.into());
        }
        let by = By { caller, actor: Some(&write.actor), second: None };
        Ok(Some(Reply { answer: self.look(by, write.act.act(), &replay.outcome).await?, replayed: true }))
    }

    async fn load<T: Shape>(&self, id: &str) -> Result<Option<Doc<T>>, Stop> {
        let Some(record) = self.parts.store.record(T::KIND, id).await? else { return Ok(None) };
        self.open_record(record).await.map(Some)
    }

    async fn open_record<T: Shape>(&self, record: crate::store::Record) -> Result<Doc<T>, Stop> {
        let clear: T = serde_json::from_str(&record.clear).map_err(|_| internal("reading a record"))?;
        let sealed = match &record.sealed {
            Some(sealed) => {
                let opened = self.parts.vault.open(PURPOSE, sealed).await;
                let plain = opened.map_err(|error| vault_stop(error, "opening a record"))?;
                serde_json::from_slice(&plain).map_err(|_| internal("reading a record"))?
            }
            None => T::Sealed::default(),
        };
        Ok(Doc { id: record.id, version: record.version, clear, sealed })
    }

    /// For a list, which shows what is in the clear: an item whose sealed part cannot be opened hides neither itself nor the others, and the
    /// operator's log names it. Whoever asks for the item alone hears `UNREADABLE`.
    async fn open_listed<T: Shape>(&self, record: crate::store::Record) -> Result<Doc<T>, Stop> {
        match self.open_record(record.clone()).await {
            Err(Stop::Refused(refusal)) if refusal.reason == Reason::Unreadable => {
                tracing::warn!(kind = ?record.kind, id = %record.id, "shown in a list without its sealed part, which cannot be opened");
                self.open_record(crate::store::Record { sealed: None, ..record }).await
            }
            opened => opened,
        }
    }

    /// The part of a record that is not sealed, of one that something of ours names.
    async fn clear_of<T: Shape>(&self, id: &str) -> Result<T, Stop> {
        let record = self.parts.store.record(T::KIND, id).await?.ok_or_else(|| internal("finding a record of our own"))?;
        serde_json::from_str(&record.clear).map_err(|_| internal("reading a record"))
    }

    async fn seal(&self, key: ClientKeyId, plain: &[u8]) -> Result<Vec<u8>, Stop> {
        self.parts.vault.seal(key, PURPOSE, plain).await.map_err(|error| vault_stop(error, "sealing"))
    }

    /// Opens what [`Desk::seal`] sealed.
    ///
    /// # Errors
    /// When the client key is gone (erased) or the bytes were altered.
    pub async fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.parts
            .vault
            .open(PURPOSE, sealed)
            .await
            .map(|plain| plain.to_vec())
            .map_err(|_| Refusal::new(Stage::Store, Reason::Internal).because("opening a sealed part"))
    }
}

/// What sealed bytes are for, bound into the seal: what this program sealed for another purpose does not open as care content.
pub(crate) const PURPOSE: &str = "schakel.record.v1";

/// Whether it lies with us, and stays so until somebody acts.
fn is_fault(reason: Reason) -> bool {
    matches!(reason, Reason::Internal | Reason::Unreadable)
}

/// The vault's no: that of the store behind it is the store's, and may pass; any other is a fault of our own.
fn vault_stop(error: VaultError, doing: &str) -> Stop {
    match error {
        VaultError::Store(error) => error.into(),
        VaultError::UnknownKey(_) | VaultError::Sealed(_) => {
            tracing::error!(error = %error, doing, "vault");
            Refusal::new(Stage::Store, Reason::Unreadable).into()
        }
        other => {
            tracing::error!(error = %other, doing, "vault");
            internal(doing)
        }
    }
}

fn fresh(answer: Answer) -> Reply {
    Reply { answer, replayed: false }
}

schakel_domain::shows_its_name!(Delivery);
