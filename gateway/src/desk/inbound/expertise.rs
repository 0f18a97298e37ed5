//! Messages about questions: the covenant is asked again for a new one, the protocol steps for the rest.

use std::collections::BTreeMap;

use schakel_domain::covenant::{Act as Granted, Grant};
use schakel_domain::dossier::Dossier;
use schakel_domain::expertise::{Message as Said, candidate, requester};
use schakel_domain::id::{ClientKeyId, ConsultationId, Hash, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::super::Desk;
use super::super::consultation::{consultation_name, keep_question, refuse_step};
use super::super::draft::{Draft, Stop};
use super::super::handover::within;
use super::super::known::joined;
use super::super::record::{Asking, CaseRecord, ConsultationRecord, ConsultationSealed, Doc, Ground, Links, Side};
use super::super::trace::{By, Rule};
use super::{Incoming, Thread, advance, event_code, made_under, unfit};
use crate::agreements::Wish;

impl Desk {
    pub(super) async fn take_expertise(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread) -> Result<ClientKeyId, Stop> {
        match &incoming.message.body {
            Body::Ask(ask) => self.take_question(draft, incoming, thread, ask).await,
            body => self.take_reply(draft, incoming, thread, body).await,
        }
    }

    /// A new question.
    async fn take_question(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        thread: Thread,
        ask: &AskBody,
    ) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        if self.load::<ConsultationRecord>(&ask.consultation.to_string()).await?.is_some() {
            // The same question again: answered from the state as it is.
            return self.take_reply(draft, incoming, thread, &message.body).await;
        }
        self.parts.agreements.may_start(&message.sender, draft.now)?;
        let grant = self.grant_for_question(message, ask)?;
        let (mut case, mut doc) = self.question_docs(draft, thread, message, ask, self.ground(&grant)).await?;
        within(&grant.mask, &sent_along(&ask.about), grant.clause.as_str())?;
        let Asking::Candidate(state) = &doc.clear.asking else { return Err(unfit()) };
        let said = Said::Ask { content: doc.clear.content };
        let input = candidate::Input::Receive { from: message.sender.clone(), message: said };
        let step = candidate::step(state, input).map_err(refuse_step)?;
        let ground = doc.clear.ground.clone();
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        let about = self.about_consultation(&doc, case.as_ref());
        self.trace(draft, event_code(&message.body), by, about, Rule::Covenant(&ground), peer).await?;
        self.candidate_step(draft, &mut doc, case.as_mut(), step).await?;
        self.put_consultation(draft, &doc, case.as_ref()).await?;
        Ok(doc.clear.key)
    }

    fn grant_for_question(&self, message: &Message, ask: &AskBody) -> Result<Grant, Refusal> {
        let (act, age, municipality) = match &ask.about {
            AskAbout::Nobody { age, municipality, .. } => (Granted::ConsultAnonymous, *age, municipality.clone()),
            AskAbout::Case { dossier, .. } => (Granted::Consult, dossier.age, dossier.identity.municipality.clone()),
        };
        let wish = Wish {
            from: message.sender.clone(),
            to: Some(self.parts.me.clone()),
            act,
            service: ask.service.clone(),
            age,
            municipality,
            urgency: ask.urgency.clone(),
        };
        self.parts.agreements.permits_new_under(&message.covenant, &message.clause, &wish, self.now())
    }

    /// The records of a new question: its own, and the case it is about when it is named.
    async fn question_docs(
        &self,
        draft: &mut Draft<'_>,
        thread: Thread,
        message: &Message,
        ask: &AskBody,
        ground: Ground,
    ) -> Result<(Option<Doc<CaseRecord>>, Doc<ConsultationRecord>), Stop> {
        match &ask.about {
            AskAbout::Case { case, dossier, .. } => {
                if message.thread != case.to_string() {
                    return Err(unfit());
                }
                let mut doc = self.case_for(draft, thread, message).await?;
                advance(&mut doc.clear.links, message);
                keep_question(&mut doc.clear, ask.consultation)?;
                // Who asks says nothing of who leads, unless nothing else is known: a third party's question must not point a telephone at it.
                let fits = doc.clear.led_by.last().is_none_or(|lead| *lead == message.sender);
                if !doc.clear.custody.responsible() && fits {
                    doc.clear.leads(message.sender.clone());
                    doc.sealed.dossier = joined(&doc.sealed.dossier, Dossier::clone(dossier));
                }
                let question = question(message, ask, ground, doc.clear.key, Links::new(), draft.now);
                Ok((Some(doc), question))
            }
            AskAbout::Nobody { .. } => {
                if message.thread != ask.consultation.to_string() {
                    return Err(unfit());
                }
                let mut links = thread.start(draft, message)?;
                advance(&mut links, message);
                let key = draft.new_key()?;
                Ok((None, question(message, ask, ground, key, links, draft.now)))
            }
        }
    }

    /// An answer, a decision or the end of a question that is known here.
    async fn take_reply(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread, body: &Body) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        let id = consultation_of(body).ok_or_else(unfit)?;
        let (mut case, mut doc) = match thread {
            Thread::Case(case) => match self.load::<ConsultationRecord>(&id.to_string()).await? {
                Some(doc) => (Some(*case), doc),
                // The question never came through: nobody here waits.
                None if matches!(body, Body::Release { .. }) => return self.void(draft, incoming, Thread::Case(case)).await,
                None => return Err(unfit()),
            },
            Thread::Bare(_) if matches!(body, Body::Release { .. }) => return self.void(draft, incoming, thread).await,
            Thread::Consultation(doc) if doc.clear.consultation == id => (None, *doc),
            Thread::Consultation(_) | Thread::Bare(_) => return Err(unfit()),
        };
        if doc.clear.case != case.as_ref().map(|case| case.clear.case) {
            return Err(unfit());
        }
        made_under(message, &doc.clear.ground.covenant)?;
        match &mut case {
            Some(case) => advance(&mut case.clear.links, message),
            None => advance(&mut doc.clear.links, message),
        }
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        let ground = doc.clear.ground.clone();
        let about = self.about_consultation(&doc, case.as_ref());
        self.trace(draft, event_code(body), by, about, Rule::Covenant(&ground), peer).await?;
        let said = said(body, doc.clear.content).ok_or_else(unfit)?;
        match doc.clear.asking.clone() {
            Asking::Requester(state) => {
                let step = requester::step(&state, requester::Input::Receive { from: message.sender.clone(), message: said })
                    .map_err(refuse_step)?;
                // What changes nothing is no change for whoever reads it, and its words are not the answer any more.
                if step.state.is_some() || !step.facts.is_empty() {
                    doc.clear.revision += 1;
                    take_words(&mut doc, &message.sender, body)?;
                }
                self.requester_step(draft, &mut doc, case.as_mut(), step).await?;
            }
            Asking::Candidate(state) => {
                let step = candidate::step(&state, candidate::Input::Receive { from: message.sender.clone(), message: said })
                    .map_err(refuse_step)?;
                doc.clear.revision += u64::from(step.state.is_some() || !step.facts.is_empty());
                self.candidate_step(draft, &mut doc, case.as_mut(), step).await?;
            }
        }
        self.put_consultation(draft, &doc, case.as_ref()).await?;
        Ok(doc.clear.key)
    }

    /// A person at a candidate opened a question of this case.
    pub(super) async fn consultation_seen(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        case: &Doc<CaseRecord>,
        subject: &str,
        at: jiff::Timestamp,
    ) -> Result<(), Stop> {
        let found = self.load::<ConsultationRecord>(subject).await?.filter(|doc| doc.clear.case == Some(case.clear.case));
        let Some(mut doc) = found else {
            return Err(Refusal::new(Stage::State, Reason::ProtocolViolation).because("nothing here has that name").into());
        };
        mark_seen(draft, &mut doc, &incoming.message.sender, at);
        self.trace_seen(draft, incoming, self.about_consultation(&doc, Some(case)), &doc.clear.ground).await?;
        draft.put(&doc).await
    }
}

