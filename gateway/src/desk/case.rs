//! Opens, amends and closes cases; and what two people do together: forced reclaim, and stepping back from a contested case.

use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{CareAct, Seen, Write};
use schakel_domain::custody::{self, CaseCustody, Fact, Input, Outcome, Role};
use schakel_domain::dossier::Dossier;
use schakel_domain::id::{CaseId, OfferId, OrgId};
use schakel_domain::message::Body;
use schakel_domain::person::TwoPeople;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::Desk;
use super::draft::{Draft, Envelope, Stop, internal};
use super::record::{CaseNote, CaseRecord, CaseSealed, Doc, HandoverRecord, Links};
use super::trace::{By, Rule};
use crate::store::Kind;

impl Desk {
    pub(super) async fn case_act(&self, caller: &Caller, write: &Write<CareAct>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        match &write.act {
            CareAct::OpenCase { dossier } => self.open_case(caller, write, dossier, draft).await,
            CareAct::AmendCase { case, dossier } => self.amend_case(caller, write, *case, dossier, draft).await,
            CareAct::CloseCase { case, reason } => self.close_case(caller, write, *case, reason, draft).await,
            _ => Err(internal("sorting a case act")),
        }
    }

    pub(super) async fn two_people_act(&self, caller: &Caller, write: &Write<CareAct>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        match &write.act {
            CareAct::ForceReclaim { case, people } => self.force_reclaim(caller, *case, people, draft).await,
            CareAct::ResolveContested { case, people } => self.resolve_contested(caller, *case, people, draft).await,
            _ => Err(internal("sorting an act of two people")),
        }
    }

    async fn open_case(&self, caller: &Caller, write: &Write<CareAct>, dossier: &Dossier, draft: &mut Draft<'_>) -> Result<String, Stop> {
        check_dossier(dossier, draft.now)?;
        let case = CaseId::new(self.parts.ids.uuid(draft.now));
        let step = custody::step(&CaseCustody::new(self.parts.me.clone()), Input::Open).map_err(rejected)?;
        let key = draft.new_key()?;
        let record = CaseRecord {
            custody: step.state.ok_or_else(|| internal("opening a case"))?,
            led_by: vec![self.parts.me.clone()],
            ..new_case(case, self.parts.me.clone(), key, draft.now)
        };
        let doc = Doc {
            id: case.to_string(),
            version: 0,
            clear: record,
            sealed: CaseSealed { dossier: dossier.clone(), ..CaseSealed::default() },
        };
        let by = By { caller, actor: Some(&write.actor), second: None };
        self.trace(draft, EventCode::CaseOpened, by, self.about_case(&doc), Rule::Roles(write.act.act()), None).await?;
        draft.put(&doc).await?;
        draft.event("case.opened", case_name(case), "lead");
        Ok(case_name(case))
    }

    async fn amend_case(
        &self,
        caller: &Caller,
        write: &Write<CareAct>,
        seen: Seen<CaseId>,
        dossier: &Dossier,
        draft: &mut Draft<'_>,
    ) -> Result<String, Stop> {
        check_dossier(dossier, draft.now)?;
        let mut doc = self.seen_case(seen).await?;
        if doc.clear.custody.lead().is_none() {
            return Err(not_lead(&doc.clear));
        }
        // Whoever answers an offer answers the words that were offered; a change they never saw would be lost with the transfer.
        if doc.clear.custody.open_offer().is_some() {
            return Err(Refusal::new(Stage::State, Reason::OfferOpen)
                .because("withdraw the offer, change the case, and offer it again")
                .into());
        }
        doc.sealed.dossier = dossier.clone();
        doc.clear.touch(draft.now);
        let by = By { caller, actor: Some(&write.actor), second: None };
        self.trace(draft, EventCode::CaseAmended, by, self.about_case(&doc), Rule::Roles(write.act.act()), None).await?;
        draft.put(&doc).await?;
        draft.event("case.amended", case_name(seen.id), "lead");
        Ok(case_name(seen.id))
    }

