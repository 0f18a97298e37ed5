//! What operators do with messages and peers, and what the courier reports. None of it touches care content.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{OperateAct, Operation};
use schakel_domain::custody::Input;
use schakel_domain::expertise::requester;
use schakel_domain::id::{CaseId, Hash, MessageId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::Answer;

use super::case::case_name;
use super::consultation::consultation_name;
use super::draft::{Draft, Stop, internal, store_refusal};
use super::read::handover_name;
use super::record::{Asking, CaseRecord, ConsultationRecord, Doc, FactTimes, HandoverRecord, Shape, Side};
use super::trace::By;
use super::{Desk, Reply};
use crate::store::{Expect, Kind, OutboxChange, OutboxRow, OutboxState, Outgoing, Record, Replay};

/// Where the stops are kept.
pub(super) const STOPS: &str = "stops";

/// Messages of one peer that it holds durably now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Position towards the peer.
    pub number: u64,
    /// Encoded proof.
    pub proof: Vec<u8>,
}

impl Desk {
    /// Executes an operator's write once per key.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED` for another body under the same key; otherwise as [`Desk::handle`].
    pub async fn operate_once(&self, caller: &Caller, operation: &Operation) -> Result<Reply, Refusal> {
        let act = operation.act.act();
        let done = match caller.may(act) {
            Ok(()) => self.operate_attempts(caller, operation).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &done
            && refusal.stage != Stage::Store
        {
            self.refused(caller, act, refusal).await?;
        }
        done
    }

    async fn operate_attempts(&self, caller: &Caller, operation: &Operation) -> Result<Reply, Refusal> {
        let (scope, request_id) = (operation.act.act().name(), operation.request.to_string());
        for _ in 0..super::ATTEMPTS {
            let known = self.parts.store.replay(scope, &request_id).await.map_err(|error| store_refusal(&error))?;
            if let Some(known) = known {
                let reused = Refusal { field: Some("request_id".to_owned()), ..Refusal::new(Stage::Door, Reason::RequestIdReused) };
                return if known.body == operation.body { Ok(Reply { answer: Answer::Done, replayed: true }) } else { Err(reused) };
            }
            let once = Replay {
                scope: scope.to_owned(),
                request_id: request_id.clone(),
                body: operation.body,
                outcome: "done".to_owned(),
                at: self.now(),
            };
            match self.operate(caller, &operation.act, Some(once)).await {
                Ok(answer) => return Ok(Reply { answer, replayed: false }),
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Again) => tokio::task::yield_now().await,
            }
        }
        Err(Refusal::new(Stage::Store, Reason::StoreUnavailable))
    }

    pub(super) async fn operate(&self, caller: &Caller, act: &OperateAct, once: Option<Replay>) -> Result<Answer, Stop> {
        let decides = matches!(act, OperateAct::Cancel { .. } | OperateAct::Replay { .. });
        if decides && self.recovering() {
            return Err(Refusal::new(Stage::State, Reason::Recovering).into());
        }
        let mut draft = Draft::new(self);
        draft.commit.replay = once;
        match act {
            OperateAct::Retry { peer } => self.retry(draft, caller, peer).await,
            OperateAct::Cancel { message, reason } => self.cancel(draft, caller, *message, reason).await,
            OperateAct::Replay { message } => self.replay_parked(draft, caller, *message).await,
            OperateAct::Stop { peer, reason } => self.set_stop(draft, caller, peer, Some(reason.clone())).await,
            OperateAct::Resume { peer } => self.set_stop(draft, caller, peer, None).await,
        }?;
        Ok(Answer::Done)
    }

    async fn retry(&self, mut draft: Draft<'_>, caller: &Caller, peer: &OrgId) -> Result<(), Stop> {
        self.operator_entry(
            &mut draft,
            EventCode::OutboxRetried,
            caller,
            Object::new("peer", "organization", peer.as_str(), NO_PROTOCOL),
            peer,
        )?;
        draft.commit().await?;
        self.signals.retry(peer.clone());
        Ok(())
    }

