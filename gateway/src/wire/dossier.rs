//! A dossier and its bytes. The bytes travel, are hashed and stored as they are; the parsed form is what is decided on and shown.

use prost::Message as _;
use schakel_domain::dossier::{
    ActionItem, Authority, Basis, Bsn, Consent, ConsentBy, Contact, ContactKind, Contingency, CourtOrder, Dossier, Identity,
    IdentityStatus, LegalStatus, OrderState, Regime, Safety, Severity,
};
use schakel_domain::personal::{Personal, Words};
use schakel_domain::refusal::Refusal;
use schakel_proto::r#type::v1 as wire;

use super::fields::{Fields, timestamp};

/// Most bytes of an encoded dossier: what fits in one message between gateways, with room for its envelope.
pub const MAX_BYTES: usize = schakel_domain::message::MAX_MESSAGE_BYTES - 16 * 1024;

/// The bytes of a dossier: equal dossiers have equal bytes (fields in the order of their numbers, no maps, no unknown fields).
#[must_use]
pub fn encode_dossier(dossier: &Dossier) -> Vec<u8> {
    to_wire(dossier).encode_to_vec()
}

/// Reads a dossier's bytes.
///
/// # Errors
/// Every wrong field at once; paths start at the dossier: `identity.bsn`.
pub fn decode_dossier(bytes: &[u8]) -> Result<Dossier, Vec<Refusal>> {
    if bytes.len() > MAX_BYTES {
        return Err(vec![Refusal::field("dossier", format!("at most {MAX_BYTES} bytes"))]);
    }
    let message = wire::Dossier::decode(bytes).map_err(|_| vec![Refusal::field("dossier", "expected a schakel.type.v1.Dossier")])?;
    from_wire(&message)
}

/// Reads a dossier.
///
/// # Errors
/// Every wrong field at once; paths start at the dossier: `identity.bsn`.
pub fn from_wire(message: &wire::Dossier) -> Result<Dossier, Vec<Refusal>> {
    let mut fields = Fields::new();
    let identity = identity(&mut fields, message.identity.as_ref());
    let age = age(&mut fields, message.age);
    let legal = message.legal.as_ref().map_or(Some(None), |legal| legal_status(&mut fields, legal).map(Some));
    let contacts = contacts(&mut fields, &message.contacts);
    let severity = severity(&mut fields, "severity", message.severity);
    let actions = actions(&mut fields, &message.actions);
    let (Some(identity), Some(age), Some(legal), Some(contacts), Some(severity), Some(actions)) =
        (identity, age, legal, contacts, severity, actions)
    else {
        return Err(fields.refusals());
    };
    let contingencies =
        message.contingencies.iter().map(|item| Contingency { when: item.when.clone().into(), then: item.then.clone().into() });
    let dossier = Dossier {
        identity,
        age,
        legal,
        contacts,
        whereabouts: message.whereabouts.clone().into(),
        situation: message.situation.clone().into(),
        background: message.background.clone().into(),
        assessment: message.assessment.clone().into(),
        recommendation: message.recommendation.clone().into(),
        severity,
        actions,
        contingencies: contingencies.collect(),
        safety: message.safety.as_ref().map(safety).unwrap_or_default(),
        key_points: message.key_points.iter().cloned().map(Words::new).collect(),
    };
    dossier.check()?;
    Ok(dossier)
}

/// Reads an age in whole years.
pub(crate) fn age(fields: &mut Fields, age: Option<u32>) -> Option<Option<u8>> {
    let Some(years) = age else { return Some(None) };
    let read = u8::try_from(years).ok().filter(|years| *years <= 130);
    if read.is_none() {
        fields.wrong("age", "expected whole years, 0 to 130");
    }
    read.map(Some)
}

/// Reads a severity that may be absent.
pub(crate) fn severity(fields: &mut Fields, path: &str, number: i32) -> Option<Option<Severity>> {
    match wire::Severity::try_from(number) {
        Ok(wire::Severity::Unspecified) => Some(None),
        Ok(wire::Severity::Stable) => Some(Some(Severity::Stable)),
        Ok(wire::Severity::Watcher) => Some(Some(Severity::Watcher)),
        Ok(wire::Severity::Unstable) => Some(Some(Severity::Unstable)),
        Err(_) => {
            fields.wrong(path, "expected STABLE, WATCHER or UNSTABLE");
            None
        }
    }
}

/// Reads a CBS municipality code that may be absent.
pub(crate) fn municipality(fields: &mut Fields, path: &str, code: Option<&String>) -> Option<Option<String>> {
    let code = filled(code);
    if code.as_ref().is_some_and(|code| code.len() != 4 || !code.bytes().all(|b| b.is_ascii_digit())) {
        fields.wrong(path, "expected a CBS municipality code of four digits, such as 0202");
        return None;
    }
    Some(code)
}

