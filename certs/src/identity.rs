//! Certificate → whom it stands for. Pure; the gateway's TLS layer calls it once per handshake.
//!
//! The identity is one URI in the subject alternative name, never the subject's common name: a common name is free text that
//! every CA fills in differently. Two `urn:schakel:` URIs are refused: a certificate stands for one party.

use std::fmt;

use jiff::Timestamp;
use schakel_domain::id::{Hash, OrgId};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What every identity URI begins with.
pub const URN: &str = "urn:schakel:";
const ORGANIZATION: &str = "urn:schakel:organization:";
const CLIENT: &str = "urn:schakel:client:";
/// Longest name of a local system, in characters (as a DNS label).
const CLIENT_NAME_MAX: usize = 63;

/// Whom a certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The gateway of an organisation: `urn:schakel:organization:ura:90000123`.
    Organization(OrgId),
    /// A system of the own organisation: `urn:schakel:client:ecd`.
    Client(ClientName),
}

impl Subject {
    /// The URI that stands in the certificate.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Subject::Organization(org) => format!("{ORGANIZATION}{org}"),
            Subject::Client(name) => format!("{CLIENT}{name}"),
        }
    }

    /// Reads the URI; `None` when it is not an identity URI of this project.
    fn parse(uri: &str) -> Option<Result<Self, IdentityError>> {
        let wrong = |why: String| IdentityError::BadUri { uri: shorten(uri), why };
        if let Some(org) = uri.strip_prefix(ORGANIZATION) {
            return Some(org.parse().map(Subject::Organization).map_err(|e: schakel_domain::id::InvalidId| wrong(e.problem)));
        }
        if let Some(name) = uri.strip_prefix(CLIENT) {
            return Some(ClientName::new(name).map(Subject::Client).map_err(wrong));
        }
        uri.starts_with(URN).then(|| Err(wrong("use urn:schakel:organization:… or urn:schakel:client:…".to_owned())))
    }
}

/// The name of a local system: 1 to 63 lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(String);

impl ClientName {
    /// Checks the name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn new(name: &str) -> Result<Self, String> {
        let fits = !name.is_empty() && name.len() <= CLIENT_NAME_MAX;
        if !fits || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err("a client name has 1 to 63 lower-case letters, digits and hyphens".to_owned());
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a certificate stands for and what it may be used for. That it was issued by a trusted CA is checked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Organisation or local system.
    pub subject: Subject,
    /// SHA-256 of the SubjectPublicKeyInfo; the party record binds an organisation to it. Survives renewal with the same key.
    pub spki: Hash,
    /// SHA-256 of the whole certificate (RFC 8705 `x5t#S256`); a token is bound to it.
    pub thumbprint: Hash,
    /// The certificate is worth nothing after this moment.
    pub not_after: Timestamp,
    /// May open connections (extended key usage clientAuth, stated; absent means no).
    pub client_auth: bool,
    /// May accept connections (extended key usage serverAuth, stated; absent means no).
    pub server_auth: bool,
}

/// Why a certificate stands for nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not DER, or an extension that cannot be read.
    #[error("the certificate cannot be parsed: {0}")]
    Unreadable(String),
    /// No URI of ours in the subject alternative name.
    #[error("no urn:schakel: URI in the subject alternative name")]
    NoUri,
    /// More than one: it would stand for two parties.
    #[error("more than one urn:schakel: URI in the subject alternative name")]
    ManyUris,
    /// The URI is ours and wrong.
    #[error("URI {uri}: {why}")]
    BadUri {
        /// The URI, shortened.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
    /// `*.example.nl` stands for hosts nobody named.
    #[error("wildcard host name in the subject alternative name")]
    Wildcard,
}

/// Reads the identity from a certificate in DER.
///
/// # Errors
/// When the certificate cannot be read, holds not exactly one identity URI, or a wildcard.
pub fn identify(der: &[u8]) -> Result<Identity, IdentityError> {
    let unreadable = |error: &dyn fmt::Display| IdentityError::Unreadable(shorten(&error.to_string()));
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|e| unreadable(&e))?;
    if !rest.is_empty() {
        return Err(unreadable(&"bytes after the certificate"));
    }
    let names = certificate.subject_alternative_name().map_err(|e| unreadable(&e))?;
    let names = names.map(|san| san.value.general_names.as_slice()).unwrap_or_default();
    let usage = certificate.extended_key_usage().map_err(|e| unreadable(&e))?;
    let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|e| unreadable(&e))?;

    Ok(Identity {
        subject: subject(names)?,
        spki: Hash::sha256(certificate.public_key().raw),
        thumbprint: Hash::sha256(der),
        not_after,
        client_auth: usage.as_ref().is_some_and(|eku| eku.value.client_auth),
        server_auth: usage.as_ref().is_some_and(|eku| eku.value.server_auth),
    })
}

/// The one party among the alternative names.
pub(crate) fn subject(names: &[GeneralName<'_>]) -> Result<Subject, IdentityError> {
    if names.iter().any(|name| matches!(name, GeneralName::DNSName(host) if host.contains('*'))) {
        return Err(IdentityError::Wildcard);
    }
    let mut found = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Subject::parse(uri),
        _ => None,
    });
    match (found.next(), found.next()) {
        (None, _) => Err(IdentityError::NoUri),
        (Some(subject), None) => subject,
        (Some(_), Some(_)) => Err(IdentityError::ManyUris),
    }
}

/// A stranger chose this text: what is repeated of it is bounded and printable.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
