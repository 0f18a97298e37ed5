//! What is left of an erased case: when, why, by whom, and what the other organisations say of theirs. No word about the client.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Act;
use schakel_domain::command::ReadAct;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::erasure::Ground;
use schakel_domain::id::{CaseId, ClientKeyId, Hash, Label, OrgId};
use schakel_domain::person::PersonId;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{Answer, ErasureView, PeerAnswer, PeerErasureView};
use serde::{Deserialize, Serialize};

use super::super::Desk;
use super::super::case::case_name;
use super::super::draft::{Draft, Stop, internal};
use super::super::record::{Doc, Shape};
use super::super::trace::By;
use crate::store::{Kind, MAX_ROWS, OutboxRow};

/// What is left of one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErasureRecord {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// On what ground.
    pub ground: Ground,
    /// Who asked.
    pub asked_by: PersonId,
    /// Who decided.
    pub erased_by: PersonId,
    /// Leaf hash of the entry about it.
    pub leaf: Hash,
    /// The entry's index is this or higher.
    pub from: u64,
    /// Key of what is still said in the threads that were the case's; it never sealed anything about the client.
    pub key: ClientKeyId,
    /// The organisations that had part in it.
    pub peers: BTreeMap<OrgId, PeerLeft>,
}

/// What is known of one organisation's own file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PeerLeft {
    /// Under which agreement it was told; none: nothing was agreed with it any more, and it must be telephoned.
    pub agreed: Option<(CovenantRef, String)>,
    /// When its gateway took in the request.
    pub delivered: Option<Timestamp>,
    /// Reason code with which its gateway refused it.
    pub refused: Option<String>,
    /// What its people decided.
    pub answer: Option<PeerAnswer>,
}

impl Shape for ErasureRecord {
    const KIND: Kind = Kind::Erasure;
    type Sealed = ();

    fn key(&self) -> ClientKeyId {
        self.key
    }

    fn parent(&self) -> Option<String> {
        None
    }

    fn open(&self) -> bool {
        false
    }

    fn alias(&self) -> Option<String> {
        Some(Label::of(self.case).as_str().to_owned())
    }

    fn revision(&self) -> u64 {
        1
    }
}

/// That a handover or consultation was erased with its case.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// The case.
    of: CaseId,
}

/// Keeps that something was erased with a case.
pub(super) fn mark(draft: &mut Draft<'_>, id: &str, case: CaseId) -> Result<(), Stop> {
    let clear = serde_json::to_string(&Part { of: case }).map_err(|_| internal("writing what is left"))?;
    draft.put_clear(Kind::Erasure, id, 0, false, clear);
    Ok(())
}

impl Desk {
    /// What is left of a case, or of the case that a handover or consultation belonged to; none when it was never erased.
    pub(in super::super) async fn left_of(&self, id: &str) -> Result<Option<Doc<ErasureRecord>>, Stop> {
        let Some(record) = self.parts.store.record(Kind::Erasure, id).await? else { return Ok(None) };
        match serde_json::from_str::<Part>(&record.clear) {
            Ok(part) => self.load(&part.of.to_string()).await,
            Err(_) => self.open_record(record).await.map(Some),
        }
    }

    /// Why a record is not there: erased, or never there for this caller.
    pub(in super::super) async fn absent(&self, id: &str) -> Result<Stop, Stop> {
        match self.left_of(id).await? {
            Some(left) => self.erased(&left).await.map(Stop::Refused),
            None => Ok(Refusal::new(Stage::State, Reason::NotFound).into()),
        }
    }

    /// Why the outcome of a command is not there any more; `name` is that of a resource.
    pub(in super::super) async fn was_erased(&self, name: &str) -> Result<Stop, Stop> {
        let id = name.rsplit('/').next().unwrap_or_default();
        self.absent(id).await
    }

    /// Refuses when a case with this name for the telephone was erased.
    pub(in super::super) async fn none_erased(&self, label: &Label) -> Result<(), Stop> {
        match self.parts.store.aliased(Kind::Erasure, label.as_str()).await?.into_iter().next() {
            Some(record) => Err(self.absent(&record.id).await?),
            None => Ok(()),
        }
    }