/// Systems send an empty text for what they do not know; here unknown is absent.
fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}

fn personal(text: Option<&String>) -> Option<Words> {
    filled(text).map(Words::new)
}

/// Onto the wire, which is sealed or goes to somebody who may know.
fn revealed(words: Option<&Words>) -> Option<String> {
    words.map(|words| words.reveal().clone())
}

fn identity(fields: &mut Fields, message: Option<&wire::Identity>) -> Option<Identity> {
    let Some(message) = message else { return Some(Identity::default()) };
    let birth = filled(message.birth_date.as_ref());
    let birth_date = birth.map_or(Some(None), |text| fields.day("identity.birth_date", &text).map(|day| Some(Personal::new(day))));
    let bsn = filled(message.bsn.as_ref()).map_or(Some(None), |digits| fields.keep("", Bsn::parse(&digits)).map(Some));
    let municipality = municipality(fields, "identity.municipality", message.municipality.as_ref());
    Some(Identity {
        family_name: personal(message.family_name.as_ref()),
        given_names: personal(message.given_names.as_ref()),
        birth_date: birth_date?,
        sex: personal(message.sex.as_ref()),
        bsn: bsn?,
        postal_code: personal(message.postal_code.as_ref()),
        house_number: personal(message.house_number.as_ref()),
        address: personal(message.address.as_ref()),
        telephone: personal(message.telephone.as_ref()),
        municipality: municipality?,
    })
}

fn contacts(fields: &mut Fields, messages: &[wire::Contact]) -> Option<Vec<Contact>> {
    let mut contacts = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let kind = match message.kind() {
            wire::contact::Kind::AuthorityHolder => ContactKind::AuthorityHolder,
            wire::contact::Kind::Safe => ContactKind::Safe,
            wire::contact::Kind::Unsafe => ContactKind::Unsafe,
            wire::contact::Kind::Unspecified => {
                fields.wrong(&format!("contacts[{at}].kind"), "expected AUTHORITY_HOLDER, SAFE or UNSAFE");
                continue;
            }
        };
        let telephone = personal(message.telephone.as_ref());
        contacts.push(Contact { name: message.name.clone().into(), relation: message.relation.clone().into(), telephone, kind });
    }
    (contacts.len() == messages.len()).then_some(contacts)
}

