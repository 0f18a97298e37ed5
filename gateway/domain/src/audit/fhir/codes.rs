//! Which code of which published system says what an entry says. Systems: HL7 terminology, DICOM, the identifier systems of FHIR.nl.

use serde_json::{Value, json};

use super::{OURS, reads};
use crate::audit::entry::{Entry, Object, User, UserKind};
use crate::audit::event::{Action, EventCode};
use crate::id::OrgId;
use crate::refusal::Lang;

/// Degrees of confidentiality.
pub(super) const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// What kind of system logs.
pub(super) const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
/// What kind of thing an object is.
pub(super) const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
/// What an object was in the event.
pub(super) const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
/// How somebody took part.
pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
/// DICOM's controlled terminology.
pub(super) const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const REST: &str = "http://hl7.org/fhir/restful-interaction";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const NAMING: &str = "http://fhir.nl/fhir/NamingSystem";

/// A code of a system.
pub(super) fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// The same as a concept, with its words.
pub(super) fn concept(system: &str, code: &str, text: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": text }], "text": text })
}

/// An organisation, by the register that numbers it.
pub(super) fn organization(org: &OrgId) -> Value {
    let text = org.as_str();
    let (scheme, number) = text.split_once(':').unwrap_or(("", text));
    let system = match scheme {
        "ura" => format!("{NAMING}/ura"),
        "kvk" => format!("{NAMING}/kvk"),
        "agb" => format!("{NAMING}/agb-z"),
        // No FHIR system of the OIN is published.
        other => format!("{OURS}:{other}"),
    };
    json!({ "system": system, "value": number })
}

/// A worker, by the register that numbers them.
pub(super) fn person(id: &str) -> Value {
    let (system, value) = match id.split_once(':') {
        Some(("uzi", number)) => (format!("{NAMING}/uzi-nr-pers"), number),
        Some(("big", number)) => (format!("{NAMING}/big"), number),
        Some((scheme @ ("skj" | "local"), number)) => (format!("{OURS}:person:{scheme}"), number),
        _ => (format!("{OURS}:person"), id),
    };
    json!({ "system": system, "value": value })
}

/// 7.2.1.
pub(super) fn event_type(entry: &Entry) -> Value {
    use EventCode as E;
    match entry.event.known() {
        Some(E::HandoverSent | E::MessageSent | E::HandoverExported | E::CaseExported | E::AdapterDelivered | E::AuditExported) => {
            coding(DICOM, "110106", "Export")
        }
        Some(E::HandoverReceived | E::ConsultationReceived | E::MessageReceived | E::CustodyReceived | E::PeerErased | E::PeerKeeps) => {
            coding(DICOM, "110107", "Import")
        }
        Some(E::AuditViewed | E::AuditVerified) => coding(DICOM, "110101", "Audit Log Used"),
        Some(E::Login | E::LoginFailed | E::Logout) => coding(DICOM, "110114", "User Authentication"),
        Some(E::GatewayStarted | E::GatewayStopped) => coding(DICOM, "110100", "Application Activity"),
        Some(
            E::BreakGlassStarted
            | E::BreakGlassEnded
            | E::AdminDirectAccess
            | E::RightsChanged
            | E::ConfigurationChanged
            | E::LogForked
            | E::CovenantActivated
            | E::CovenantRefused
            | E::PeerStopped
            | E::PeerResumed
            | E::RecoveryEntered
            | E::RecoveryLeft,
        ) => coding(DICOM, "110113", "Security Alert"),
        _ => coding(EVENT_TYPE, "rest", "RESTful Operation"),
    }
}

