//! The dossier as a file holds it: read from a command, written into a notice. Same names in both directions.

use schakel_domain::dossier::{
    ActionItem, Authority, Basis, Bsn, Consent, ConsentBy, Contact, ContactKind, Contingency, CourtOrder, Dossier, Identity,
    IdentityStatus, LegalStatus, MAX_ITEMS, MAX_KEY_POINTS, MAX_TEXT, OrderState, Regime, Safety, Severity,
};
use schakel_domain::personal::{Personal, Words};
use serde_json::{Value, json};

use crate::json::{Fields, name_of, pick};

/// Longest short text; [`Dossier::check`] has the exact bound of each.
const SHORT: usize = 500;

const SEX: &[(&str, &str)] = &[("male", "male"), ("female", "female"), ("other", "other"), ("unknown", "unknown")];
pub(super) const SEVERITY: &[(&str, Severity)] =
    &[("stable", Severity::Stable), ("watcher", Severity::Watcher), ("unstable", Severity::Unstable)];
const CONTACT_KIND: &[(&str, ContactKind)] =
    &[("authority-holder", ContactKind::AuthorityHolder), ("safe", ContactKind::Safe), ("unsafe", ContactKind::Unsafe)];
const REGIME: &[(&str, Regime)] = &[("jeugdwet", Regime::Jeugdwet), ("wgbo", Regime::Wgbo), ("wmo", Regime::Wmo), ("wlz", Regime::Wlz)];
const BASIS: &[(&str, Basis)] = &[
    ("consent", Basis::Consent),
    ("directly-involved", Basis::DirectlyInvolved),
    ("supervision-order", Basis::SupervisionOrder),
    ("vital-interest", Basis::VitalInterest),
];
const CONSENT_BY: &[(&str, ConsentBy)] = &[("youth", ConsentBy::Youth), ("authority-holder", ConsentBy::AuthorityHolder)];
const AUTHORITY: &[(&str, Authority)] = &[
    ("both-parents", Authority::BothParents),
    ("one-parent", Authority::OneParent),
    ("guardian", Authority::Guardian),
    ("unknown", Authority::Unknown),
];
const ORDER_STATE: &[(&str, OrderState)] = &[("requested", OrderState::Requested), ("granted", OrderState::Granted)];
const IDENTITY_STATUS: &[(&str, IdentityStatus)] = &[
    ("unverified", IdentityStatus::Unverified),
    ("supplied-by-obliged-party", IdentityStatus::SuppliedByObligedParty),
    ("verified", IdentityStatus::Verified),
];

/// Reads the required field `dossier`, and checks its bounds and formats.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Box<Dossier>> {
    let dossier = fields.required_object("dossier", |f| {
        Some(Dossier {
            identity: f.object("identity", identity).unwrap_or_default(),
            age: f.whole("age", 130).and_then(|age| u8::try_from(age).ok()),
            legal: f.object("legal", legal),
            contacts: f.objects("contacts", MAX_ITEMS, contact),
            whereabouts: long(f, "whereabouts"),
            situation: long(f, "situation"),
            background: long(f, "background"),
            assessment: long(f, "assessment"),
            recommendation: long(f, "recommendation"),
            severity: f.one_of("severity", SEVERITY),
            actions: f.objects("actions", MAX_ITEMS, action),
            contingencies: f.objects("contingencies", MAX_ITEMS, contingency),
            safety: f.object("safety", safety).unwrap_or_default(),
            key_points: f.texts("key_points", MAX_KEY_POINTS, |text| Ok(Words::from(text))),
        })
    })?;
    for refusal in dossier.check().err().unwrap_or_default() {
        fields.report("dossier.", refusal);
    }
    Some(Box::new(dossier))
}

fn long(fields: &mut Fields<'_>, name: &str) -> Words {
    fields.text(name, MAX_TEXT).unwrap_or_default().into()
}

fn short(fields: &mut Fields<'_>, name: &str) -> String {
    fields.text(name, SHORT).unwrap_or_default()
}

fn identity(f: &mut Fields<'_>) -> Option<Identity> {
    Some(Identity {
        family_name: f.text("family_name", SHORT).map(Words::new),
        given_names: f.text("given_names", SHORT).map(Words::new),
        birth_date: f.date("birth_date").map(Personal::new),
        sex: f.one_of("sex", SEX).map(Words::from),
        bsn: f.parsed("bsn", |text| Bsn::parse(text).map_err(|refusal| refusal.detail)),
        postal_code: f.text("postal_code", SHORT).map(Words::new),
        house_number: f.text("house_number", SHORT).map(Words::new),
        address: f.text("address", SHORT).map(Words::new),
        telephone: f.text("telephone", SHORT).map(Words::new),
        municipality: f.text("municipality", 10),
    })
}

fn legal(f: &mut Fields<'_>) -> Option<LegalStatus> {
    let regime = f.required_one_of("regime", REGIME);
    let basis = f.required_one_of("basis", BASIS);
    let consent = f.required_object("consent", consent);
    let authority = f.one_of("authority", AUTHORITY).unwrap_or(Authority::Unknown);
    let court_order = f.object("court_order", court_order);
    let identity_status = f.one_of("identity_status", IDENTITY_STATUS).unwrap_or(IdentityStatus::Unverified);
    Some(LegalStatus { regime: regime?, basis: basis?, consent: consent?, authority, court_order, identity_status })
}