    /// `ERASED`, with the day and the log entry.
    pub(in super::super) async fn erased(&self, left: &Doc<ErasureRecord>) -> Result<Refusal, Stop> {
        let day = left.clear.at.to_zoned(TimeZone::UTC).date();
        let entry = self.entry_of(&left.clear).await?.map_or_else(String::new, |index| format!(", log entry {index}"));
        Ok(Refusal::new(Stage::State, Reason::Erased).because(format!("erased on {day}{entry}")))
    }

    async fn entry_of(&self, left: &ErasureRecord) -> Result<Option<u64>, Stop> {
        // The first of the case's entries from there on, unless looks at it were logged at the same moment.
        let rows = self.parts.store.entries_of(&left.case.to_string(), left.from, MAX_ROWS).await?;
        Ok(rows.into_iter().find(|row| row.entry.leaf == left.leaf).map(|row| row.index))
    }

    /// A look at what is left, by whoever may look at cases.
    pub(in super::super) async fn read_erasure(
        &self,
        draft: &mut Draft<'_>,
        by: By<'_>,
        case: CaseId,
        read: &ReadAct,
    ) -> Result<Answer, Stop> {
        self.looked_at_erasure(draft, by, &case.to_string(), read.what.act()).await?;
        self.erasure_view(&case.to_string()).await.map(|view| Answer::Erasure(Box::new(view)))
    }

    /// Logs that look.
    pub(in super::super) async fn looked_at_erasure(&self, draft: &mut Draft<'_>, by: By<'_>, case: &str, act: Act) -> Result<(), Stop> {
        let left = self.erasure_of(case).await?;
        let rule = format!("role-table:{}", act.name());
        let object = Object::new("case", "uuid", case, rule.clone());
        let decision = Decision::allowed(rule, "Deze rol mag dit binnen de eigen organisatie.");
        self.note_case(draft, EventCode::CaseViewed, by, object, decision, left.clear.case);
        Ok(())
    }

    /// As it is shown.
    pub(in super::super) async fn erasure_view(&self, case: &str) -> Result<ErasureView, Stop> {
        let left = self.erasure_of(case).await?.clear;
        let entry = self.entry_of(&left).await?;
        let view = |(org, peer): (OrgId, PeerLeft)| {
            let PeerLeft { agreed: _, delivered, refused, answer } = peer;
            PeerErasureView { org, delivered, refused, answer }
        };
        let peers = left.peers.into_iter().map(view).collect();
        let ErasureRecord { case, at, ground, asked_by, erased_by, .. } = left;
        Ok(ErasureView { case, at, ground, asked_by, erased_by, entry, peers })
    }

    async fn erasure_of(&self, case: &str) -> Result<Doc<ErasureRecord>, Stop> {
        let left = self.left_of(case).await?.filter(|left| left.id == case);
        left.ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound).into())
    }

    /// A peer's gateway took in our request.
    pub(in super::super) async fn erasure_delivered(&self, draft: &mut Draft<'_>, case: &str, peer: &OrgId) -> Result<(), Stop> {
        let Some(mut left) = self.left_of(case).await? else { return Ok(()) };
        let now = draft.now;
        if let Some(known) = left.clear.peers.get_mut(peer).filter(|known| known.delivered.is_none()) {
            known.delivered = Some(now);
            draft.put(&left).await?;
        }
        Ok(())
    }

    /// A peer's gateway refused our request: people must telephone.
    pub(in super::super) async fn erasure_refused(&self, draft: &mut Draft<'_>, row: &OutboxRow, reason: &str) -> Result<(), Stop> {
        let Some(mut left) = self.left_of(&row.message.subject.1).await? else { return Ok(()) };
        if let Some(known) = left.clear.peers.get_mut(&row.message.peer) {
            known.refused = Some(reason.to_owned());
            draft.put(&left).await?;
        }
        draft.event("case.erasure-refused", case_name(left.clear.case), "refused");
        Ok(())
    }
}