/// What was done, by the standard's word where it has one, and always by our own.
pub(super) fn subtypes(entry: &Entry) -> Vec<Value> {
    let standard = match entry.event.known() {
        Some(EventCode::GatewayStarted) => Some(coding(DICOM, "110120", "Application Start")),
        Some(EventCode::GatewayStopped) => Some(coding(DICOM, "110121", "Application Stop")),
        Some(EventCode::Login | EventCode::LoginFailed) => Some(coding(DICOM, "110122", "Login")),
        Some(EventCode::Logout) => Some(coding(DICOM, "110123", "Logout")),
        Some(EventCode::CaseSearched) => Some(coding(REST, "search-type", "search-type")),
        _ => match entry.event.action {
            Action::Create => Some(coding(REST, "create", "create")),
            Action::Read => Some(coding(REST, "read", "read")),
            Action::Update => Some(coding(REST, "update", "update")),
            Action::Delete => Some(coding(REST, "delete", "delete")),
            Action::Execute => None,
        },
    };
    let words = entry.event.known().map_or(entry.event.code.as_str(), |code| code.words(Lang::Nl));
    let ours = coding(&format!("{OURS}:event"), &entry.event.code, words);
    standard.into_iter().chain([ours]).collect()
}

/// How a user took part: who reads receives, who writes is the author; a program is an application.
pub(super) fn participation(user: &User, action: Action) -> Value {
    match user.kind {
        UserKind::Process => concept(DICOM, "110150", "Application"),
        UserKind::Organization => concept(DICOM, "110153", "Source Role ID"),
        UserKind::Person if reads(action) => concept(PARTICIPATION, "IRCP", "information recipient"),
        UserKind::Person => concept(PARTICIPATION, "AUT", "author"),
    }
}

/// Why it was done: the covenant's own word for it, under the nearest word of HL7.
pub(super) fn purpose(entry: &Entry) -> Value {
    use EventCode as E;
    let (code, words) = match entry.event.known() {
        Some(E::CaseErased | E::ErasureAsked | E::PeerErased) if entry.decision.rule.contains("avg-17") => ("PATRQT", "patient requested"),
        Some(E::CaseErased | E::ErasureAsked | E::CaseKept | E::PeerErased | E::PeerKeeps) => ("RECORDMGT", "records management"),
        Some(E::BreakGlassStarted | E::BreakGlassEnded) => ("BTG", "break the glass"),
        Some(E::AuditViewed | E::AuditVerified | E::AuditExported | E::LogForked) => ("HCOMPL", "health compliance"),
        _ if entry.objects.iter().any(|object| ["case", "consultation", "handover", "search"].contains(&object.kind.as_str())) => {
            ("ETREAT", "Emergency Treatment")
        }
        _ => ("HSYSADMIN", "health system administration"),
    };
    let text = entry.decision.purpose.as_deref().unwrap_or(words);
    json!({ "coding": [{ "system": REASON, "code": code, "display": words }], "text": text })
}

/// 7.4.1 and 7.4.2.
pub(super) fn entity(object: &Object) -> (Value, Value) {
    let kind = match object.kind.as_str() {
        "peer" | "organization" => coding(ENTITY_TYPE, "3", "Organization"),
        _ => coding(ENTITY_TYPE, "2", "System Object"),
    };
    let role = match object.kind.as_str() {
        "case" | "consultation" | "handover" | "message" => coding(OBJECT_ROLE, "4", "Domain Resource"),
        "search" => coding(OBJECT_ROLE, "24", "Query"),
        "covenant" | "party-record" | "configuration" | "log" | "act" => coding(OBJECT_ROLE, "13", "Security Resource"),
        _ => coding(OBJECT_ROLE, "20", "Job"),
    };
    (kind, role)
}

/// 7.4.11; a refusal changed nothing and has none.
pub(super) fn lifecycle(entry: &Entry) -> Option<Value> {
    if !entry.decision.allowed {
        return None;
    }
    let (code, display) = match (entry.event.known(), entry.event.action) {
        (Some(EventCode::CaseErased), _) => ("15", "Permanent erasure / Physical destruction"),
        (Some(EventCode::HandoverReceived | EventCode::ConsultationReceived | EventCode::CustodyReceived), _) => {
            ("12", "Receipt of disclosure")
        }
        (_, Action::Read) if !entry.sent.is_empty() => ("11", "Disclosure"),
        (_, Action::Create) => ("1", "Origination / Creation"),
        (_, Action::Read) => ("6", "Access / Use"),
        (_, Action::Update) => ("3", "Amendment"),
        (_, Action::Delete) => ("14", "Logical deletion"),
        (_, Action::Execute) => return None,
    };
    Some(coding(LIFECYCLE, code, display))
}
