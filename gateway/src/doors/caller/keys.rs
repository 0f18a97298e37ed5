//! The public keys of one issuer, as they stand: read from a file, or fetched from the issuer and replaced while calls go on.
//!
//! A call looks keys up and never waits for any. Fetched keys count for a named time after the issuer was last heard; then its tokens are
//! refused, as they are before the first fetch. Who fetches is `assembly/issuers.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use schakel_domain::id::Hash;
use schakel_domain::refusal::Reason;
use tokio::sync::Notify;

use super::No;

/// Largest set of keys, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 << 10;
/// Most keys in one set.
const MAX_KEYS: usize = 100;
/// Longest name of a key, in bytes.
const MAX_KID: usize = 256;

/// The keys of one set that may check tokens of one issuer, by name.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<(String, DecodingKey)>,
    hash: Hash,
}

/// What is done with keys of a set that are not for signatures of the issuer's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They are a mistake: the file is for us alone.
    Refuse,
    /// They are for others: an issuer publishes all of its keys at one address.
    Ignore,
}

impl KeySet {
    /// The keys of a JWK set (RFC 7517). Every one that is used is public, fits the algorithm and has a `kid` of its own.
    ///
    /// # Errors
    /// What contradicts that.
    pub fn parse(jwks: &[u8], algorithm: Algorithm, others: Others) -> Result<Self, String> {
        if jwks.len() > MAX_JWKS_BYTES {
            return Err(format!("the key set has more than {MAX_JWKS_BYTES} bytes"));
        }
        let set: serde_json::Value = serde_json::from_slice(jwks).map_err(|error| error.to_string())?;
        let found = set["keys"].as_array().ok_or("missing field `keys`: expected a JWK set")?;
        if found.len() > MAX_KEYS {
            return Err(format!("the key set has more than {MAX_KEYS} keys"));
        }
        let private = |key: &serde_json::Value| ["d", "p", "q", "k"].iter().any(|member| key.get(member).is_some());
        if found.iter().any(private) {
            return Err("the key set holds a private or shared key; it must hold public keys only".to_owned());
        }
        let keys = match others {
            Others::Refuse => {
                let set: JwkSet = serde_json::from_value(set.clone()).map_err(|error| error.to_string())?;
                set.keys.iter().map(|key| usable(key, algorithm)).collect::<Result<Vec<_>, _>>()?
            }
            // A kind of key that we have never heard of is none of ours either.
            Others::Ignore => {
                let keys = found.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
                keys.filter_map(|key| usable(&key, algorithm).ok()).collect()
            }
        };
        let names: BTreeSet<_> = keys.iter().map(|(kid, _)| kid).collect();
        if keys.is_empty() || names.len() != keys.len() {
            return Err(format!("expected at least one key for {algorithm:?} signatures, each with a kid of its own"));
        }
        Ok(Self { hash: Hash::sha256(jwks), keys })
    }

    /// The key of this name.
    pub(super) fn get(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.iter().find(|(known, _)| known == kid).map(|(_, key)| key)
    }
}

/// A key of the set, if it is one for signatures of this algorithm.
fn usable(key: &Jwk, algorithm: Algorithm) -> Result<(String, DecodingKey), String> {
    let kid = key.common.key_id.clone().filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID).ok_or("a key without kid")?;
    let fits = match &key.algorithm {
        AlgorithmParameters::RSA(_) => !matches!(algorithm, Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA),
        AlgorithmParameters::EllipticCurve(params) => match algorithm {
            Algorithm::ES256 => params.curve == EllipticCurve::P256,
            Algorithm::ES384 => params.curve == EllipticCurve::P384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(params) => algorithm == Algorithm::EdDSA && params.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let says = key.common.key_algorithm.is_none_or(|says| format!("{says:?}") == format!("{algorithm:?}"));
    let operations = key.common.key_operations.as_ref();
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !fits || !says || !signs {
        return Err(format!("key `{kid}` is not one for {algorithm:?} signatures"));
    }
    DecodingKey::from_jwk(key).map(|decoding| (kid, decoding)).map_err(|error| error.to_string())
}

/// The keys of one issuer, and when they were heard of.
#[derive(Debug)]
pub struct Keys {
    held: ArcSwapOption<Held>,
    /// How long they count after the issuer was last heard; for ever when they are of a file.
    usable: Option<SignedDuration>,
    wanted: Notify,
}

#[derive(Debug)]
struct Held {
    set: Arc<KeySet>,
    heard: Timestamp,
}

impl Keys {
    /// Keys that count until they are replaced.
    #[must_use]
    pub fn fixed(set: KeySet) -> Arc<Self> {
        let held = Held { set: Arc::new(set), heard: Timestamp::UNIX_EPOCH };
        Arc::new(Self { held: ArcSwapOption::from_pointee(held), usable: None, wanted: Notify::new() })
    }

    /// No keys yet; those that come count for this long after the issuer was last heard.
    #[must_use]
    pub fn fetched(usable: SignedDuration) -> Arc<Self> {
        Arc::new(Self { held: ArcSwapOption::empty(), usable: Some(usable), wanted: Notify::new() })
    }

    /// The issuer was heard: these are its keys. Whether they are others than before. The same ones stay, and with them the tokens that were
    /// found good.
    pub fn put(&self, set: KeySet, now: Timestamp) -> bool {
        let before = self.held.load_full();
        let same = before.as_ref().map(|held| &held.set).filter(|held| held.hash == set.hash).cloned();
        let changed = same.is_none();
        self.held.store(Some(Arc::new(Held { set: same.unwrap_or_else(|| Arc::new(set)), heard: now })));
        changed
    }

    /// Until when the keys count that are held now; none without keys, or when they have no end.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.held.load().as_ref().and_then(|held| held.heard.checked_add(self.usable?).ok())
    }

    /// Whether there are keys that count.
    #[must_use]
    pub fn count(&self, now: Timestamp) -> bool {
        self.current(now).is_ok()
    }

    /// Waits until a call named a key that is not here.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A token names a key that is not here: perhaps its issuer has a new one. One wish or a thousand are one.
    pub(super) fn want(&self) {
        if self.usable.is_some() {
            self.wanted.notify_one();
        }
    }

    /// The keys that count now.
    pub(super) fn current(&self, now: Timestamp) -> Result<Arc<KeySet>, No> {
        let no = |detail| No { reason: Reason::IssuerKeysUnavailable, detail };
        let held = self.held.load();
        let held = held.as_ref().ok_or(no("the keys of the token's issuer were not fetched yet"))?;
        let ended = self.usable.is_some_and(|usable| held.heard.checked_add(usable).is_ok_and(|end| end <= now));
        if ended {
            Err(no("the token's issuer has not been reached for too long: its keys count no longer"))
        } else {
            Ok(Arc::clone(&held.set))
        }
    }
}