fn actions(fields: &mut Fields, messages: &[wire::ActionItem]) -> Option<Vec<ActionItem>> {
    let read = messages.iter().enumerate().map(|(at, message)| {
        let by = fields.moment(&format!("actions[{at}].by_time"), message.by_time.as_ref())?;
        Some(ActionItem { what: message.what.clone().into(), who: message.who.clone().into(), by })
    });
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn safety(message: &wire::Safety) -> Safety {
    Safety {
        hidden_address: message.hidden_address,
        danger_from_parent: message.danger_from_parent,
        self_harm: message.self_harm,
        aggression: message.aggression,
        plan: message.plan.clone().into(),
    }
}

fn legal_status(fields: &mut Fields, message: &wire::LegalStatus) -> Option<LegalStatus> {
    let regime = regime(fields, message.regime());
    let basis = basis(fields, message.basis());
    let consent = consent(fields, message);
    let authority = match message.authority() {
        wire::legal_status::Authority::Unspecified => Authority::Unknown,
        wire::legal_status::Authority::BothParents => Authority::BothParents,
        wire::legal_status::Authority::OneParent => Authority::OneParent,
        wire::legal_status::Authority::Guardian => Authority::Guardian,
    };
    let court_order = message.court_order.as_ref().map_or(Some(None), |order| court_order(fields, order).map(Some));
    let identity_status = match message.identity_status() {
        wire::legal_status::IdentityStatus::Unspecified => IdentityStatus::Unverified,
        wire::legal_status::IdentityStatus::SuppliedByObligedParty => IdentityStatus::SuppliedByObligedParty,
        wire::legal_status::IdentityStatus::Verified => IdentityStatus::Verified,
    };
    Some(LegalStatus { regime: regime?, basis: basis?, consent: consent?, authority, court_order: court_order?, identity_status })
}

fn regime(fields: &mut Fields, regime: wire::legal_status::Regime) -> Option<Regime> {
    match regime {
        wire::legal_status::Regime::Jeugdwet => Some(Regime::Jeugdwet),
        wire::legal_status::Regime::Wgbo => Some(Regime::Wgbo),
        wire::legal_status::Regime::Wmo => Some(Regime::Wmo),
        wire::legal_status::Regime::Wlz => Some(Regime::Wlz),
        wire::legal_status::Regime::Unspecified => {
            fields.wrong("legal.regime", "expected JEUGDWET, WGBO, WMO or WLZ");
            None
        }
    }
}

fn basis(fields: &mut Fields, basis: wire::legal_status::Basis) -> Option<Basis> {
    match basis {
        wire::legal_status::Basis::Consent => Some(Basis::Consent),
        wire::legal_status::Basis::DirectlyInvolved => Some(Basis::DirectlyInvolved),
        wire::legal_status::Basis::SupervisionOrder => Some(Basis::SupervisionOrder),
        wire::legal_status::Basis::VitalInterest => Some(Basis::VitalInterest),
        wire::legal_status::Basis::Unspecified => {
            fields.wrong("legal.basis", "expected CONSENT, DIRECTLY_INVOLVED, SUPERVISION_ORDER or VITAL_INTEREST");
            None
        }
    }
}

/// Consent is given by somebody on a day, or there is a reason why it is not; never both, never neither.
fn consent(fields: &mut Fields, message: &wire::LegalStatus) -> Option<Consent> {
    let reason = filled(message.no_consent_reason.as_ref()).map(|reason| reason.trim().to_owned());
    match (message.consent_by.is_empty(), reason) {
        (true, Some(reason)) => Some(Consent::Absent { reason }),
        (true, None) => {
            fields.wrong("legal.no_consent_reason", "say who consented, or why nobody did");
            None
        }
        (false, Some(_)) => {
            fields.wrong("legal.no_consent_reason", "leave out when consent was given");
            None
        }
        (false, None) => {
            let on = fields.day("legal.consent_on", message.consent_on.as_deref().unwrap_or_default());
            let by: Option<Vec<_>> = message.consent_by().map(who_consented).collect();
            let by = by.filter(|by| by.len() <= 2);
            if by.is_none() {
                fields.wrong("legal.consent_by", "expected YOUTH, AUTHORITY_HOLDER or both");
            }
            Some(Consent::Given { by: by?, on: on? })
        }
    }
}

fn who_consented(by: wire::legal_status::ConsentBy) -> Option<ConsentBy> {
    match by {
        wire::legal_status::ConsentBy::Youth => Some(ConsentBy::Youth),
        wire::legal_status::ConsentBy::AuthorityHolder => Some(ConsentBy::AuthorityHolder),
        wire::legal_status::ConsentBy::Unspecified => None,
    }
}

fn court_order(fields: &mut Fields, message: &wire::CourtOrder) -> Option<CourtOrder> {
    let on = fields.day("legal.court_order.on", &message.on);
    let until = filled(message.until.as_ref());
    let until = until.map_or(Some(None), |text| fields.day("legal.court_order.until", &text).map(Some));
    let state = if message.granted { OrderState::Granted } else { OrderState::Requested };
    Some(CourtOrder { state, kind: message.kind.trim().to_owned(), on: on?, until: until? })
}

/// The wire form of a dossier.
#[must_use]
pub fn to_wire(dossier: &Dossier) -> wire::Dossier {
    wire::Dossier {
        identity: (dossier.identity != Identity::default()).then(|| identity_to_wire(&dossier.identity)),
        age: dossier.age.map(u32::from),
        legal: dossier.legal.as_ref().map(legal_to_wire),
        contacts: dossier.contacts.iter().map(contact_to_wire).collect(),
        whereabouts: dossier.whereabouts.reveal().clone(),
        situation: dossier.situation.reveal().clone(),
        background: dossier.background.reveal().clone(),
        assessment: dossier.assessment.reveal().clone(),
        recommendation: dossier.recommendation.reveal().clone(),
        severity: severity_to_wire(dossier.severity).into(),
        actions: dossier.actions.iter().map(action_to_wire).collect(),
        contingencies: dossier
            .contingencies
            .iter()
            .map(|item| wire::Contingency { when: item.when.reveal().clone(), then: item.then.reveal().clone() })
            .collect(),
        safety: (dossier.safety != Safety::default()).then(|| safety_to_wire(&dossier.safety)),
        key_points: dossier.key_points.iter().map(|point| point.reveal().clone()).collect(),
    }
}

fn identity_to_wire(identity: &Identity) -> wire::Identity {
    wire::Identity {
        family_name: revealed(identity.family_name.as_ref()),
        given_names: revealed(identity.given_names.as_ref()),
        birth_date: identity.birth_date.as_ref().map(|day| day.reveal().to_string()),
        sex: revealed(identity.sex.as_ref()),
        bsn: identity.bsn.as_ref().map(|bsn| bsn.as_str().to_owned()),
        postal_code: revealed(identity.postal_code.as_ref()),
        house_number: revealed(identity.house_number.as_ref()),
        address: revealed(identity.address.as_ref()),
        telephone: revealed(identity.telephone.as_ref()),
        municipality: identity.municipality.clone(),
    }
}

fn contact_to_wire(contact: &Contact) -> wire::Contact {
    let kind = match contact.kind {
        ContactKind::AuthorityHolder => wire::contact::Kind::AuthorityHolder,
        ContactKind::Safe => wire::contact::Kind::Safe,
        ContactKind::Unsafe => wire::contact::Kind::Unsafe,
    };
    wire::Contact {
        name: contact.name.reveal().clone(),
        relation: contact.relation.reveal().clone(),
        telephone: revealed(contact.telephone.as_ref()),
        kind: kind.into(),
    }
}

fn action_to_wire(item: &ActionItem) -> wire::ActionItem {
    wire::ActionItem { what: item.what.reveal().clone(), who: item.who.reveal().clone(), by_time: item.by.map(timestamp) }
}

fn safety_to_wire(safety: &Safety) -> wire::Safety {
    wire::Safety {
        hidden_address: safety.hidden_address,
        danger_from_parent: safety.danger_from_parent,
        self_harm: safety.self_harm,
        aggression: safety.aggression,
        plan: safety.plan.reveal().clone(),
    }
}

/// The wire form of a severity.
pub(crate) fn severity_to_wire(severity: Option<Severity>) -> wire::Severity {
    match severity {
        None => wire::Severity::Unspecified,
        Some(Severity::Stable) => wire::Severity::Stable,
        Some(Severity::Watcher) => wire::Severity::Watcher,
        Some(Severity::Unstable) => wire::Severity::Unstable,
    }
}

fn legal_to_wire(legal: &LegalStatus) -> wire::LegalStatus {
    let regime = match legal.regime {
        Regime::Jeugdwet => wire::legal_status::Regime::Jeugdwet,
        Regime::Wgbo => wire::legal_status::Regime::Wgbo,
        Regime::Wmo => wire::legal_status::Regime::Wmo,
        Regime::Wlz => wire::legal_status::Regime::Wlz,
    };
    let basis = match legal.basis {
        Basis::Consent => wire::legal_status::Basis::Consent,
        Basis::DirectlyInvolved => wire::legal_status::Basis::DirectlyInvolved,
        Basis::SupervisionOrder => wire::legal_status::Basis::SupervisionOrder,
        Basis::VitalInterest => wire::legal_status::Basis::VitalInterest,
    };
    let authority = match legal.authority {
        Authority::Unknown => wire::legal_status::Authority::Unspecified,
        Authority::BothParents => wire::legal_status::Authority::BothParents,
        Authority::OneParent => wire::legal_status::Authority::OneParent,
        Authority::Guardian => wire::legal_status::Authority::Guardian,
    };
    let identity_status = match legal.identity_status {
        IdentityStatus::Unverified => wire::legal_status::IdentityStatus::Unspecified,
        IdentityStatus::SuppliedByObligedParty => wire::legal_status::IdentityStatus::SuppliedByObligedParty,
        IdentityStatus::Verified => wire::legal_status::IdentityStatus::Verified,
    };
    let (consent_by, consent_on, no_consent_reason) = consent_to_wire(&legal.consent);
    wire::LegalStatus {
        regime: regime.into(),
        basis: basis.into(),
        consent_by,
        consent_on,
        no_consent_reason,
        authority: authority.into(),
        court_order: legal.court_order.as_ref().map(court_order_to_wire),
        identity_status: identity_status.into(),
    }
}

fn consent_to_wire(consent: &Consent) -> (Vec<i32>, Option<String>, Option<String>) {
    match consent {
        Consent::Absent { reason } => (Vec::new(), None, Some(reason.clone())),
        Consent::Given { by, on } => {
            let by = by.iter().map(|by| match by {
                ConsentBy::Youth => wire::legal_status::ConsentBy::Youth.into(),
                ConsentBy::AuthorityHolder => wire::legal_status::ConsentBy::AuthorityHolder.into(),
            });
            (by.collect(), Some(on.to_string()), None)
        }
    }
}

fn court_order_to_wire(order: &CourtOrder) -> wire::CourtOrder {
    wire::CourtOrder {
        granted: order.state == OrderState::Granted,
        kind: order.kind.clone(),
        on: order.on.to_string(),
        until: order.until.map(|day| day.to_string()),
    }
}

#[cfg(test)]
mod tests;
