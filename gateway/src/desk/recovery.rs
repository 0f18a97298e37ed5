//! Data that was lost: ours, and this gateway decides nothing until people have made it good; or a peer's, and it gets our messages again.
//!
//! Two things prove that ours was lost: a peer holds messages of ours that our store lacks, or the log in the database is not the one whose
//! newest signed head is kept outside it ([`crate::ledger::anchor`]). What is missing here is kept in a record, so that a restart forgets
//! nothing; it is read before the first timer fires. It ends when two people say so, never by itself: what was decided after the backup is
//! known only to the peers and to people. From then on the gateway lives another life of its data, with another [`Desk::incarnation`].

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use schakel_domain::audit::entry::{Decision, MAX_SENTENCE, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use serde::{Deserialize, Serialize};

use super::Desk;
use super::draft::{Draft, Stop, internal};
use super::trace::{By, Party};
use crate::agreements::Held;
use crate::ledger::LedgerFault;
use crate::store::{Kind, OutboxChange, OutboxRow, OutboxState};

/// Where it is kept.
const RECOVERING: &str = "recovering";
/// Messages that are put back to waiting in one commit.
const PART: u32 = 128;

/// The life of data that was never lost.
pub(super) const FIRST_LIFE: u64 = 1;

/// Why a gateway decides nothing; it decides when neither holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Halted {
    /// The store says that data was lost and not made good: read at the start, and shared by replicas.
    pub recovering: bool,
    /// This process found the log contradicted. Nobody's word undoes that: it lasts until a start that finds the log whole.
    pub contradicted: bool,
}

impl Halted {
    /// Whether it decides nothing.
    #[must_use]
    pub fn decides_nothing(self) -> bool {
        self.recovering || self.contradicted
    }
}

/// What was lost here, as far as it is known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Recovery {
    /// Highest number of ours that each peer holds; empty: nothing is missing.
    gaps: BTreeMap<OrgId, u64>,
    /// How the log contradicts its newest signed head; none: it does not.
    #[serde(default)]
    log: Option<String>,
    /// Which life it is; 0, as in what older versions wrote: the first.
    #[serde(default)]
    incarnation: u64,
    /// How it ended the last time.
    ended: Option<Ended>,
}

impl Recovery {
    fn lost(&self) -> bool {
        !self.gaps.is_empty() || self.log.is_some()
    }

    fn life(&self) -> u64 {
        self.incarnation.max(FIRST_LIFE)
    }

    /// The life that begins at this moment. A database may be put back twice, and the second time it has forgotten the life that began
    /// after the first: so it is the time, in seconds since 1970, and no counter. No rule of safety compares it with another clock.
    fn next_life(&self, now: Timestamp) -> u64 {
        (self.life() + 1).max(u64::try_from(now.as_second()).unwrap_or_default())
    }
}

/// The word of two people that what was missing was made good.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ended {
    at: Timestamp,
    by: String,
    #[serde(default)]
    second: Option<Actor>,
    reason: String,
}

impl Desk {
    /// Reads whether this gateway was recovering when it stopped, or is according to another replica.
    pub(super) async fn read_recovery(&self) -> Result<(), Stop> {
        let (_, recovery) = self.recovery().await?;
        self.incarnation.store(recovery.life(), Ordering::Release);
        if self.halt(|halted| halted.recovering = recovery.lost()) {
            let (lost, peers, log) = (recovery.lost(), &recovery.gaps, &recovery.log);
            tracing::error!(lost, ?peers, ?log, "this gateway decides nothing while data is lost here");
        }
        Ok(())
    }

    /// True: it changed.
    fn halt(&self, change: impl FnOnce(&mut Halted)) -> bool {
        self.halted.send_if_modified(|halted| {
            let before = *halted;
            change(halted);
            *halted != before
        })
    }

    async fn recovery(&self) -> Result<(u64, Recovery), Stop> {
        let Some(record) = self.parts.store.record(Kind::Gateway, RECOVERING).await? else { return Ok((0, Recovery::default())) };
        let recovery = serde_json::from_str(&record.clear).map_err(|_| internal("reading whether this gateway is recovering"))?;
        Ok((record.version, recovery))
    }

