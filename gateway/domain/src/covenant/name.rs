//! The names a covenant uses: short codes chosen by its authors, and who a clause speaks of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, OrgId};

/// Longest code in characters; it has to fit in a log line and on a screen.
const MAX_CODE: usize = 48;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $what:literal, $extra:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The code as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || $extra.contains(c);
                let edges = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
                if text.len() > MAX_CODE || !edges || !text.chars().all(allowed) {
                    let problem = format!("expected 1 to {MAX_CODE} lower-case letters, digits or `{}`, beginning and ending with a letter or digit", $extra);
                    return Err(InvalidId { what: $what, problem });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> String {
                code.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

codes! {
    /// A covenant, through all its versions: `gelderland-crisisinterventie-jeugd`.
    CovenantId = "covenant id", "-";
    /// The number of a clause: `3.2`.
    ClauseId = "clause number", ".";
    /// What an organisation is in this covenant: `ggz-crisis`.
    Role = "role", "-";
    /// One service of one organisation.
    ServiceId = "service id", "-";
    /// What kind of service it is; several organisations may offer the same kind.
    ServiceKind = "service kind", "-";
    /// A level of the urgency table: `acuut`.
    UrgencyCode = "urgency code", "-";
    /// A named list of fields.
    DatasetId = "dataset id", "-";
    /// A named list of municipalities.
    AreaId = "area id", "-";
}

/// Who a clause speaks of. Written `all`, an organisation id, a role, or `service:` and a service id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Who {
    /// Every party.
    All,
    /// Every party with this role.
    Role(Role),
    /// One party.
    Party(OrgId),
    /// The party that offers this service, for this service alone.
    Service(ServiceId),
}

impl FromStr for Who {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            None => text.parse().map(Self::Role),
            Some(("service", id)) => id.parse().map(Self::Service),
            Some(_) => text.parse().map(Self::Party),
        }
    }
}

impl TryFrom<String> for Who {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Who> for String {
    fn from(who: Who) -> String {
        who.to_string()
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::All => f.write_str("all"),
            Who::Role(role) => role.fmt(f),
            Who::Party(org) => org.fmt(f),
            Who::Service(id) => write!(f, "service:{id}"),
        }
    }
}

/// A telephone number in E.164: `+` and 8 to 15 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Telephone(String);

impl Telephone {
    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Telephone {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            let problem = "expected + and 8 to 15 digits without spaces, such as +31000000101".to_owned();
            return Err(InvalidId { what: "telephone number", problem });
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Telephone {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Telephone> for String {
    fn from(number: Telephone) -> String {
        number.0
    }
}

impl fmt::Display for Telephone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Telephone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_back_each_of_its_spellings() {
        for text in ["all", "ggz-crisis", "ura:90000101", "service:ambulante-spoedhulp-1"] {
            assert_eq!(text.parse::<Who>().unwrap().to_string(), text);
        }
        for bad in ["", "GGZ", "service:", "big:1", "ura:1", "-x", "x-"] {
            assert!(bad.parse::<Who>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_telephone_number_is_international_and_bounded() {
        assert!("+31000000101".parse::<Telephone>().is_ok());
        for bad in ["0800-8081", "+31 26 1", "+1234567", "+1234567890123456", ""] {
            assert!(bad.parse::<Telephone>().is_err(), "{bad}");
        }
    }
}
