//! The one question both gateways ask the covenant, sender and receiver alike: may this party ask that party this?
//!
//! The answer is a grant with everything the asker needs to act, or a refusal that names the nearest clause and what did not fit.
//! API, console, command line and audit entry all print [`Decision::sentence`].

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::check::reaches;
use super::document::{Act, Clause, Document, LegalBasis, Mode, Party, Service};
use super::name::{ClauseId, ServiceId, Telephone, UrgencyCode};
use super::problem::Words;
use super::signed::{Covenant, CovenantRef};
use crate::field::Field;
use crate::id::OrgId;
use crate::municipality::MunicipalityCode;
use crate::refusal::{Lang, Reason, Refusal, Stage};

/// May `from` ask `to` this? What is not given is not judged; the receiver judges again with what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub from: OrgId,
    /// Who is asked.
    pub to: OrgId,
    /// What.
    pub act: Act,
    /// For which service; without it, for any that fits.
    pub service: Option<ServiceId>,
    /// Age of the young person in whole years.
    pub age: Option<u8>,
    /// Where the young person lives or is.
    pub municipality: Option<MunicipalityCode>,
    /// How urgent. Figures have none.
    pub urgency: Option<UrgencyCode>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes, under this grant.
    Allow(Box<Grant>),
    /// No, for this reason.
    Deny(Refusal),
}

/// Which fields may travel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// Fields that travel unless the case marks them as protected.
    pub fields: BTreeSet<Field>,
    /// Fields that travel when the receiver needs them, even when the case marks them.
    pub protected: BTreeSet<Field>,
}

impl Mask {
    /// Whether a receiver may be sent this field at all; a receiver refuses every other.
    #[must_use]
    pub fn allows(&self, field: Field) -> bool {
        self.fields.contains(&field) || self.protected.contains(&field)
    }

    /// Whether a sender may send this field: `marked` when the case protects it, `needed` when the receiver needs it to act.
    #[must_use]
    pub fn may_send(&self, field: Field, marked: bool, needed: bool) -> bool {
        let guarded = needed && self.protected.contains(&field);
        guarded || !marked && self.fields.contains(&field)
    }

    /// The first of these fields that may not travel.
    #[must_use]
    pub fn first_excess(&self, fields: impl IntoIterator<Item = Field>) -> Option<Field> {
        fields.into_iter().find(|field| !self.allows(*field))
    }
}

/// Who is called when nobody answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// The organisation.
    pub org: OrgId,
    /// The function that picks up.
    pub who: Words,
    /// The number in the covenant; a newer one may stand in the party record.
    pub telephone: Telephone,
    /// Whether the clause names this number; if not, it is the party's own and the party record's newer one goes first.
    pub telephone_of_clause: bool,
}

/// A yes, with all that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The version that decided.
    pub covenant: CovenantRef,
    /// The clause that decided.
    pub clause: ClauseId,
    /// Who asks.
    pub from: OrgId,
    /// Who is asked.
    pub to: OrgId,
    /// What.
    pub act: Act,
    /// The service that answers; none for figures.
    pub service: Option<ServiceId>,
    /// What for.
    pub purpose: Words,
    /// Why it is lawful.
    pub legal_basis: LegalBasis,
    /// What may travel.
    pub mask: Mask,
    /// Each candidate answers within this time; none for figures.
    pub response_target: Option<SignedDuration>,
    /// All candidates together have answered within this time; none for figures.
    pub overall_deadline: Option<SignedDuration>,
    /// Everybody who may be asked this, first one first; the asked party is among them.
    pub candidates: Vec<OrgId>,
    /// How candidates are asked.
    pub mode: Mode,
    /// Who is called when nobody answers; none for figures.
    pub escalation: Option<Escalation>,
    sentence: Words,
}

impl Grant {
    /// Whether this field may travel.
    #[must_use]
    pub fn allows(&self, field: Field) -> bool {
        self.mask.allows(field)
    }

    /// The one sentence that says what is allowed, under which clause, and what for.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> &str {
        self.sentence.get(lang)
    }
}

impl Decision {
    /// The one sentence shown everywhere.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> String {
        match self {
            Decision::Allow(grant) => grant.sentence(lang).to_owned(),
            Decision::Deny(refusal) => refusal.sentence(lang),
        }
    }

    /// Whether the answer is yes.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    /// The answer for use with `?`.
    ///
    /// # Errors
    /// The refusal.
    pub fn into_result(self) -> Result<Grant, Refusal> {
        match self {
            Decision::Allow(grant) => Ok(*grant),
            Decision::Deny(refusal) => Err(refusal),
        }
    }
}

/// How far a clause fits a question. Later is nearer; the order is the order in which people look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Misfit {
    From,
    To,
    Act,
    Service,
    Age,
    Municipality,
    Urgency,
}

