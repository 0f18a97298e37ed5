//! Identifiers. Every id is a newtype, parsed once at a door and trusted inside.
//!
//! Ids carry no meaning about a person: case, offer and message ids are UUIDv7, made by the gateway
//! that creates the thing (the domain itself has no randomness and only parses them).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not the identifier it should be. The message names what was expected, and repeats nothing: it may be somebody's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct InvalidId {
    /// The kind of identifier, in words a user knows: "organization id", "case id".
    pub what: &'static str,
    /// What is wrong and what is expected instead.
    pub problem: String,
}

/// Register in which an organisation's number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// UZI subscriber number, 8 digits: care providers.
    Ura,
    /// Organisation identification number, 20 digits: government.
    Oin,
    /// Chamber of commerce number, 8 digits: everybody else.
    Kvk,
    /// Vektis provider code, 8 digits.
    Agb,
}

impl Scheme {
    const ALL: [(Scheme, &'static str, usize); 4] =
        [(Scheme::Ura, "ura", 8), (Scheme::Oin, "oin", 20), (Scheme::Kvk, "kvk", 8), (Scheme::Agb, "agb", 8)];

    /// The lower-case name used in ids: `ura`, `oin`, `kvk`, `agb`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// An organisation, written `scheme:number`, for example `ura:90000123`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(String);

impl OrgId {
    /// The register of this number.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        let name = self.0.split(':').next().unwrap_or_default();
        Scheme::ALL.iter().find(|row| row.1 == name).map_or(Scheme::Kvk, |row| row.0)
    }

    /// The number without its scheme.
    #[must_use]
    pub fn number(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, number)| number)
    }

    /// The id as text, `scheme:number`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fail = |problem: String| InvalidId { what: "organization id", problem };
        let (scheme, number) =
            text.split_once(':').ok_or_else(|| fail("no scheme; write ura:, oin:, kvk: or agb: before the number".to_owned()))?;
        let row =
            Scheme::ALL.iter().find(|row| row.1 == scheme).ok_or_else(|| fail("not a scheme; use ura, oin, kvk or agb".to_owned()))?;
        if number.len() != row.2 || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fail(format!("a {} number has {} digits", row.1, row.2)));
        }
        Ok(OrgId(text.to_owned()))
    }
}

impl TryFrom<String> for OrgId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<OrgId> for String {
    fn from(id: OrgId) -> String {
        id.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID made by the caller.
            #[must_use]
            pub fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).ok().filter(|uuid| uuid.to_string() == text).map(Self).ok_or_else(|| InvalidId {
                    what: $what,
                    problem: "expected a lower-case UUID such as 0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".to_owned(),
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_ids! {
    /// One crisis of one young person; the same at every organisation that takes part.
    CaseId = "case id";
    /// One request for expertise. An anonymous one has no case id on the wire.
    ConsultationId = "consultation id";
    /// One offer to hand over; never reused.
    OfferId = "handover id";
    /// One message between two gateways.
    MessageId = "message id";
    /// The caller's own key of one command: the same key is one effect, however often it is sent.
    RequestId = "request_id";
    /// The key under which one client's content is sealed at rest.
    ClientKeyId = "client key id";
}

/// The name of a case for the telephone, `ZK-7F3KD`: four characters and a check character.
///
/// A function of the case id, so that every organisation reads the same label aloud. Crockford base 32: no I, L, O, U.
/// Twenty bits: two open cases of one organisation may share a label, and lists then show the time of opening too.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Label {
    /// The label of a case.
    #[must_use]
    pub fn of(case: CaseId) -> Self {
        let bits = case.0.as_u128() & 0xF_FFFF;
        Self::from_bits(u32::try_from(bits).unwrap_or_default())
    }

    fn from_bits(bits: u32) -> Self {
        let digit = |n: u32| char::from(CROCKFORD[(n % 32) as usize]);
        let data: String = [15, 10, 5, 0].iter().map(|shift| digit(bits >> shift)).collect();
        // 31 is prime, so one wrong character or two swapped neighbours change the remainder.
        Self(format!("ZK-{data}{}", digit(bits % 31)))
    }

    /// Reads what somebody typed or heard: case and the confusable letters I, L, O are forgiven, a wrong check character is not.
    ///
    /// # Errors
    /// When the text is not `ZK-` and five characters, or the check character does not fit.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fail = |problem: &str| InvalidId { what: "case label", problem: problem.to_owned() };
        let upper = text.trim().to_ascii_uppercase().replace(['I', 'L'], "1").replace('O', "0");
        let data = upper.strip_prefix("ZK-").unwrap_or(&upper).as_bytes();
        if data.len() != 5 {
            return Err(fail("expected five characters such as ZK-7F3KD"));
        }
        let mut bits = 0_u32;
        for byte in &data[..4] {
            let value = CROCKFORD.iter().position(|c| c == byte).ok_or_else(|| fail("only digits and letters without U"))?;
            bits = bits << 5 | u32::try_from(value).unwrap_or_default();
        }
        let label = Self::from_bits(bits);
        let same = label.0.as_bytes().last() == data.last();
        same.then_some(label).ok_or_else(|| fail("the check character does not fit; ask to repeat it"))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest. Written as 64 lower-case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl FromStr for Hash {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fail = || InvalidId { what: "hash", problem: "expected 64 lower-case hexadecimal characters".to_owned() };
        let bytes = text.as_bytes();
        if bytes.len() != 64 || bytes.iter().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fail());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(bytes.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| fail())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| fail())?;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for Hash {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_id_needs_its_scheme_and_length() {
        assert_eq!("ura:90000123".parse::<OrgId>().unwrap().number(), "90000123");
        for (bad, says) in
            [("90000123", "no scheme"), ("big:1", "not a scheme"), ("ura:1234567", "8 digits"), ("oin:12345678", "20 digits")]
        {
            assert!(bad.parse::<OrgId>().unwrap_err().problem.contains(says), "{bad}");
        }
    }

    #[test]
    fn a_label_survives_the_telephone_and_catches_one_wrong_character() {
        let label = Label::of(CaseId::new(Uuid::from_u128(0x0198_f2c4_6d1e_7a53_9c2b_4e1f_7d0a_8b36)));
        assert_eq!(Label::parse(&label.as_str().to_lowercase()).unwrap(), label);

        let mut wrong = label.as_str().to_owned();
        let third = if wrong.as_bytes()[4] == b'A' { "B" } else { "A" };
        wrong.replace_range(4..5, third);

        assert!(Label::parse(&wrong).unwrap_err().problem.contains("check character"));
    }

    #[test]
    fn a_hash_reads_back_what_it_writes() {
        let hash = Hash::sha256(b"");
        assert_eq!(hash.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
    }
}
