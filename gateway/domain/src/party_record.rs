//! What a party may change alone: where its gateway is, which keys it uses, who answers the telephone.
//!
//! A party record is signed by that party alone under its root key in the covenant, numbered, and expires. Expiry is alarmed beforehand
//! and stops new questions and offers; messages of what is already open are judged by the newest record held, expired or not.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::checkpoint::origin;
use crate::audit::note::{KeyType, Vkey};
use crate::canonical;
use crate::covenant::Telephone;
use crate::id::{Hash, InvalidId, OrgId};
use crate::refusal::{Reason, Refusal, Stage};
use crate::signature::{Jws, Kind, PublicKey, SecretKey};

/// Largest record that is read, in bytes.
pub const MAX_RECORD_BYTES: usize = 64 << 10;
/// Most keys or telephone numbers in one record.
const MAX_LIST: usize = 16;
/// Longest label, in characters.
const MAX_LABEL: usize = 100;
/// Highest number a record may have: canonical JSON holds no larger one.
const MAX_NUMBER: u64 = 1 << 53;
/// Longest life of a record.
const MAX_LIFE: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How far two clocks may differ before a record counts as made in the future.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// Days before expiry on which an alarm sounds, first one first.
pub const ALARM_DAYS: [u16; 5] = [60, 30, 14, 7, 1];

/// Where a gateway listens for other gateways: `host:port`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

impl Endpoint {
    /// The endpoint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host name or address, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.rsplit_once(':').map_or("", |(host, _)| host).trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
    }
}

impl FromStr for Endpoint {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let problem = "expected host:port such as gateway.example.nl:8443, an IPv6 address between [ and ]".to_owned();
        let fail = || InvalidId { what: "endpoint", problem: problem.clone() };
        let (host, port) = text.rsplit_once(':').ok_or_else(fail)?;
        let digits = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
        let name = |host: &str| {
            let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            host.len() <= 253 && host.split('.').all(label)
        };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::parse::<std::net::Ipv6Addr>);
        let good = address.map_or_else(|| name(host), |parsed| parsed.is_ok());
        if port.is_some() && good { Ok(Self(text.to_owned())) } else { Err(fail()) }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which TLS certificates are this party's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsBinding {
    /// SHA-256 of the public key (SubjectPublicKeyInfo) of each certificate in use or about to be.
    pub spki_sha256: Vec<Hash>,
    /// The URI in the certificate's subject alternative name.
    pub san_uri: String,
}

impl TlsBinding {
    /// Whether a certificate with this public key hash and this URI is the party's.
    #[must_use]
    pub fn holds(&self, spki: &Hash, san_uri: &str) -> bool {
        self.spki_sha256.contains(spki) && self.san_uri == san_uri
    }
}

/// A key that signs messages, in a period, half open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// The public key. Its id is [`PublicKey::key_id`].
    pub key: PublicKey,
    /// From this moment on.
    pub from: Timestamp,
    /// Up to this moment.
    pub until: Timestamp,
}

impl SigningKey {
    /// The key's id, as it stands beside a signature.
    #[must_use]
    pub fn kid(&self) -> String {
        self.key.key_id()
    }

    /// Whether the key may sign at this moment.
    #[must_use]
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// A telephone number and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelephoneEntry {
    /// What it is for: "crisisdienst, dag en nacht".
    pub label: String,
    /// The number.
    pub number: Telephone,
}

/// What a party says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyRecord {
    /// Who.
    pub org: OrgId,
    /// Higher than the one before it.
    pub number: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it no longer carries new questions and offers.
    pub expires: Timestamp,
    /// Where the gateway listens for other gateways.
    pub endpoint: Endpoint,
    /// Which TLS certificates are the party's.
    pub tls: TlsBinding,
    /// Which keys sign its messages.
    pub signing_keys: Vec<SigningKey>,
    /// Numbers, most useful one first.
    pub telephones: Vec<TelephoneEntry>,
    /// Who picks up now, when nothing else is known.
    pub duty: TelephoneEntry,
    /// The keys of its audit log; without them nobody can cosign its log, nor it another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogKeys>,
}

/// The keys of an organisation's audit log (C2SP signed-note), both under the log's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKeys {
    /// Signs the heads of its own log.
    pub key: Vkey,
    /// Cosigns the heads of others' logs.
    pub cosigner: Vkey,
}

