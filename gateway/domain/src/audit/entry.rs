//! One record of the log (logregel), with the fields of NEN 7513:2018 chapter 7 and what the federation adds to them.
//!
//! The constructors take every mandatory field, so that none can be forgotten. An entry holds references and codes, never care content
//! and never a client's name or number. It holds neither its own index nor anything that depends on its own hash, so that its
//! bytes are final before it is appended.

use serde::{Deserialize, Serialize};

use self::form::check_shape;
pub use self::parts::{AccessPoint, CovenantRef, Decision, Epochs, Event, Object, Peer, Responsible, Source, User, UserKind};
use super::commitment::Commitment;
use super::tree;
use crate::canonical;
use crate::id::{Hash, RequestId};

mod form;
mod parts;

/// Version of the format; a verifier refuses the ones it does not know.
pub const FORMAT: u8 = 1;
/// Largest entry, in bytes: an entry bundle writes the length in two bytes.
pub const MAX_BYTES: usize = 65_535;
/// What an entry stays under in practice, in bytes.
pub const USUAL_BYTES: usize = 4_096;
/// Longest text of one field, in characters.
pub const MAX_TEXT: usize = 512;
/// Longest sentence of a decision, in characters: a grant's holds two names, a title and a purpose of a covenant, each up to 500.
pub const MAX_SENTENCE: usize = 2_560;
/// Most users of one entry.
pub const MAX_USERS: usize = 8;
/// Most objects of one entry.
pub const MAX_OBJECTS: usize = 16;
/// "No protocol": NEN 7513 allows it only where nothing was agreed, as for the start of the gateway itself.
pub const NO_PROTOCOL: &str = "none";

/// Why an entry cannot be written, or bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A mandatory field is empty, or a field does not have the form it must have.
    #[error("field {field}: {problem}")]
    Field {
        /// Path of the field: `users[0].role`.
        field: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Larger than [`MAX_BYTES`].
    #[error("an entry of {0} bytes does not fit; at most {MAX_BYTES}")]
    TooLarge(usize),
    /// The bytes are no canonical JSON, or miss a mandatory field.
    #[error("not an entry: {0}")]
    Form(String),
}

/// One record. Made with [`Entry::new`] and the `with` and `about` methods; its fields are public to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The format, always [`FORMAT`].
    #[serde(rename = "v")]
    pub format: u8,
    /// 7.2: what happened and when.
    pub event: Event,
    /// 7.3: who did it, one or more; the first is the one who acted.
    pub users: Vec<User>,
    /// 7.4: to what, one or more.
    pub objects: Vec<Object>,
    /// 7.5: where it was logged.
    pub source: Source,
    /// Allowed or denied, by which rule.
    pub decision: Decision,
    /// The client this is about, unreadable without the salt kept beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Commitment>,
    /// The other organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// Custody before and after, where the event touches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Epochs>,
    /// Trace that ties this to what the peer and our own systems logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The caller's key of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

impl Entry {
    /// A record with all mandatory fields: what happened, who did it, to what, where it is logged and what decided.
    #[must_use]
    pub fn new(event: Event, user: User, object: Object, source: Source, decision: Decision) -> Self {
        Self {
            format: FORMAT,
            event,
            users: vec![user],
            objects: vec![object],
            source,
            decision,
            client: None,
            peer: None,
            custody: None,
            trace: None,
            request: None,
        }
    }

    /// A further user, such as the second of two people.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// A further object.
    #[must_use]
    pub fn with_object(mut self, object: Object) -> Self {
        self.objects.push(object);
        self
    }

    /// The client it is about; one of the objects must then carry relation and consent ([`Object::about_client`]).
    #[must_use]
    pub fn with_client(mut self, client: Commitment) -> Self {
        self.client = Some(client);
        self
    }