fn consent(f: &mut Fields<'_>) -> Option<Consent> {
    match f.required_one_of("state", &[("given", true), ("absent", false)]) {
        Some(true) => {
            let by = f.texts("by", CONSENT_BY.len(), |text| pick(CONSENT_BY, text));
            Some(Consent::Given { by, on: f.required_date("on")? })
        }
        Some(false) => Some(Consent::Absent { reason: f.words("reason", SHORT)? }),
        None => {
            f.give_up();
            None
        }
    }
}

fn court_order(f: &mut Fields<'_>) -> Option<CourtOrder> {
    let state = f.required_one_of("state", ORDER_STATE);
    let kind = short(f, "kind");
    let on = f.required_date("on");
    let until = f.date("until");
    Some(CourtOrder { state: state?, kind, on: on?, until })
}

fn contact(f: &mut Fields<'_>) -> Option<Contact> {
    let name = f.words("name", SHORT);
    let relation = short(f, "relation").into();
    let telephone = f.text("telephone", 50).map(Words::new);
    let kind = f.required_one_of("kind", CONTACT_KIND);
    Some(Contact { name: name?.into(), relation, telephone, kind: kind? })
}

fn action(f: &mut Fields<'_>) -> Option<ActionItem> {
    let what = f.words("what", SHORT);
    let who = short(f, "who").into();
    let by = f.moment("by");
    Some(ActionItem { what: what?.into(), who, by })
}

fn contingency(f: &mut Fields<'_>) -> Option<Contingency> {
    let when = f.words("when", SHORT);
    let then = f.words("then", SHORT);
    Some(Contingency { when: when?.into(), then: then?.into() })
}

fn safety(f: &mut Fields<'_>) -> Option<Safety> {
    Some(Safety {
        hidden_address: f.flag("hidden_address").unwrap_or_default(),
        danger_from_parent: f.flag("danger_from_parent").unwrap_or_default(),
        self_harm: f.flag("self_harm").unwrap_or_default(),
        aggression: f.flag("aggression").unwrap_or_default(),
        plan: long(f, "plan"),
    })
}

/// The dossier as a notice holds it: everything [`read`] reads.
pub(super) fn write(dossier: &Dossier) -> Value {
    let id = &dossier.identity;
    let safety = &dossier.safety;
    json!({
        "identity": {
            "family_name": id.family_name,
            "given_names": id.given_names,
            "birth_date": id.birth_date.as_ref().map(|date| date.reveal().to_string()),
            "sex": id.sex,
            "bsn": id.bsn.as_ref().map(Bsn::as_str),
            "postal_code": id.postal_code,
            "house_number": id.house_number,
            "address": id.address,
            "telephone": id.telephone,
            "municipality": id.municipality,
        },
        "age": dossier.age,
        "legal": dossier.legal.as_ref().map(write_legal),
        "contacts": dossier.contacts.iter().map(|contact| json!({
            "name": contact.name,
            "relation": contact.relation,
            "telephone": contact.telephone,
            "kind": name_of(CONTACT_KIND, &contact.kind),
        })).collect::<Vec<_>>(),
        "whereabouts": dossier.whereabouts,
        "situation": dossier.situation,
        "background": dossier.background,
        "assessment": dossier.assessment,
        "recommendation": dossier.recommendation,
        "severity": dossier.severity.map(|severity| name_of(SEVERITY, &severity)),
        "actions": dossier.actions.iter().map(|item| json!({
            "what": item.what,
            "who": item.who,
            "by": item.by.map(|by| by.to_string()),
        })).collect::<Vec<_>>(),
        "contingencies": dossier.contingencies.iter().map(|item| json!({ "when": item.when, "then": item.then })).collect::<Vec<_>>(),
        "safety": {
            "hidden_address": safety.hidden_address,
            "danger_from_parent": safety.danger_from_parent,
            "self_harm": safety.self_harm,
            "aggression": safety.aggression,
            "plan": safety.plan,
        },
        "key_points": dossier.key_points,
    })
}

fn write_legal(legal: &LegalStatus) -> Value {
    let consent = match &legal.consent {
        Consent::Given { by, on } => json!({
            "state": "given",
            "by": by.iter().map(|who| name_of(CONSENT_BY, who)).collect::<Vec<_>>(),
            "on": on.to_string(),
        }),
        Consent::Absent { reason } => json!({ "state": "absent", "reason": reason }),
    };
    json!({
        "regime": name_of(REGIME, &legal.regime),
        "basis": name_of(BASIS, &legal.basis),
        "consent": consent,
        "authority": name_of(AUTHORITY, &legal.authority),
        "court_order": legal.court_order.as_ref().map(|order| json!({
            "state": name_of(ORDER_STATE, &order.state),
            "kind": order.kind,
            "on": order.on.to_string(),
            "until": order.until.map(|until| until.to_string()),
        })),
        "identity_status": name_of(IDENTITY_STATUS, &legal.identity_status),
    })
}