    async fn close_case(
        &self,
        caller: &Caller,
        write: &Write<CareAct>,
        seen: Seen<CaseId>,
        reason: &str,
        draft: &mut Draft<'_>,
    ) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        self.step_custody(&mut doc, Input::Close)?;
        doc.sealed.note(CaseNote::by_one("closed", draft.now, &write.actor, reason))?;
        doc.clear.touch(draft.now);
        let by = By { caller, actor: Some(&write.actor), second: None };
        self.trace(draft, EventCode::CaseClosed, by, self.about_case(&doc), Rule::Roles(write.act.act()), None).await?;
        draft.put(&doc).await?;
        draft.event("case.closed", case_name(seen.id), "closed");
        Ok(case_name(seen.id))
    }

    async fn force_reclaim(&self, caller: &Caller, seen: Seen<CaseId>, people: &TwoPeople, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        let offer = doc.clear.custody.open_offer().map(|open| *open.offer);
        let send = self.step_custody(&mut doc, Input::Force)?.send;
        let offer = offer.ok_or_else(|| Refusal::new(Stage::State, Reason::NotInTransfer))?;
        let mut handover: Doc<HandoverRecord> = self.find(&offer.to_string()).await?;
        let fence = doc.clear.custody.lead().cloned().ok_or_else(|| internal("reclaiming"))?;
        for outgoing in send {
            let envelope = Envelope {
                thread: &doc.id,
                key: doc.clear.key,
                covenant: &handover.clear.ground.covenant,
                clause: &handover.clear.ground.clause,
                subject: (Kind::Handover, &handover.id),
            };
            draft.send(&mut doc.clear.links, &outgoing.to, envelope, Body::Fence { epoch: fence.clone() }).await?;
        }
        handover.clear.open = false;
        handover.clear.revision += 1;
        doc.sealed.note(CaseNote::by_two("reclaimed", draft.now, people))?;
        doc.clear.touch(draft.now);
        self.two_people_entry(draft, EventCode::CustodyForced, caller, people, &doc).await?;
        draft.put(&handover).await?;
        draft.put(&doc).await?;
        draft.clear_timer(super::clock::transfer_timer(offer));
        draft.event("case.reclaimed", case_name(seen.id), "lead");
        Ok(case_name(seen.id))
    }

    async fn resolve_contested(
        &self,
        caller: &Caller,
        seen: Seen<CaseId>,
        people: &TwoPeople,
        draft: &mut Draft<'_>,
    ) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        let leads = match &doc.clear.custody.role {
            Role::Contested { by, .. } => Some(by.org.clone()),
            _ => None,
        };
        self.step_custody(&mut doc, Input::ResolveContested)?;
        if let Some(leads) = leads {
            doc.clear.leads(leads);
        }
        doc.sealed.note(CaseNote::by_two("resolved", draft.now, people))?;
        doc.clear.touch(draft.now);
        self.two_people_entry(draft, EventCode::ContestedResolved, caller, people, &doc).await?;
        draft.put(&doc).await?;
        draft.event("case.resolved", case_name(seen.id), "outside");
        Ok(case_name(seen.id))
    }

    async fn two_people_entry(
        &self,
        draft: &mut Draft<'_>,
        code: EventCode,
        caller: &Caller,
        people: &TwoPeople,
        doc: &Doc<CaseRecord>,
    ) -> Result<(), Stop> {
        let by = By { caller, actor: Some(&people.first), second: Some(&people.second) };
        self.trace(draft, code, by, self.about_case(doc), Rule::Protocol("two-people"), None).await
    }

    /// A case as the caller read it; refused when it changed since.
    pub(super) async fn seen_case(&self, seen: Seen<CaseId>) -> Result<Doc<CaseRecord>, Stop> {
        let doc: Doc<CaseRecord> = self.find(&seen.id.to_string()).await?;
        unchanged(seen.version, doc.clear.revision)?;
        Ok(doc)
    }

    /// Runs one custody input on a case and keeps the new state.
    pub(super) fn step_custody(
        &self,
        doc: &mut Doc<CaseRecord>,
        input: Input<OrgId, schakel_domain::id::OfferId, schakel_domain::id::Hash>,
    ) -> Result<custody::Step<OrgId, schakel_domain::id::OfferId, schakel_domain::id::Hash>, Stop> {
        let open = doc.clear.custody.open_offer().map(|open| *open.offer);
        let mut step = custody::step(&doc.clear.custody, input).map_err(rejected)?;
        if let Some(state) = &step.state {
            doc.clear.custody = state.clone();
        }
        // An offer that ends because its case moved on (a reclaim elsewhere, the token back by another way) is told of like any other.
        let still = doc.clear.custody.open_offer().map(|open| *open.offer);
        if let Some(offer) = open.filter(|offer| still != Some(*offer) && !step.facts.iter().any(|fact| ends(fact, *offer))) {
            step.facts.push(Fact::OfferClosed(offer, Outcome::Passed));
        }
        for fact in &step.facts {
            if let Fact::BecameLead(_) = fact {
                doc.clear.leads(self.parts.me.clone());
            }
        }
        Ok(step)
    }
}

