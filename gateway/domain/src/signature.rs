//! Detached signatures over canonical documents: JWS (RFC 7515, appendix F) with Ed25519 (RFC 8037).
//!
//! Covenants and party records are signed with a party's **root key**, never with its TLS key. A signature says what kind of
//! document it signs (`typ`), so that a signature on one kind never counts on another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::id::{Hash, InvalidId};

/// Longest signature text that is looked at, in bytes.
const MAX_JWS_BYTES: usize = 1024;

/// A public Ed25519 key. Read from base64 (either alphabet, padding optional) or 64 hexadecimal characters; written as base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key's own name: its JWK thumbprint (RFC 7638), 43 characters of base64url.
    #[must_use]
    pub fn key_id(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        URL_SAFE_NO_PAD.encode(Hash::sha256(jwk.as_bytes()).0)
    }

    /// Whether this key signed exactly these bytes, without any JWS around them.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fail = || InvalidId {
            what: "public key",
            problem: "expected an Ed25519 key: 32 bytes in base64, or 64 hexadecimal characters".to_owned(),
        };
        if let Ok(Hash(bytes)) = text.to_ascii_lowercase().parse::<Hash>() {
            return Ok(Self(bytes));
        }
        if text.len() > 44 {
            return Err(fail());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).or_else(|_| STANDARD.decode(padded(text))).map_err(|_| fail())?;
        bytes.try_into().map(Self).map_err(|_| fail())
    }
}

fn padded(text: &str) -> String {
    let bare = text.trim_end_matches('=');
    format!("{bare}{}", "=".repeat((4 - bare.len() % 4) % 4))
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A private Ed25519 key. Its bytes are never shown.
pub struct SecretKey(Ed25519KeyPair);

/// The key file does not hold an Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 private key: expected PKCS#8 or a seed of 32 bytes")]
pub struct InvalidSecretKey;

impl SecretKey {
    /// A key from its seed of 32 bytes.
    ///
    /// # Errors
    /// When the cryptographic library refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidSecretKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| InvalidSecretKey)
    }

    /// A key from PKCS#8 (DER), version 1 or 2.
    ///
    /// # Errors
    /// When the bytes are not an Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, InvalidSecretKey> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self).map_err(|_| InvalidSecretKey)
    }

    /// The key as PKCS#8 version 1 (DER), to be kept in a file by whoever made it.
    ///
    /// # Errors
    /// When the cryptographic library cannot write it.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, InvalidSecretKey> {
        self.0.to_pkcs8v1().map(|der| der.as_ref().to_vec()).map_err(|_| InvalidSecretKey)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs bytes without any JWS around them.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// Signs a document's canonical bytes: a detached compact JWS.
    #[must_use]
    pub fn sign_detached(&self, kind: Kind, payload: &[u8]) -> Jws {
        let header = Header { alg: "EdDSA".to_owned(), kid: self.public().key_id(), typ: kind.typ().to_owned() };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("three texts always serialise"));
        let signature = self.sign(&signing_input(&header, payload));
        Jws(format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// What kind of document a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A version of a covenant.
    Covenant,
    /// A party record.
    PartyRecord,
}

impl Kind {
    /// The `typ` in the protected header.
    #[must_use]
    pub fn typ(self) -> &'static str {
        match self {
            Kind::Covenant => "schakel-covenant+jws",
            Kind::PartyRecord => "schakel-party-record+jws",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// A detached compact JWS: `header..signature`, both base64url. Its payload is the canonical bytes of the document beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Jws(pub String);

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not `header..signature` with a header of alg, kid and typ.
    #[error("not a detached JWS")]
    Malformed,
    /// Another algorithm than EdDSA.
    #[error("the algorithm is not EdDSA")]
    Algorithm,
    /// Made for another kind of document.
    #[error("signed as another kind of document")]
    Kind,
    /// Made with another key.
    #[error("signed with another key")]
    Key,
    /// The document or the signature was altered.
    #[error("the document or its signature was altered")]
    Altered,
}

impl Jws {
    /// Checks that this key signed exactly this payload as this kind of document.
    ///
    /// # Errors
    /// Says which part does not hold.
    pub fn verify(&self, kind: Kind, payload: &[u8], key: &PublicKey) -> Result<(), BadSignature> {
        let (encoded, header, signature) = self.parts().ok_or(BadSignature::Malformed)?;
        if header.alg != "EdDSA" {
            return Err(BadSignature::Algorithm);
        }
        if header.typ != kind.typ() {
            return Err(BadSignature::Kind);
        }
        if header.kid != key.key_id() {
            return Err(BadSignature::Key);
        }
        let holds = key.verifies(&signing_input(encoded, payload), &signature);
        holds.then_some(()).ok_or(BadSignature::Altered)
    }

