//! The identity provider of one invented organisation: an ES256 key, its public half as JWKS, and tokens for people and roles.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use serde::Serialize;

use super::{LIFE, WorldError, write_private};
use crate::demo::scenario::Organization;

/// Who the tokens are for.
pub(super) const AUDIENCE: &str = "schakel";
/// The `acr` that means: logged in with two factors.
pub(super) const TWO_FACTOR: &str = "urn:schakel:demo:two-factor";

/// A role with a token file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRole {
    /// Crisis staff.
    Worker,
    /// Crisis staff who may do what takes two people.
    Coordinator,
    /// Auditor, logged in with two factors.
    Auditor,
    /// Operator.
    Operator,
}

impl TokenRole {
    /// Every role.
    pub const ALL: [TokenRole; 4] = [TokenRole::Worker, TokenRole::Coordinator, TokenRole::Auditor, TokenRole::Operator];

    /// The role in the token, and the name of its file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TokenRole::Worker => "worker",
            TokenRole::Coordinator => "coordinator",
            TokenRole::Auditor => "auditor",
            TokenRole::Operator => "operator",
        }
    }
}

/// The identity provider.
pub(super) struct Issuer {
    name: String,
    jwks: String,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    roles: &'a [&'a str],
    name: &'a str,
    function: &'a str,
    acr: &'a str,
}

impl Issuer {
    /// A new one.
    pub(super) fn new(org: &OrgId) -> Result<Self, WorldError> {
        let broken = |_| anyhow::anyhow!("no key for the invented identity provider");
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(broken)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref())?;
        // An uncompressed point: 4, then both coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
        let key = serde_json::json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": x, "y": y });
        let jwks = serde_json::json!({ "keys": [key] }).to_string();
        let name = format!("https://login.{}.invalid", org.as_str().replace(':', "-"));
        Ok(Self { name, jwks, key: EncodingKey::from_ec_der(pkcs8.as_ref()) })
    }

    /// Its `iss`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its public key.
    pub(super) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A token for somebody of the story: crisis staff who may also close cases.
    pub(super) fn person(&self, actor: &Actor, now: Timestamp) -> Result<String, WorldError> {
        self.token(actor, &[TokenRole::Worker.as_str(), TokenRole::Coordinator.as_str()], now)
    }

    fn token(&self, actor: &Actor, roles: &[&str], now: Timestamp) -> Result<String, WorldError> {
        let claims = Claims {
            iss: &self.name,
            aud: AUDIENCE,
            sub: actor.person.as_str(),
            iat: now.as_second(),
            exp: (now + LIFE).as_second(),
            roles,
            name: &actor.name,
            function: &actor.function,
            acr: TWO_FACTOR,
        };
        let header = Header { typ: Some("at+jwt".to_owned()), kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) };
        Ok(encode(&header, &claims, &self.key)?)
    }
}

/// Files by role.
type Files = BTreeMap<&'static str, PathBuf>;
/// Holders by role.
type Holders = BTreeMap<&'static str, Actor>;

/// One token file per role, for a client that is no part of the story.
pub(super) fn write_roles(
    dir: &Path,
    issuer: &Issuer,
    organization: &Organization,
    now: Timestamp,
) -> Result<(Files, Holders), WorldError> {
    fs::create_dir_all(dir)?;
    let (mut files, mut holders) = (Files::new(), Holders::new());
    for role in TokenRole::ALL {
        let name = role.as_str();
        let holder = Actor::parse(&format!("local:demo-{name}"), &format!("Demo {name}"), name)
            .map_err(|refusal| anyhow::anyhow!("holder of a token for {}: {refusal}", organization.id))?;
        let path = dir.join(format!("{name}.jwt"));
        write_private(&path, issuer.token(&holder, &[name], now)?.as_bytes())?;
        files.insert(name, path);
        holders.insert(name, holder);
    }
    Ok((files, holders))
}
