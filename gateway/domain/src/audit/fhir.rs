//! An entry as a FHIR R4 AuditEvent (4.0.1), so that programs of others can read who saw what. Neighbours: [`Entry`] has the fields of
//! NEN 7513:2018 chapter 7; `codes` says by which code of which published system each is written.
//!
//! Nothing is added that the entry does not hold, and what it holds is a reference or a code: the client is a commitment, which nobody can
//! open any more when the file was erased. The leaf hash stands in the event, so that whoever holds it can ask for the proof of exactly
//! this entry; the event itself is a translation, and the entry's own bytes are what is proven.

mod codes;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::codes::{coding, concept};
use super::entry::{AccessPoint, Entry, Object, Peer, Responsible, User, UserKind};
use super::event::Action;
use crate::id::{Hash, OrgId};

/// Our own codes: events, roles, and names of things that no register numbers.
pub const OURS: &str = "urn:schakel";

/// The AuditEvent of one entry at this place of the log of its source.
#[must_use]
pub fn audit_event(index: u64, leaf: Hash, entry: &Entry) -> Value {
    let mut agents: Vec<Value> = entry.users.iter().flat_map(|user| agents_of(user, entry)).collect();
    if let Some(peer) = &entry.peer {
        agents.push(peer_agent(peer, entry));
    }
    let receivers = entry.sent.iter().map(|sent| &sent.to).filter(|to| entry.peer.as_ref().is_none_or(|peer| peer.org != **to));
    let receivers: std::collections::BTreeSet<&OrgId> = receivers.collect();
    agents.extend(receivers.into_iter().map(|to| organization_agent(to, "110152", "Destination Role ID")));
    let mut entities: Vec<Value> = entry.objects.iter().map(|object| object_entity(object, entry)).collect();
    entities.extend(client_entity(entry));
    entities.extend(request_entity(entry));
    entities.push(log_entity(index, leaf, entry));

    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": format!("{}.{index}", entry.source.org.number()),
        "meta": { "security": [coding(codes::CONFIDENTIALITY, "R", "restricted")] },
        "type": codes::event_type(entry),
        "subtype": codes::subtypes(entry),
        "action": entry.event.action,
        "recorded": entry.event.time,
        "outcome": u8::from(entry.event.outcome).to_string(),
        "agent": agents,
        "source": {
            "site": entry.source.gateway,
            "observer": { "type": "Organization", "identifier": codes::organization(&entry.source.org), "display": entry.source.gateway },
            "type": [coding(codes::SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": entities,
        "purposeOfEvent": [codes::purpose(entry)],
    });
    if !entry.decision.sentence.is_empty() {
        // 7.2.6, the checks that were done: which rule said yes or no, in its own words.
        event["outcomeDesc"] = json!(format!("{} [{}]", entry.decision.sentence, entry.decision.rule));
    }
    event
}

/// 7.3: the user, and the natural person who answers, next to it.
fn agents_of(user: &User, entry: &Entry) -> Vec<Value> {
    let mut agent = json!({
        "type": codes::participation(user, entry.event.action),
        "role": [concept(&format!("{OURS}:role"), &code_of(&user.role), &user.role)],
        "who": who(user.kind, &user.id),
        "requestor": user.initiator,
        "policy": policies(entry),
        "purposeOfUse": [codes::purpose(entry)],
    });
    if let Some(point) = &user.access_point {
        agent["network"] = network(point);
    }
    let responsible = user.responsible.as_ref().map(responsible_agent);
    std::iter::once(agent).chain(responsible).collect()
}

/// 7.3.6 to 7.3.8.
fn responsible_agent(person: &Responsible) -> Value {
    json!({
        "type": concept(codes::PARTICIPATION, "RESP", "responsible party"),
        "role": [concept(&format!("{OURS}:role"), &code_of(&person.role), &person.role)],
        "who": who(UserKind::Person, &person.id),
        "requestor": false,
    })
}

/// The other organisation: it said something to us, or something went to it.
fn peer_agent(peer: &Peer, entry: &Entry) -> Value {
    let heard = peer.message_id.is_some() || peer.message.is_some() || entry.sent.is_empty();
    let (code, display) = if heard { ("110153", "Source Role ID") } else { ("110152", "Destination Role ID") };
    organization_agent(&peer.org, code, display)
}

fn organization_agent(org: &OrgId, code: &str, display: &str) -> Value {
    json!({
        "type": concept(codes::DICOM, code, display),
        "who": { "type": "Organization", "identifier": codes::organization(org) },
        "requestor": false,
    })
}

fn who(kind: UserKind, id: &str) -> Value {
    match kind {
        UserKind::Person => json!({ "type": "Practitioner", "identifier": codes::person(id) }),
        UserKind::Process => {
            json!({ "type": "Device", "identifier": { "system": format!("{OURS}:process"), "value": id } })
        }
        UserKind::Organization => {
            let identifier = id
                .parse()
                .map_or_else(|_| json!({ "system": format!("{OURS}:organization"), "value": id }), |org| codes::organization(&org));
            json!({ "type": "Organization", "identifier": identifier })
        }
    }
}

/// 7.3.9 and 7.3.10.
fn network(point: &AccessPoint) -> Value {
    match point.kind.as_str() {
        "ip" => json!({ "type": "2", "address": point.id }),
        "host" => json!({ "type": "1", "address": point.id }),
        kind => json!({ "type": "5", "address": format!("{OURS}:{}:{}", uri(kind), uri(&point.id)) }),
    }
}

/// 7.4.6, once per rule.
fn policies(entry: &Entry) -> Vec<String> {
    let mut all: Vec<String> = entry.objects.iter().map(|object| uri(&object.authorization)).collect();
    all.dedup();
    all
}

/// 7.4: an object.
fn object_entity(object: &Object, entry: &Entry) -> Value {
    let (kind, role) = codes::entity(object);
    let mut details = vec![detail("nen7513:autorisatieprotocol", &object.authorization)];
    details.extend(object.relation.as_ref().map(|relation| detail("nen7513:behandelrelatieprotocol", relation)));
    details.extend(object.consent.as_ref().map(|consent| detail("nen7513:toestemmingsprofiel", consent)));
    details.extend(object.version.as_ref().map(|version| detail("version", version)));
    details.push(detail("kind", &object.kind));
    let mut entity = json!({ "what": what(object), "type": kind, "role": role, "detail": details });
    if let Some(stage) = codes::lifecycle(entry) {
        entity["lifecycle"] = stage;
    }
    if object.relation.is_some() {
        entity["securityLabel"] = json!([coding(codes::CONFIDENTIALITY, "R", "restricted")]);
    }
    if object.kind == "search" {
        // 7.4.12.
        entity["query"] = json!(STANDARD.encode(&object.id));
    }
    entity
}

/// 7.4.1 and 7.4.3.
fn what(object: &Object) -> Value {
    let identifier = match object.scheme.as_str() {
        "uuid" => json!({ "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", object.id) }),
        scheme => match format!("{scheme}:{}", object.id).parse() {
            Ok(org) => codes::organization(&org),
            Err(_) => json!({ "system": format!("{OURS}:{}", uri(&object.kind)), "value": object.id }),
        },
    };
    json!({ "identifier": identifier })
}

