//! The citizen service number (burgerservicenummer) and its 11-proof.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// A BSN that passes the 11-proof. Its `Debug` hides it: it never reaches a log by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bsn(String);

impl Bsn {
    /// Reads nine digits.
    ///
    /// # Errors
    /// When it is not nine digits, is all zeros, or fails the 11-proof. The number itself is not repeated in the error.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if proves(text.as_bytes()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::field("identity.bsn", "nine digits that pass the 11-proof; leave it out when unknown"))
    }

    /// The nine digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether nine ASCII digits pass the 11-proof: 9·d1 + 8·d2 + … + 2·d8 − d9 is divisible by 11, and not all are zero.
pub(super) fn proves(digits: &[u8]) -> bool {
    if digits.len() != 9 || !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|d| *d == b'0') {
        return false;
    }
    let sum: i32 = digits.iter().zip([9, 8, 7, 6, 5, 4, 3, 2, -1]).map(|(digit, weight)| i32::from(digit - b'0') * weight).sum();
    sum % 11 == 0
}

impl TryFrom<String> for Bsn {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<Bsn> for String {
    fn from(bsn: Bsn) -> String {
        bsn.0
    }
}

impl fmt::Debug for Bsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bsn(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleven_proof_decides() {
        for good in ["123456782", "999900006", "999999151", "999999990"] {
            assert!(Bsn::parse(good).is_ok(), "{good}");
        }
        for bad in ["123456789", "000000000", "12345678", "1234567820", "12345678a"] {
            assert_eq!(Bsn::parse(bad).unwrap_err().field.as_deref(), Some("identity.bsn"), "{bad}");
        }
    }

    #[test]
    fn a_bsn_never_prints() {
        assert!(!format!("{:?}", Bsn::parse("123456782").unwrap()).contains("123"));
        assert!(!Bsn::parse("123456789").unwrap_err().to_string().contains("123456789"));
    }
}
