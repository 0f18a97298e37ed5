//! COSIGNER: has the heads of our own log cosigned by peers, as the covenants ask, and says when that is late.
//!
//! It works only while there are entries that no quorum has cosigned: a quiet log asks nobody anything. What it got is kept in one record,
//! the newest head with a quorum in every covenant that asks for one. How late it is follows from the log itself, the time of the first
//! entry no such head covers, so that a restart forgets nothing. Late cosigning and a peer's wrong clock alarm; only a covenant that says so
//! stops new offers ([`Agreements::hold_offers`]), and nothing stops what is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use schakel_domain::audit::checkpoint::{Checkpoint, origin};
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::note::{Note, SignatureLine, Vkey};
use schakel_domain::audit::witness::{AddCheckpoint, Objection};
use schakel_domain::covenant::CovenantId;
use schakel_domain::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::agreements::Agreements;
use crate::desk::Source;
use crate::ledger::{Ledger, Signed};
use crate::store::{Kind, Store, StoreError};
use crate::witness::replace;

/// Id of the record ([`Kind::Gateway`]) with the newest head that a quorum cosigned.
pub const COSIGNED: &str = "cosigned";
/// How far a peer's clock may be off before people are alarmed.
pub const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// Rounds that may be missed before people are alarmed.
const MISSED: i32 = 2;
/// The pause when no covenant says another.
const PAUSE: Duration = Duration::from_secs(30);

/// Carries a request to a peer's witness.
pub trait Submit: Send + Sync + 'static {
    /// Status and body of the answer.
    ///
    /// # Errors
    /// Why there is none.
    fn add_checkpoint<'a>(&'a self, peer: &'a OrgId, body: Vec<u8>) -> BoxFuture<'a, Result<(u16, String), String>>;
}

/// What people must know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The quorum has not cosigned for longer than two rounds.
    Late,
    /// It has again.
    Restored,
    /// New offers under a covenant are stopped, as its clause says.
    OffersHeld,
    /// A peer's clock is off.
    Skew {
        /// Whose.
        peer: OrgId,
        /// By how many seconds; below zero it is behind ours.
        seconds: i64,
    },
    /// A peer holds a head of ours that the one we signed does not extend.
    Contradicted(OrgId),
}

/// Whoever makes an alarm a durable event: the desk.
pub trait Alarmed: Send + Sync + 'static {
    /// Tells it.
    fn alarm(&self, alarm: Alarm) -> BoxFuture<'_, ()>;
}

/// What the cosigner needs.
pub struct Ports {
    /// Our log.
    pub ledger: Arc<Ledger>,
    /// Where the cosigned head is kept.
    pub store: Arc<dyn Store>,
    /// Whom to ask, and how many must answer.
    pub agreements: Arc<Agreements>,
    /// The way to them.
    pub submit: Arc<dyn Submit>,
    /// The clock.
    pub source: Arc<dyn Source>,
    /// Who is told.
    pub alarmed: Arc<dyn Alarmed>,
}

/// The cosigner of one log.
pub struct Cosigner {
    ports: Ports,
    state: Mutex<State>,
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// Size of the head that each witness holds of ours.
    sizes: BTreeMap<OrgId, u64>,
    /// Witnesses were asked since the last pause.
    asked: bool,
    /// Alarms that stand.
    standing: BTreeSet<Alarm>,
    /// Peers whose clock is off, by however much: told once until it is right again.
    skewed: BTreeSet<OrgId>,
    /// How late it was at the last look.
    late: SignedDuration,
}

/// The newest head with a quorum, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    checkpoint: String,
}

/// One covenant's clause on cosigning, with whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The covenant.
    pub covenant: CovenantId,
    /// How many of the witnesses.
    pub quorum: usize,
    /// Time between two rounds.
    pub interval: SignedDuration,
    /// How late it may be before new offers stop.
    pub grace: SignedDuration,
    /// Whether they do.
    pub stops_offers: bool,
    /// The other parties, with their cosigning keys.
    pub witnesses: BTreeMap<OrgId, Vkey>,
}

/// The newest head with a quorum that a store holds, with the version of its record.
///
/// # Errors
/// [`StoreError`].
pub async fn kept(store: &dyn Store, log: &Vkey) -> Result<(u64, Option<Signed>), StoreError> {
    let Some(record) = store.record(Kind::Gateway, COSIGNED).await? else { return Ok((0, None)) };
    let signed = serde_json::from_str::<Kept>(&record.clear).ok().and_then(|kept| {
        let checkpoint = Checkpoint::open(kept.checkpoint.as_bytes(), log).ok()?;
        Some(Signed { checkpoint, note: kept.checkpoint })
    });
    Ok((record.version, signed))
}

