//! What a gateway certificate is, in words and as checks.
//!
//! | field | rule | why |
//! |---|---|---|
//! | subjectAltName URI | exactly one `urn:schakel:organization:SCHEME:NUMBER` | the organisation a peer deals with; a common name proves nothing |
//! | subjectAltName host | at least one DNS name or IP address, no wildcard | the peer that connects checks the host as well |
//! | extendedKeyUsage | serverAuth and clientAuth, both stated | a gateway accepts and opens connections with one certificate |
//! | keyUsage | digitalSignature | TLS 1.3 only signs |
//! | basicConstraints | not a CA | a stolen gateway key must not issue |
//! | key | P-256, P-384, Ed25519, or RSA of 3072 bits or more | NCSC-NL 2025-05: nothing that is being phased out; PKIoverheid issues RSA 4096 |
//! | signature | SHA-256 or better | as above |
//! | validity | at most 398 days, valid now | a lost key stops by itself; renewal stays a habit |
//!
//! [`check`] returns every breach at once, each with field, what is wrong and what to do, in Dutch and English.

use jiff::{SignedDuration, Timestamp};
use schakel_domain::refusal::Lang;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::identity::{self, Identity, Subject};

/// Longest lifetime of a certificate, in days.
pub const LIFETIME_DAYS_MAX: i64 = 398;
/// A certificate with fewer days left gets a warning.
pub const RENEW_DAYS: i64 = 30;
/// Shortest RSA key, in bits (NCSC-NL: below is being phased out).
const RSA_BITS_MIN: usize = 3072;
/// A bundle larger than this is not read, in bytes.
const PEM_MAX: usize = 1 << 20;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works today; act soon.
    Warning,
    /// Peers refuse this certificate, or should.
    Error,
}

/// One breach of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field of the certificate: `subjectAltName`, `extendedKeyUsage`, …
    pub field: &'static str,
    /// Whether it must be repaired.
    pub severity: Severity,
    what: [String; 2],
    remedy: [&'static str; 2],
}

impl Finding {
    /// What is wrong, in one sentence.
    #[must_use]
    pub fn what(&self, lang: Lang) -> &str {
        let [nl, en] = &self.what;
        if lang == Lang::Nl { nl } else { en }
    }

    /// What to do, in one sentence.
    #[must_use]
    pub fn remedy(&self, lang: Lang) -> &'static str {
        let [nl, en] = self.remedy;
        if lang == Lang::Nl { nl } else { en }
    }

    fn error(field: &'static str, nl: impl Into<String>, en: impl Into<String>, remedy: [&'static str; 2]) -> Self {
        Self { field, severity: Severity::Error, what: [nl.into(), en.into()], remedy }
    }
}

const ASK_AGAIN: [&str; 2] = [
    "Vraag een nieuw certificaat aan met `schakel certs csr`; dat verzoek voldoet.",
    "Request a new certificate with `schakel certs csr`; that request complies.",
];
const RENEW: [&str; 2] =
    ["Vernieuw het certificaat nu en laad het in de gateway.", "Renew the certificate now and load it into the gateway."];
const CLOCK: [&str; 2] = [
    "Controleer de klok van deze machine, of wacht tot de begindatum.",
    "Check the clock of this machine, or wait for the date it begins.",
];
const FILE: [&str; 2] = [
    "Geef een bestand met een X.509-certificaat in PEM of DER, het eigen certificaat eerst.",
    "Give a file with an X.509 certificate in PEM or DER, the own certificate first.",
];

/// Checks the first certificate of a PEM text, or one certificate in DER, against the profile of a gateway.
///
/// An empty answer means it complies. The chain to a CA is not looked at: that is the peer's decision.
#[must_use]
pub fn check(pem_or_der: &[u8], now: Timestamp) -> Vec<Finding> {
    let unreadable = |nl: &str, en: &str| vec![Finding::error("certificate", nl, en, FILE)];
    if pem_or_der.len() > PEM_MAX {
        return unreadable("Het bestand is groter dan 1 MiB.", "The file is larger than 1 MiB.");
    }
    let der = match first_der(pem_or_der) {
        Ok(der) => der,
        Err(()) => return unreadable("Het bestand bevat geen leesbaar PEM-certificaat.", "The file holds no readable PEM certificate."),
    };
    match X509Certificate::from_der(&der) {
        Ok(([], certificate)) => check_fields(&certificate, now),
        _ => unreadable("Dit is geen X.509-certificaat.", "This is not an X.509 certificate."),
    }
}

/// The identity of the first certificate of a PEM text, or of one certificate in DER.
///
/// # Errors
/// When it cannot be read or stands for nobody.
pub fn identity(pem_or_der: &[u8]) -> Result<Identity, identity::IdentityError> {
    let der = first_der(pem_or_der).map_err(|()| identity::IdentityError::Unreadable("no PEM certificate".to_owned()))?;
    identity::identify(&der)
}

