//! The words a scenario uses: names of organisations, times of the story, states.

use std::fmt;
use std::str::FromStr;

use schakel_proto::care::v1::{consultation, handover};
use serde::Deserialize;

/// An organisation's short name in one story: `sez`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct OrgKey(String);

impl OrgKey {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=30).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err(format!("`{text}`: expected 1 to 30 of a-z, 0-9 and -")) }
    }
}

impl TryFrom<String> for OrgKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for OrgKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When something happens in the story: `02:11:04`, in seconds after midnight. After 24:00 the next day goes on: `25:10:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct StoryTime(pub u32);

impl TryFrom<String> for StoryTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = || format!("`{text}`: expected hh:mm:ss, such as 02:11:04");
        let parts: Vec<&str> = text.split(':').collect();
        let [hours, minutes, seconds] = parts[..] else { return Err(expected()) };
        let two = |part: &str, below: u32| {
            let number = part.parse::<u32>().ok().filter(|number| *number < below);
            number.filter(|_| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(expected)
        };
        Ok(Self(two(hours, 48)? * 3600 + two(minutes, 60)? * 60 + two(seconds, 60)?))
    }
}

impl fmt::Display for StoryTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60)
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident of $proto:path, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub $proto);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let known = <$proto>::from_str_name(&format!(concat!($prefix, "{}"), text.to_ascii_uppercase()));
                known.filter(|state| i32::from(*state) != 0).map(Self).ok_or_else(|| format!("`{text}` is not a state"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.as_str_name().trim_start_matches($prefix).to_ascii_lowercase())
            }
        }
    };
}

states! {
    /// A state of a consultation, by its name in the care door, in small letters: `assigned`.
    ConsultationState of consultation::State, "STATE_"
}

states! {
    /// A state of a handover, by its name in the care door, in small letters: `transferring`.
    HandoverState of handover::State, "STATE_"
}
