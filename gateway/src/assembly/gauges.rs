//! Looks now and then at what operators watch: queues, offers, the log, certificates, connections. Only when telemetry is on.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::trust::Trust;
use crate::cosigner::Cosigner;
use crate::courier::Courier;
use crate::desk::{Desk, HandoverRecord, HandoverSide};
use crate::ledger::Ledger;
use crate::store::{Kind, Page, StoreError};
use crate::telemetry::metrics::{Level, stands};

/// Time between two looks: a little less than between two reports.
const LOOK: Duration = Duration::from_secs(10);
/// Open offers read at once.
const PAGE: u32 = 500;
/// Most open offers looked at; more are more than anybody watches one by one.
const MOST_OFFERS: usize = 10_000;
/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// What is looked at.
pub(super) struct Gauges {
    pub(super) desk: Arc<Desk>,
    pub(super) courier: Arc<Courier>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) cosigner: Arc<Cosigner>,
    pub(super) trust: Arc<Trust>,
}

impl Gauges {
    /// Goes on until it is dropped.
    pub(super) async fn keep(&self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let ready = self.desk.store().ready().await.is_ok();
            stands(Level::StoreReady, None, f64::from(u8::from(ready)));
            // A store that does not answer is told by the line above; the others keep what they showed.
            let _unanswered = self.look().await;
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let (store, now) = (self.desk.store(), self.desk.now());
        stands(Level::Recovering, None, f64::from(u8::from(self.desk.recovering())));
        for queue in store.outbox_peers().await? {
            let status = self.courier.status(&queue.peer).await?;
            let of = || Some(("schakel.peer", queue.peer.to_string()));
            stands(Level::OutboxMessages, of(), count(queue.waiting));
            stands(Level::OutboxAge, of(), queue.oldest.map_or(0.0, |oldest| since(oldest, now)));
            stands(Level::PeerAttempts, of(), f64::from(status.attempts));
            stands(Level::PeerHeld, of(), count(status.held_threads as u64));
        }
        let size = store.log_size().await?;
        let signed = self.ledger.checkpoint().map_or(0, |signed| signed.checkpoint.size);
        stands(Level::LogEntries, None, count(size));
        stands(Level::LogUnsigned, None, count(size.saturating_sub(signed)));
        stands(Level::CosignLate, None, self.cosigner.late().as_secs_f64());
        for (org, ends) in self.trust.first_ends() {
            stands(Level::CertificateDays, Some(("schakel.organization", org.to_string())), -since(ends, now) / DAY);
        }
        for (door, open) in self.trust.connections() {
            stands(Level::Connections, Some(("schakel.door", door)), count(open as u64));
        }
        self.offers(now).await
    }

    async fn offers(&self, now: Timestamp) -> Result<(), StoreError> {
        let (mut unacknowledged, mut overdue, mut seen, mut after) = (0_u64, 0_u64, 0, String::new());
        loop {
            let page = Page { open_only: true, after: after.clone(), limit: PAGE };
            let rows = self.desk.store().records(Kind::Handover, page).await?;
            let full = rows.len() == PAGE as usize;
            seen += rows.len();
            after = rows.last().map_or(after, |row| row.id.clone());
            for offer in rows.iter().filter_map(|row| serde_json::from_str::<HandoverRecord>(&row.clear).ok()) {
                unacknowledged += u64::from(offer.side == HandoverSide::Sender && offer.facts.delivered.is_none());
                overdue += u64::from(offer.facts.accepted.is_none() && offer.respond_by < now);
            }
            if !full || seen >= MOST_OFFERS {
                break;
            }
        }
        stands(Level::OffersUnacknowledged, None, count(unacknowledged));
        stands(Level::OffersOverdue, None, count(overdue));
        Ok(())
    }
}

/// Seconds that have passed; less than none for what is to come.
fn since(moment: Timestamp, now: Timestamp) -> f64 {
    moment.duration_until(now).as_secs_f64()
}

/// Counts here are far below where this is inexact.
fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