impl Cosigner {
    /// A cosigner that has done nothing yet.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, state: Mutex::default() }
    }

    /// Asks for cosignatures while something is not covered, for ever.
    pub async fn run(&self) {
        let mut heads = self.ports.ledger.checkpoints();
        loop {
            heads.mark_unchanged();
            let terms = self.terms();
            match self.round().await {
                Ok(true) => {
                    // However fast the log grows, witnesses are asked once in an interval.
                    if self.with(|state| std::mem::take(&mut state.asked)) {
                        tokio::time::sleep(pause(&terms)).await;
                    }
                    if heads.changed().await.is_err() {
                        return;
                    }
                }
                Ok(false) => tokio::time::sleep(pause(&terms)).await,
                Err(error) => {
                    tracing::warn!(%error, "cosignatures could not be asked for or kept");
                    tokio::time::sleep(pause(&terms)).await;
                }
            }
        }
    }

    /// One round: asks every witness that does not hold our newest head, keeps what makes a quorum, and looks how late it is. True: there
    /// is nothing more to do until the log grows.
    ///
    /// # Errors
    /// [`StoreError`] when a store does not answer; nothing is lost.
    pub async fn round(&self) -> Result<bool, StoreError> {
        let (terms, newest) = (self.terms(), self.ports.ledger.checkpoint());
        let (Some(newest), false) = (newest, terms.is_empty()) else {
            self.ports.agreements.hold_offers(BTreeSet::new());
            return Ok(true);
        };
        let (version, cosigned) = kept(&*self.ports.store, self.ports.ledger.vkey()).await?;
        if cosigned.is_none_or(|cosigned| cosigned.checkpoint.size < newest.checkpoint.size) {
            self.with(|state| state.asked = true);
            let asked: BTreeMap<&OrgId, &Vkey> = terms.iter().flat_map(|terms| &terms.witnesses).collect();
            let answers = asked.into_iter().map(|(org, vkey)| async { (org.clone(), self.ask(org, vkey, &newest).await) });
            let lines: BTreeMap<OrgId, SignatureLine> =
                join_all(answers).await.into_iter().filter_map(|(org, line)| Some((org, line?))).collect();
            if terms.iter().all(|terms| terms.met(&lines)) {
                self.keep(version, &newest, lines.into_values().collect()).await?;
            }
        }
        self.look().await
    }

    /// Compares the log with what was cosigned: raises and ends alarms, holds or frees new offers. True: everything is covered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look(&self) -> Result<bool, StoreError> {
        let terms = self.terms();
        let (_, cosigned) = kept(&*self.ports.store, self.ports.ledger.vkey()).await?;
        let covered = cosigned.map_or(0, |signed| signed.checkpoint.size);
        let late = match self.ports.ledger.checkpoint() {
            Some(newest) if newest.checkpoint.size > covered && !terms.is_empty() => self.age_of(covered).await?,
            _ => SignedDuration::ZERO,
        };
        self.with(|state| state.late = late);
        let is_late = terms.iter().any(|terms| late > terms.interval * MISSED);
        let held: BTreeSet<CovenantId> =
            terms.iter().filter(|terms| terms.stops_offers && late > terms.grace).map(|terms| terms.covenant.clone()).collect();
        let stops = !held.is_empty();
        self.ports.agreements.hold_offers(held);
        self.stand(Alarm::Late, is_late, Some(Alarm::Restored)).await;
        self.stand(Alarm::OffersHeld, stops, None).await;
        Ok(late == SignedDuration::ZERO)
    }

    /// How long something has been uncovered, as of the last look; zero when everything is covered or no covenant asks for it.
    #[must_use]
    pub fn late(&self) -> SignedDuration {
        self.with(|state| state.late)
    }

    /// How long ago the entry at this index was made.
    async fn age_of(&self, index: u64) -> Result<SignedDuration, StoreError> {
        let row = self.ports.ledger.entry(index).await?;
        let time = row.and_then(|row| Entry::parse(&row.entry.bytes).ok()).and_then(|entry| entry.event.time.parse::<Timestamp>().ok());
        let age = time.map_or(SignedDuration::ZERO, |time| time.duration_until(self.ports.source.now()));
        // Something is uncovered, however the clock was moved.
        Ok(age.max(SignedDuration::from_millis(1)))
    }

    /// Asks one witness; none when it did not cosign this head.
    async fn ask(&self, org: &OrgId, vkey: &Vkey, newest: &Signed) -> Option<SignatureLine> {
        for _ in 0..2 {
            let old = self.with(|state| state.sizes.get(org).copied().unwrap_or_default());
            if old > newest.checkpoint.size {
                self.stand(Alarm::Contradicted(org.clone()), true, None).await;
                return None;
            }
            let proof = match self.ports.ledger.consistency_proof(old, newest.checkpoint.size).await {
                Ok(proof) => proof.unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, "no proof for a witness");
                    return None;
                }
            };
            let request = AddCheckpoint { old, proof, note: newest.note.clone().into_bytes() };
            let (status, body) = match self.ports.submit.add_checkpoint(org, request.to_bytes()).await {
                Ok(answer) => answer,
                Err(why) => {
                    tracing::info!(peer = %org, %why, "no cosignature");
                    return None;
                }
            };
            if status == 200 {
                return self.accepted(org, vkey, newest, &body).await;
            }
            match Objection::read(status, &body) {
                Some(Objection::Conflict { size }) if size != old => self.with(|state| state.sizes.insert(org.clone(), size)),
                Some(Objection::Inconsistent | Objection::Conflict { .. }) => {
                    self.stand(Alarm::Contradicted(org.clone()), true, None).await;
                    return None;
                }
                _ => {
                    tracing::warn!(peer = %org, status, "a witness does not cosign");
                    return None;
                }
            };
        }
        None
    }

    /// The line of this witness in its answer, when it fits our head.
    async fn accepted(&self, org: &OrgId, vkey: &Vkey, newest: &Signed, body: &str) -> Option<SignatureLine> {
        let note = Note::parse(format!("{}{body}", newest.note).as_bytes()).ok()?;
        let Ok(time) = vkey.verify_cosignature(&note) else {
            tracing::warn!(peer = %org, "an answer without a good cosignature");
            return None;
        };
        let at = i64::try_from(time).ok().and_then(|time| Timestamp::from_second(time).ok())?;
        self.compare_clocks(org, self.ports.source.now().duration_until(at)).await;
        self.with(|state| state.sizes.insert(org.clone(), newest.checkpoint.size));
        note.signatures.into_iter().find(|line| line.name == vkey.name() && line.key_id == vkey.key_id())
    }

    /// Tells once how far a peer's clock is off. It refuses nothing: no rule of safety uses a clock, and ours may be the wrong one.
    async fn compare_clocks(&self, org: &OrgId, ahead: SignedDuration) {
        let off = ahead.abs() > SKEW;
        let changed = self.with(|state| if off { state.skewed.insert(org.clone()) } else { state.skewed.remove(org) });
        if changed && off {
            self.ports.alarmed.alarm(Alarm::Skew { peer: org.clone(), seconds: ahead.as_secs() }).await;
        }
    }

    async fn keep(&self, version: u64, newest: &Signed, lines: Vec<SignatureLine>) -> Result<(), StoreError> {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let checkpoint = format!("{}{lines}", newest.note);
        let clear = serde_json::to_string(&Kept { checkpoint }).expect("one text always serialises");
        match self.ports.store.commit(replace(COSIGNED.to_owned(), version, clear, self.ports.source.now())).await {
            // Another replica kept one: the next round sees which.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tells an alarm when it begins, and what ends it when it ends.
    async fn stand(&self, alarm: Alarm, stands: bool, ended: Option<Alarm>) {
        let changed = self.with(|state| if stands { state.standing.insert(alarm.clone()) } else { state.standing.remove(&alarm) });
        match (changed, stands) {
            (true, true) => self.ports.alarmed.alarm(alarm).await,
            (true, false) => {
                if let Some(ended) = ended {
                    self.ports.alarmed.alarm(ended).await;
                }
            }
            (false, _) => {}
        }
    }

    fn terms(&self) -> Vec<Terms> {
        self.ports.agreements.cosigning(self.ports.source.now())
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Terms {
    fn met(&self, lines: &BTreeMap<OrgId, SignatureLine>) -> bool {
        self.witnesses.keys().filter(|org| lines.contains_key(*org)).count() >= self.quorum
    }
}

fn pause(terms: &[Terms]) -> Duration {
    terms.iter().map(|terms| terms.interval).min().and_then(|interval| Duration::try_from(interval).ok()).unwrap_or(PAUSE)
}

/// The cosigning key that a party record may name: the organisation's own name, another key than its log's.
#[must_use]
pub fn is_of(vkey: &Vkey, org: &OrgId) -> bool {
    vkey.name() == origin(org)
}