impl Misfit {
    fn detail(self, question: &Question) -> String {
        let (from, to, act) = (&question.from, &question.to, question.act.name());
        match self {
            Misfit::From | Misfit::To => format!("no clause lets {from} ask {to} anything"),
            Misfit::Act => format!("act: {from} may ask {to} something, but not {act}"),
            Misfit::Service => format!("service: {to} does not offer the service this clause is about"),
            Misfit::Age => format!("age: outside the ages that the service of {to} is for"),
            Misfit::Municipality => format!("municipality: outside the area in which {to} works"),
            Misfit::Urgency => "urgency: missing, or not in the urgency table".to_owned(),
        }
    }
}

impl Covenant {
    /// Decides. Whether this version applies at this moment is for [`super::book::Book`]; `now` only orders candidates by their hours.
    #[must_use]
    pub fn permits(&self, question: &Question, now: Timestamp) -> Decision {
        match self.binding().and_then(|document| self.decide(document, question, now)) {
            Ok(grant) => Decision::Allow(Box::new(grant)),
            Err(refusal) => Decision::Deny(refusal),
        }
    }

    /// The grant of one clause alone, whichever comes before it; none when that clause does not allow this.
    #[must_use]
    pub fn permits_by(&self, clause: &str, question: &Question, now: Timestamp) -> Option<Grant> {
        let document = self.binding().ok()?;
        if !self.permits(question, now).is_allowed() {
            return None;
        }
        let (from, to) = (document.party(&question.from)?, document.party(&question.to)?);
        let clause = document.grants.iter().find(|known| known.id.as_str() == clause)?;
        let service = fit(document, clause, question, from, to).ok()?;
        Some(self.grant(document, clause, service, question, now))
    }

    /// Every party this may be asked of, first one first, each with its grant. `to` and `service` of the question are ignored.
    #[must_use]
    pub fn options(&self, question: &Question, now: Timestamp) -> Vec<Grant> {
        let Some(document) = self.in_force() else { return Vec::new() };
        let ask =
            |party: &Party| self.permits(&Question { to: party.id.clone(), service: None, ..question.clone() }, now).into_result().ok();
        let mut grants: Vec<Grant> = document.parties.iter().filter_map(ask).collect();
        grants.sort_by_cached_key(|grant| {
            let clause = document.grants.iter().position(|clause| clause.id == grant.clause);
            (clause, grant.candidates.iter().position(|id| *id == grant.to))
        });
        grants
    }

    fn decide(&self, document: &Document, question: &Question, now: Timestamp) -> Result<Grant, Refusal> {
        let stranger =
            |id: &OrgId| Refusal::new(Stage::Covenant, Reason::UnknownPeer).because(format!("{id} is no party of {}", document.id));
        let from = document.party(&question.from).ok_or_else(|| stranger(&question.from))?;
        let to = document.party(&question.to).ok_or_else(|| stranger(&question.to))?;
        let denied = |why: String| Refusal::new(Stage::Covenant, Reason::CovenantDenied).because(why);
        if from.id == to.id {
            return Err(denied("a party does not ask itself".to_owned()));
        }
        let barred = [from, to].into_iter().find(|party| document.is_figures_only(party));
        if let Some(party) = barred.filter(|_| question.act.concerns_case()) {
            return Err(denied(format!("{} sees figures only, never a case", party.id)));
        }

        let mut nearest: Option<(Misfit, &Clause)> = None;
        for clause in &document.grants {
            match fit(document, clause, question, from, to) {
                Ok(service) => return Ok(self.grant(document, clause, service, question, now)),
                Err(misfit) if nearest.is_none_or(|(best, _)| misfit > best) => nearest = Some((misfit, clause)),
                Err(_) => {}
            }
        }
        let (misfit, clause) = nearest.ok_or_else(|| denied("the covenant has no clauses".to_owned()))?;
        let refusal = denied(misfit.detail(question));
        Err(if misfit > Misfit::To { refusal.under(clause.id.as_str()) } else { refusal })
    }

    fn grant(&self, document: &Document, clause: &Clause, service: Option<&Service>, question: &Question, now: Timestamp) -> Grant {
        let dataset = clause.dataset.as_ref().and_then(|id| document.dataset(id));
        let mask = dataset.map_or_else(Mask::default, |dataset| Mask {
            fields: dataset.fields.iter().copied().collect(),
            protected: dataset.protected.iter().copied().collect(),
        });
        let candidates = candidates(document, clause, question, now);
        let urgency = question.urgency.as_ref().filter(|_| question.act.concerns_case());
        let target = urgency.and_then(|code| document.response(clause, code)).map(|period| period.duration());
        let rounds = match clause.mode {
            Mode::FanOut => 1,
            Mode::Sequence => i32::try_from(candidates.len()).unwrap_or(i32::MAX).max(1),
        };
        let reference = CovenantRef { id: document.id.clone(), version: document.version, hash: self.hash() };
        Grant {
            covenant: reference,
            clause: clause.id.clone(),
            from: question.from.clone(),
            to: question.to.clone(),
            act: question.act,
            service: service.map(|service| service.id.clone()),
            purpose: clause.purpose.clone(),
            legal_basis: clause.legal_basis,
            mask,
            response_target: target,
            overall_deadline: target.map(|target| target.saturating_mul(rounds)),
            candidates,
            mode: clause.mode,
            escalation: escalation(document, clause),
            sentence: Words::new(sentence(document, clause, question, Lang::Nl), sentence(document, clause, question, Lang::En)),
        }
    }
}

