//! Consultations: asking expertise, answering, and what a step of the expertise protocol means here. A question never moves a case.

mod ask;

use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{CareAct, Seen, Write};
use schakel_domain::expertise::requester::Fact;
use schakel_domain::expertise::{Message as Said, candidate, requester};
use schakel_domain::id::{ConsultationId, Hash, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::case::unchanged;
use super::clock::{Action, bid_alarm, bid_timer, candidate_timer, deadline_timer};
use super::draft::{Draft, Envelope, Letter, Stop, internal};
use super::record::{Asking, CandidateRecord, CaseRecord, ConsultationRecord, Doc, FactTimes};
use super::trace::{By, Party, Rule};
use super::{Desk, views};
use crate::store::Kind;

impl Desk {
    pub(super) async fn consultation_act(&self, caller: &Caller, write: &Write<CareAct>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let by = By { caller, actor: Some(&write.actor), second: None };
        match &write.act {
            CareAct::Ask(ask) => self.ask(by, ask, draft).await,
            CareAct::AcceptConsultation { consultation, available, note } => {
                let mut doc = self.seen_consultation(*consultation).await?;
                doc.clear.available = *available;
                doc.sealed.by.insert(self.parts.me.clone(), write.actor.clone());
                doc.sealed.notes.insert(self.parts.me.clone(), note.clone());
                draft.timer(
                    bid_timer(consultation.id),
                    draft.now + bid_alarm(self, &doc.clear.ground.covenant),
                    &Action::BidUnconfirmed { consultation: consultation.id },
                );
                draft.commit.from_reserve = true;
                self.candidate_act(draft, by, EventCode::ConsultationBid, doc, candidate::Input::StaffBid).await
            }
            CareAct::DeclineConsultation { consultation, code, note } => {
                let mut doc = self.seen_consultation(*consultation).await?;
                doc.sealed.notes.insert(self.parts.me.clone(), note.clone());
                self.candidate_act(draft, by, EventCode::ConsultationDeclined, doc, candidate::Input::StaffDecline { code: *code }).await
            }
            CareAct::Advise { consultation, text } => {
                let mut doc = self.seen_consultation(*consultation).await?;
                doc.sealed.advise(text)?;
                doc.sealed.by.insert(self.parts.me.clone(), write.actor.clone());
                let content = Hash::sha256(text.as_bytes());
                self.candidate_act(draft, by, EventCode::ConsultationAdvised, doc, candidate::Input::Advise { content }).await
            }
            CareAct::CancelConsultation { consultation, reason } => {
                let mut doc = self.seen_consultation(*consultation).await?;
                doc.sealed.notes.insert(self.parts.me.clone(), reason.clone());
                self.requester_act(draft, by, EventCode::ConsultationClosed, doc, requester::Input::Cancel).await
            }
            CareAct::CloseConsultation { consultation } => {
                let doc = self.seen_consultation(*consultation).await?;
                self.requester_act(draft, by, EventCode::ConsultationClosed, doc, requester::Input::Close).await
            }
            _ => Err(internal("sorting a consultation act")),
        }
    }

    async fn seen_consultation(&self, seen: Seen<ConsultationId>) -> Result<Doc<ConsultationRecord>, Stop> {
        let doc: Doc<ConsultationRecord> = self.find(&seen.id.to_string()).await?;
        unchanged(seen.version, doc.clear.revision)?;
        Ok(doc)
    }

    /// The case of a consultation, when it has one.
    pub(super) async fn case_of(&self, doc: &Doc<ConsultationRecord>) -> Result<Option<Doc<CaseRecord>>, Stop> {
        match doc.clear.case {
            Some(case) => Ok(Some(self.find(&case.to_string()).await?)),
            None => Ok(None),
        }
    }

    async fn candidate_act(
        &self,
        draft: &mut Draft<'_>,
        by: By<'_>,
        code: EventCode,
        mut doc: Doc<ConsultationRecord>,
        input: candidate::Input<OrgId, Hash>,
    ) -> Result<String, Stop> {
        let Asking::Candidate(state) = &doc.clear.asking else { return Err(not_open()) };
        let step = candidate::step(state, input).map_err(refuse_step)?;
        let mut case = self.case_of(&doc).await?;
        doc.clear.revision += 1;
        let ground = doc.clear.ground.clone();
        let from = doc.clear.from.clone();
        self.trace(draft, code, by, self.about_consultation(&doc, case.as_ref()), Rule::Covenant(&ground), Some(Party::from(&from)))
            .await?;
        self.candidate_step(draft, &mut doc, case.as_mut(), step).await?;
        self.put_consultation(draft, &doc, case.as_ref()).await?;
        Ok(consultation_name(doc.clear.consultation))
    }

    pub(super) async fn requester_act(
        &self,
        draft: &mut Draft<'_>,
        by: By<'_>,
        code: EventCode,
        mut doc: Doc<ConsultationRecord>,
        input: requester::Input<OrgId, Hash>,
    ) -> Result<String, Stop> {
        let Asking::Requester(state) = &doc.clear.asking else { return Err(not_open()) };
        let step = requester::step(state, input).map_err(refuse_step)?;
        let mut case = self.case_of(&doc).await?;
        doc.clear.revision += 1;
        self.trace(draft, code, by, self.about_consultation(&doc, case.as_ref()), Rule::Protocol("expertise"), None).await?;
        self.requester_step(draft, &mut doc, case.as_mut(), step).await?;
        self.put_consultation(draft, &doc, case.as_ref()).await?;
        Ok(consultation_name(doc.clear.consultation))
    }

    /// Fired when a candidate did not answer in time.
    pub(super) async fn candidate_silent(&self, draft: &mut Draft<'_>, id: ConsultationId, candidate: OrgId) -> Result<(), Stop> {
        self.requester_timer(draft, id, EventCode::ConsultationReleased, requester::Input::CandidateDue { candidate }).await
    }

    /// Fired when the time of the whole question is over.
    pub(super) async fn overdue(&self, draft: &mut Draft<'_>, id: ConsultationId) -> Result<(), Stop> {
        self.requester_timer(draft, id, EventCode::ConsultationEscalated, requester::Input::DeadlinePassed).await
    }

    async fn requester_timer(
        &self,
        draft: &mut Draft<'_>,
        id: ConsultationId,
        code: EventCode,
        input: requester::Input<OrgId, Hash>,
    ) -> Result<(), Stop> {
        let Some(mut doc): Option<Doc<ConsultationRecord>> = self.load(&id.to_string()).await? else { return Ok(()) };
        let Asking::Requester(state) = &doc.clear.asking else { return Ok(()) };
        let step = requester::step(state, input).map_err(refuse_step)?;
        if step.state.is_none() {
            return Ok(());
        }
        let clock = self.clock();
        let by = By { caller: &clock, actor: None, second: None };
        let mut case = self.case_of(&doc).await?;
        let code = if step.facts.contains(&Fact::Escalated) { EventCode::ConsultationEscalated } else { code };
        doc.clear.revision += 1;
        self.trace(draft, code, by, self.about_consultation(&doc, case.as_ref()), Rule::Protocol("expertise"), None).await?;
        self.requester_step(draft, &mut doc, case.as_mut(), step).await?;
        self.put_consultation(draft, &doc, case.as_ref()).await
    }

    /// Writes a consultation and, when it has one, its case: the counters of their thread moved.
    pub(super) async fn put_consultation(
        &self,
        draft: &mut Draft<'_>,
        doc: &Doc<ConsultationRecord>,
        case: Option<&Doc<CaseRecord>>,
    ) -> Result<(), Stop> {
        draft.put(doc).await?;
        if let Some(case) = case {
            draft.put(case).await?;
        }
        Ok(())
    }

    /// Says something in the thread of a consultation: its case's, or its own when it is anonymous.
    pub(super) async fn say(
        &self,
        draft: &mut Draft<'_>,
        doc: &mut Doc<ConsultationRecord>,
        case: Option<&mut Doc<CaseRecord>>,
        letter: Letter,
        body: Body,
    ) -> Result<(), Stop> {
        let thread = doc.clear.case.map_or_else(|| doc.id.clone(), |case| case.to_string());
        let envelope = Envelope {
            thread: &thread,
            key: doc.clear.key,
            covenant: &doc.clear.ground.covenant,
            clause: &doc.clear.ground.clause,
            subject: (Kind::Consultation, &doc.id),
        };
        let links = match case {
            Some(case) => &mut case.clear.links,
            None => &mut doc.clear.links,
        };
        draft.send(links, letter, envelope, body).await.map(drop)
    }

    /// Turns a requester's step into messages, facts, events and timers.
    pub(super) async fn requester_step(
        &self,
        draft: &mut Draft<'_>,
        doc: &mut Doc<ConsultationRecord>,
        mut case: Option<&mut Doc<CaseRecord>>,
        step: requester::Step<OrgId, Hash>,
    ) -> Result<(), Stop> {
        if let Some(state) = step.state {
            doc.clear.open =
                !matches!(state.phase, requester::Phase::Cancelled | requester::Phase::Closed(_) | requester::Phase::Escalated);
            doc.clear.asking = Asking::Requester(state);
        }
        for fact in step.facts {
            requester_fact(draft, doc, fact);
        }
        let mut letters = draft.announce(step.send.iter().map(|outgoing| &outgoing.to))?;
        for outgoing in step.send {
            let body = self.requester_body(doc, &outgoing.to, &outgoing.message)?;
            self.say(draft, doc, case.as_deref_mut(), letters.next(&outgoing.to)?, body).await?;
        }
        Ok(())
    }

    fn requester_body(&self, doc: &Doc<ConsultationRecord>, to: &OrgId, said: &Said<Hash>) -> Result<Body, Stop> {
        let consultation = doc.clear.consultation;
        Ok(match said {
            Said::Ask { .. } => Body::Ask(Box::new(self.question(doc, to)?)),
            Said::Confirm => Body::Confirm { consultation },
            Said::Release => Body::Release { consultation },
            Said::Close => Body::CloseConsultation { consultation },
            Said::Bid { .. } | Said::Decline { .. } | Said::Advice { .. } => return Err(internal("saying what a candidate says")),
        })
    }

    fn question(&self, doc: &Doc<ConsultationRecord>, to: &OrgId) -> Result<AskBody, Stop> {
        let (record, sealed) = (&doc.clear, &doc.sealed);
        let due = record.candidates.get(to).and_then(|candidate| candidate.due).unwrap_or(record.respond_by);
        let about = match record.case {
            Some(case) => AskAbout::Case { case, package: sealed.package.clone(), dossier: Box::new(views::package(&sealed.package)?) },
            None => AskAbout::Nobody { age: sealed.age, municipality: sealed.municipality.clone(), severity: sealed.severity },
        };
        Ok(AskBody {
            consultation: record.consultation,
            service: record.service.clone(),
            urgency: record.urgency.clone(),
            respond_by: due,
            deadline: record.deadline,
            call_back: record.call_back.clone(),
            about,
            question: sealed.question.clone(),
            continues: record.continues,
        })
    }

    /// Turns a candidate's step into messages, facts and events.
    pub(super) async fn candidate_step(
        &self,
        draft: &mut Draft<'_>,
        doc: &mut Doc<ConsultationRecord>,
        mut case: Option<&mut Doc<CaseRecord>>,
        step: candidate::Step<OrgId, Hash>,
    ) -> Result<(), Stop> {
        if let Some(state) = step.state {
            use candidate::Phase::{Asked, Bid, Confirmed};
            doc.clear.open = matches!(state.phase, Asked { .. } | Bid { .. } | Confirmed);
            doc.clear.asking = Asking::Candidate(state);
        }
        for fact in step.facts {
            candidate_fact(draft, doc, fact);
        }
        let mut letters = draft.announce(step.send.iter().map(|outgoing| &outgoing.to))?;
        for outgoing in step.send {
            let body = candidate_body(doc, &self.parts.me, &outgoing.message)?;
            self.say(draft, doc, case.as_deref_mut(), letters.next(&outgoing.to)?, body).await?;
        }
        Ok(())
    }
}

/// What became true at the requester.
fn requester_fact(draft: &mut Draft<'_>, doc: &mut Doc<ConsultationRecord>, fact: Fact<OrgId>) {
    let id = doc.clear.consultation;
    let name = consultation_name(id);
    match fact {
        Fact::Asked(org) => {
            let due = draft.now + jiff::SignedDuration::from_secs(doc.clear.per_candidate_s);
            let facts = FactTimes { sent: Some(draft.now), ..FactTimes::default() };
            doc.clear.candidates.insert(org.clone(), CandidateRecord { due: Some(due), available: None, facts });
            draft.timer(candidate_timer(id, &org), due, &Action::CandidateSilent { consultation: id, candidate: org });
        }
        Fact::CandidateDeclined(org, _) => {
            draft.clear_timer(candidate_timer(id, &org));
            draft.event("consultation.declined", name, "asked");
        }
        Fact::CandidateLapsed(_) => draft.event("consultation.silent", name, "asked"),
        Fact::Assigned(org) => {
            draft.clear_timer(deadline_timer(id));
            clear_candidate_timers(draft, doc);
            if let Some(candidate) = doc.clear.candidates.get_mut(&org) {
                candidate.facts.accepted = Some(draft.now);
            }
            draft.event("consultation.assigned", name, "assigned");
        }
        Fact::Escalated => {
            draft.clear_timer(deadline_timer(id));
            clear_candidate_timers(draft, doc);
            draft.event("consultation.escalated", name, "escalated");
        }
        Fact::Cancelled => {
            draft.clear_timer(deadline_timer(id));
            clear_candidate_timers(draft, doc);
            draft.event("consultation.cancelled", name, "cancelled");
        }
        Fact::LateBid(_) => draft.event("consultation.late", name, "escalated"),
        Fact::AdviceReceived(_) => {
            doc.clear.advised = true;
            draft.event("consultation.advised", name, "advised");
        }
        Fact::Closed(_) => draft.event("consultation.closed", name, "closed"),
    }
}

fn clear_candidate_timers(draft: &mut Draft<'_>, doc: &Doc<ConsultationRecord>) {
    for org in doc.clear.candidates.keys() {
        draft.clear_timer(candidate_timer(doc.clear.consultation, org));
    }
}

/// What became true at a candidate.
fn candidate_fact(draft: &mut Draft<'_>, doc: &mut Doc<ConsultationRecord>, fact: candidate::Fact) {
    let id = doc.clear.consultation;
    let name = consultation_name(id);
    match fact {
        candidate::Fact::QuestionReceived => draft.event("consultation.received", name, "asked"),
        candidate::Fact::BidMade => draft.event("consultation.bid", name, "bid"),
        candidate::Fact::Declined(_) => draft.event("consultation.declined", name, "declined"),
        candidate::Fact::Confirmed => {
            draft.clear_timer(bid_timer(id));
            draft.event("consultation.confirmed", name, "assigned");
        }
        candidate::Fact::Released => {
            draft.clear_timer(bid_timer(id));
            draft.event("consultation.released", name, "released");
        }
        candidate::Fact::AdviceSent => {
            doc.clear.advised = true;
            draft.event("consultation.advised", name, "advised");
        }
        candidate::Fact::Closed => {
            draft.clear_timer(bid_timer(id));
            draft.event("consultation.closed", name, "closed");
        }
    }
}

fn candidate_body(doc: &Doc<ConsultationRecord>, me: &OrgId, said: &Said<Hash>) -> Result<Body, Stop> {
    let consultation = doc.clear.consultation;
    let note = doc.sealed.notes.get(me).cloned().unwrap_or_default();
    let by = || -> Result<Actor, Stop> { doc.sealed.by.get(me).cloned().ok_or_else(|| internal("naming who answers")) };
    Ok(match said {
        Said::Bid { .. } => Body::Bid { consultation, available: doc.clear.available, by: by()?, note },
        Said::Decline { code } => Body::DeclineAsk { consultation, code: *code, note },
        Said::Advice { .. } => Body::Advice { consultation, text: doc.sealed.advice.last().cloned().unwrap_or_default(), by: by()? },
        Said::Ask { .. } | Said::Confirm | Said::Release | Said::Close => return Err(internal("saying what a requester says")),
    })
}

/// What the protocol refuses, as people are told.
pub(super) fn refuse_step(rejected: schakel_domain::expertise::Rejected) -> Stop {
    Refusal::new(Stage::State, rejected.reason()).because(rejected.to_string()).into()
}

/// Questions about one case that are kept.
const MAX_QUESTIONS: usize = 512;

/// Notes a question on its case.
pub(super) fn keep_question(case: &mut CaseRecord, id: ConsultationId) -> Result<(), Stop> {
    if case.consultations.len() >= MAX_QUESTIONS {
        return Err(Refusal::new(Stage::State, Reason::QuotaExceeded).because("questions about one case").into());
    }
    case.consultations.push(id);
    Ok(())
}

fn not_open() -> Stop {
    Refusal::new(Stage::State, Reason::ConsultationNotOpen).into()
}

/// Resource name of a consultation.
pub(super) fn consultation_name(id: ConsultationId) -> String {
    format!("consultations/{id}")
}