impl LogKeys {
    /// Whether both are keys of this organisation and of their kind.
    fn sound(&self, org: &OrgId) -> bool {
        let named = [&self.key, &self.cosigner].iter().all(|vkey| vkey.name() == origin(org));
        named && self.key.key_type() == KeyType::Ed25519 && self.cosigner.key_type() == KeyType::Cosignature
    }
}

impl PartyRecord {
    /// The bytes that are signed: RFC 8785 JSON.
    ///
    /// # Errors
    /// `INVALID_FIELD` when the number is too large to be written exactly.
    pub fn canonical(&self) -> Result<Vec<u8>, Refusal> {
        let value = serde_json::to_value(self).map_err(|_| Refusal::field("party_record", "a record of texts and numbers"))?;
        canonical::to_bytes(&value).map_err(|why| Refusal::field("party_record.number", why.to_string()))
    }

    /// Signs the record with the party's root key.
    ///
    /// # Errors
    /// `INVALID_FIELD` with the field that is wrong.
    pub fn sign(self, root_key: &SecretKey) -> Result<SignedPartyRecord, Refusal> {
        self.sound()?;
        let jws = root_key.sign_detached(Kind::PartyRecord, &self.canonical()?);
        Ok(SignedPartyRecord { record: self, jws })
    }

    /// The signing key with this id, whether or not it is valid now.
    #[must_use]
    pub fn signing_key(&self, kid: &str) -> Option<&SigningKey> {
        self.signing_keys.iter().find(|entry| entry.kid() == kid)
    }

    /// The moments at which an alarm sounds, in order.
    #[must_use]
    pub fn alarms(&self) -> Vec<(u16, Timestamp)> {
        let at = |days: u16| self.expires.checked_sub(SignedDuration::from_hours(i64::from(days) * 24)).ok();
        ALARM_DAYS.iter().filter_map(|days| Some((*days, at(*days)?))).collect()
    }

    /// Checks the record's own parts.
    fn sound(&self) -> Result<(), Refusal> {
        let rule = |holds: bool, path: &str, expected: &str| {
            if holds { Ok(()) } else { Err(Refusal::field(format!("party_record.{path}"), expected)) }
        };
        let label = |text: &str| !text.trim().is_empty() && text.chars().count() <= MAX_LABEL && !text.chars().any(char::is_control);
        rule((1..=MAX_NUMBER).contains(&self.number), "number", "a number from 1 to 2^53")?;
        rule(self.issued < self.expires, "expires", "a moment after `issued`")?;
        rule(self.issued.duration_until(self.expires) <= MAX_LIFE, "expires", "at most 400 days after `issued`")?;
        rule((1..=MAX_LIST).contains(&self.tls.spki_sha256.len()), "tls.spki_sha256", "1 to 16 hashes")?;
        rule(label(&self.tls.san_uri) && self.tls.san_uri.contains(':'), "tls.san_uri", "a URI of at most 100 characters")?;
        rule((1..=MAX_LIST).contains(&self.signing_keys.len()), "signing_keys", "1 to 16 keys")?;
        rule(self.signing_keys.iter().all(|key| key.from < key.until), "signing_keys", "`until` after `from`")?;
        rule((1..=MAX_LIST).contains(&self.telephones.len()), "telephones", "1 to 16 numbers")?;
        let labels = self.telephones.iter().chain([&self.duty]).all(|entry| label(&entry.label));
        rule(labels, "telephones.label", "1 to 100 characters without control characters")?;
        rule(self.log.as_ref().is_none_or(|log| log.sound(&self.org)), "log", "the organisation's own log key and cosigning key")
    }
}

/// A party record with its signature: one JSON file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPartyRecord {
    /// What the party says.
    pub record: PartyRecord,
    /// Its signature under its root key.
    pub jws: Jws,
}

