//! Tokens of the organisation's identity provider: JWT (RFC 7519, RFC 9068, RFC 8725), checked against keys of a file or of its own address.
//!
//! Each issuer has exactly one algorithm, and only its own keys count: what a token says of its own keys (`jku`, `x5u`, `jwk`, `x5c`)
//! is never looked at. The signature is checked before any claim is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use schakel_domain::caller::Role;
use schakel_domain::id::Hash;
use schakel_domain::person::PersonId;
use serde::Deserialize;

use super::No;
use super::keys::{KeySet, Keys, MAX_JWKS_BYTES, Others};
use crate::bounded;

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 5;
/// Longest time from issue to end, in seconds: a token that never ends cannot be taken back.
const MAX_LIFE: u64 = 31 * 24 * 60 * 60;
/// Most roles read from one token.
const MAX_ROLES: usize = 32;
/// Longest name, function or client read from a token, in characters.
const MAX_TEXT: usize = 100;
/// The roles a token can give. The others belong to certificates and to the gateway itself.
const ROLES: [Role; 4] = [Role::Worker, Role::Coordinator, Role::Auditor, Role::Operator];

/// One issuer of tokens, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The exact `iss`.
    pub issuer: String,
    /// The `aud` that is us.
    pub audience: String,
    /// The one algorithm: ES256, ES384, EdDSA, or RS or PS with 256, 384 or 512.
    pub algorithm: String,
    /// File with the public keys, a JWK set (RFC 7517).
    pub jwks: PathBuf,
    /// Values of `acr` that mean two factors.
    #[serde(default)]
    pub two_factor: Vec<String>,
    /// Whether only tokens count that are bound to the caller's client certificate (RFC 8705).
    #[serde(default)]
    pub bound: bool,
}

/// Why an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The key file cannot be read.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The configuration contradicts itself.
    #[error("issuer `{issuer}`: {problem}")]
    Config {
        /// The issuer.
        issuer: String,
        /// What is wrong and what is expected.
        problem: String,
    },
}

/// One issuer with its keys.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: String,
    validation: Validation,
    algorithm: Algorithm,
    keys: Arc<Keys>,
    two_factor: BTreeSet<String>,
    bound: bool,
}

impl Issuer {
    /// Reads an issuer's keys from its file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Issuer::new`].
    pub fn load(config: &IssuerConfig) -> Result<Self, IssuerError> {
        let text = bounded::read_text(&config.jwks, MAX_JWKS_BYTES)
            .map_err(|error| IssuerError::File { path: config.jwks.clone(), problem: error.to_string() })?;
        Self::new(config, &text).map_err(|error| in_file(error, &config.jwks))
    }

    /// An issuer with the keys of a JWK set. Every key is public, has a `kid` of its own, and fits the algorithm.
    ///
    /// # Errors
    /// What contradicts that.
    pub fn new(config: &IssuerConfig, jwks: &str) -> Result<Self, IssuerError> {
        let fail = |problem: String| IssuerError::Config { issuer: config.issuer.clone(), problem };
        let algorithm = algorithm(&config.algorithm).map_err(fail)?;
        let keys = KeySet::parse(jwks.as_bytes(), algorithm, Others::Refuse).map_err(fail)?;
        Self::with(config, Keys::fixed(keys))
    }

    /// An issuer whose keys come and go.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn with(config: &IssuerConfig, keys: Arc<Keys>) -> Result<Self, IssuerError> {
        let fail = |problem: String| IssuerError::Config { issuer: config.issuer.clone(), problem };
        let algorithm = algorithm(&config.algorithm).map_err(fail)?;
        if config.issuer.is_empty() || config.audience.is_empty() {
            return Err(fail("issuer and audience are required".to_owned()));
        }
        let two_factor = config.two_factor.iter().cloned().collect();
        let (name, validation) = (config.issuer.clone(), validation(config, algorithm));
        Ok(Self { name, validation, algorithm, keys, two_factor, bound: config.bound })
    }

    /// Whether these are the keys that count for this issuer now.
    pub(super) fn still_has(&self, keys: &Arc<KeySet>, now: Timestamp) -> bool {
        self.keys.current(now).is_ok_and(|current| Arc::ptr_eq(&current, keys))
    }
}

fn in_file(error: IssuerError, path: &Path) -> IssuerError {
    IssuerError::File { path: path.to_path_buf(), problem: error.to_string() }
}

/// The algorithm of this name, when its keys are public.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known =
        name.parse::<Algorithm>().ok().filter(|algorithm| !matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512));
    known.ok_or_else(|| format!("algorithm `{name}`: expected ES256, ES384, EdDSA, or RS or PS with 256, 384 or 512"))
}

fn validation(config: &IssuerConfig, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation
}