fn first_der(pem_or_der: &[u8]) -> Result<Vec<u8>, ()> {
    // DER begins with a SEQUENCE tag; PEM is text.
    if pem_or_der.first() == Some(&0x30) {
        return Ok(pem_or_der.to_vec());
    }
    match x509_parser::pem::Pem::iter_from_buffer(pem_or_der).next() {
        Some(Ok(pem)) if pem.label == "CERTIFICATE" => Ok(pem.contents),
        _ => Err(()),
    }
}

fn check_fields(certificate: &X509Certificate<'_>, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    check_names(certificate, &mut found);
    check_usage(certificate, &mut found);
    check_key(certificate, &mut found);
    check_signature(certificate, &mut found);
    check_validity(certificate, now, &mut found);
    found
}

fn check_names(certificate: &X509Certificate<'_>, found: &mut Vec<Finding>) {
    const FIELD: &str = "subjectAltName";
    let names = match certificate.subject_alternative_name() {
        Ok(names) => names.map(|san| san.value.general_names.as_slice()).unwrap_or_default(),
        Err(_) => return found.push(Finding::error(FIELD, "De namen zijn onleesbaar.", "The names cannot be read.", ASK_AGAIN)),
    };
    match identity::subject(names) {
        Ok(Subject::Organization(_)) => {}
        Ok(Subject::Client(name)) => found.push(Finding::error(
            FIELD,
            format!("Dit certificaat is van een eigen systeem ({name}), niet van een gateway."),
            format!("This certificate belongs to a local system ({name}), not to a gateway."),
            ASK_AGAIN,
        )),
        Err(error) => found.push(Finding::error(
            FIELD,
            format!("Er moet precies één URI urn:schakel:organization:… in staan, en geen jokerteken ({error})."),
            format!("It must hold exactly one URI urn:schakel:organization:…, and no wildcard ({error})."),
            ASK_AGAIN,
        )),
    }
    if !names.iter().any(|name| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_))) {
        found.push(Finding::error(
            FIELD,
            "Er staat geen hostnaam of IP-adres in; wie verbindt kan de host niet controleren.",
            "It holds no host name or IP address; whoever connects cannot check the host.",
            ASK_AGAIN,
        ));
    }
}

fn check_usage(certificate: &X509Certificate<'_>, found: &mut Vec<Finding>) {
    let usage = certificate.extended_key_usage().ok().flatten();
    if !usage.is_some_and(|eku| eku.value.client_auth && eku.value.server_auth) {
        found.push(Finding::error(
            "extendedKeyUsage",
            "serverAuth en clientAuth moeten er allebei staan.",
            "serverAuth and clientAuth must both be stated.",
            ASK_AGAIN,
        ));
    }
    let usage = certificate.key_usage().ok().flatten();
    if !usage.is_some_and(|usage| usage.value.digital_signature()) {
        found.push(Finding::error("keyUsage", "digitalSignature ontbreekt.", "digitalSignature is missing.", ASK_AGAIN));
    }
    if certificate.is_ca() {
        found.push(Finding::error(
            "basicConstraints",
            "Dit is het certificaat van een CA, niet van een gateway.",
            "This is the certificate of a CA, not of a gateway.",
            ASK_AGAIN,
        ));
    }
}

/// P-256 and P-384.
const CURVES: [&str; 2] = ["1.2.840.10045.3.1.7", "1.3.132.0.34"];

fn check_key(certificate: &X509Certificate<'_>, found: &mut Vec<Finding>) {
    let spki = certificate.public_key();
    let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let good = match spki.parsed() {
        Ok(PublicKey::EC(_)) => curve.is_some_and(|oid| CURVES.contains(&oid.as_str())),
        Ok(PublicKey::RSA(key)) => key.key_size() >= RSA_BITS_MIN,
        // Ed25519 has no parsed form in the library; its OID says all.
        _ => spki.algorithm.algorithm.to_id_string() == "1.3.101.112",
    };
    if !good {
        found.push(Finding::error(
            "subjectPublicKeyInfo",
            "De sleutel moet P-256, P-384, Ed25519 of RSA van minstens 3072 bits zijn.",
            "The key must be P-256, P-384, Ed25519, or RSA of at least 3072 bits.",
            ASK_AGAIN,
        ));
    }
}

/// Signature algorithms with SHA-256 or better: ECDSA, RSA PKCS #1, RSA-PSS, Ed25519.
const SIGNATURES: [&str; 8] = [
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.113549.1.1.10",
    "1.3.101.112",
];

fn check_signature(certificate: &X509Certificate<'_>, found: &mut Vec<Finding>) {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    if !SIGNATURES.contains(&oid.as_str()) {
        found.push(Finding::error(
            "signatureAlgorithm",
            format!("De CA ondertekende met een zwak of onbekend algoritme ({oid})."),
            format!("The CA signed with a weak or unknown algorithm ({oid})."),
            ["Vraag de CA om een certificaat met SHA-256 of beter.", "Ask the CA for a certificate with SHA-256 or better."],
        ));
    }
}