    async fn set_stop(&self, mut draft: Draft<'_>, caller: &Caller, peer: &OrgId, reason: Option<String>) -> Result<(), Stop> {
        // What is held is replaced whole: a covenant or record that is installed meanwhile must not be lost by it.
        let _one_at_a_time = self.agreeing.lock().await;
        let held = self.parts.agreements.held();
        let mut stopped = held.stopped.clone();
        let code = match reason {
            Some(reason) => {
                stopped.insert(peer.clone(), reason);
                EventCode::PeerStopped
            }
            None => {
                stopped.remove(peer);
                EventCode::PeerResumed
            }
        };
        let version = self.parts.store.record(Kind::Gateway, STOPS).await?.map_or(0, |record| record.version);
        draft.commit.expect.push(Expect { kind: Kind::Gateway, id: STOPS.to_owned(), version });
        draft.commit.put.push(Record {
            kind: Kind::Gateway,
            id: STOPS.to_owned(),
            version: version + 1,
            parent: None,
            open: false,
            alias: None,
            clear: serde_json::to_string(&stopped).map_err(|_| internal("writing the stops"))?,
            sealed: None,
        });
        self.operator_entry(&mut draft, code, caller, Object::new("peer", "organization", peer.as_str(), NO_PROTOCOL), peer)?;
        draft.commit().await?;
        self.parts.agreements.replace(crate::agreements::Held { stopped, ..held.as_ref().clone() });
        self.signals.retry(peer.clone());
        Ok(())
    }

