//! Consultations: asking expertise, answering, and what a step of the expertise protocol means here. A question never moves a case.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{About as Whom, Ask, CareAct, Seen, Write};
use schakel_domain::covenant::document::Mode as CovenantMode;
use schakel_domain::covenant::{Act as Granted, Grant};
use schakel_domain::dossier::{Dossier, scan, trim};
use schakel_domain::expertise::requester::{Fact, Mode};
use schakel_domain::expertise::{Message as Said, candidate, requester};
use schakel_domain::id::{ClientKeyId, ConsultationId, Hash, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::case::unchanged;
use super::clock::{Action, bid_timer, candidate_timer, deadline_timer};
use super::draft::{Draft, Envelope, Stop, internal};
use super::record::{Asking, CandidateRecord, CaseRecord, ConsultationRecord, ConsultationSealed, Doc, FactTimes, Links, Side};
use super::trace::{By, Rule};
use super::{Desk, views};
use crate::agreements::Wish;
use crate::store::Kind;

/// A bid that is neither confirmed nor released after this long: call the requester.
const CONFIRM_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

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
                    draft.now + CONFIRM_WITHIN,
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

    async fn ask(&self, by: By<'_>, ask: &Ask, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let id = ConsultationId::new(self.parts.ids.uuid(draft.now));
        let mut case = match &ask.about {
            Whom::Case(case) => Some(self.find::<CaseRecord>(&case.to_string()).await?),
            Whom::Nobody { .. } => None,
        };
        let prepared = self.prepare(ask, case.as_ref(), draft.now).await?;
        let step = requester::ask(&self.parts.me, prepared.content, prepared.mode, prepared.order.clone()).map_err(refuse_step)?;
        let state = step.state.clone().ok_or_else(|| internal("asking"))?;
        let key = match &case {
            Some(case) => case.clear.key,
            None => draft.new_key()?,
        };
        let mut doc = Doc {
            id: id.to_string(),
            version: 0,
            clear: self.asked(id, ask, case.as_ref(), key, &prepared, state, draft.now),
            sealed: sealed_question(ask, &prepared.travels, prepared.package),
        };
        if let Some(case) = &mut case {
            keep_question(&mut case.clear, id)?;
        }
        let code = if ask.continues.is_some() { EventCode::ConsultationUpgraded } else { EventCode::ConsultationAsked };
        let ground = doc.clear.ground.clone();
        self.trace(draft, code, by, self.about_consultation(&doc, case.as_ref()), Rule::Covenant(&ground), None).await?;
        draft.event("consultation.asked", consultation_name(id), "asked");
        draft.timer(deadline_timer(id), doc.clear.deadline, &Action::ConsultationOverdue { consultation: id });
        self.requester_step(draft, &mut doc, case.as_mut(), step).await?;
        self.put_consultation(draft, &doc, case.as_ref()).await?;
        Ok(consultation_name(id))
    }

    /// Everything that is judged before anybody is asked: the lead, the covenant, the dataset, what the scan finds.
    async fn prepare(&self, ask: &Ask, case: Option<&Doc<CaseRecord>>, now: jiff::Timestamp) -> Result<Prepared, Stop> {
        if let Some(case) = case
            && case.clear.custody.lead().is_none()
        {
            return Err(super::case::not_lead(&case.clear));
        }
        let known = self.known_of(ask, case, now);
        let grant = self.grants(ask, &known, now)?.into_iter().next().ok_or_else(|| internal("finding whom to ask"))?;
        let order = self.order(ask, &grant, now)?;
        self.check_continues(ask).await?;
        let findings = anonymous_findings(ask)?;
        let travels = trim(&known, &grant.mask.fields, &grant.mask.protected, &ask.needed);
        let package = if case.is_some() { crate::wire::dossier::encode_dossier(&travels) } else { Vec::new() };
        let content = Hash::sha256(&[ask.question.as_bytes(), &package].concat());
        let fan_out = ask.fan_out.unwrap_or(grant.mode == CovenantMode::FanOut);
        let mode = if fan_out { Mode::FanOut } else { Mode::Sequence };
        Ok(Prepared { grant, order, mode, findings, travels, package, content })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one new record, each used once")]
    fn asked(
        &self,
        id: ConsultationId,
        ask: &Ask,
        case: Option<&Doc<CaseRecord>>,
        key: ClientKeyId,
        prepared: &Prepared,
        state: requester::State<OrgId, Hash>,
        now: jiff::Timestamp,
    ) -> ConsultationRecord {
        let per_candidate = prepared.grant.response_target.unwrap_or_else(|| jiff::SignedDuration::from_mins(30));
        ConsultationRecord {
            consultation: id,
            revision: 1,
            case: case.map(|case| case.clear.case),
            key,
            side: Side::Sender,
            from: self.parts.me.clone(),
            service: ask.service.clone(),
            urgency: ask.urgency.clone(),
            ground: super::record::Ground { order: prepared.order.clone(), ..self.ground(&prepared.grant) },
            respond_by: now + per_candidate,
            deadline: now + prepared.grant.overall_deadline.unwrap_or(per_candidate),
            per_candidate_s: per_candidate.as_secs(),
            asking: Asking::Requester(state),
            open: true,
            advised: false,
            content: prepared.content,
            candidates: BTreeMap::new(),
            available: None,
            seen: None,
            links: Links::new(),
            call_back: self.own_telephone(),
            continues: ask.continues,
            findings: prepared.findings.iter().map(|finding| (finding.kind.to_owned(), finding.at)).collect(),
            asked: now,
        }
    }

    /// What is known of whom the question is about.
    fn known_of(&self, ask: &Ask, case: Option<&Doc<CaseRecord>>, now: jiff::Timestamp) -> Dossier {
        let mut known = match (&ask.about, case) {
            (Whom::Nobody { age, municipality, severity, .. }, _) => {
                let mut known = Dossier { age: *age, severity: *severity, ..Dossier::default() };
                known.identity.municipality.clone_from(municipality);
                known
            }
            (Whom::Case(_), Some(case)) => case.sealed.dossier.clone(),
            (Whom::Case(_), None) => Dossier::default(),
        };
        known.age = known.age_on(now.to_zoned(jiff::tz::TimeZone::UTC).date());
        known
    }

    /// One grant per candidate: every one of them must be allowed, before anybody is asked.
    fn grants(&self, ask: &Ask, known: &Dossier, now: jiff::Timestamp) -> Result<Vec<Grant>, Stop> {
        let act = if matches!(ask.about, Whom::Nobody { .. }) { Granted::ConsultAnonymous } else { Granted::Consult };
        let wish = |to: Option<&OrgId>| Wish {
            from: self.parts.me.clone(),
            to: to.cloned(),
            act,
            service: ask.service.clone(),
            age: known.age,
            municipality: known.identity.municipality.clone(),
            urgency: ask.urgency.clone(),
        };
        if ask.candidates.is_empty() {
            return Ok(vec![self.parts.agreements.permits(&wish(None), now)?]);
        }
        let grants: Result<Vec<Grant>, Refusal> =
            ask.candidates.iter().map(|org| self.parts.agreements.permits(&wish(Some(org)), now)).collect();
        let grants = grants?;
        // One question carries one dataset: that of the clause it is asked under.
        if grants.iter().any(|grant| (&grant.covenant, &grant.clause) != (&grants[0].covenant, &grants[0].clause)) {
            return Err(Refusal::field("candidates", "expected organisations under one clause; ask the others separately").into());
        }
        Ok(grants)
    }

    /// Whom to ask, in order. By the covenant's order, those with whom nothing new may start now are passed over.
    fn order(&self, ask: &Ask, grant: &Grant, now: jiff::Timestamp) -> Result<Vec<OrgId>, Stop> {
        let may = |org: &&OrgId| self.parts.agreements.may_start(org, now);
        if !ask.candidates.is_empty() {
            ask.candidates.iter().try_for_each(|org| may(&org))?;
            return Ok(ask.candidates.clone());
        }
        let order: Vec<OrgId> = grant.candidates.iter().filter(|org| may(org).is_ok()).cloned().collect();
        match grant.candidates.first() {
            Some(first) if order.is_empty() => Err(may(&first).err().map_or_else(|| internal("finding whom to ask"), Stop::Refused)),
            _ => Ok(order),
        }
    }

    /// Only an anonymous question of our own is continued by name.
    async fn check_continues(&self, ask: &Ask) -> Result<(), Stop> {
        let Some(continued) = ask.continues else { return Ok(()) };
        let doc: Doc<ConsultationRecord> = self.find(&continued.to_string()).await?;
        if doc.clear.side == Side::Sender && doc.clear.case.is_none() && matches!(ask.about, Whom::Case(_)) {
            return Ok(());
        }
        Err(Refusal::field("continues", "expected an anonymous question of ours, continued by name").into())
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
        self.trace(draft, code, by, self.about_consultation(&doc, case.as_ref()), Rule::Covenant(&ground), Some((&from, None))).await?;
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
        to: &OrgId,
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
        draft.send(links, to, envelope, body).await.map(drop)
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
        for outgoing in step.send {
            let body = self.requester_body(doc, &outgoing.to, &outgoing.message)?;
            self.say(draft, doc, case.as_deref_mut(), &outgoing.to, body).await?;
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
        for outgoing in step.send {
            let body = candidate_body(doc, &self.parts.me, &outgoing.message)?;
            self.say(draft, doc, case.as_deref_mut(), &outgoing.to, body).await?;
        }
        Ok(())
    }
}

/// A question that may be asked.
struct Prepared {
    grant: Grant,
    order: Vec<OrgId>,
    mode: Mode,
    findings: Vec<schakel_domain::dossier::Finding>,
    travels: Dossier,
    package: Vec<u8>,
    content: Hash,
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

fn sealed_question(ask: &Ask, travels: &Dossier, package: Vec<u8>) -> ConsultationSealed {
    ConsultationSealed {
        question: ask.question.clone(),
        package,
        age: travels.age,
        municipality: travels.identity.municipality.clone(),
        severity: travels.severity,
        ..ConsultationSealed::default()
    }
}

/// What the scan finds in an anonymous question. The sender must have seen it: unseen findings are refused with their kinds and places.
fn anonymous_findings(ask: &Ask) -> Result<Vec<schakel_domain::dossier::Finding>, Stop> {
    let Whom::Nobody { scanned, .. } = &ask.about else { return Ok(Vec::new()) };
    let findings = scan(&ask.question);
    if findings.is_empty() || *scanned {
        return Ok(findings);
    }
    let places: BTreeSet<String> = findings.iter().map(|finding| format!("{} at {}", finding.kind, finding.at)).collect();
    let refusal = Refusal { field: Some("question".to_owned()), ..Refusal::new(Stage::Door, Reason::IdentityInAnonymous) };
    Err(refusal.because(places.into_iter().collect::<Vec<_>>().join(", ")).into())
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
