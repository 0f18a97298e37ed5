//! Time as a covenant writes it: periods such as `2h`, hours such as `18:00`, days, and the time zone they are meant in.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::InvalidId;
use crate::refusal::Lang;

/// Longest period, in seconds: 366 days.
const MAX_SECONDS: u32 = 366 * 86_400;

/// A length of time between 1 second and 366 days, written `30s`, `45m`, `1h30m`, `48h`, `14d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(u32);

const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Period {
    /// The period as a duration.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.0))
    }

    /// The period in words: `30 minuten`, `48 uur`, `14 dagen`.
    #[must_use]
    pub fn words(self, lang: Lang) -> String {
        let word = |unit: char, count: u32| match (unit, lang, count) {
            ('d', Lang::Nl, 1) => "dag",
            ('d', Lang::Nl, _) => "dagen",
            ('d', Lang::En, 1) => "day",
            ('d', Lang::En, _) => "days",
            ('h', Lang::Nl, _) => "uur",
            ('h', Lang::En, 1) => "hour",
            ('h', Lang::En, _) => "hours",
            ('m', Lang::Nl, 1) => "minuut",
            ('m', Lang::Nl, _) => "minuten",
            ('m', Lang::En, 1) => "minute",
            ('m', Lang::En, _) => "minutes",
            (_, Lang::Nl, 1) => "seconde",
            (_, Lang::Nl, _) => "seconden",
            (_, Lang::En, 1) => "second",
            (_, Lang::En, _) => "seconds",
        };
        let parts: Vec<_> = self.parts().map(|(unit, count)| format!("{count} {}", word(unit, count))).collect();
        parts.join(" ")
    }

    /// Whole days from three days on, hours before that: people say 48 hours and 14 days.
    fn parts(self) -> impl Iterator<Item = (char, u32)> {
        let days = if self.0 >= 3 * 86_400 && self.0.is_multiple_of(86_400) { self.0 / 86_400 } else { 0 };
        let rest = self.0 - days * 86_400;
        [('d', days), ('h', rest / 3_600), ('m', rest % 3_600 / 60), ('s', rest % 60)].into_iter().filter(|part| part.1 > 0)
    }
}

impl FromStr for Period {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fail = || InvalidId { what: "period", problem: "expected a time such as 30s, 45m, 1h30m, 48h or 14d, at most 366d".to_owned() };
        let mut seconds: u32 = 0;
        let mut rest = text;
        let mut units = UNITS.iter();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| (1..=8).contains(end)).ok_or_else(fail)?;
            let (digits, tail) = rest.split_at(end);
            let letter = tail.chars().next().ok_or_else(fail)?;
            // Units come in falling order and once each: `30m1h` is a slip of the pen.
            let (_, factor) = units.find(|(unit, _)| *unit == letter).ok_or_else(fail)?;
            let count: u32 = digits.parse().map_err(|_| fail())?;
            seconds = count.checked_mul(*factor).and_then(|more| seconds.checked_add(more)).ok_or_else(fail)?;
            rest = &tail[letter.len_utf8()..];
        }
        if seconds == 0 || seconds > MAX_SECONDS {
            return Err(fail());
        }
        Ok(Self(seconds))
    }
}

impl TryFrom<String> for Period {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|(unit, count)| write!(f, "{count}{unit}"))
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A time of day in whole minutes, `00:00` to `24:00`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(u16);

impl FromStr for ClockTime {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fail = || InvalidId { what: "time of day", problem: "expected 00:00 to 24:00, such as 08:30".to_owned() };
        let shape = text.len() == 5 && text.bytes().enumerate().all(|(i, b)| if i == 2 { b == b':' } else { b.is_ascii_digit() });
        if !shape {
            return Err(fail());
        }
        let hours: u16 = text[..2].parse().map_err(|_| fail())?;
        let minutes: u16 = text[3..].parse().map_err(|_| fail())?;
        let total = hours * 60 + minutes;
        (minutes < 60 && total <= 1440).then_some(Self(total)).ok_or_else(fail)
    }
}

impl TryFrom<String> for ClockTime {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> String {
        time.to_string()
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the seven days need no explanation")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }

    /// The day's short name: `ma`, `Mon`.
    #[must_use]
    pub fn label(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Day::Mon, Lang::Nl) => "ma",
            (Day::Tue, Lang::Nl) => "di",
            (Day::Wed, Lang::Nl) => "wo",
            (Day::Thu, Lang::Nl) => "do",
            (Day::Fri, Lang::Nl) => "vr",
            (Day::Sat, Lang::Nl) => "za",
            (Day::Sun, Lang::Nl) => "zo",
            (Day::Mon, Lang::En) => "Mon",
            (Day::Tue, Lang::En) => "Tue",
            (Day::Wed, Lang::En) => "Wed",
            (Day::Thu, Lang::En) => "Thu",
            (Day::Fri, Lang::En) => "Fri",
            (Day::Sat, Lang::En) => "Sat",
            (Day::Sun, Lang::En) => "Sun",
        }
    }
}