/// What a good token says.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) person: PersonId,
    pub(super) name: String,
    pub(super) function: Option<String>,
    pub(super) client: String,
    pub(super) roles: BTreeSet<Role>,
    pub(super) two_factor: bool,
    pub(super) bound_to: Option<Hash>,
    /// When it was issued, or counts from when that is later.
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

/// The claims that are read. Times are whole numbers: a text that looks like one is refused here, whatever the library does.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(rename = "iss")]
    issuer: String,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(rename = "exp")]
    expires: u64,
    #[serde(rename = "iat")]
    issued: u64,
    #[serde(default, rename = "nbf")]
    not_before: Option<u64>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    function: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    cnf: Option<Confirmation>,
}

/// Binding to a certificate (RFC 8705). A kind of binding we cannot check is refused, not ignored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

/// What a token was found good by: which issuer, with which keys.
#[derive(Debug, Clone)]
pub(super) struct By {
    pub(super) issuer: usize,
    pub(super) keys: Arc<KeySet>,
}

/// Checks a token against the issuers.
pub(super) fn verify(issuers: &[Issuer], token: &str, now: Timestamp) -> Result<(Verified, By), No> {
    const BAD: &str = "the token is not valid here";
    if token.len() > MAX_TOKEN {
        return Err("the token is too long".into());
    }
    let header = decode_header(token).map_err(|_| BAD)?;
    let kid = acceptable(&header)?;
    // Two issuers may use the same kid: the one whose key made the signature and whose name is in the token is meant.
    let candidates = || issuers.iter().enumerate().filter(|(_, issuer)| issuer.algorithm == header.alg);
    let mut key_found = false;
    for (at, issuer) in candidates() {
        let Ok(keys) = issuer.keys.current(now) else { continue };
        let Some(key) = keys.get(kid) else { continue };
        key_found = true;
        if let Ok(good) = decode::<Claims>(token, key, &issuer.validation) {
            return said(issuer, good.claims, now).map(|verified| (verified, By { issuer: at, keys }));
        }
    }
    if key_found {
        return Err(BAD.into());
    }
    // Nothing of the token was checked: whose it says it is decides only whom we ask for keys, in the background, and not too often.
    let Some(claimed) = claimed_issuer(token) else { return Err(BAD.into()) };
    for (_, issuer) in candidates().filter(|(_, issuer)| issuer.name == claimed) {
        issuer.keys.want();
        issuer.keys.current(now)?;
    }
    Err(BAD.into())
}

/// The `iss` that a token claims, unchecked.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claimed>(&claims).ok().map(|claimed| claimed.iss)
}

/// The key a header names, when the header is one of a token for us.
fn acceptable(header: &Header) -> Result<&str, &'static str> {
    let kind = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
    if !matches!(kind.as_str(), "jwt" | "at+jwt" | "application/at+jwt") {
        return Err("expected a token of type at+jwt or JWT");
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() || header.extras.inner().contains_key("b64") {
        return Err("the token asks for something this door does not do");
    }
    header.kid.as_deref().ok_or("the token names no key")
}

fn said(issuer: &Issuer, claims: Claims, now: Timestamp) -> Result<Verified, No> {
    if i64::try_from(claims.issued).map_or(true, |issued| issued > now.as_second() + LEEWAY as i64) {
        return Err("the token was issued in the future".into());
    }
    if claims.expires.saturating_sub(claims.issued) > MAX_LIFE {
        return Err("the token counts for longer than 31 days".into());
    }
    let from = claims.issued.max(claims.not_before.unwrap_or_default());
    let moment = |seconds: u64| i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let person = PersonId::parse(&claims.subject).map_err(|_| "the token's sub is not an id of a person")?;
    let bound_to = claims.cnf.map(|cnf| thumbprint(&cnf.thumbprint).ok_or("the token's binding cannot be read")).transpose()?;
    if issuer.bound && bound_to.is_none() {
        return Err("the token is not bound to a certificate, and those of its issuer must be".into());
    }
    let roles = claims.roles.iter().take(MAX_ROLES).filter_map(|name| name.parse().ok()).filter(|role| ROLES.contains(role));
    Ok(Verified {
        name: plain(claims.name).unwrap_or_else(|| person.as_str().to_owned()),
        function: plain(claims.function),
        client: plain(claims.client_id).or_else(|| plain(Some(claims.issuer))).unwrap_or_default(),
        roles: roles.collect(),
        two_factor: claims.acr.is_some_and(|acr| issuer.two_factor.contains(&acr)),
        from: moment(from).ok_or("the token counts from a time that is none")?,
        until: moment(claims.expires),
        person,
        bound_to,
    })
}

/// A short text without control characters, or nothing.
fn plain(text: Option<String>) -> Option<String> {
    let text: String = text?.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn thumbprint(text: &str) -> Option<Hash> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok().map(Hash)
}
