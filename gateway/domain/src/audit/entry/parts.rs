//! The parts of an entry, numbered as in NEN 7513:2018 chapter 7. Their constructors take what is mandatory.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::event::{Action, EventCode, Outcome};
use crate::id::{Hash, MessageId, OrgId};

/// 7.2: the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// 7.2.1: an [`EventCode`], as text because a newer gateway may know more of them.
    pub code: String,
    /// 7.2.2.
    pub action: Action,
    /// 7.2.3: UTC, in milliseconds, such as `2026-11-21T21:47:13.482Z`.
    pub time: String,
    /// 7.2.5.
    pub outcome: Outcome,
}

impl Event {
    /// An event at a moment; its action follows from its code.
    #[must_use]
    pub fn new(code: EventCode, outcome: Outcome, now: Timestamp) -> Self {
        Self { code: code.code().to_owned(), action: code.action(), time: format!("{now:.3}"), outcome }
    }

    /// Another action than the code's own: a refused request has the action that was asked for.
    #[must_use]
    pub fn with_action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// The event, when this version knows its code.
    #[must_use]
    pub fn known(&self) -> Option<EventCode> {
        EventCode::from_code(&self.code)
    }
}

/// What kind of user acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserKind {
    /// A natural person.
    Person,
    /// A program: a timer, an adapter, the gateway itself.
    Process,
    /// Another organisation, whose own log names the person.
    Organization,
}

/// 7.3: a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What kind of user.
    pub kind: UserKind,
    /// 7.3.1: a pseudonymous staff number, the name of a process, or an organisation's id.
    pub id: String,
    /// 7.3.4.
    pub role: String,
    /// 7.3.5: whether this user started it.
    pub initiator: bool,
    /// 7.3.6 and 7.3.8: the natural person who answers for it, when that is another than the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Responsible>,
    /// 7.3.9 and 7.3.10: from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point: Option<AccessPoint>,
}

impl User {
    /// A person who acts for themselves.
    #[must_use]
    pub fn person(id: impl Into<String>, role: impl Into<String>) -> Self {
        Self { kind: UserKind::Person, id: id.into(), role: role.into(), initiator: true, responsible: None, access_point: None }
    }

    /// A program, and the person who answers for what it does.
    #[must_use]
    pub fn process(id: impl Into<String>, role: impl Into<String>, responsible: Responsible) -> Self {
        Self { kind: UserKind::Process, responsible: Some(responsible), ..Self::person(id, role) }
    }

    /// Another organisation: at the source side NEN 7513 asks for the organisation, at the asking side for the person.
    #[must_use]
    pub fn organization(id: &OrgId, role: impl Into<String>) -> Self {
        Self { kind: UserKind::Organization, ..Self::person(id.as_str(), role) }
    }

    /// Somebody else answers for it: a nurse who acts for a physician, a person named by a peer.
    #[must_use]
    pub fn for_responsible(mut self, responsible: Responsible) -> Self {
        self.responsible = Some(responsible);
        self
    }

    /// From where: `("ip", "192.0.2.7")`, `("console", "post 3")`.
    #[must_use]
    pub fn at(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.access_point = Some(AccessPoint { kind: kind.into(), id: id.into() });
        self
    }

    /// This user took part but did not start it.
    #[must_use]
    pub fn not_initiator(mut self) -> Self {
        self.initiator = false;
        self
    }
}

/// 7.3.6 and 7.3.8: the responsible user, always a natural person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responsible {
    /// Pseudonymous staff number.
    pub id: String,
    /// Role.
    pub role: String,
}

impl Responsible {
    /// A person and the role in which they answer.
    #[must_use]
    pub fn new(id: impl Into<String>, role: impl Into<String>) -> Self {
        Self { id: id.into(), role: role.into() }
    }
}

/// 7.3.9 and 7.3.10: the access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPoint {
    /// Kind: `ip`, `host`, `console`, `adapter`.
    pub kind: String,
    /// Which one.
    pub id: String,
}

/// 7.4: an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is: `case`, `consultation`, `handover`, `covenant`, `peer`, `log`, `gateway`.
    pub kind: String,
    /// 7.4.1: the identifier's scheme: `uuid`, `ura`, `name`.
    pub scheme: String,
    /// 7.4.3: the identifier. Case ids are opaque and may stand here; a client's number may not.
    pub id: String,
    /// The version that was read or made, because the object may change later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// 7.4.6: covenant, version and clause under which this was allowed or denied, or [`NO_PROTOCOL`].
    pub authorization: String,
    /// 7.4.7: why this user has to do with this client, when the object is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// 7.4.8: the consent, or the ground that takes its place, when the object is about a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
}

impl Object {
    /// An object that is about no client, under a protocol: [`CovenantRef::protocol`] or [`NO_PROTOCOL`].
    #[must_use]
    pub fn new(kind: impl Into<String>, scheme: impl Into<String>, id: impl Into<String>, authorization: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            scheme: scheme.into(),
            id: id.into(),
            version: None,
            authorization: authorization.into(),
            relation: None,
            consent: None,
        }
    }

    /// Which version of the object.
    #[must_use]
    pub fn at_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// This object is about a client: the treatment relation and the consent profile belong to it.
    #[must_use]
    pub fn about_client(mut self, relation: impl Into<String>, consent: impl Into<String>) -> Self {
        self.relation = Some(relation.into());
        self.consent = Some(consent.into());
        self
    }
}

/// 7.5: where the record was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The organisation that keeps this log.
    pub org: OrgId,
    /// The gateway (replica) that wrote the record.
    pub gateway: String,
}

/// Which agreement decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CovenantRef {
    /// The covenant's id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// The clause that decided.
    pub clause: String,
}

impl CovenantRef {
    /// As authorisation protocol of an object: `covenant:gelderland:3#4.2`.
    #[must_use]
    pub fn protocol(&self) -> String {
        format!("covenant:{}:{}#{}", self.id, self.version, self.clause)
    }
}

/// Whether it was allowed, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Allowed or denied.
    pub allowed: bool,
    /// The rule that decided: a clause, a role rule or a reason code such as `NOT_LEAD`.
    pub rule: String,
    /// The one sentence that API, screen and log all show.
    pub sentence: String,
    /// The covenant, when one decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covenant: Option<CovenantRef>,
    /// The purpose under which it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

impl Decision {
    /// Allowed by a rule.
    #[must_use]
    pub fn allowed(rule: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { allowed: true, rule: rule.into(), sentence: sentence.into(), covenant: None, purpose: None }
    }

    /// Denied by a rule.
    #[must_use]
    pub fn denied(rule: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { allowed: false, ..Self::allowed(rule, sentence) }
    }

    /// The covenant that decided, and the purpose that was judged.
    #[must_use]
    pub fn under(mut self, covenant: CovenantRef, purpose: impl Into<String>) -> Self {
        self.covenant = Some(covenant);
        self.purpose = Some(purpose.into());
        self
    }
}

/// The other organisation's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Which organisation.
    pub org: OrgId,
    /// SHA-256 of the public key (SPKI) its TLS certificate had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<Hash>,
    /// Id of the message the peer sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Hash of the message the peer sent. Never the hash of a message of ours that carries this entry's own leaf hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Hash>,
    /// The leaf hash of the peer's own entry, as its message states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Hash>,
}

impl Peer {
    /// An organisation, with nothing said about it yet.
    #[must_use]
    pub fn new(org: OrgId) -> Self {
        Self { org, tls_key: None, message_id: None, message: None, leaf: None }
    }
}

/// A message that an act sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub id: MessageId,
    /// To whom.
    pub to: OrgId,
}

/// Custody epochs around the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}
