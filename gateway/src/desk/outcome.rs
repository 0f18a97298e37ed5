//! What became of messages we sent, as the courier reports it: delivered, or parked with a void in their place.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::id::{CaseId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::Refusal;

use super::Desk;
use super::case::case_name;
use super::consultation::consultation_name;
use super::draft::{Draft, Stop, internal};
use super::read::handover_name;
use super::record::{Asking, ConsultationRecord, Doc, FactTimes, HandoverRecord, Side};
use super::trace::{By, Party};
use super::void::VOID;
use crate::store::{Kind, OutboxChange, OutboxRow, OutboxState};

/// Messages of one peer that it holds durably now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Position towards the peer.
    pub number: u64,
    /// Encoded proof.
    pub proof: Vec<u8>,
}

impl Desk {
    /// The courier reports messages that the peer holds durably: the fact *delivered* on what they belong to.
    ///
    /// # Errors
    /// When the store says no; the courier then reports again.
    pub async fn delivered(&self, peer: &OrgId, messages: Vec<Delivered>) -> Result<(), Refusal> {
        self.again_and_again(|| self.delivered_once(peer, &messages)).await
    }

    /// Each message is a fact of its own, so that one acknowledgement may take several commits; what was committed before a failure is no
    /// longer waiting when the courier reports again.
    async fn delivered_once(&self, peer: &OrgId, messages: &[Delivered]) -> Result<(), Stop> {
        let mut draft = Draft::new(self);
        let rows = self.waiting_rows(peer, messages).await?;
        for message in messages {
            let Some(row) = rows.get(&message.number) else { continue };
            draft.commit.outbox.push(OutboxChange {
                peer: peer.clone(),
                number: message.number,
                state: OutboxState::Delivered,
                reason: None,
                proof: Some(message.proof.clone()),
            });
            self.note_delivered(&mut draft, row).await?;
            if draft.is_large() {
                std::mem::replace(&mut draft, Draft::new(self)).commit().await?;
            }
        }
        if draft.commit.outbox.is_empty() {
            return Ok(());
        }
        draft.commit().await.map(drop)
    }

    /// The fact on what the message belongs to, once: an offer or question that was sent again is not delivered twice.
    async fn note_delivered(&self, draft: &mut Draft<'_>, row: &OutboxRow) -> Result<(), Stop> {
        let (kind, id) = (row.message.subject.0, row.message.subject.1.as_str());
        if draft.commit.put.iter().any(|record| (record.kind, record.id.as_str()) == (kind, id)) {
            return Ok(());
        }
        match (kind, row.message.kind.as_str()) {
            (Kind::Handover, "propose-handover") => {
                // Erased meanwhile: nobody is told any more.
                let Some(mut doc): Option<Doc<HandoverRecord>> = self.load(id).await? else { return Ok(()) };
                if doc.clear.facts.delivered.replace(draft.now).is_none() {
                    draft.event("handover.delivered", handover_name(&doc.clear), "delivered");
                    draft.put(&doc).await?;
                }
            }
            (Kind::Consultation, "ask") => {
                let Some(mut doc): Option<Doc<ConsultationRecord>> = self.load(id).await? else { return Ok(()) };
                if facts_of(&mut doc, &row.message.peer).delivered.replace(draft.now).is_none() {
                    draft.event("consultation.delivered", consultation_name(doc.clear.consultation), "delivered");
                    draft.put(&doc).await?;
                }
            }
            (Kind::Erasure, "request-erasure") => self.erasure_delivered(draft, id, &row.message.peer).await?,
            _ => {}
        }
        Ok(())
    }

    /// The courier reports a message that the peer cannot accept: it is parked, a void takes its place, and people are alarmed.
    ///
    /// # Errors
    /// When the store says no; the courier then reports again.
    pub async fn parked(&self, peer: &OrgId, number: u64, reason: &str, proof: Option<Vec<u8>>) -> Result<(), Refusal> {
        self.again_and_again(|| self.parked_once(peer, number, reason, proof.clone())).await
    }

    async fn parked_once(&self, peer: &OrgId, number: u64, reason: &str, proof: Option<Vec<u8>>) -> Result<(), Stop> {
        let Some(row) = self.waiting_row(peer, number).await? else { return Ok(()) };
        let mut draft = Draft::new(self);
        draft.commit.outbox.push(OutboxChange {
            peer: peer.clone(),
            number,
            state: OutboxState::Parked,
            reason: Some(reason.to_owned()),
            proof,
        });
        // A void is refused only when its place was taken after all: then nothing is missing there.
        if row.message.kind == VOID {
            self.note_taken(&mut draft, &row).await?;
        } else {
            self.put_void(&mut draft, &row).await?;
            self.note_parked(&mut draft, &row, reason).await?;
        }
        let clock = self.clock();
        let object = Object::new("message", "uuid", row.message.message.to_string(), NO_PROTOCOL);
        let decision = Decision::denied(reason, "De gateway van de ontvanger kan dit bericht niet aannemen.");
        let by = By { caller: &clock, actor: None, second: None };
        self.note(&mut draft, EventCode::OutboxParked, by, object, decision, Some(Party::from(peer)));
        draft.commit().await.map(drop)
    }