    /// The id of the key this says it was made with; not verified.
    #[must_use]
    pub fn claimed_key_id(&self) -> Option<String> {
        self.parts().map(|(_, header, _)| header.kid)
    }

    fn parts(&self) -> Option<(&str, Header, Vec<u8>)> {
        if self.0.len() > MAX_JWS_BYTES {
            return None;
        }
        let (encoded, signature) = self.0.split_once("..")?;
        let header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        Some((encoded, header, URL_SAFE_NO_PAD.decode(signature).ok()?))
    }
}

fn signing_input(header: &str, payload: &[u8]) -> Vec<u8> {
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: seed and public key.
    const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn key() -> SecretKey {
        SecretKey::from_seed(&URL_SAFE_NO_PAD.decode(SEED).unwrap().try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_key_and_its_thumbprint_are_those_of_rfc_8037() {
        assert_eq!(key().public().to_string(), PUBLIC);
        assert_eq!(key().public().key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_raw_signature_is_that_of_rfc_8037() {
        let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";

        let signature = URL_SAFE_NO_PAD.encode(key().sign(input));

        assert_eq!(signature, "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    }

    #[test]
    fn a_public_key_reads_back_from_every_spelling() {
        let hex = Hash(key().public().0).to_string();

        for text in [PUBLIC, &format!("{PUBLIC}="), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", &hex, &hex.to_uppercase()] {
            assert_eq!(text.parse::<PublicKey>().unwrap(), key().public(), "{text}");
        }
        assert!("demo".parse::<PublicKey>().is_err());
    }

    #[test]
    fn a_key_survives_its_own_file_format() {
        let again = SecretKey::from_pkcs8(&key().to_pkcs8().unwrap()).unwrap();

        assert_eq!(again.public(), key().public());
        assert!(SecretKey::from_pkcs8(b"nonsense").is_err());
    }

    #[test]
    fn no_single_altered_byte_of_payload_or_signature_verifies() {
        let jws = key().sign_detached(Kind::Covenant, b"{\"a\":1}");
        assert_eq!(jws.verify(Kind::Covenant, b"{\"a\":1}", &key().public()), Ok(()));

        for index in 0..7 {
            let mut payload = *b"{\"a\":1}";
            payload[index] ^= 1;
            assert_eq!(jws.verify(Kind::Covenant, &payload, &key().public()), Err(BadSignature::Altered));
        }
        for index in 0..jws.0.len() {
            let mut bytes = jws.0.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let altered = Jws(String::from_utf8(bytes).unwrap());
            assert!(altered.verify(Kind::Covenant, b"{\"a\":1}", &key().public()).is_err(), "byte {index}");
        }
    }

    #[test]
    fn a_signature_counts_for_its_own_kind_key_and_algorithm_alone() {
        let other = SecretKey::from_seed(&[7; 32]).unwrap();
        let jws = key().sign_detached(Kind::Covenant, b"{}");
        let none = format!("{}..", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{}","typ":"x"}}"#, key().public().key_id())));

        assert_eq!(jws.verify(Kind::PartyRecord, b"{}", &key().public()), Err(BadSignature::Kind));
        assert_eq!(jws.verify(Kind::Covenant, b"{}", &other.public()), Err(BadSignature::Key));
        assert_eq!(Jws(none).verify(Kind::Covenant, b"{}", &key().public()), Err(BadSignature::Algorithm));
        assert_eq!(Jws("x".to_owned()).verify(Kind::Covenant, b"{}", &key().public()), Err(BadSignature::Malformed));
    }
}