/// Everything a question says of the young person.
fn sent_along(about: &AskAbout) -> Dossier {
    match about {
        AskAbout::Case { dossier, .. } => Dossier::clone(dossier),
        AskAbout::Nobody { age, municipality, severity } => {
            let mut said = Dossier { age: *age, severity: *severity, ..Dossier::default() };
            said.identity.municipality.clone_from(municipality);
            said
        }
    }
}

/// Notes that a candidate opened the question.
pub(super) fn mark_seen(draft: &mut Draft<'_>, doc: &mut Doc<ConsultationRecord>, by: &OrgId, at: jiff::Timestamp) {
    if let Some(candidate) = doc.clear.candidates.get_mut(by) {
        candidate.facts.seen.get_or_insert(at);
        draft.event("consultation.seen", consultation_name(doc.clear.consultation), "seen");
    }
}

fn take_words(doc: &mut Doc<ConsultationRecord>, from: &OrgId, body: &Body) -> Result<(), Stop> {
    match body {
        Body::Bid { available, by, note, .. } => {
            if let Some(candidate) = doc.clear.candidates.get_mut(from) {
                candidate.available = *available;
            }
            doc.sealed.by.insert(from.clone(), by.clone());
            doc.sealed.notes.insert(from.clone(), note.clone());
        }
        Body::DeclineAsk { note, .. } => drop(doc.sealed.notes.insert(from.clone(), note.clone())),
        Body::Advice { text, by, .. } => {
            doc.sealed.advise(text)?;
            doc.sealed.by.insert(from.clone(), by.clone());
        }
        _ => {}
    }
    Ok(())
}

