//! What must be true after a step, asked of the organisations themselves.

use schakel_domain::refusal::Reason;
use schakel_proto::care::v1 as care;

use super::{Named, Player, Trouble};
use crate::demo::client::by;
use crate::demo::scenario::{Does, Expect, OrgKey, Step};

/// Who leads a case and who is responsible for it, each as they say themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Custody {
    /// Who leads.
    pub lead: Vec<OrgKey>,
    /// Who must act if something happens.
    pub responsible: Vec<OrgKey>,
}

/// What a consultation or handover answer says that a story can expect.
#[derive(Debug, Default)]
struct Seen {
    state: String,
    candidates: Vec<String>,
    delivered: bool,
    seen: bool,
    telephones: Vec<String>,
}

impl Player<'_> {
    /// What is not true yet, in words; empty when all is.
    pub(super) async fn unmet(&self, step: &Step) -> Result<Vec<String>, Trouble> {
        let expect = &step.expect;
        let mut unmet = Vec::new();
        if let (Some(case), true) = (&self.case, expect.responsible.is_some() || expect.lead.is_some()) {
            let custody = self.custody(case).await?;
            compare("responsible", expect.responsible.as_ref(), &custody.responsible, &mut unmet);
            compare("lead", expect.lead.as_ref(), &custody.lead, &mut unmet);
        }
        if let Some(subject) = subject(step).filter(|_| asks_for_subject(expect)) {
            self.subject(step, subject, &mut unmet).await?;
        }
        Ok(unmet)
    }

    /// Asks every organisation that took part where it stands.
    pub(super) async fn custody(&self, case: &str) -> Result<Custody, Trouble> {
        let Named::Case { resource, members } = self.named(case)? else { return Ok(Custody::default()) };
        let mut custody = Custody::default();
        for key in members {
            use care::case::Standing;
            let standing = self.standing(key, resource).await?;
            if matches!(standing, Standing::Lead | Standing::Offering) {
                custody.lead.push(key.clone());
            }
            if matches!(standing, Standing::Lead | Standing::Offering | Standing::Transferring | Standing::Contested) {
                custody.responsible.push(key.clone());
            }
        }
        Ok(custody)
    }

    async fn standing(&self, key: &OrgKey, case: &str) -> Result<care::case::Standing, Trouble> {
        let person = self.anybody(key).ok_or_else(|| Trouble::Broken(format!("nobody works at {key}")))?;
        let get = care::GetCaseRequest { name: case.to_owned(), view: care::View::Basic.into(), actor: Some(person.wire()) };
        match self.client(key)?.cases().get_case(by(&person, get)).await.map_err(Trouble::from) {
            Ok(found) => Ok(found.into_inner().case.map(|case| case.standing()).unwrap_or_default()),
            // An offer may not have arrived there yet.
            Err(Trouble::Refused(refusal)) if refusal.reason == Reason::NotFound => Ok(care::case::Standing::Outside),
            Err(trouble) => Err(trouble),
        }
    }

    async fn subject(&self, step: &Step, name: &str, unmet: &mut Vec<String>) -> Result<(), Trouble> {
        let expect = &step.expect;
        let named = self.named(name)?;
        let owner = match named {
            Named::Consultation { requester, .. } => requester,
            Named::Handover { sender, .. } => sender,
            Named::Case { .. } => return Ok(()),
        };
        let at = expect.at.as_ref().or(step.who.as_ref()).unwrap_or(owner);
        let found = match named {
            Named::Consultation { resource, .. } => self.consultation(at, resource).await?,
            Named::Handover { resource, .. } => self.handover(at, resource).await?,
            Named::Case { .. } => return Ok(()),
        };
        let wanted = expect.consultation.map(|state| state.to_string()).or(expect.handover.map(|state| state.to_string()));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found.state) {
            unmet.push(format!("{name} at {at} is {}, expected {wanted}", found.state));
        }
        if let Some(wanted) = expect.candidate.as_ref().filter(|wanted| !found.candidates.contains(wanted)) {
            unmet.push(format!("candidates of {name} are {}, expected {wanted}", found.candidates.join(", ")));
        }
        for (word, wanted, is) in [("delivered", expect.delivered, found.delivered), ("seen", expect.seen, found.seen)] {
            if wanted.is_some_and(|wanted| wanted != is) {
                unmet.push(format!("{name} is {}{word}", if is { "" } else { "not " }));
            }
        }
        if let Some(wanted) = expect.telephone.as_ref().filter(|wanted| !found.telephones.contains(wanted)) {
            unmet.push(format!("the answer gives {}, expected {wanted}", found.telephones.join(", ")));
        }
        if expect.proof {
            unmet.extend(self.proof(named).await?);
        }
        Ok(())
    }

    async fn consultation(&self, at: &OrgKey, resource: &str) -> Result<Seen, Trouble> {
        let person = self.anybody(at).ok_or_else(|| Trouble::Broken(format!("nobody works at {at}")))?;
        let get = care::GetConsultationRequest { name: resource.to_owned(), view: care::View::Basic.into(), actor: Some(person.wire()) };
        let found = self.client(at)?.consultations().get_consultation(by(&person, get)).await?.into_inner();
        let found = found.consultation.unwrap_or_default();
        let asked = || found.candidates.iter().filter(|candidate| candidate.state != "waiting");
        let facts = |candidate: &care::Candidate| candidate.facts.unwrap_or_default_facts();
        let calls = asked().filter_map(|candidate| candidate.call.as_ref());
        let calls = calls.chain(&found.escalation).chain(found.responsibility.iter().filter_map(|now| now.call.as_ref()));
        Ok(Seen {
            state: small(found.state().as_str_name()),
            candidates: found.candidates.iter().map(|candidate| candidate.state.clone()).collect(),
            delivered: asked().count() > 0 && asked().all(|candidate| facts(candidate).delivered_time.is_some()),
            seen: asked().any(|candidate| facts(candidate).seen_time.is_some()),
            telephones: calls.map(|call| call.telephone.clone()).collect(),
        })
    }

    async fn handover(&self, at: &OrgKey, resource: &str) -> Result<Seen, Trouble> {
        let person = self.anybody(at).ok_or_else(|| Trouble::Broken(format!("nobody works at {at}")))?;
        let get = care::GetHandoverRequest { name: resource.to_owned(), view: care::View::Basic.into(), actor: Some(person.wire()) };
        let found = self.client(at)?.handovers().get_handover(by(&person, get)).await?.into_inner();
        let found = found.handover.unwrap_or_default();
        let facts = found.facts.unwrap_or_default_facts();
        Ok(Seen {
            state: small(found.state().as_str_name()),
            candidates: Vec::new(),
            delivered: facts.delivered_time.is_some(),
            seen: facts.seen_time.is_some(),
            telephones: found.responsibility.iter().filter_map(|now| now.call.as_ref()).map(|call| call.telephone.clone()).collect(),
        })
    }
}