/// Hours on some days, half open. When `until` is not after `from` they end the next morning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days on which these hours begin.
    pub days: Vec<Day>,
    /// From this time on.
    pub from: ClockTime,
    /// Up to, not including, this time.
    pub until: ClockTime,
}

impl Hours {
    /// Whether this local moment falls inside.
    #[must_use]
    pub fn hold(&self, local: DateTime) -> bool {
        let time = ClockTime(u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()));
        let on = |weekday: Weekday| self.days.contains(&Day::of(weekday));
        let today = local.weekday();
        if self.from < self.until {
            return on(today) && self.from <= time && time < self.until;
        }
        on(today) && self.from <= time || on(today.previous()) && time < self.until
    }

    /// The hours in words: `ma, di 18:00-08:00`.
    #[must_use]
    pub fn words(&self, lang: Lang) -> String {
        let days: Vec<_> = self.days.iter().map(|day| day.label(lang)).collect();
        format!("{} {}-{}", days.join(", "), self.from, self.until)
    }
}

/// The time zone a covenant's dates and hours are meant in.
///
/// The rule is part of the program, not of the machine: two gateways with different time zone files would otherwise disagree on
/// whether a covenant is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// Dutch time; summer time as the European Union keeps it since 1996.
    #[serde(rename = "Europe/Amsterdam")]
    EuropeAmsterdam,
}

impl Zone {
    fn rules(self) -> TimeZone {
        match self {
            Zone::EuropeAmsterdam => TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a constant rule that the tests read"),
        }
    }

    /// The local date and time of a moment.
    #[must_use]
    pub fn local(self, at: Timestamp) -> DateTime {
        self.rules().to_datetime(at)
    }

    /// The moment at which a date begins. A date beyond what can be counted begins at the end of time.
    #[must_use]
    pub fn start_of(self, date: Date) -> Timestamp {
        self.rules().to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_is_read_exactly_and_written_one_way() {
        for (text, seconds, written) in
            [("30s", 30, "30s"), ("120m", 7200, "2h"), ("1h30m", 5400, "1h30m"), ("2d", 172_800, "48h"), ("14d", 1_209_600, "14d")]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.0, period.to_string().as_str()), (seconds, written), "{text}");
            assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn a_period_without_bound_unit_or_order_is_refused() {
        for bad in ["", "0s", "2", "h", "2 h", "-2h", "2uur", "30m1h", "1h1h", "367d", "99999999d", "999999999999s", "2h\u{e9}"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_period_in_words_is_how_people_say_it() {
        let words = |text: &str, lang| text.parse::<Period>().unwrap().words(lang);

        assert_eq!(words("48h", Lang::Nl), "48 uur");
        assert_eq!(words("90m", Lang::En), "1 hour 30 minutes");
        assert_eq!(words("14d", Lang::Nl), "14 dagen");
    }

    #[test]
    fn evening_hours_run_into_the_next_morning() {
        let friday = Hours { days: vec![Day::Fri], from: "18:00".parse().unwrap(), until: "08:00".parse().unwrap() };

        // 20 November 2026 is a Friday.
        assert!(friday.hold(date(2026, 11, 20).at(18, 0, 0, 0)));
        assert!(friday.hold(date(2026, 11, 21).at(7, 59, 0, 0)));
        assert!(!friday.hold(date(2026, 11, 21).at(8, 0, 0, 0)));
        assert!(!friday.hold(date(2026, 11, 20).at(7, 0, 0, 0)));
    }

    #[test]
    fn a_date_begins_at_local_midnight_in_summer_and_in_winter() {
        let start = |date| Zone::EuropeAmsterdam.start_of(date).to_string();

        assert_eq!(start(date(2026, 1, 1)), "2025-12-31T23:00:00Z");
        assert_eq!(start(date(2026, 7, 1)), "2026-06-30T22:00:00Z");
    }

    #[test]
    fn a_time_of_day_is_two_digits_twice() {
        assert_eq!("24:00".parse::<ClockTime>().unwrap().to_string(), "24:00");
        for bad in ["24:01", "8:00", "08:60", "0800", "\u{e9}:00", ""] {
            assert!(bad.parse::<ClockTime>().is_err(), "{bad}");
        }
    }
}