fn check_validity(certificate: &X509Certificate<'_>, now: Timestamp, found: &mut Vec<Finding>) {
    const FIELD: &str = "validity";
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let days = |seconds: i64| SignedDuration::from_secs(seconds).as_hours() / 24;
    let left = days(until.saturating_sub(now.as_second()));
    if days(until.saturating_sub(from)) > LIFETIME_DAYS_MAX {
        found.push(Finding::error(
            FIELD,
            format!("Het certificaat geldt langer dan {LIFETIME_DAYS_MAX} dagen."),
            format!("The certificate is valid for more than {LIFETIME_DAYS_MAX} days."),
            ["Vraag een certificaat met een kortere geldigheid.", "Ask for a certificate with a shorter validity."],
        ));
    }
    if now.as_second() < from {
        found.push(Finding::error(FIELD, "Het certificaat geldt nog niet.", "The certificate is not valid yet.", CLOCK));
    }
    if now.as_second() > until {
        found.push(Finding::error(FIELD, "Het certificaat is verlopen.", "The certificate has expired.", RENEW));
    } else if left < RENEW_DAYS {
        let what = [format!("Het certificaat verloopt over {left} dagen."), format!("The certificate expires in {left} days.")];
        found.push(Finding { field: FIELD, severity: Severity::Warning, what, remedy: RENEW });
    }
}

#[cfg(test)]
#[cfg(feature = "issue")]
mod tests {
    use super::*;
    use crate::identity::{ClientName, IdentityError};
    use crate::issue::{DevCa, Recipe};

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn right() -> Recipe {
        Recipe::gateway(&"ura:90000123".parse().unwrap(), &["gw.example.nl".to_owned()], now())
    }

    fn issue(change: impl FnOnce(&mut Recipe)) -> String {
        let mut recipe = right();
        change(&mut recipe);
        DevCa::new("root", now()).unwrap().issue(&recipe).unwrap().chain_pem
    }

    fn fields(pem: &str, at: Timestamp) -> Vec<&'static str> {
        check(pem.as_bytes(), at).iter().map(|finding| finding.field).collect()
    }

    #[test]
    fn a_certificate_of_the_throw_away_ca_complies() {
        let pem = issue(|_| ());

        assert_eq!(check(pem.as_bytes(), now()), []);
        let identity = identity(pem.as_bytes()).unwrap();
        assert_eq!(identity.subject, Subject::Organization("ura:90000123".parse().unwrap()));
        assert!(identity.client_auth && identity.server_auth);
    }

    #[test]
    fn every_breach_is_found_under_its_field() {
        let days = |n: i64| now() + SignedDuration::from_hours(24 * n);
        let two = "urn:schakel:organization:ura:90000124".to_owned();
        let client = Subject::Client(ClientName::new("ecd").unwrap()).uri();
        let cases: [(&str, String); 11] = [
            ("subjectAltName", issue(|r| r.uris.clear())),
            ("subjectAltName", issue(|r| r.uris.push(two))),
            ("subjectAltName", issue(|r| r.uris = vec![client])),
            ("subjectAltName", issue(|r| r.hosts.clear())),
            ("subjectAltName", issue(|r| r.hosts = vec!["*.example.nl".to_owned()])),
            ("extendedKeyUsage", issue(|r| r.client_auth = false)),
            ("extendedKeyUsage", issue(|r| r.server_auth = false)),
            ("validity", issue(|r| r.not_after = days(399))),
            ("validity", issue(|r| r.not_after = days(-1))),
            ("validity", issue(|r| r.not_before = days(1))),
            ("validity", issue(|r| r.not_after = days(29))),
        ];

        for (number, (field, pem)) in cases.iter().enumerate() {
            assert_eq!(fields(pem, now()), [*field], "case {number}");
        }
        assert_eq!(fields(&issue(|r| r.ca = Some(0)), now()), ["keyUsage", "basicConstraints"]);
        assert_eq!(fields("no certificate", now()), ["certificate"]);
    }

    #[test]
    fn a_finding_says_what_and_remedy_in_both_languages() {
        let findings = check(issue(|r| r.server_auth = false).as_bytes(), now());

        for lang in [Lang::Nl, Lang::En] {
            assert!(findings[0].what(lang).ends_with('.') && findings[0].remedy(lang).ends_with('.'));
        }
        assert_ne!(findings[0].what(Lang::Nl), findings[0].what(Lang::En));
    }

    #[test]
    fn a_certificate_for_two_parties_stands_for_nobody() {
        let pem = issue(|r| r.uris.push("urn:schakel:client:ecd".to_owned()));

        assert_eq!(identity(pem.as_bytes()), Err(IdentityError::ManyUris));
    }
}
