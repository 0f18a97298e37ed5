//! Covenants, party records and the telephone lines that stand in them.

use schakel_domain::command::{AgreementAct, CovenantQuestion};
use schakel_domain::refusal::{Lang, Refusal};
use schakel_domain::view::{CheckView, CovenantState, CovenantView, DutyView};
use schakel_proto::admin::v1 as admin;
use schakel_proto::care::v1 as wire;

use super::care::{call, key};
use super::fields::{Fields, timestamp};
use super::{dossier, names};

/// Most bytes of a covenant bundle.
const MAX_BUNDLE: usize = 1024 * 1024;
/// Most bytes of a party record.
const MAX_RECORD: usize = 64 * 1024;
/// Longest name of a service or code of an urgency, in characters.
const MAX_CODE: usize = 100;

/// Reads a request for one version.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetCovenantRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some((covenant, version)) = fields.covenant("name", &request.name) else { return Err(fields.refusals()) };
    Ok(AgreementAct::Show { covenant, version })
}

/// Reads a request for versions.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListCovenantsRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some(page) = fields.page(request.page_size, &request.page_token, false) else { return Err(fields.refusals()) };
    Ok(AgreementAct::List(page))
}

/// Reads whether one party may ask another something.
///
/// # Errors
/// Every wrong field.
pub fn check(request: &wire::CheckCovenantRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let from = fields.id("sender", &request.sender);
    let to = fields.id("receiver", &request.receiver);
    let act = act(&mut fields, request.act());
    let service = fields.text("service", &request.service, 0, MAX_CODE);
    let age = dossier::age(&mut fields, request.age);
    let municipality = dossier::municipality(&mut fields, "municipality", Some(&request.municipality));
    let urgency = fields.text("urgency", &request.urgency, 0, MAX_CODE);
    let (Some(from), Some(to), Some(act), Some(service)) = (from, to, act, service) else { return Err(fields.refusals()) };
    let (Some(age), Some(municipality), Some(urgency)) = (age, municipality, urgency) else { return Err(fields.refusals()) };
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(AgreementAct::Check(CovenantQuestion { from, to, act, service: given(service), age, municipality, urgency: given(urgency) }))
}

fn act(fields: &mut Fields, act: wire::check_covenant_request::Act) -> Option<&'static str> {
    match act {
        wire::check_covenant_request::Act::Consult => Some("consult"),
        wire::check_covenant_request::Act::ConsultAnonymously => Some("consult-anonymous"),
        wire::check_covenant_request::Act::HandOver => Some("handover"),
        wire::check_covenant_request::Act::Figures => Some("figures"),
        wire::check_covenant_request::Act::Unspecified => {
            fields.wrong("act", "expected CONSULT, CONSULT_ANONYMOUSLY, HAND_OVER or FIGURES");
            None
        }
    }
}

/// Reads a request for plain words; `usual` is the caller's language.
///
/// # Errors
/// Every wrong field.
pub fn explain(request: &wire::ExplainCovenantRequest, usual: Lang) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let name = fields.covenant("name", &request.name);
    let organization = fields.optional_id("organization", &request.organization);
    let lang = match request.language.as_str() {
        "" => Some(usual),
        "nl" => Some(Lang::Nl),
        "en" => Some(Lang::En),
        _ => {
            fields.wrong("language", "expected nl or en");
            None
        }
    };
    let (Some((covenant, version)), Some(organization), Some(lang)) = (name, organization, lang) else { return Err(fields.refusals()) };
    Ok(AgreementAct::Explain { covenant, version, organization, lang })
}

/// Reads whom a caller wants to call.
///
/// # Errors
/// Every wrong field.
pub fn duty(request: &wire::GetDutyRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some(organization) = fields.duty("name", &request.name) else { return Err(fields.refusals()) };
    Ok(AgreementAct::Duty(organization))
}

/// Reads a covenant to install.
///
/// # Errors
/// Every wrong field.
pub fn install_covenant(request: &admin::InstallCovenantRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let key = key(&mut fields, request);
    if !(1..=MAX_BUNDLE).contains(&request.bundle.len()) {
        fields.wrong("bundle", format!("required: a JSON bundle of at most {MAX_BUNDLE} bytes"));
    }
    let Some((id, body)) = key else { return Err(fields.refusals()) };
    fields.done()?;
    Ok(AgreementAct::InstallCovenant { request: id, body, bundle: request.bundle.clone() })
}

/// Reads a party record to install.
///
/// # Errors
/// Every wrong field.
pub fn install_party_record(request: &admin::InstallPartyRecordRequest) -> Result<AgreementAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let key = key(&mut fields, request);
    let record = std::str::from_utf8(&request.record).ok().filter(|text| (1..=MAX_RECORD).contains(&text.len()));
    if record.is_none() {
        fields.wrong("record", format!("required: a signed party record, the JSON file as it is, of at most {MAX_RECORD} bytes"));
    }
    let (Some((id, body)), Some(record)) = (key, record) else { return Err(fields.refusals()) };
    Ok(AgreementAct::InstallPartyRecord { request: id, body, record: record.to_owned() })
}

/// A version for the wire.
#[must_use]
pub fn covenant_to_wire(view: &CovenantView) -> wire::Covenant {
    let party = |(organization, name, signed): &(schakel_domain::id::OrgId, String, bool)| wire::CovenantParty {
        organization: organization.to_string(),
        name: name.clone(),
        signed: *signed,
    };
    let state = match view.state {
        CovenantState::Pending => wire::covenant::State::Pending,
        CovenantState::Signed => wire::covenant::State::Signed,
        CovenantState::InForce => wire::covenant::State::InForce,
        CovenantState::Ended => wire::covenant::State::Ended,
        CovenantState::Broken => wire::covenant::State::Broken,
    };
    wire::Covenant {
        name: names::covenant(&view.id, view.version),
        hash: view.hash.0.to_vec(),
        title: view.title.clone(),
        state: state.into(),
        begin_time: view.begins.map(timestamp),
        end_time: view.ends.map(timestamp),
        parties: view.parties.iter().map(party).collect(),
        problem: view.problem.clone().unwrap_or_default(),
    }
}

/// Allow or deny, for the wire.
#[must_use]
pub fn check_to_wire(view: &CheckView) -> wire::CheckCovenantResponse {
    let fields = |fields: &std::collections::BTreeSet<schakel_domain::field::Field>| {
        fields.iter().map(|field| field.name().to_owned()).collect::<Vec<_>>()
    };
    wire::CheckCovenantResponse {
        allowed: view.denied.is_none(),
        clause: view.clause.clone().unwrap_or_default(),
        covenant: view.covenant.as_ref().map(|(id, version)| names::covenant(id, *version)).unwrap_or_default(),
        sentence_nl: view.sentence_nl.clone(),
        sentence_en: view.sentence_en.clone(),
        reason: view.denied.map(|reason| reason.code().to_owned()).unwrap_or_default(),
        fields: fields(&view.fields),
        protected_fields: fields(&view.protected),
        response_target: view
            .response_target
            .map(|target| prost_types::Duration { seconds: target.as_secs(), nanos: target.subsec_nanos() }),
        candidates: view.candidates.iter().map(ToString::to_string).collect(),
    }
}

/// Telephone lines for the wire.
#[must_use]
pub fn duty_to_wire(view: &DutyView) -> wire::Duty {
    wire::Duty {
        name: format!("{}/duty", names::organization(&view.organization)),
        organization_name: view.name.clone(),
        lines: view.lines.iter().map(call).collect(),
        expire_time: view.expires.map(timestamp),
    }
}
