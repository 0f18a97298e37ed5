//! What operators do with messages and peers. None of it touches care content; what became of messages is noted by `outcome`.

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{OperateAct, Operation};
use schakel_domain::custody::Input;
use schakel_domain::expertise::requester;
use schakel_domain::id::{Hash, MessageId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::Answer;

use super::draft::{Draft, Stop};
use super::outcome::facts_of;
use super::record::{CaseRecord, ConsultationRecord, Doc, HandoverRecord};
use super::trace::{By, Party};
use super::{Desk, Reply};
use crate::store::{Kind, OutboxRow, OutboxState, Replay};

impl Desk {
    /// Executes an operator's write once per key.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED` for another body under the same key; otherwise as [`Desk::handle`].
    pub async fn operate_once(&self, caller: &Caller, operation: &Operation) -> Result<Reply, Refusal> {
        let act = operation.act.act();
        let done = match caller.may(act) {
            Ok(()) => self.again_and_again(|| self.operate_attempt(caller, operation)).await,
            Err(refusal) => Err(refusal),
        };
        self.logged_when_refused(done, By { caller, actor: None, second: None }, act, None).await
    }

    async fn operate_attempt(&self, caller: &Caller, operation: &Operation) -> Result<Reply, Stop> {
        let (scope, request_id) = (operation.act.act().name(), operation.request.to_string());
        if let Some(known) = self.parts.store.replay(scope, &request_id).await? {
            if known.body != operation.body {
                let reused = Refusal { field: Some("request_id".to_owned()), ..Refusal::new(Stage::Door, Reason::RequestIdReused) };
                return Err(reused.into());
            }
            return Ok(Reply { answer: Answer::Done, replayed: true });
        }
        let (scope, outcome) = (scope.to_owned(), "done".to_owned());
        let once = Replay { scope, request_id, body: operation.body, outcome, at: self.now() };
        let answer = self.operate(caller, &operation.act, once).await?;
        Ok(Reply { answer, replayed: false })
    }

    async fn operate(&self, caller: &Caller, act: &OperateAct, once: Replay) -> Result<Answer, Stop> {
        let decides = matches!(act, OperateAct::Cancel { .. } | OperateAct::Replay { .. });
        if decides && self.recovering() {
            return Err(Refusal::new(Stage::State, Reason::Recovering).into());
        }
        let mut draft = Draft::new(self);
        draft.commit.replay = Some(once);
        match act {
            OperateAct::Retry { peer } => self.retry(draft, caller, peer).await,
            OperateAct::Cancel { message, reason } => self.cancel(draft, caller, *message, reason).await,
            OperateAct::Replay { message } => self.replay_parked(draft, caller, *message).await,
            OperateAct::Stop { peer, reason } => self.set_stop(draft, caller, peer, Some(reason.clone())).await,
            OperateAct::Resume { peer } => self.set_stop(draft, caller, peer, None).await,
            OperateAct::EndRecovery { reason, second } => self.end_recovery(draft, caller, reason, second).await,
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
        );
        draft.commit().await?;
        self.signals.retry(peer.clone());
        Ok(())
    }

    /// Takes back an offer or question that was not delivered: the protocol's own withdraw or cancel runs, so that both sides end in
    /// a state the protocol knows, and voids take the place of what still waits, so that no dossier leaves for it any more.
    async fn cancel(&self, mut draft: Draft<'_>, caller: &Caller, message: MessageId, reason: &str) -> Result<(), Stop> {
        let row = self.parts.store.sent(message).await?.ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound))?;
        let takes_back = |kind: &str| ["propose-handover", "ask"].contains(&kind);
        if row.state != OutboxState::Waiting || !takes_back(&row.message.kind) {
            return Err(Refusal::new(Stage::State, Reason::NotCancellable).because(format!("a {} message", row.message.kind)).into());
        }
        for waiting in self.parts.store.sent_in(&row.message.thread).await? {
            let same = waiting.message.subject == row.message.subject && takes_back(&waiting.message.kind);
            if same && waiting.state == OutboxState::Waiting {
                self.void_instead(&mut draft, &waiting).await?;
            }
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
        if row.message.sealed.is_empty() {
            return Err(self.absent(&row.message.thread).await?);
        }
        let parsed = self.sent_message(&row).await?;
        self.still_open(&row, &parsed.body).await?;
        let by = By { caller, actor: None, second: None };
        let object = Object::new("message", "uuid", message.to_string(), NO_PROTOCOL);
        let decision = Decision::allowed("role-table:replay-message", "Deze rol mag dit binnen de eigen organisatie.");
        self.note(&mut draft, EventCode::OutboxRetried, by, object, decision, Some(Party::from(&row.message.peer)));
        self.again(&mut draft, &row, parsed).await?;
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
        let letter = draft.announce([&row.message.peer].into_iter())?.next(&row.message.peer)?;
        match self.thread_docs(&row.message.thread).await? {
            ThreadDoc::Case(mut case) => {
                let thread = case.id.clone();
                let sent = draft.send(&mut case.clear.links, letter, envelope(&thread, case.clear.key), message.body.clone()).await?;
                self.sent_again(draft, row, &message.body, sent).await?;
                draft.put(&case).await
            }
            ThreadDoc::Consultation(mut doc) => {
                let thread = doc.id.clone();
                facts_of(&mut doc, &row.message.peer).refused = None;
                draft.send(&mut doc.clear.links, letter, envelope(&thread, doc.clear.key), message.body.clone()).await?;
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

    pub(super) fn operator_entry(&self, draft: &mut Draft<'_>, code: EventCode, caller: &Caller, object: Object, peer: &OrgId) {
        let decision = Decision::allowed(format!("role-table:{}", code.code()), "Deze rol mag dit binnen de eigen organisatie.");
        self.note(draft, code, By { caller, actor: None, second: None }, object, decision, Some(Party::from(peer)));
    }

    async fn thread_docs(&self, thread: &str) -> Result<ThreadDoc, Stop> {
        if let Some(case) = self.load::<CaseRecord>(thread).await? {
            return Ok(ThreadDoc::Case(Box::new(case)));
        }
        Ok(ThreadDoc::Consultation(Box::new(self.find(thread).await?)))
    }
}

/// The record whose counters a thread has.
enum ThreadDoc {
    Case(Box<Doc<CaseRecord>>),
    Consultation(Box<Doc<ConsultationRecord>>),
}