impl SignedPartyRecord {
    /// Reads a record; nothing about it is checked yet.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is too large or not a record.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(Refusal::field("party_record", format!("at most {MAX_RECORD_BYTES} bytes")));
        }
        let place = |error: serde_json::Error| format!("a party record; unreadable at line {} column {}", error.line(), error.column());
        serde_json::from_slice(bytes).map_err(|error| Refusal::field("party_record", place(error)))
    }

    /// The record as a JSON file, indented, ending in a newline.
    ///
    /// # Panics
    /// Never: a record holds texts and whole numbers only.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a record holds only maps with text keys, texts and integers");
        text.push('\n');
        text
    }

    /// Checks that the party with this root key signed exactly this record.
    ///
    /// # Errors
    /// `BAD_SIGNATURE`, or `INVALID_FIELD` with the field that is wrong.
    pub fn verify(&self, root_key: &PublicKey) -> Result<(), Refusal> {
        let payload = self.record.canonical()?;
        let bad = |why: crate::signature::BadSignature| {
            Refusal::new(Stage::Peer, Reason::BadSignature).because(format!("party record of {}: {why}", self.record.org))
        };
        self.jws.verify(Kind::PartyRecord, &payload, root_key).map_err(bad)?;
        self.record.sound()
    }
}

/// How long a party's record still carries new things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStanding {
    /// For more than 60 days.
    Valid {
        /// Time left.
        expires_in: SignedDuration,
    },
    /// For 60 days or less: somebody must act.
    ExpiresSoon {
        /// Time left.
        expires_in: SignedDuration,
        /// Which of [`ALARM_DAYS`] was reached last.
        alarm: u16,
    },
    /// No longer: new questions and offers to and from this party are stopped.
    Expired {
        /// Since when.
        since: Timestamp,
    },
    /// No record is held.
    None,
}

/// What became of a record that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is the newest now.
    Newer,
    /// It was held already.
    Same,
}

/// The newest record of each party.
#[derive(Debug, Clone, Default)]
pub struct RecordBook {
    records: BTreeMap<OrgId, SignedPartyRecord>,
}

impl RecordBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a record that says it is of `org`, whose root key is this. For loading what was accepted before use [`RecordBook::restore`].
    ///
    /// # Errors
    /// `IDENTITY_MISMATCH` when it is of another party, `BAD_SIGNATURE` when it was altered, `PARTY_RECORD_EXPIRED` when it had expired on
    /// arrival, `COVENANT_OUTDATED` when a newer one is held or its number was used before, `INVALID_FIELD` when a part of it is wrong.
    pub fn accept(&mut self, signed: SignedPartyRecord, org: &OrgId, root_key: &PublicKey, now: Timestamp) -> Result<Accepted, Refusal> {
        let record = &signed.record;
        if record.org != *org {
            let why = format!("a party record of {} offered as that of {org}", record.org);
            return Err(Refusal::new(Stage::Peer, Reason::IdentityMismatch).because(why));
        }
        signed.verify(root_key)?;
        if record.expires <= now {
            return Err(expired(org, record.expires));
        }
        if now.duration_until(record.issued) > CLOCK_DIFFERENCE {
            return Err(Refusal::field("party_record.issued", "a moment that has passed; compare the clocks"));
        }
        if let Some(held) = self.records.get(org) {
            if held.record == *record {
                return Ok(Accepted::Same);
            }
            if held.record.number >= record.number {
                let why = format!("party record {} of {org}; number {} is held", record.number, held.record.number);
                return Err(Refusal::new(Stage::Peer, Reason::CovenantOutdated).because(why));
            }
        }
        self.records.insert(org.clone(), signed);
        Ok(Accepted::Newer)
    }

    /// Puts back a record from our own store: its signature still has to hold, but it may have expired meanwhile.
    ///
    /// # Errors
    /// `BAD_SIGNATURE` or `INVALID_FIELD` when the stored record went bad.
    pub fn restore(&mut self, signed: SignedPartyRecord, root_key: &PublicKey) -> Result<(), Refusal> {
        signed.verify(root_key)?;
        let newer = self.records.get(&signed.record.org).is_none_or(|held| held.record.number < signed.record.number);
        if newer {
            self.records.insert(signed.record.org.clone(), signed);
        }
        Ok(())
    }

    /// How long this party's record still carries new things.
    #[must_use]
    pub fn standing(&self, org: &OrgId, now: Timestamp) -> RecordStanding {
        let Some(record) = self.newest(org) else { return RecordStanding::None };
        let expires_in = now.duration_until(record.expires);
        if expires_in <= SignedDuration::ZERO {
            return RecordStanding::Expired { since: record.expires };
        }
        let reached = |days: &&u16| expires_in <= SignedDuration::from_hours(i64::from(**days) * 24);
        match ALARM_DAYS.iter().rev().find(reached) {
            Some(alarm) => RecordStanding::ExpiresSoon { expires_in, alarm: *alarm },
            None => RecordStanding::Valid { expires_in },
        }
    }

    /// The record by which a new question or offer to or from this party is handled.
    ///
    /// # Errors
    /// `PARTY_RECORD_EXPIRED`, or `UNKNOWN_PEER` when no record is held.
    pub fn for_new(&self, org: &OrgId, now: Timestamp) -> Result<&PartyRecord, Refusal> {
        let none = || Refusal::new(Stage::Peer, Reason::UnknownPeer).because(format!("no party record of {org} is held"));
        let record = self.newest(org).ok_or_else(none)?;
        if record.expires <= now { Err(expired(org, record.expires)) } else { Ok(record) }
    }

    /// The newest record, expired or not: messages of what is already open are judged by it.
    #[must_use]
    pub fn newest(&self, org: &OrgId) -> Option<&PartyRecord> {
        self.records.get(org).map(|signed| &signed.record)
    }

    /// The newest record with its signature, to be passed on.
    #[must_use]
    pub fn signed(&self, org: &OrgId) -> Option<&SignedPartyRecord> {
        self.records.get(org)
    }

    /// Every record held, by organisation.
    pub fn iter(&self) -> impl Iterator<Item = &SignedPartyRecord> {
        self.records.values()
    }
}