/// The service by which a clause answers a question, or how near the clause came.
fn fit<'a>(document: &'a Document, clause: &Clause, question: &Question, from: &Party, to: &Party) -> Result<Option<&'a Service>, Misfit> {
    if !document.names(&clause.from, from) {
        return Err(Misfit::From);
    }
    if !document.names(&clause.to, to) {
        return Err(Misfit::To);
    }
    if clause.act != question.act {
        return Err(Misfit::Act);
    }
    if !clause.act.concerns_case() {
        return Ok(None);
    }
    let service = serving(document, clause, question, to)?;
    let known = question.urgency.as_ref().is_some_and(|code| document.response(clause, code).is_some());
    known.then_some(Some(service)).ok_or(Misfit::Urgency)
}

/// The first service of this party under this clause that fits; of those that do not, the one that comes nearest says why.
fn serving<'a>(document: &'a Document, clause: &Clause, question: &Question, to: &Party) -> Result<&'a Service, Misfit> {
    let mut nearest = Misfit::Service;
    for service in document.services.iter().filter(|service| service.by == to.id) {
        let reached = clause.to.iter().any(|who| reaches(document, who, clause, service));
        if !reached || question.service.as_ref().is_some_and(|wanted| *wanted != service.id) {
            continue;
        }
        if question.age.is_some_and(|age| !service.ages.hold(age)) {
            nearest = nearest.max(Misfit::Age);
        } else if distance(document, service, question).is_none() {
            nearest = nearest.max(Misfit::Municipality);
        } else {
            return Ok(service);
        }
    }
    Err(nearest)
}

/// 0 in the service's own area, 1 where it helps out, none elsewhere.
fn distance(document: &Document, service: &Service, question: &Question) -> Option<u8> {
    match question.municipality {
        None => Some(0),
        Some(place) if document.in_areas(&service.areas, place) => Some(0),
        Some(place) if document.in_areas(&service.backup_areas, place) => Some(1),
        Some(_) => None,
    }
}

/// Everybody who may be asked: those open now before those closed, own area before backup, then the clause's order, then the covenant's.
fn candidates(document: &Document, clause: &Clause, question: &Question, now: Timestamp) -> Vec<OrgId> {
    let local = document.time_zone.local(now);
    let any_service = Question { service: None, ..question.clone() };
    let rank = |party: &Party| {
        let place = clause.order.iter().position(|id| *id == party.id).unwrap_or(clause.order.len());
        if !clause.act.concerns_case() {
            return Some((false, 0, place));
        }
        let service = serving(document, clause, &any_service, party).ok()?;
        let closed = !service.hours.is_empty() && !service.hours.iter().any(|hours| hours.hold(local));
        Some((closed, distance(document, service, question)?, place))
    };
    let asked = |party: &&Party| {
        let case_barred = clause.act.concerns_case() && document.is_figures_only(party);
        party.id != question.from && document.names(&clause.to, party) && !case_barred
    };
    let mut ranked: Vec<_> = document.parties.iter().filter(asked).filter_map(|party| Some((rank(party)?, party.id.clone()))).collect();
    ranked.sort_by_key(|entry| entry.0);
    ranked.into_iter().map(|entry| entry.1).collect()
}

fn escalation(document: &Document, clause: &Clause) -> Option<Escalation> {
    let rule = clause.escalation.as_ref()?;
    let own = document.party(&rule.to).map(|party| party.telephone.clone());
    Some(Escalation {
        org: rule.to.clone(),
        who: rule.who.clone(),
        telephone: rule.telephone.clone().or(own)?,
        telephone_of_clause: rule.telephone.is_some(),
    })
}

fn sentence(document: &Document, clause: &Clause, question: &Question, lang: Lang) -> String {
    let (from, to) = (document.party_name(&question.from), document.party_name(&question.to));
    let (act, title, version) = (question.act.phrase(lang), document.title.get(lang), document.version);
    let (purpose, basis) = (clause.purpose.get(lang), clause.legal_basis.label(lang));
    let within = question.urgency.as_ref().filter(|_| question.act.concerns_case());
    let within = within.and_then(|code| document.response(clause, code)).map(|period| period.words(lang));
    match lang {
        Lang::Nl => {
            let within = within.map_or_else(String::new, |time| format!("; antwoord binnen {time}"));
            format!(
                "{from} mag {to} {act} (artikel {}, {title}, versie {version}). Doel: {purpose}. Grondslag: {basis}{within}.",
                clause.id
            )
        }
        Lang::En => {
            let within = within.map_or_else(String::new, |time| format!("; answer within {time}"));
            format!(
                "{from} may ask {to} {act} (clause {}, {title}, version {version}). Purpose: {purpose}. Legal basis: {basis}{within}.",
                clause.id
            )
        }
    }
}