/// Whether a fact says that this own offer ended.
fn ends(fact: &Fact<OrgId, OfferId>, offer: OfferId) -> bool {
    matches!(fact, Fact::LeftCustody(ended) | Fact::OfferClosed(ended, _) if *ended == offer)
}

impl CaseRecord {
    /// A change a person would call a change.
    pub(super) fn touch(&mut self, now: jiff::Timestamp) {
        self.revision += 1;
        self.changed = now;
    }

    /// From now this organisation leads, as far as is known here.
    pub(super) fn leads(&mut self, org: OrgId) {
        if self.led_by.last() != Some(&org) {
            self.led_by.push(org);
        }
    }
}

/// A case nobody here knew yet.
pub(super) fn new_case(case: CaseId, me: OrgId, key: schakel_domain::id::ClientKeyId, now: jiff::Timestamp) -> CaseRecord {
    CaseRecord {
        case,
        revision: 1,
        custody: CaseCustody::new(me),
        key,
        opened: now,
        changed: now,
        led_by: Vec::new(),
        hops: 0,
        links: Links::new(),
        handovers: Vec::new(),
        consultations: Vec::new(),
    }
}

/// Resource name of a case.
pub(super) fn case_name(case: CaseId) -> String {
    format!("cases/{case}")
}

/// Refuses a write on something that changed since it was read.
pub(super) fn unchanged(seen: u64, revision: u64) -> Result<(), Stop> {
    if seen == revision {
        return Ok(());
    }
    let stale = Refusal { field: Some("etag".to_owned()), ..Refusal::new(Stage::State, Reason::StaleEtag) };
    Err(stale.because(format!("read version {seen}, now {revision}")).into())
}

/// The first of what is wrong with a dossier; consent is judged by age.
fn check_dossier(dossier: &Dossier, now: jiff::Timestamp) -> Result<(), Stop> {
    dossier.check().map_err(|wrong| wrong.into_iter().next().map_or_else(|| internal("checking a dossier"), Stop::Refused))?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    if let (Some(legal), Some(age)) = (&dossier.legal, dossier.age_on(today)) {
        legal.consent_fits(age)?;
    }
    Ok(())
}

/// What the protocol refuses, as people are told.
pub(super) fn rejected(rejected: custody::Rejected) -> Stop {
    Refusal::new(Stage::State, rejected.reason()).because(rejected.to_string()).into()
}

/// The epoch as it stands on a screen.
pub(super) fn not_lead(case: &CaseRecord) -> Stop {
    let reason = match case.custody.role {
        Role::Transferring { .. } => Reason::InTransfer,
        Role::Contested { .. } => Reason::Contested,
        Role::Closed { .. } => Reason::CaseClosed,
        _ => Reason::NotLead,
    };
    Refusal::new(Stage::State, reason).into()
}