fn question(
    message: &Message,
    ask: &AskBody,
    ground: Ground,
    key: ClientKeyId,
    links: Links,
    now: jiff::Timestamp,
) -> Doc<ConsultationRecord> {
    let (case, package, sealed) = match &ask.about {
        AskAbout::Case { case, package, .. } => (Some(*case), package.clone(), ConsultationSealed::default()),
        AskAbout::Nobody { age, municipality, severity } => {
            let sealed =
                ConsultationSealed { age: *age, municipality: municipality.clone(), severity: *severity, ..ConsultationSealed::default() };
            (None, Vec::new(), sealed)
        }
    };
    let content = content_of(ask);
    Doc {
        id: ask.consultation.to_string(),
        version: 0,
        clear: ConsultationRecord {
            consultation: ask.consultation,
            revision: 1,
            case,
            key,
            side: Side::Receiver,
            from: message.sender.clone(),
            service: ask.service.clone(),
            urgency: ask.urgency.clone(),
            ground,
            respond_by: ask.respond_by,
            deadline: ask.deadline,
            per_candidate_s: 0,
            asking: Asking::Candidate(candidate::State::new(message.sender.clone())),
            open: true,
            advised: false,
            content,
            candidates: BTreeMap::new(),
            available: None,
            seen: None,
            links,
            call_back: ask.call_back.clone(),
            continues: ask.continues,
            findings: Vec::new(),
            asked: now,
        },
        sealed: ConsultationSealed { question: ask.question.clone(), package, ..sealed },
    }
}

/// SHA-256 of a question as it travels.
fn content_of(ask: &AskBody) -> Hash {
    let package: &[u8] = match &ask.about {
        AskAbout::Case { package, .. } => package,
        AskAbout::Nobody { .. } => &[],
    };
    Hash::sha256(&[ask.question.as_bytes(), package].concat())
}

fn consultation_of(body: &Body) -> Option<ConsultationId> {
    match body {
        Body::Ask(ask) => Some(ask.consultation),
        Body::Bid { consultation, .. }
        | Body::DeclineAsk { consultation, .. }
        | Body::Confirm { consultation }
        | Body::Release { consultation }
        | Body::Advice { consultation, .. }
        | Body::CloseConsultation { consultation } => Some(*consultation),
        _ => None,
    }
}

/// What a message says in the protocol. A bid names no question of its own: it answers the one it was given.
fn said(body: &Body, asked: Hash) -> Option<Said<Hash>> {
    Some(match body {
        Body::Ask(ask) => Said::Ask { content: content_of(ask) },
        Body::Bid { .. } => Said::Bid { content: asked },
        Body::DeclineAsk { code, .. } => Said::Decline { code: *code },
        Body::Confirm { .. } => Said::Confirm,
        Body::Release { .. } => Said::Release,
        Body::Advice { text, .. } => Said::Advice { content: Hash::sha256(text.as_bytes()) },
        Body::CloseConsultation { .. } => Said::Close,
        _ => return None,
    })
}