/// The client, as far as an entry ever speaks of one: a commitment that only who holds its salt can open.
fn client_entity(entry: &Entry) -> Option<Value> {
    let commitment = serde_json::to_value(entry.client?).ok()?;
    Some(json!({
        "what": { "type": "Patient", "identifier": { "system": format!("{OURS}:client-commitment"), "value": commitment } },
        "type": coding(codes::ENTITY_TYPE, "1", "Person"),
        "role": coding(codes::OBJECT_ROLE, "1", "Patient"),
    }))
}

/// The caller's key of the command, as IHE BALP writes it.
fn request_entity(entry: &Entry) -> Option<Value> {
    let request = entry.request?;
    Some(json!({
        "what": { "identifier": { "value": request.to_string() } },
        "type": coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId", "XrequestId"),
    }))
}

/// Where the entry stands, what it sent, and the ends that pair it with the peer's log.
fn log_entity(index: u64, leaf: Hash, entry: &Entry) -> Value {
    let mut details = vec![detail("leaf-hash", &leaf.to_string())];
    details.extend(entry.sent.iter().map(|sent| detail("sent", &format!("{} {}", sent.id, sent.to))));
    if let Some(peer) = &entry.peer {
        details.extend(peer.message_id.map(|id| detail("peer-message-id", &id.to_string())));
        details.extend(peer.message.map(|hash| detail("peer-message-hash", &hash.to_string())));
        details.extend(peer.leaf.map(|leaf| detail("peer-leaf-hash", &leaf.to_string())));
        details.extend(peer.tls_key.map(|key| detail("peer-tls-key", &key.to_string())));
    }
    if let Some(custody) = entry.custody {
        details.push(detail("custody", &format!("{} to {}", custody.before, custody.after)));
    }
    details.extend(entry.trace.as_ref().map(|trace| detail("trace", trace)));
    json!({
        "what": { "identifier": { "system": format!("{OURS}:log:{}", entry.source.org), "value": index.to_string() } },
        "type": coding(codes::ENTITY_TYPE, "2", "System Object"),
        "role": coding(codes::OBJECT_ROLE, "13", "Security Resource"),
        "detail": details,
    })
}