    fn put_recovery(draft: &mut Draft<'_>, version: u64, recovery: &Recovery) -> Result<(), Stop> {
        let clear = serde_json::to_string(recovery).map_err(|_| internal("writing that this gateway is recovering"))?;
        draft.put_clear(Kind::Gateway, RECOVERING, version, false, clear);
        Ok(())
    }

    /// A peer holds messages of ours that our own store lacks: this gateway stops deciding, and says why.
    ///
    /// # Errors
    /// When the log cannot be written; it stops deciding all the same, and says it again when the peer is met again.
    pub async fn knows_more(&self, peer: &OrgId, theirs: u64, ours: u64) -> Result<(), Refusal> {
        self.halt(|halted| halted.recovering = true);
        tracing::error!(peer = %peer, theirs, ours, "a peer holds messages of ours that our store lacks: this gateway stops deciding");
        let entered = self.again_and_again(|| self.enter_recovery(peer, theirs)).await;
        entered.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }

    async fn enter_recovery(&self, peer: &OrgId, theirs: u64) -> Result<(), Stop> {
        let held = self.held().await?;
        let (version, mut recovery) = self.recovery().await?;
        // Read again: whoever ended it meanwhile passed over the numbers that the peer holds.
        let queues = self.parts.store.outbox_peers().await?;
        let ours = queues.into_iter().find(|queue| queue.peer == *peer).map_or(0, |queue| queue.highest);
        if theirs <= ours || recovery.gaps.get(peer).is_some_and(|known| *known >= theirs) {
            return self.read_recovery().await;
        }
        recovery.gaps.insert(peer.clone(), theirs);
        let sentence = format!("{peer} heeft bericht {theirs} van ons; hier is {ours} het hoogste.");
        self.enter(&held, (version, recovery), sentence, Some(Party::from(peer))).await
    }

    /// The log in the database is not the one that was signed, as after an old copy was put back: this gateway stops deciding, and says why.
    ///
    /// # Errors
    /// When the log cannot be written; it decides nothing all the same.
    pub async fn log_contradicted(&self, fault: &LedgerFault) -> Result<(), Refusal> {
        self.halt(|halted| halted.contradicted = true);
        tracing::error!(%fault, "the log is not the one that was signed: this gateway stops deciding");
        let entered = self.again_and_again(|| async {
            let held = self.held().await?;
            let (version, mut recovery) = self.recovery().await?;
            if recovery.log.is_some() {
                return self.read_recovery().await;
            }
            recovery.log = Some(fault.to_string());
            let sentence = format!("{} ({fault})", fault.sentence(Lang::Nl)).chars().take(MAX_SENTENCE).collect();
            self.enter(&held, (version, recovery), sentence, None).await
        });
        entered.await.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }

    async fn enter(&self, held: &Held, found: (u64, Recovery), sentence: String, peer: Option<Party<'_>>) -> Result<(), Stop> {
        let (version, recovery) = found;
        let mut draft = Draft::new(self);
        Self::put_recovery(&mut draft, version, &recovery)?;
        let clock = self.clock();
        let by = By { caller: &clock, actor: None, second: None };
        let decision = Decision::denied(Reason::Recovering.code(), sentence);
        self.note(&mut draft, EventCode::RecoveryEntered, by, self.this_gateway(), decision, peer);
        draft.event("gateway.recovering", "gateway".to_owned(), "recovering");
        self.commit_shared(draft, held, held.clone()).await?;
        self.read_recovery().await
    }

