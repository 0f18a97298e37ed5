//! How an entry speaks of a client without naming one.
//!
//! A plain hash of a citizen number protects nothing: all of them are tried in seconds. A [`Commitment`] is keyed with 32 fresh random
//! bytes, kept beside the log and never in it. Who holds salt and value can show what an entry is about; when the salt is
//! erased nobody can, and every proof of the log stays valid.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::id::Hash;

/// 32 fresh random bytes for one commitment. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt([u8; 32]);

impl Salt {
    /// Wraps bytes the caller drew; drawing the same twice breaks the protection.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for Salt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD.decode(text).map_err(|_| "a salt is base64")?;
        bytes.try_into().map(Self).map_err(|_| "a salt has 32 bytes")
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> String {
        STANDARD.encode(salt.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// HMAC-SHA-256 of a client's reference under a salt. Written as 64 hexadecimal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(Hash);

impl Commitment {
    /// Commits to a client's reference, for example a client key id.
    #[must_use]
    pub fn new(salt: &Salt, client: &str) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt.0), client.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        Self(Hash(hash))
    }
}

/// What opens one commitment: a line of `salts.jsonl` in an export, for the entries within an auditor's mandate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// Index of the entry.
    pub index: u64,
    /// The salt of that entry's commitment.
    pub salt: Salt,
    /// The client's reference that was committed to.
    pub value: String,
}

impl Disclosure {
    /// Whether this is what the entry committed to.
    #[must_use]
    pub fn opens(&self, commitment: Commitment) -> bool {
        Commitment::new(&self.salt, &self.value) == commitment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_hmac_sha_256_and_opens_only_with_its_salt_and_value() {
        let salt = Salt::new([0x0b; 32]);
        let commitment = Commitment::new(&salt, "client 1");
        let opening = |byte: u8, value: &str| Disclosure { index: 0, salt: Salt::new([byte; 32]), value: value.to_owned() };

        // Value from Python: hmac.new(b"\x0b" * 32, b"client 1", "sha256").hexdigest()
        assert_eq!(serde_json::to_value(commitment).unwrap(), "dd064900e5b456f867e37ef8c0a224bdc31a1e558af2be2c3573f320d6c9ce40");
        assert!(opening(0x0b, "client 1").opens(commitment));
        assert!(!opening(0x0c, "client 1").opens(commitment));
        assert!(!opening(0x0b, "client 2").opens(commitment));
    }

    #[test]
    fn a_salt_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Salt::new([7; 32])), "Salt(..)");
    }
}