fn detail(kind: &str, value: &str) -> Value {
    json!({ "type": kind, "valueString": value })
}

/// A code has no white space but single blanks within.
fn code_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A URI has no white space.
fn uri(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("%20")
}

/// Whether an action took something out, for [`codes`].
fn reads(action: Action) -> bool {
    action == Action::Read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::commitment::{Commitment, Salt};
    use crate::audit::entry::{CovenantRef, Decision, Event, Sent, Source};
    use crate::audit::event::{EventCode, Outcome};

    fn viewed() -> Entry {
        let covenant = CovenantRef { id: "gelderland".to_owned(), version: 3, clause: "4.2".to_owned() };
        let now = "2026-11-21T22:47:13.482901+01:00".parse().unwrap();
        let mut entry = Entry::new(
            Event::new(EventCode::HandoverViewed, Outcome::Done, now),
            User::person("uzi:900012345", "crisis nurse")
                .for_responsible(Responsible::new("big:90005432101", "physician"))
                .at("door", "care"),
            Object::new("handover", "uuid", "0198f2c0-11aa-7cc0-8e55-2f6f0c3de901", covenant.protocol())
                .at_version("3")
                .about_client("handover-offered", "jeugdwet-7.3.11"),
            Source { org: "ura:90000382".parse().unwrap(), gateway: "gw-1".to_owned() },
            Decision::allowed("4.2", "De ontvanger van een aanbod mag het lezen.").under(covenant, "crisishulp"),
        );
        entry.client = Some(Commitment::new(&Salt::new([7; 32]), "bsn:999900006"));
        entry.sent = vec![Sent { id: "0198f2c0-11aa-7cc0-8e55-2f6f0c3de902".parse().unwrap(), to: "kvk:90000101".parse().unwrap() }];
        entry
    }

    #[test]
    fn every_mandatory_field_of_the_norm_has_its_place() {
        let event = audit_event(48_213, Hash([1; 32]), &viewed());

        assert_eq!(event["type"]["code"], "rest", "7.2.1");
        assert_eq!(
            (&event["action"], &event["recorded"], &event["outcome"]),
            (&json!("R"), &json!("2026-11-21T21:47:13.482Z"), &json!("0"))
        );
        let agents = event["agent"].as_array().unwrap();
        assert_eq!(agents.len(), 3, "user, responsible person, receiver");
        assert_eq!(
            agents[0]["who"]["identifier"],
            json!({ "system": "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers", "value": "900012345" })
        );
        assert_eq!((&agents[0]["role"][0]["text"], &agents[0]["requestor"]), (&json!("crisis nurse"), &json!(true)), "7.3.4, 7.3.5");
        assert_eq!(agents[0]["policy"], json!(["covenant:gelderland:3#4.2"]), "7.4.6");
        assert_eq!(agents[1]["type"]["coding"][0]["code"], "RESP", "7.3.6");
        assert_eq!(agents[2]["who"]["identifier"]["system"], "http://fhir.nl/fhir/NamingSystem/kvk");
        let object = &event["entity"][0];
        assert_eq!(object["what"]["identifier"]["value"], "urn:uuid:0198f2c0-11aa-7cc0-8e55-2f6f0c3de901", "7.4.3");
        let kinds: Vec<&str> = object["detail"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
        assert_eq!(kinds[..3], ["nen7513:autorisatieprotocol", "nen7513:behandelrelatieprotocol", "nen7513:toestemmingsprofiel"]);
        assert_eq!(event["source"]["observer"]["identifier"]["value"], "90000382", "7.5");
        assert!(!event.to_string().contains("999900006"), "the client is a commitment");
    }

    #[test]
    fn every_event_of_the_catalogue_becomes_one_with_a_type_an_action_and_a_purpose() {
        for code in EventCode::ALL {
            for outcome in [Outcome::Done, Outcome::Refused] {
                let now = "2026-11-21T22:47:13Z".parse().unwrap();
                let event = audit_event(0, Hash([0; 32]), &Entry { event: Event::new(*code, outcome, now), ..viewed() });

                assert!(
                    event["type"]["code"].is_string() && event["purposeOfEvent"][0]["coding"][0]["code"].is_string(),
                    "{}",
                    code.code()
                );
                assert_eq!(event["subtype"].as_array().unwrap().last().unwrap()["code"], code.code());
            }
        }
    }
}
