//! What people and systems of our own organisation ask about covenants, party records and telephone lines.

use jiff::Timestamp;
use schakel_domain::command::{AgreementAct, PageOf};
use schakel_domain::covenant::{Act, Book, Covenant, Grant, SignedCovenant, Standing, explain};
use schakel_domain::id::OrgId;
use schakel_domain::party_record::SignedPartyRecord;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, CheckView, CovenantState, CovenantView, DutyView};

use super::{Front, not_found};
use crate::agreements::{Agreements, Wish};

impl Front {
    pub(super) fn answer_agreement(&self, act: AgreementAct) -> Result<AgreementAnswer, Refusal> {
        let agreements = self.desk.agreements();
        let held = agreements.held();
        let now = self.desk.now();
        let book = held.book.as_ref().ok_or_else(|| Refusal::new(Stage::Covenant, Reason::CovenantMissing))?;
        match act {
            AgreementAct::List(page) => Ok(list(book, &page, now)),
            AgreementAct::Show { covenant, version } => show(book, &covenant, version, now),
            AgreementAct::Explain { covenant, version, organization, lang } => {
                explained(book, &covenant, version, organization.as_ref().unwrap_or(self.desk.me()), lang, now)
            }
            AgreementAct::Check(asked) => {
                let wish = Wish {
                    from: asked.from.clone(),
                    to: Some(asked.to.clone()),
                    act: act_named(asked.act)?,
                    service: asked.service.clone().unwrap_or_default(),
                    age: asked.age,
                    municipality: asked.municipality.clone(),
                    urgency: asked.urgency.clone().unwrap_or_default(),
                };
                Ok(AgreementAnswer::Checked(Box::new(checked(agreements.permits(&wish, now)))))
            }
            AgreementAct::Duty(org) => Ok(AgreementAnswer::Duty(DutyView {
                name: agreements.name(&org),
                lines: agreements.calls(&org),
                expires: held.records.newest(&org).map(|record| record.expires),
                organization: org,
            })),
            AgreementAct::InstallCovenant { .. } | AgreementAct::InstallPartyRecord { .. } => {
                Err(Refusal::new(Stage::Door, Reason::Internal).because("installing is no read"))
            }
        }
    }
}

/// Versions held, a page.
fn list(book: &Book, page: &PageOf, now: Timestamp) -> AgreementAnswer {
    let mut views: Vec<CovenantView> = book.iter().filter_map(|(_, _, covenant)| view(covenant, now, false)).collect();
    views.retain(|view| name(view) > page.after && (!page.open_only || view.state == CovenantState::InForce));
    let more = views.len() > page.size as usize;
    views.truncate(page.size as usize);
    let next = views.last().map(name).filter(|_| more);
    AgreementAnswer::Covenants(views, next)
}

/// One version with its signed document.
fn show(book: &Book, id: &str, version: Option<u32>, now: Timestamp) -> Result<AgreementAnswer, Refusal> {
    let covenant = find(book, id, version, now)?;
    view(covenant, now, true).map(|view| AgreementAnswer::Covenant(Box::new(view))).ok_or_else(not_found)
}

/// What one organisation may ask and must answer, in plain words.
fn explained(book: &Book, id: &str, version: Option<u32>, org: &OrgId, lang: Lang, now: Timestamp) -> Result<AgreementAnswer, Refusal> {
    let covenant = find(book, id, version, now)?;
    Ok(AgreementAnswer::Explained(explain(covenant, org, lang)))
}

/// Allow or deny, with the clause and one sentence.
fn checked(decision: Result<Grant, Refusal>) -> CheckView {
    match decision {
        Ok(grant) => CheckView {
            denied: None,
            clause: Some(grant.clause.to_string()),
            covenant: Some((grant.covenant.id.to_string(), grant.covenant.version)),
            sentence_nl: grant.sentence(Lang::Nl).to_owned(),
            sentence_en: grant.sentence(Lang::En).to_owned(),
            fields: grant.mask.fields,
            protected: grant.mask.protected,
            response_target: grant.response_target,
            candidates: grant.candidates,
        },
        Err(refusal) => CheckView {
            denied: Some(refusal.reason),
            clause: refusal.clause.clone(),
            covenant: None,
            sentence_nl: refusal.sentence(Lang::Nl),
            sentence_en: refusal.sentence(Lang::En),
            fields: Default::default(),
            protected: Default::default(),
            response_target: None,
            candidates: Vec::new(),
        },
    }
}

/// The act a door named.
fn act_named(name: &str) -> Result<Act, Refusal> {
    let known = Act::ALL.into_iter().find(|act| act.name() == name);
    known.ok_or_else(|| Refusal::field("act", "expected consult, consult-anonymous, handover or figures"))
}

/// What is held now of an installed bundle.
pub(super) fn installed(agreements: &Agreements, bundle: &[u8], is_new: bool) -> Result<AgreementAnswer, Refusal> {
    let signed = SignedCovenant::from_json(bundle)?;
    let (id, version) = (signed.document.id.clone(), signed.document.version);
    let held = agreements.held();
    let covenant = held.book.as_ref().and_then(|book| book.get(&id, version)).ok_or_else(not_found)?;
    let unsigned = match covenant.standing() {
        Standing::Waiting { missing } => missing.to_vec(),
        _ => Vec::new(),
    };
    Ok(AgreementAnswer::CovenantInstalled { id: id.to_string(), version, is_new, unsigned })
}

/// What is held now of an installed party record.
pub(super) fn record_installed(record: &str, is_new: bool) -> Result<AgreementAnswer, Refusal> {
    let signed = SignedPartyRecord::from_json(record.as_bytes())?;
    Ok(AgreementAnswer::PartyRecordInstalled { organization: signed.record.org, number: signed.record.number, is_new })
}

fn find<'a>(book: &'a Book, id: &str, version: Option<u32>, now: Timestamp) -> Result<&'a Covenant, Refusal> {
    let id = id.parse().map_err(|_| not_found())?;
    match version {
        Some(version) => book.get(&id, version).ok_or_else(not_found),
        None => book.current(&id, now),
    }
}

fn name(view: &CovenantView) -> String {
    format!("{}/{}", view.id, view.version)
}

fn view(covenant: &Covenant, now: Timestamp, with_bundle: bool) -> Option<CovenantView> {
    let signed = covenant.signed()?;
    let document = &signed.document;
    let signers = covenant.signers();
    let (state, problem) = match covenant.standing() {
        Standing::Waiting { .. } => (CovenantState::Pending, None),
        Standing::Broken { why } => (CovenantState::Broken, Some(why.clone())),
        Standing::InForce if document.begins() > now => (CovenantState::Signed, None),
        Standing::InForce if document.ends().is_some_and(|end| end <= now) => (CovenantState::Ended, None),
        Standing::InForce => (CovenantState::InForce, None),
    };
    Some(CovenantView {
        id: document.id.to_string(),
        version: document.version,
        hash: covenant.hash(),
        title: document.title.get(Lang::Nl).to_owned(),
        state,
        begins: Some(document.begins()),
        ends: document.ends(),
        parties: document.parties.iter().map(|party| (party.id.clone(), party.name.clone(), signers.contains_key(&party.id))).collect(),
        problem,
        bundle: if with_bundle { signed.to_json().into_bytes() } else { Vec::new() },
    })
}