fn expired(org: &OrgId, since: Timestamp) -> Refusal {
    Refusal::new(Stage::Peer, Reason::PartyRecordExpired).because(format!("the party record of {org} expired at {since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: [u8; 32] = [1; 32];

    fn now() -> Timestamp {
        "2026-11-22T02:14:00Z".parse().unwrap()
    }

    fn days(count: i64) -> SignedDuration {
        SignedDuration::from_hours(24 * count)
    }

    fn root() -> SecretKey {
        SecretKey::from_seed(&ROOT).unwrap()
    }

    fn org() -> OrgId {
        "ura:90000102".parse().unwrap()
    }

    fn telephone(label: &str) -> TelephoneEntry {
        TelephoneEntry { label: label.to_owned(), number: "+31000000102".parse().unwrap() }
    }

    fn record(number: u64) -> PartyRecord {
        PartyRecord {
            org: org(),
            number,
            issued: now() - days(1),
            expires: now() + days(90),
            endpoint: "127.0.0.1:8443".parse().unwrap(),
            tls: TlsBinding { spki_sha256: vec![Hash::sha256(b"spki")], san_uri: "urn:schakel:ura:90000102".to_owned() },
            signing_keys: vec![SigningKey {
                key: SecretKey::from_seed(&[2; 32]).unwrap().public(),
                from: now() - days(1),
                until: now() + days(400),
            }],
            telephones: vec![telephone("crisisdienst")],
            duty: telephone("dienstdoende"),
            log: None,
        }
    }

    fn accept(book: &mut RecordBook, record: PartyRecord) -> Result<Accepted, Refusal> {
        book.accept(record.sign(&root()).unwrap(), &org(), &root().public(), now())
    }

    #[test]
    fn the_newest_record_wins_and_an_older_one_is_refused() {
        let mut book = RecordBook::new();

        assert_eq!(accept(&mut book, record(2)), Ok(Accepted::Newer));
        assert_eq!(accept(&mut book, record(2)), Ok(Accepted::Same));
        assert_eq!(accept(&mut book, record(1)).unwrap_err().reason, Reason::CovenantOutdated);
        assert_eq!(accept(&mut book, record(3)), Ok(Accepted::Newer));
        assert_eq!(book.newest(&org()).unwrap().number, 3);
    }

    #[test]
    fn another_text_under_a_used_number_is_refused() {
        let mut book = RecordBook::new();
        accept(&mut book, record(2)).unwrap();
        let moved = PartyRecord { endpoint: "elsewhere.example:1".parse().unwrap(), ..record(2) };

        assert_eq!(accept(&mut book, moved).unwrap_err().reason, Reason::CovenantOutdated);
        assert_eq!(book.newest(&org()).unwrap().endpoint.as_str(), "127.0.0.1:8443");
    }

    #[test]
    fn an_altered_or_foreign_record_is_refused() {
        let mut book = RecordBook::new();
        let mut altered = record(1).sign(&root()).unwrap();
        altered.record.endpoint = "evil.example:8443".parse().unwrap();
        let other = SecretKey::from_seed(&[9; 32]).unwrap();
        let stranger = "ura:90000103".parse().unwrap();

        let refusal = |signed, org: &OrgId, book: &mut RecordBook| book.accept(signed, org, &root().public(), now()).unwrap_err().reason;
        assert_eq!(refusal(altered, &org(), &mut book), Reason::BadSignature);
        assert_eq!(refusal(record(1).sign(&other).unwrap(), &org(), &mut book), Reason::BadSignature);
        assert_eq!(refusal(record(1).sign(&root()).unwrap(), &stranger, &mut book), Reason::IdentityMismatch);
        assert_eq!(book.standing(&org(), now()), RecordStanding::None);
    }

    #[test]
    fn a_record_that_expired_on_arrival_or_comes_from_the_future_is_refused() {
        let mut book = RecordBook::new();
        let late = PartyRecord { issued: now() - days(10), expires: now(), ..record(1) };
        let early = PartyRecord { issued: now() + days(1), ..record(1) };

        assert_eq!(accept(&mut book, late).unwrap_err().reason, Reason::PartyRecordExpired);
        assert_eq!(accept(&mut book, early).unwrap_err().field.as_deref(), Some("party_record.issued"));
    }

    #[test]
    fn expiry_is_alarmed_before_it_stops_new_things() {
        let mut book = RecordBook::new();
        accept(&mut book, record(1)).unwrap();
        let standing = |day: i64| book.standing(&org(), now() + days(day));

        assert_eq!(standing(0), RecordStanding::Valid { expires_in: days(90) });
        for (day, alarm) in [(30, 60), (59, 60), (60, 30), (76, 14), (83, 7), (89, 1)] {
            assert_eq!(standing(day), RecordStanding::ExpiresSoon { expires_in: days(90 - day), alarm }, "day {day}");
        }
        assert_eq!(standing(90), RecordStanding::Expired { since: now() + days(90) });
        assert_eq!(book.newest(&org()).unwrap().alarms()[0], (60, now() + days(30)));
    }

    #[test]
    fn an_expired_record_stops_new_things_and_still_judges_what_is_open() {
        let mut book = RecordBook::new();
        accept(&mut book, record(1)).unwrap();
        let later = now() + days(91);

        assert_eq!(book.for_new(&org(), later).unwrap_err().reason, Reason::PartyRecordExpired);
        assert_eq!(book.newest(&org()).unwrap().number, 1);
        assert!(book.for_new(&org(), now()).is_ok());
    }

    #[test]
    fn a_stored_record_comes_back_after_it_expired() {
        let mut book = RecordBook::new();
        let old = PartyRecord { issued: now() - days(100), expires: now() - days(10), ..record(4) };
        let file = old.sign(&root()).unwrap().to_json();

        book.restore(SignedPartyRecord::from_json(file.as_bytes()).unwrap(), &root().public()).unwrap();

        assert!(matches!(book.standing(&org(), now()), RecordStanding::Expired { .. }));
    }

    #[test]
    fn a_record_with_an_empty_or_endless_part_is_not_signed() {
        for (wrong, field) in [
            (PartyRecord { number: 0, ..record(1) }, "party_record.number"),
            (PartyRecord { signing_keys: Vec::new(), ..record(1) }, "party_record.signing_keys"),
            (PartyRecord { telephones: vec![telephone("x"); 17], ..record(1) }, "party_record.telephones"),
            (PartyRecord { expires: now() + days(500), ..record(1) }, "party_record.expires"),
            (PartyRecord { duty: telephone(" "), ..record(1) }, "party_record.telephones.label"),
        ] {
            assert_eq!(wrong.sign(&root()).unwrap_err().field.as_deref(), Some(field));
        }
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let local: Endpoint = "[::1]:8443".parse().unwrap();
        assert_eq!((local.host(), local.port()), ("::1", 8443));
        for bad in ["host", "host:", "host:0", "host:65536", ":1", "a b:1", "http://x:1", "[::1:1", "x/y:1", "host:+1"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_must_match_key_and_name() {
        let tls = record(1).tls;

        assert!(tls.holds(&Hash::sha256(b"spki"), "urn:schakel:ura:90000102"));
        assert!(!tls.holds(&Hash::sha256(b"other"), "urn:schakel:ura:90000102"));
        assert!(!tls.holds(&Hash::sha256(b"spki"), "urn:schakel:ura:90000103"));
    }
}