/// Facts that are absent are facts that did not happen.
trait FactsOr {
    fn unwrap_or_default_facts(&self) -> care::Facts;
}

impl FactsOr for Option<care::Facts> {
    fn unwrap_or_default_facts(&self) -> care::Facts {
        self.clone().unwrap_or_default()
    }
}

fn small(name: &str) -> String {
    name.trim_start_matches("STATE_").to_ascii_lowercase()
}

fn compare(what: &str, wanted: Option<&Vec<OrgKey>>, is: &[OrgKey], unmet: &mut Vec<String>) {
    let Some(wanted) = wanted else { return };
    let list = |keys: &[OrgKey]| {
        if keys.is_empty() { "nobody".to_owned() } else { keys.iter().map(OrgKey::as_str).collect::<Vec<_>>().join(", ") }
    };
    let (mut sorted, mut found) = (wanted.clone(), is.to_vec());
    sorted.sort();
    found.sort();
    if sorted != found {
        unmet.push(format!("{what}: {}, expected {}", list(&found), list(&sorted)));
    }
}

fn asks_for_subject(expect: &Expect) -> bool {
    let states = expect.consultation.is_some() || expect.handover.is_some() || expect.candidate.is_some();
    states || expect.delivered.is_some() || expect.seen.is_some() || expect.telephone.is_some() || expect.proof
}

/// The consultation or handover a step's expectations are about.
fn subject(step: &Step) -> Option<&str> {
    let own = match &step.does {
        Does::Ask { r#as, .. } | Does::OfferHandover { r#as, .. } => Some(r#as),
        Does::AcceptConsultation { consultation, .. }
        | Does::DeclineConsultation { consultation, .. }
        | Does::Advise { consultation, .. }
        | Does::ReadConsultation { consultation }
        | Does::CloseConsultation { consultation } => Some(consultation),
        Does::ReadHandover { handover }
        | Does::AcceptHandover { handover, .. }
        | Does::DeclineHandover { handover, .. }
        | Does::WithdrawHandover { handover, .. } => Some(handover),
        _ => None,
    };
    step.expect.of.as_deref().or(own.map(String::as_str))
}
