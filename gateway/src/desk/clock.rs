//! Timers: rows that fire once, also when their moment passed while the gateway was down. They raise alarms and pass a question on;
//! no safety rule depends on them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use schakel_domain::caller::{Caller, Role};
use schakel_domain::covenant::CovenantRef;
use schakel_domain::id::{ConsultationId, OfferId, OrgId};
use schakel_domain::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::Desk;
use super::draft::{Draft, Stop};
use super::record::{Asking, CaseRecord, ConsultationRecord, Doc, HandoverRecord};
use crate::store::{MAX_ROWS, Timer};

/// A transfer without receipt raises an alarm after this long when the covenant it was made under is held no more.
const TRANSFER_ALARM: SignedDuration = SignedDuration::from_secs(60);
/// A yes that is neither confirmed nor released raises an alarm after this long when its covenant is held no more.
const BID_ALARM: SignedDuration = SignedDuration::from_secs(30);
/// Time between repeated alarms.
const ALARM_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// How often an alarm is repeated before people are expected to have acted: a day of alarms.
const MOST_ALARMS: u32 = 288;
/// Timers further away are none of the next ones: ten years.
const FAR: SignedDuration = SignedDuration::from_hours(24 * 3_650);
/// How many timers fire in one round.
const ROUND: u32 = 200;

/// What a timer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// An offer was not answered in time.
    HandoverUnanswered {
        /// The offer.
        offer: OfferId,
    },
    /// A transfer has no receipt.
    TransferUnconfirmed {
        /// The offer.
        offer: OfferId,
        /// How often the alarm was raised.
        again: u32,
    },
    /// An acceptance of ours brought no transfer.
    TransferAwaited {
        /// The offer.
        offer: OfferId,
        /// How often the alarm was raised.
        again: u32,
    },
    /// A candidate did not answer in time.
    CandidateSilent {
        /// The consultation.
        consultation: ConsultationId,
        /// The candidate.
        candidate: OrgId,
    },
    /// Nobody helped in time.
    ConsultationOverdue {
        /// The consultation.
        consultation: ConsultationId,
    },
    /// A party record expires soon.
    RecordExpires {
        /// Whose.
        org: OrgId,
        /// Its number; a newer record makes the alarm void.
        number: u64,
        /// Days left.
        days: u16,
    },
    /// A yes was not confirmed.
    BidUnconfirmed {
        /// The consultation.
        consultation: ConsultationId,
    },
}

/// How long a transfer may be without its receipt before somebody is told to call, and an acceptance without its transfer.
pub(super) fn transfer_alarm(desk: &Desk, under: &CovenantRef) -> SignedDuration {
    desk.parts.agreements.deadlines(under).map_or(TRANSFER_ALARM, |deadlines| deadlines.transfer_receipt.duration())
}

/// How long a yes may be without its confirmation before whoever said it is told to call.
pub(super) fn bid_alarm(desk: &Desk, under: &CovenantRef) -> SignedDuration {
    desk.parts.agreements.deadlines(under).map_or(BID_ALARM, |deadlines| deadlines.bid_confirmation.duration())
}

/// Timer of an offer's answer.
pub(super) fn respond_timer(offer: OfferId) -> String {
    format!("handover/{offer}/respond-by")
}

/// Timer of a transfer's receipt.
pub(super) fn transfer_timer(offer: OfferId) -> String {
    format!("handover/{offer}/receipt")
}

/// Timer of the transfer that an acceptance brings.
pub(super) fn token_timer(offer: OfferId) -> String {
    format!("handover/{offer}/token")
}

/// Timer of a candidate's answer.
pub(super) fn candidate_timer(consultation: ConsultationId, candidate: &OrgId) -> String {
    format!("consultation/{consultation}/candidate/{candidate}")
}

/// Timer of a whole question.
pub(super) fn deadline_timer(consultation: ConsultationId) -> String {
    format!("consultation/{consultation}/deadline")
}

/// Timer of a bid's confirmation.
pub(super) fn bid_timer(consultation: ConsultationId) -> String {
    format!("consultation/{consultation}/confirm")
}

fn read(timer: &Timer) -> Option<Action> {
    serde_json::from_str(&timer.action).ok()
}

impl Desk {
    /// Fires every timer that is due. Called before the doors open and whenever the next one is due. One that cannot fire does not
    /// hold back the others.
    ///
    /// # Errors
    /// When a timer could not fire, because the store cannot be read or written: it stays.
    pub async fn tick(&self) -> Result<(), Refusal> {
        if self.recovering() {
            return Ok(());
        }
        let mut stuck: BTreeMap<String, Refusal> = BTreeMap::new();
        let mut unread = 0;
        loop {
            let limit = ROUND.saturating_add(u32::try_from(stuck.len() + unread).unwrap_or(u32::MAX));
            let mut due = self.parts.store.due(self.now(), limit).await.map_err(|error| super::store_refusal(&error))?;
            let full = due.len() >= limit.min(MAX_ROWS) as usize;
            self.set_aside(&mut due, &mut unread).await?;
            due.retain(|timer| !stuck.contains_key(&timer.id));
            if due.is_empty() && full && limit < MAX_ROWS {
                continue;
            }
            if due.is_empty() {
                return stuck.into_values().next().map_or(Ok(()), Err);
            }
            for timer in due {
                if let Err(refusal) = self.fire(&timer).await {
                    stuck.insert(timer.id, refusal);
                }
            }
        }
    }