    /// Two people say that what was missing was made good. The numbers that peers hold are passed over, so that no message of ours bears
    /// one that another had; a message in a thread that moved on without us is refused by the peer, and parked with an alarm.
    pub(super) async fn end_recovery(&self, mut draft: Draft<'_>, caller: &Caller, reason: &str, second: &Actor) -> Result<(), Stop> {
        if self.halted.borrow().contradicted {
            return Err(Refusal::new(Stage::State, Reason::LogContradicted).into());
        }
        let held = self.held().await?;
        let (version, recovery) = self.recovery().await?;
        if !recovery.lost() {
            return Err(Refusal::new(Stage::State, Reason::NotRecovering).into());
        }
        if caller.person.as_ref() == Some(&second.person) {
            return Err(Refusal::new(Stage::Caller, Reason::SecondPersonRequired).into());
        }
        let by = caller.person.as_ref().map_or_else(|| caller.client.clone(), ToString::to_string);
        let ended = Some(Ended { at: draft.now, by, second: Some(second.clone()), reason: reason.to_owned() });
        let incarnation = recovery.next_life(draft.now);
        Self::put_recovery(&mut draft, version, &Recovery { incarnation, ended, ..Recovery::default() })?;
        let peers: Vec<OrgId> = recovery.gaps.keys().cloned().collect();
        draft.commit.skip = recovery.gaps.into_iter().collect();
        let sentence = format!("Twee mensen verklaren dat wat ontbrak is hersteld: {reason}");
        let decision = Decision::allowed("role-table:end-recovery", sentence);
        let by = By { caller, actor: None, second: Some(second) };
        self.note(&mut draft, EventCode::RecoveryLeft, by, self.this_gateway(), decision, None);
        draft.event("gateway.recovered", "gateway".to_owned(), "deciding");
        self.commit_shared(draft, &held, held.as_ref().clone()).await?;
        self.read_recovery().await?;
        self.signals.timers_moved();
        peers.into_iter().for_each(|peer| self.signals.retry(peer));
        Ok(())
    }

    fn this_gateway(&self) -> Object {
        Object::new("gateway", "name", self.parts.gateway.clone(), NO_PROTOCOL)
    }

    /// A peer holds nothing after this number, though it acknowledged more: it lost data. It gets those messages again, and people are told
    /// to telephone it. What it has after all it recognises.
    ///
    /// # Errors
    /// When the store says no; what was put back stays so.
    pub async fn knows_less(&self, peer: &OrgId, theirs: u64) -> Result<(), Refusal> {
        let mut after = theirs;
        loop {
            let page = self.parts.store.outbox(peer, OutboxState::Delivered, after, PART).await;
            let rows = page.map_err(|error| super::store_refusal(&error))?;
            let Some(last) = rows.last() else { return Ok(()) };
            tracing::error!(peer = %peer, theirs, messages = rows.len(), "a peer lacks messages that it acknowledged: they are sent again");
            self.again_and_again(|| self.wait_again(peer, theirs, after == theirs, &rows)).await?;
            after = last.number;
        }
    }

    async fn wait_again(&self, peer: &OrgId, theirs: u64, first: bool, rows: &[OutboxRow]) -> Result<(), Stop> {
        let mut draft = Draft::new(self);
        let waits = |row: &OutboxRow| OutboxChange {
            peer: peer.clone(),
            number: row.number,
            state: OutboxState::Waiting,
            reason: None,
            // The proof that they had it.
            proof: row.proof.clone(),
        };
        // What was erased has no bytes that could go again, and its receiver lost it too.
        draft.commit.outbox = rows.iter().filter(|row| !row.message.sealed.is_empty()).map(waits).collect();
        if first {
            let clock = self.clock();
            let by = By { caller: &clock, actor: None, second: None };
            let sentence = format!("{peer} heeft niets van ons na bericht {theirs}, en bevestigde meer: dat gaat opnieuw.");
            let object = Object::new("peer", "organization", peer.as_str(), NO_PROTOCOL);
            self.note(
                &mut draft,
                EventCode::OutboxRetried,
                by,
                object,
                Decision::allowed("protocol:order", sentence),
                Some(Party::from(peer)),
            );
            draft.event("peer.lost-messages", format!("peers/{peer}"), "sending-again");
        }
        draft.commit().await.map(drop)
    }
}
