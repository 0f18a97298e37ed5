//! Asking: everything that is judged before anybody is asked, and the record of a new question.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::audit::event::EventCode;
use schakel_domain::command::{About as Whom, Ask};
use schakel_domain::covenant::document::Mode as CovenantMode;
use schakel_domain::covenant::{Act as Granted, Grant};
use schakel_domain::dossier::{Dossier, scan, trim};
use schakel_domain::expertise::requester::{self, Mode};
use schakel_domain::id::{ClientKeyId, ConsultationId, Hash, OrgId};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::super::Desk;
use super::super::clock::{Action, deadline_timer};
use super::super::draft::{Draft, Stop, internal};
use super::super::record::{Asking, CaseRecord, ConsultationRecord, ConsultationSealed, Doc, Links, Side};
use super::super::trace::{By, Rule};
use super::{consultation_name, keep_question, refuse_step};
use crate::agreements::Wish;

impl Desk {
    pub(super) async fn ask(&self, by: By<'_>, ask: &Ask, draft: &mut Draft<'_>) -> Result<String, Stop> {
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
            return Err(super::super::case::not_lead(&case.clear));
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
            ground: super::super::record::Ground { order: prepared.order.clone(), ..self.ground(&prepared.grant) },
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