    /// Leaves alone what this version cannot read: timers of a newer one, to which it may go back. They stay as they are, and people are told
    /// once in a run of this gateway; they are no reason not to start.
    async fn set_aside(&self, due: &mut Vec<Timer>, unread: &mut usize) -> Result<(), Refusal> {
        let (known, unknown) = std::mem::take(due).into_iter().partition(|timer| read(timer).is_some());
        *due = known;
        let unknown: Vec<Timer> = unknown;
        *unread = unknown.len();
        let new: Vec<String> = {
            let said = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
            unknown.into_iter().map(|timer| timer.id).filter(|id| !said.contains(id)).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            draft.event("gateway.timers-unreadable", "gateway".to_owned(), &format!("{} waiting", new.len()));
            draft.commit().await.map(drop)
        })
        .await?;
        tracing::error!(timers = ?new, "timers of a newer version cannot be read and wait: go back to that version");
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
        Ok(())
    }

    /// The moment of the next timer that this version can read; none while this gateway decides nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Refusal> {
        if self.recovering() {
            return Ok(None);
        }
        let next = self.parts.store.next_due().await.map_err(|error| super::store_refusal(&error))?;
        if next.is_none_or(|next| next > self.now()) || self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(next);
        }
        let timers = self.parts.store.due(self.now() + FAR, MAX_ROWS).await.map_err(|error| super::store_refusal(&error))?;
        Ok(timers.iter().find(|timer| read(timer).is_some()).map(|timer| timer.due))
    }

    async fn fire(&self, timer: &Timer) -> Result<(), Refusal> {
        self.again_and_again(|| self.fire_once(timer)).await
    }

    async fn fire_once(&self, timer: &Timer) -> Result<(), Stop> {
        let mut draft = Draft::new(self);
        draft.clear_timer(timer.id.clone());
        match read(timer) {
            Some(Action::HandoverUnanswered { offer }) => self.alarm(&mut draft, offer, "handover.overdue").await?,
            Some(Action::TransferUnconfirmed { offer, again }) => {
                let next = Action::TransferUnconfirmed { offer, again: again + 1 };
                self.alarm_again(&mut draft, offer, again, transfer_timer(offer), &next).await?;
            }
            Some(Action::TransferAwaited { offer, again }) => {
                let next = Action::TransferAwaited { offer, again: again + 1 };
                self.alarm_again(&mut draft, offer, again, token_timer(offer), &next).await?;
            }
            Some(Action::CandidateSilent { consultation, candidate }) => self.candidate_silent(&mut draft, consultation, candidate).await?,
            Some(Action::ConsultationOverdue { consultation }) => self.overdue(&mut draft, consultation).await?,
            Some(Action::BidUnconfirmed { consultation }) => {
                self.bid_unconfirmed(&mut draft, consultation).await?;
            }
            Some(Action::RecordExpires { org, number, days }) => self.record_expires(&mut draft, &org, number, days),
            None => return Ok(()),
        }
        draft.commit().await.map(drop)
    }

    /// Tells people that the other side has not answered, and will again until somebody acts.
    async fn alarm_again(&self, draft: &mut Draft<'_>, offer: OfferId, again: u32, timer: String, next: &Action) -> Result<(), Stop> {
        self.alarm(draft, offer, "handover.unconfirmed").await?;
        if again < MOST_ALARMS {
            draft.timer(timer, draft.now + ALARM_AGAIN, next);
        }
        Ok(())
    }

    /// Tells people; the state does not change.
    async fn alarm(&self, draft: &mut Draft<'_>, offer: OfferId, event: &str) -> Result<(), Stop> {
        let Some(doc): Option<Doc<HandoverRecord>> = self.load(&offer.to_string()).await? else { return Ok(()) };
        let open: Option<Doc<CaseRecord>> = self.load(&doc.clear.case.to_string()).await?;
        if doc.clear.open && open.is_some() {
            draft.event(event, super::read::handover_name(&doc.clear), "waiting");
        }
        Ok(())
    }

    /// Tells people that a yes was neither confirmed nor released: call who asks.
    async fn bid_unconfirmed(&self, draft: &mut Draft<'_>, consultation: ConsultationId) -> Result<(), Stop> {
        let Some(doc): Option<Doc<ConsultationRecord>> = self.load(&consultation.to_string()).await? else { return Ok(()) };
        if let Asking::Candidate(state) = &doc.clear.asking
            && state.unconfirmed_bid()
        {
            draft.event("consultation.unconfirmed", super::consultation::consultation_name(consultation), "bid");
        }
        Ok(())
    }

    /// The caller in whose name timers act.
    pub(super) fn clock(&self) -> Caller {
        Caller {
            organization: self.parts.me.clone(),
            person: None,
            client: "clock".to_owned(),
            roles: [Role::Gateway].into(),
            two_factor: false,
            spki: None,
            door: "clock",
        }
    }
}