    /// Takes back an offer or question that was not delivered: the protocol's own withdraw or cancel runs, so that both sides end in
    /// a state the protocol knows.
    async fn cancel(&self, mut draft: Draft<'_>, caller: &Caller, message: MessageId, reason: &str) -> Result<(), Stop> {
        let row = self.parts.store.sent(message).await?.ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound))?;
        let cancellable = row.state == OutboxState::Waiting && ["propose-handover", "ask"].contains(&row.message.kind.as_str());
        if !cancellable {
            return Err(Refusal::new(Stage::State, Reason::NotCancellable).because(format!("a {} message", row.message.kind)).into());
        }
        let by = By { caller, actor: None, second: None };
        match row.message.subject.0 {
            Kind::Handover => {
                let mut doc: Doc<HandoverRecord> = self.find(&row.message.subject.1).await?;
                let mut case: Doc<CaseRecord> = self.find(&doc.clear.case.to_string()).await?;
                doc.sealed.note = reason.to_owned();
                let input = Input::Withdraw { offer: doc.clear.offer };
                self.act_on(&mut draft, by, EventCode::OutboxCancelled, &mut case, &mut doc, input).await?;
            }
            Kind::Consultation => {
                let mut doc: Doc<ConsultationRecord> = self.find(&row.message.subject.1).await?;
                doc.sealed.notes.insert(self.parts.me.clone(), reason.to_owned());
                self.requester_act(&mut draft, by, EventCode::OutboxCancelled, doc, requester::Input::Cancel).await?;
            }
            _ => return Err(Refusal::new(Stage::State, Reason::NotCancellable).into()),
        }
        draft.commit().await.map(drop)
    }

    /// Sends a parked message again as a new one of its thread. An offer or question that ended meanwhile stays ended.
    async fn replay_parked(&self, mut draft: Draft<'_>, caller: &Caller, message: MessageId) -> Result<(), Stop> {
        let row = self.parts.store.sent(message).await?.ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound))?;
        if row.state != OutboxState::Parked {
            return Err(Refusal::new(Stage::State, Reason::NotCancellable).because("only a parked message is replayed").into());
        }
        let parsed = self.sent_message(&row).await?;
        self.still_open(&row, &parsed.body).await?;
        let by = By { caller, actor: None, second: None };
        self.again(&mut draft, &row, parsed).await?;
        let object = Object::new("message", "uuid", message.to_string(), NO_PROTOCOL);
        let decision = Decision::allowed("role-table:replay-message", "Deze rol mag dit binnen de eigen organisatie.");
        self.note(&mut draft, EventCode::OutboxRetried, by, object, decision, Some(&row.message.peer))?;
        draft.commit().await.map(drop)
    }

    async fn still_open(&self, row: &OutboxRow, body: &Body) -> Result<(), Stop> {
        let (open, reason) = match (row.message.subject.0, body) {
            (Kind::Handover, Body::Propose(_)) => {
                (self.find::<HandoverRecord>(&row.message.subject.1).await?.clear.open, Reason::HandoverNotOpen)
            }
            (Kind::Consultation, Body::Ask(_)) => {
                (self.find::<ConsultationRecord>(&row.message.subject.1).await?.clear.open, Reason::ConsultationNotOpen)
            }
            _ => return Ok(()),
        };
        if open { Ok(()) } else { Err(Refusal::new(Stage::State, reason).into()) }
    }

    async fn again(&self, draft: &mut Draft<'_>, row: &OutboxRow, message: Message) -> Result<(), Stop> {
        let envelope = |thread, key| super::draft::Envelope {
            thread,
            key,
            covenant: &message.covenant,
            clause: &message.clause,
            subject: (row.message.subject.0, &row.message.subject.1),
        };
        match self.thread_docs(&row.message.thread).await? {
            ThreadDoc::Case(mut case) => {
                let thread = case.id.clone();
                let sent =
                    draft.send(&mut case.clear.links, &row.message.peer, envelope(&thread, case.clear.key), message.body.clone()).await?;
                self.sent_again(draft, row, &message.body, sent).await?;
                draft.put(&case).await
            }
            ThreadDoc::Consultation(mut doc) => {
                let thread = doc.id.clone();
                facts_of(&mut doc, &row.message.peer).refused = None;
                draft.send(&mut doc.clear.links, &row.message.peer, envelope(&thread, doc.clear.key), message.body.clone()).await?;
                draft.put(&doc).await
            }
        }
    }

    /// What is sent again is no longer refused. A transfer has another hash then: its receipt may name either.
    async fn sent_again(&self, draft: &mut Draft<'_>, row: &OutboxRow, body: &Body, hash: Hash) -> Result<(), Stop> {
        match row.message.subject.0 {
            Kind::Handover => {
                let mut doc: Doc<HandoverRecord> = self.find(&row.message.subject.1).await?;
                doc.clear.facts.refused = None;
                if matches!(body, Body::Transfer { .. }) {
                    doc.clear.transfers.push(hash);
                }
                draft.put(&doc).await
            }
            Kind::Consultation => {
                let mut doc: Doc<ConsultationRecord> = self.find(&row.message.subject.1).await?;
                facts_of(&mut doc, &row.message.peer).refused = None;
                draft.put(&doc).await
            }
            _ => Ok(()),
        }
    }

    fn operator_entry(&self, draft: &mut Draft<'_>, code: EventCode, caller: &Caller, object: Object, peer: &OrgId) -> Result<(), Stop> {
        let decision = Decision::allowed(format!("role-table:{}", code.code()), "Deze rol mag dit binnen de eigen organisatie.");
        self.note(draft, code, By { caller, actor: None, second: None }, object, decision, Some(peer))
    }

    /// The courier reports messages that the peer holds durably: the fact *delivered* on what they belong to.
    ///
    /// # Errors
    /// When the store says no; the courier then reports again.
    pub async fn delivered(&self, peer: &OrgId, messages: Vec<Delivered>) -> Result<(), Refusal> {
        self.again_and_again(|| self.delivered_once(peer, &messages)).await
    }

    async fn delivered_once(&self, peer: &OrgId, messages: &[Delivered]) -> Result<(), Stop> {
        let mut draft = Draft::new(self);
        let rows = self.waiting_rows(peer, messages).await?;
        let mut handovers: BTreeMap<String, Doc<HandoverRecord>> = self.subjects(&rows, "propose-handover").await?;
        let mut consultations: BTreeMap<String, Doc<ConsultationRecord>> = self.subjects(&rows, "ask").await?;
        for message in messages {
            let Some(row) = rows.get(&message.number) else { continue };
            draft.commit.outbox.push(OutboxChange {
                peer: peer.clone(),
                number: message.number,
                state: OutboxState::Delivered,
                reason: None,
                proof: Some(message.proof.clone()),
            });
            let id = &row.message.subject.1;
            match (row.message.subject.0, row.message.kind.as_str()) {
                (Kind::Handover, "propose-handover") => {
                    if let Some(doc) = handovers.get_mut(id) {
                        doc.clear.facts.delivered.get_or_insert(draft.now);
                        draft.event("handover.delivered", handover_name(&doc.clear), "delivered");
                    }
                }
                (Kind::Consultation, "ask") => {
                    if let Some(doc) = consultations.get_mut(id) {
                        facts_of(doc, peer).delivered.get_or_insert(draft.now);
                        draft.event("consultation.delivered", consultation_name(doc.clear.consultation), "delivered");
                    }
                }
                _ => {}
            }
        }
        if draft.commit.outbox.is_empty() {
            return Ok(());
        }
        for doc in handovers.values() {
            draft.put(doc).await?;
        }
        for doc in consultations.values() {
            draft.put(doc).await?;
        }
        draft.commit().await.map(drop)
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
        let message = self.sent_message(&row).await?;
        // A void is refused only when its place was taken after all: then nothing is missing there.
        if !matches!(message.body, Body::Void { .. }) {
            self.put_void(&mut draft, &row, &message).await?;
        }
        match row.message.subject.0 {
            Kind::Handover => {
                let mut doc: Doc<HandoverRecord> = self.find(&row.message.subject.1).await?;
                doc.clear.facts.refused = Some(reason.to_owned());
                draft.event("handover.parked", handover_name(&doc.clear), "parked");
                draft.put(&doc).await?;
            }
            Kind::Consultation => {
                let mut doc: Doc<ConsultationRecord> = self.find(&row.message.subject.1).await?;
                facts_of(&mut doc, peer).refused = Some(reason.to_owned());
                draft.event("consultation.parked", consultation_name(doc.clear.consultation), "parked");
                draft.put(&doc).await?;
            }
            _ => {
                if let Ok(case) = row.message.thread.parse::<CaseId>() {
                    draft.event("case.parked", case_name(case), "parked");
                }
            }
        }
        let clock = self.clock();
        let object = Object::new("message", "uuid", row.message.message.to_string(), NO_PROTOCOL);
        let decision = Decision::denied(reason, "De gateway van de ontvanger kan dit bericht niet aannemen.");
        self.note(&mut draft, EventCode::OutboxParked, By { caller: &clock, actor: None, second: None }, object, decision, Some(peer))?;
        draft.commit().await.map(drop)
    }

    /// Puts a void at the place of a message. It keeps the message's position in the thread, so no counter moves.
    async fn put_void(&self, draft: &mut Draft<'_>, row: &OutboxRow, message: &Message) -> Result<(), Stop> {
        let void = Message {
            id: MessageId::new(self.parts.ids.uuid(draft.now)),
            incarnation: self.incarnation(),
            sent: draft.now,
            body: Body::Void { replaces: message.id },
            ..message.clone()
        };
        let bytes = crate::wire::federation::encode(&void);
        let key = crate::vault::Vault::key_of(&row.message.sealed).map_err(|_| internal("finding the key of a message"))?;
        draft.commit.send.push(Outgoing {
            peer: row.message.peer.clone(),
            message: void.id,
            thread: void.thread,
            seq: void.seq,
            kind: void.body.kind().to_owned(),
            hash: Hash::sha256(&bytes),
            sealed: self.seal(key, &bytes).await?,
            subject: row.message.subject.clone(),
        });
        Ok(())
    }

    /// A peer holds messages of ours that our own store lacks: this gateway stops deciding, and says why.
    ///
    /// # Errors
    /// When the log cannot be written; it stops deciding all the same.
    pub async fn knows_more(&self, peer: &OrgId, theirs: u64, ours: u64) -> Result<(), Refusal> {
        if self.recovering.swap(true, std::sync::atomic::Ordering::AcqRel) {
            return Ok(());
        }
        tracing::error!(peer = %peer, theirs, ours, "a peer holds messages of ours that our store lacks: this gateway stops deciding");
        let mut draft = Draft::new(self);
        let clock = self.clock();
        let object = Object::new("gateway", "name", self.parts.gateway.clone(), NO_PROTOCOL);
        let sentence = format!("{peer} heeft bericht {theirs} van ons; hier is {ours} het hoogste.");
        let entry = self.note(
            &mut draft,
            EventCode::RecoveryEntered,
            By { caller: &clock, actor: None, second: None },
            object,
            Decision::denied(Reason::Recovering.code(), sentence),
            Some(peer),
        );
        draft.event("gateway.recovering", "gateway".to_owned(), "recovering");
        let done = match entry {
            Ok(()) => draft.commit().await.map(drop),
            Err(stop) => Err(stop),
        };
        done.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
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

    /// The records that messages of one kind belong to, by id, each once.
    async fn subjects<T: Shape>(&self, rows: &BTreeMap<u64, OutboxRow>, kind: &str) -> Result<BTreeMap<String, Doc<T>>, Stop> {
        let of_kind = rows.values().map(|row| &row.message).filter(|message| message.kind == kind && message.subject.0 == T::KIND);
        let ids: BTreeSet<&String> = of_kind.map(|message| &message.subject.1).collect();
        let docs = try_join_all(ids.into_iter().map(|id| self.find::<T>(id))).await?;
        Ok(docs.into_iter().map(|doc| (doc.id.clone(), doc)).collect())
    }

    async fn waiting_row(&self, peer: &OrgId, number: u64) -> Result<Option<OutboxRow>, Stop> {
        let rows = self.parts.store.outbox(peer, OutboxState::Waiting, number.saturating_sub(1), 1).await?;
        Ok(rows.into_iter().next().filter(|row| row.number == number))
    }

    async fn sent_message(&self, row: &OutboxRow) -> Result<Message, Stop> {
        let bytes = self.unseal(&row.message.sealed).await?;
        crate::wire::federation::decode(&bytes).map_err(|_| internal("reading a message of our own"))
    }

    async fn thread_docs(&self, thread: &str) -> Result<ThreadDoc, Stop> {
        if let Some(case) = self.load::<CaseRecord>(thread).await? {
            return Ok(ThreadDoc::Case(Box::new(case)));
        }
        Ok(ThreadDoc::Consultation(Box::new(self.find(thread).await?)))
    }

    /// Repeats what lost a race with another change, a bounded number of times.
    pub(super) async fn again_and_again<F, W>(&self, work: W) -> Result<(), Refusal>
    where
        W: Fn() -> F,
        F: Future<Output = Result<(), Stop>>,
    {
        for _ in 0..super::ATTEMPTS {
            match work().await {
                Ok(()) => return Ok(()),
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Again) => tokio::task::yield_now().await,
            }
        }
        Err(store_refusal(&crate::store::StoreError::Unavailable("changed again and again".to_owned())))
    }
}

/// The record whose counters a thread has.
enum ThreadDoc {
    Case(Box<Doc<CaseRecord>>),
    Consultation(Box<Doc<ConsultationRecord>>),
}

/// The facts of a question to one organisation; at a candidate, whose own answers have none, they go nowhere.
fn facts_of<'a>(doc: &'a mut Doc<ConsultationRecord>, org: &OrgId) -> &'a mut FactTimes {
    debug_assert!(doc.clear.side == Side::Sender || matches!(doc.clear.asking, Asking::Candidate(_)));
    &mut doc.clear.candidates.entry(org.clone()).or_default().facts
}
