//! ERASURE: on what ground the file of a case may be destroyed, and what stands in the way. Neighbours: the desk gathers the facts and
//! destroys; [`Refusal`] says no.
//!
//! A request of the client or the parent (AVG 17, Jeugdwet 7.3.9, BW 7:455) is not held up by the time a file must be kept; destroying
//! because that time is over (Jeugdwet 7.3.8, AVG 5) is. Neither passes a hold: an interest of another person, or a law, that asks for
//! keeping it (Jeugdwet 7.3.9, second paragraph).

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::refusal::{Lang, Reason, Refusal, Stage};

/// How long a file is kept after its last change when no covenant in force says otherwise: Jeugdwet 7.3.8, BW 7:454.
pub const CASE_YEARS: u8 = 20;
/// Furthest end of a hold, in years from now: whoever still needs it then says so again.
pub const MAX_HOLD_YEARS: i64 = 30;

/// Why a file is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// The client, or who has authority over the client, asks for it.
    ClientRequest,
    /// The time it must be kept is over.
    RetentionEnded,
}

impl Ground {
    /// Every ground.
    pub const ALL: [Ground; 2] = [Ground::ClientRequest, Ground::RetentionEnded];

    /// The rule, as the log names it.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Ground::ClientRequest => "law:avg-17,jeugdwet-7.3.9",
            Ground::RetentionEnded => "law:avg-5,jeugdwet-7.3.8",
        }
    }

    /// The rule in one sentence.
    #[must_use]
    pub fn sentence(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Ground::ClientRequest, Lang::Nl) => "De jeugdige of wie het gezag heeft vraagt om vernietiging (AVG 17, Jeugdwet 7.3.9).",
            (Ground::ClientRequest, Lang::En) => "The young person or who has authority asks for destruction (GDPR 17, Jeugdwet 7.3.9).",
            (Ground::RetentionEnded, Lang::Nl) => "De bewaartermijn van het dossier is voorbij (Jeugdwet 7.3.8, AVG 5).",
            (Ground::RetentionEnded, Lang::En) => "The time for which the file must be kept is over (Jeugdwet 7.3.8, GDPR 5).",
        }
    }
}

/// What is known of a case that somebody wants destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// This organisation leads or is responsible, or somebody waits for its answer.
    pub case_open: bool,
    /// A handover of it is open.
    pub handover_open: bool,
    /// A consultation about it is open.
    pub consultation_open: bool,
    /// Until when it is held.
    pub held_until: Option<Timestamp>,
    /// When anything of it last changed.
    pub last_change: Timestamp,
    /// For how many years after that it is kept.
    pub case_years: u8,
}

impl Standing {
    /// The first day on which the time of keeping is over.
    #[must_use]
    pub fn kept_until(&self) -> Date {
        let last = self.last_change.to_zoned(TimeZone::UTC).date();
        last.checked_add(Span::new().years(i64::from(self.case_years))).unwrap_or(Date::MAX)
    }

    /// Whether it may be destroyed on this ground now.
    ///
    /// # Errors
    /// `ERASURE_BARRED`; its detail says by what, and until when.
    pub fn may_erase(&self, ground: Ground, now: Timestamp) -> Result<(), Refusal> {
        let barred = |why: String| Err(Refusal::new(Stage::State, Reason::ErasureBarred).because(why));
        if self.case_open {
            return barred("the case is open here: close it or hand it over first".to_owned());
        }
        if self.handover_open {
            return barred("a handover of this case is open".to_owned());
        }
        if self.consultation_open {
            return barred("a consultation about this case is open".to_owned());
        }
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return barred(format!("it is held until {}", until.to_zoned(TimeZone::UTC).date()));
        }
        let kept = self.kept_until();
        if ground == Ground::RetentionEnded && now.to_zoned(TimeZone::UTC).date() < kept {
            return barred(format!("it must be kept until {kept}, {} years after its last change", self.case_years));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn closed() -> Standing {
        Standing {
            case_open: false,
            handover_open: false,
            consultation_open: false,
            held_until: None,
            last_change: at("2024-02-29T23:00:00Z"),
            case_years: 20,
        }
    }

    #[test]
    fn what_is_open_or_held_is_not_destroyed_on_any_ground() {
        let now = at("2060-01-01T00:00:00Z");
        for ground in Ground::ALL {
            assert_eq!(closed().may_erase(ground, now), Ok(()));
            for standing in [
                Standing { case_open: true, ..closed() },
                Standing { handover_open: true, ..closed() },
                Standing { consultation_open: true, ..closed() },
                Standing { held_until: Some(at("2060-01-01T00:00:01Z")), ..closed() },
            ] {
                assert_eq!(standing.may_erase(ground, now).unwrap_err().reason, Reason::ErasureBarred, "{standing:?}");
            }
        }
        let held = Standing { held_until: Some(now), ..closed() };
        assert_eq!(held.may_erase(Ground::ClientRequest, now), Ok(()), "a hold that is over holds nothing");
    }

    #[test]
    fn only_a_request_of_the_client_does_not_wait_for_the_end_of_keeping() {
        let before = at("2044-02-28T23:59:59Z");

        assert_eq!(closed().may_erase(Ground::ClientRequest, before), Ok(()));
        let refused = closed().may_erase(Ground::RetentionEnded, before).unwrap_err();
        assert!(refused.detail.contains("until 2044-02-29"), "{refused}");
        assert_eq!(closed().may_erase(Ground::RetentionEnded, at("2044-02-29T00:00:00Z")), Ok(()));
    }
}