    /// The fact on what a parked message belongs to, and the alarm.
    async fn note_parked(&self, draft: &mut Draft<'_>, row: &OutboxRow, reason: &str) -> Result<(), Stop> {
        match row.message.subject.0 {
            Kind::Handover => {
                let mut doc: Doc<HandoverRecord> = self.find(&row.message.subject.1).await?;
                doc.clear.facts.refused = Some(reason.to_owned());
                draft.event("handover.parked", handover_name(&doc.clear), "parked");
                draft.put(&doc).await
            }
            Kind::Consultation => {
                let mut doc: Doc<ConsultationRecord> = self.find(&row.message.subject.1).await?;
                facts_of(&mut doc, &row.message.peer).refused = Some(reason.to_owned());
                draft.event("consultation.parked", consultation_name(doc.clear.consultation), "parked");
                draft.put(&doc).await
            }
            Kind::Erasure if row.message.kind != VOID => self.erasure_refused(draft, row, reason).await,
            _ => {
                if let Ok(case) = row.message.thread.parse::<CaseId>() {
                    draft.event("case.parked", case_name(case), "parked");
                }
                Ok(())
            }
        }
    }

    /// The place of a message that was taken back is taken at the peer: it was delivered before, and its answer was lost.
    async fn note_taken(&self, draft: &mut Draft<'_>, void: &OutboxRow) -> Result<(), Stop> {
        let Body::Void { replaces } = self.sent_message(void).await?.body else { return Ok(()) };
        match self.parts.store.sent(replaces).await? {
            Some(row) if row.state == OutboxState::Cancelled => self.note_delivered(draft, &row).await,
            _ => {
                tracing::warn!(peer = %void.message.peer, number = void.number, "a void was refused");
                Ok(())
            }
        }
    }

    /// Takes a waiting message back: a void takes its place. Whether it is with the peer already, its answer lost, is not known here. Then the
    /// peer refuses the void, for the place is taken, and goes on with what comes behind it.
    pub(super) async fn void_instead(&self, draft: &mut Draft<'_>, row: &OutboxRow) -> Result<(), Stop> {
        draft.commit.outbox.push(OutboxChange {
            peer: row.message.peer.clone(),
            number: row.number,
            state: OutboxState::Cancelled,
            reason: Some(EventCode::OutboxCancelled.code().to_owned()),
            proof: None,
        });
        let void = self.void_of(draft, row).await?.ok_or_else(|| internal("replacing a message"))?;
        draft.commit.send.push(void);
        Ok(())
    }

    /// Those of these messages that still wait, by number. An acknowledgement names a batch: mostly they follow each other, and one read
    /// finds them all.
    async fn waiting_rows(&self, peer: &OrgId, messages: &[Delivered]) -> Result<BTreeMap<u64, OutboxRow>, Stop> {
        let numbers: BTreeSet<u64> = messages.iter().map(|message| message.number).collect();
        let Some(first) = numbers.first() else { return Ok(BTreeMap::new()) };
        let limit = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let read = self.parts.store.outbox(peer, OutboxState::Waiting, first.saturating_sub(1), limit).await?;
        let mut rows: BTreeMap<u64, OutboxRow> = read.into_iter().map(|row| (row.number, row)).collect();
        let last = rows.last_key_value().map_or(0, |(number, _)| *number);
        rows.retain(|number, _| numbers.contains(number));
        for number in numbers.range(last + 1..) {
            rows.extend(self.waiting_row(peer, *number).await?.map(|row| (*number, row)));
        }
        Ok(rows)
    }

    async fn waiting_row(&self, peer: &OrgId, number: u64) -> Result<Option<OutboxRow>, Stop> {
        let rows = self.parts.store.outbox(peer, OutboxState::Waiting, number.saturating_sub(1), 1).await?;
        Ok(rows.into_iter().next().filter(|row| row.number == number))
    }

    pub(super) async fn sent_message(&self, row: &OutboxRow) -> Result<Message, Stop> {
        let bytes = self.unseal(&row.message.sealed).await?;
        crate::wire::federation::decode(&bytes).map_err(|_| internal("reading a message of our own"))
    }
}

/// The facts of a question to one organisation; at a candidate, whose own answers have none, they go nowhere.
pub(super) fn facts_of<'a>(doc: &'a mut Doc<ConsultationRecord>, org: &OrgId) -> &'a mut FactTimes {
    debug_assert!(doc.clear.side == Side::Sender || matches!(doc.clear.asking, Asking::Candidate(_)));
    &mut doc.clear.candidates.entry(org.clone()).or_default().facts
}