    /// The other organisation's part.
    #[must_use]
    pub fn with_peer(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Custody epochs before and after.
    #[must_use]
    pub fn with_custody(mut self, before: u64, after: u64) -> Self {
        self.custody = Some(Epochs { before, after });
        self
    }

    /// The trace this belongs to.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }

    /// The command this belongs to.
    #[must_use]
    pub fn with_request(mut self, request: RequestId) -> Self {
        self.request = Some(request);
        self
    }

    /// The canonical bytes that are stored, hashed and exported.
    ///
    /// # Errors
    /// When a field is empty or too long, or the whole is larger than [`MAX_BYTES`].
    pub fn bytes(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let form = |error: &dyn std::fmt::Display| EntryError::Form(error.to_string());
        let value = serde_json::to_value(self).map_err(|error| form(&error))?;
        let bytes = canonical::to_bytes(&value).map_err(|error| form(&error))?;
        if bytes.len() > MAX_BYTES { Err(EntryError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// The leaf hash of this entry.
    ///
    /// # Errors
    /// As [`Entry::bytes`].
    pub fn leaf_hash(&self) -> Result<Hash, EntryError> {
        self.bytes().map(|bytes| tree::leaf_hash(&bytes))
    }

    /// Reads an entry and checks its form: canonical bytes, every mandatory field present and not empty. Fields this version does
    /// not know are allowed: a newer gateway may add them.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_BYTES {
            return Err(EntryError::TooLarge(bytes.len()));
        }
        let value = canonical::from_bytes(bytes).map_err(|error| EntryError::Form(error.to_string()))?;
        check_shape(&value)?;
        let entry = Entry::deserialize(&value).map_err(|error| EntryError::Form(error.to_string()))?;
        entry.check()?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::commitment::Salt;
    use crate::audit::event::{EventCode, Outcome};

    fn viewed() -> Entry {
        let covenant = CovenantRef { id: "gelderland".to_owned(), version: 3, clause: "4.2".to_owned() };
        let now = "2026-11-21T22:47:13.482901+01:00".parse().unwrap();
        Entry::new(
            Event::new(EventCode::HandoverViewed, Outcome::Done, now),
            User::person("p-1042", "crisis nurse").for_responsible(Responsible::new("p-0007", "physician")).at("console", "post 3"),
            Object::new("handover", "uuid", "0198f2c0-11aa-7cc0-8e55-2f6f0c3de901", covenant.protocol())
                .at_version("3")
                .about_client("handover-offered", "jeugdwet-7.3.11"),
            Source { org: "ura:90000382".parse().unwrap(), gateway: "gw-1".to_owned() },
            Decision::allowed("4.2", "The receiver of an offer may read it.").under(covenant, "handover"),
        )
        .with_client(Commitment::new(&Salt::new([1; 32]), "client 1"))
    }

    #[test]
    fn an_entry_is_written_as_canonical_json_with_every_field_of_the_norm() {
        let bytes = viewed().bytes().unwrap();

        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["event"], json!({"code": "handover-viewed", "action": "R", "time": "2026-11-21T21:47:13.482Z", "outcome": 0}));
        assert_eq!(value["users"][0]["responsible"], json!({"id": "p-0007", "role": "physician"}));
        assert_eq!(value["objects"][0]["authorization"], "covenant:gelderland:3#4.2");
        assert_eq!(canonical::to_bytes(&value).unwrap(), bytes);
        assert_eq!(Entry::parse(&bytes).unwrap(), viewed());
    }

    #[test]
    fn the_bytes_of_an_entry_never_change() {
        // Golden: a change here breaks every log that exists.
        assert_eq!(viewed().leaf_hash().unwrap().to_string(), "86df94209a2f0a10eccad39b262968ddf94eaa633f7e5566f072a9a511359c84");
    }

    #[test]
    fn no_mandatory_field_may_be_missing_or_empty() {
        let whole: Value = serde_json::from_slice(&viewed().bytes().unwrap()).unwrap();
        let mandatory = [
            "/v",
            "/event",
            "/event/code",
            "/event/action",
            "/event/time",
            "/event/outcome",
            "/users",
            "/users/0/id",
            "/users/0/role",
            "/users/0/initiator",
            "/users/0/kind",
            "/objects",
            "/objects/0/kind",
            "/objects/0/scheme",
            "/objects/0/id",
            "/objects/0/authorization",
            "/source",
            "/source/org",
            "/source/gateway",
            "/decision",
            "/decision/allowed",
            "/decision/rule",
            "/decision/sentence",
        ];
        for path in mandatory {
            let (parent, name) = path.rsplit_once('/').unwrap();
            for empty in [None, Some(json!("")), Some(json!([])), Some(Value::Null)] {
                let mut broken = whole.clone();
                let object = broken.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                match empty {
                    None => drop(object.remove(name)),
                    Some(value) => drop(object.insert(name.to_owned(), value)),
                }
                assert!(Entry::parse(&canonical::to_bytes(&broken).unwrap()).is_err(), "{path} in {broken}");
            }
        }
    }

    #[test]
    fn a_process_always_has_a_person_who_answers_for_it() {
        let mut entry = viewed();
        entry.users[0] = User::process("courier", "process", Responsible::new("p-0007", "duty officer"));
        assert!(entry.bytes().is_ok());

        entry.users[0].responsible = None;

        assert!(entry.bytes().unwrap_err().to_string().contains("person answers"));
    }

    #[test]
    fn an_entry_about_a_client_names_relation_and_consent() {
        let mut entry = viewed();

        entry.objects[0].consent = None;

        assert!(entry.bytes().unwrap_err().to_string().contains("consent"));
    }

    #[test]
    fn an_entry_has_bounds() {
        let wide = |length: usize| {
            let mut entry = viewed();
            entry.decision.sentence = "é".repeat(length);
            entry.bytes()
        };
        assert!(wide(MAX_TEXT).unwrap().len() < USUAL_BYTES);
        assert!(wide(MAX_SENTENCE).is_ok());
        assert!(wide(MAX_SENTENCE + 1).unwrap_err().to_string().contains("decision.sentence"));

        let many = (0..MAX_OBJECTS).fold(viewed(), |entry, _| entry.with_object(Object::new("case", "uuid", "x", NO_PROTOCOL)));
        assert!(many.bytes().unwrap_err().to_string().contains("objects"));

        let long = |_| Object::new("𝄞".repeat(512), "𝄞".repeat(512), "𝄞".repeat(512), "𝄞".repeat(512));
        let mut large = viewed();
        large.objects.extend((1..MAX_OBJECTS).map(long));
        assert!(matches!(large.bytes(), Err(EntryError::TooLarge(_))));
    }

    #[test]
    fn a_part_written_as_an_array_is_no_entry() {
        let mut value: Value = serde_json::from_slice(&viewed().bytes().unwrap()).unwrap();

        value["source"] = json!(["ura:90000382", "gw-1"]);

        assert!(Entry::parse(&canonical::to_bytes(&value).unwrap()).is_err());
    }

    #[test]
    fn a_field_of_a_newer_version_is_no_fault() {
        let mut value: Value = serde_json::from_slice(&viewed().bytes().unwrap()).unwrap();

        value["later"] = json!({"x": 1});

        assert_eq!(Entry::parse(&canonical::to_bytes(&value).unwrap()).unwrap(), viewed());
    }
}
