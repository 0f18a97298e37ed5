//! What the desk keeps and tells of cosigning: evidence against a log that contradicts itself, and alarms. Cosigning itself writes nothing.

use futures_util::future::BoxFuture;
use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::id::{Hash, OrgId};

use super::Desk;
use super::draft::{Draft, Stop, internal};
use super::trace::{By, Party};
use crate::cosigner::{Alarm, Alarmed};
use crate::store::{Expect, Kind, Page, Record};
use crate::witness::{Evidence, Evident};

/// Beginning of the ids of records ([`Kind::Gateway`]) with evidence.
const EVIDENCE: &str = "fork/";
/// Most pieces of evidence that are kept against one organisation: one proves as much as a thousand.
const MAX_EVIDENCE: u32 = 16;

impl Evident for Desk {
    fn fork_found(&self, evidence: Evidence) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tracing::error!(peer = %evidence.org, "a peer's log contradicts itself; both signed heads are kept");
            if let Err(refusal) = self.again_and_again(|| self.keep_evidence(&evidence)).await {
                tracing::error!(%refusal, "the evidence could not be kept");
            }
        })
    }
}

impl Alarmed for Desk {
    fn alarm(&self, alarm: Alarm) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let told = self.again_and_again(|| async {
                let mut draft = Draft::new(self);
                let log = || "log".to_owned();
                let (kind, about, state) = match &alarm {
                    Alarm::Late => ("log.cosigning-late", log(), "alarm".to_owned()),
                    Alarm::Restored => ("log.cosigned", log(), "alarm".to_owned()),
                    Alarm::OffersHeld => ("log.offers-held", log(), "alarm".to_owned()),
                    Alarm::Skew { peer, seconds } => ("peer.clock-skew", format!("peers/{peer}"), skew_words(*seconds)),
                    Alarm::Contradicted(peer) => ("log.contradicted", format!("peers/{peer}"), "alarm".to_owned()),
                };
                draft.event(kind, about, &state);
                draft.commit().await.map(drop)
            });
            tracing::error!(?alarm, "cosigning");
            if let Err(refusal) = told.await {
                tracing::error!(%refusal, "an alarm could not be made an event");
            }
        })
    }
}

/// How far a peer's clock is off, as its event says it.
fn skew_words(seconds: i64) -> String {
    format!("{} s {}", seconds.unsigned_abs(), if seconds < 0 { "behind" } else { "ahead" })
}

impl Desk {
    async fn keep_evidence(&self, evidence: &Evidence) -> Result<(), Stop> {
        let id = format!("{EVIDENCE}{}/{}", evidence.org, Hash::sha256(evidence.given.as_bytes()));
        let known = self.evidence_against(&evidence.org).await?;
        if known.len() >= MAX_EVIDENCE as usize || known.contains(&id) {
            return Ok(());
        }
        let mut draft = Draft::new(self);
        let clear = serde_json::to_string(evidence).map_err(|_| internal("writing evidence"))?;
        draft.commit.expect.push(Expect { kind: Kind::Gateway, id: id.clone(), version: 0 });
        draft.commit.put.push(Record { kind: Kind::Gateway, id, version: 1, parent: None, open: false, alias: None, clear, sealed: None });
        let clock = self.clock();
        let object = Object::new("log", "organization", evidence.org.as_str(), NO_PROTOCOL);
        let decision =
            Decision::denied("log-forked", "Twee ondertekende standen van dit logboek spreken elkaar tegen; beide zijn bewaard.");
        let by = By { caller: &clock, actor: None, second: None };
        self.note(&mut draft, EventCode::LogForked, by, object, decision, Some(Party::from(&evidence.org)));
        draft.event("peer.log-forked", format!("peers/{}", evidence.org), "alarm");
        draft.commit().await.map(drop)
    }

    /// Ids of the evidence kept against one organisation.
    async fn evidence_against(&self, org: &OrgId) -> Result<Vec<String>, Stop> {
        let of = format!("{EVIDENCE}{org}/");
        let page = Page { open_only: false, after: of.clone(), limit: MAX_EVIDENCE };
        let found = self.parts.store.records(Kind::Gateway, page).await?;
        Ok(found.into_iter().map(|record| record.id).filter(|id| id.starts_with(&of)).collect())
    }
}
