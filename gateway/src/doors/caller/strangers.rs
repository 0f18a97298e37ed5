//! Calls nobody could be found for, counted per source and minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Most rows with a source of their own; what comes on top is counted without a source.
const ROWS_MAX: usize = 4096;
/// Minutes kept when nobody takes them out.
const MINUTES_KEPT: i64 = 60;

/// How often somebody unknown called from one source in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrangersRow {
    /// Minutes since 1970-01-01T00:00Z.
    pub minute: i64,
    /// The address, for IPv6 its /64; `None` without one, or when the table was full.
    pub source: Option<IpAddr>,
    /// How often.
    pub count: u64,
}

/// The table, bounded in rows and minutes.
#[derive(Debug, Default)]
pub struct Strangers {
    rows: Mutex<BTreeMap<(i64, Option<IpAddr>), u64>>,
}

impl Strangers {
    /// Counts one call.
    pub(super) fn count(&self, now: Timestamp, source: Option<IpAddr>) {
        let minute = now.as_second().div_euclid(60);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        while rows.first_key_value().is_some_and(|(row, _)| row.0 < minute - MINUTES_KEPT) {
            rows.pop_first();
        }
        let own = (minute, source.map(network));
        let row = if rows.contains_key(&own) || rows.len() < ROWS_MAX { own } else { (minute, None) };
        let count = rows.entry(row).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes out the rows of the minutes before this one (minutes since 1970): those that no longer change.
    #[must_use]
    pub fn take_before(&self, minute: i64) -> Vec<StrangersRow> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let later = rows.split_off(&(minute, None));
        let taken = std::mem::replace(&mut *rows, later);
        taken.into_iter().map(|((minute, source), count)| StrangersRow { minute, source, count }).collect()
    }
}

/// One household or host has a whole /64 to call from.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(n * 60).unwrap()
    }

    #[test]
    fn a_flood_from_everywhere_stays_in_a_bounded_table() {
        let strangers = Strangers::default();
        let callers = 10_000;

        for n in 0..callers {
            strangers.count(minute(1), Some(IpAddr::from([10, 0, (n / 256) as u8, (n % 256) as u8])));
        }

        let rows = strangers.take_before(2);
        assert!(rows.len() <= ROWS_MAX + 1, "{}", rows.len());
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), callers as u64);
    }

    #[test]
    fn one_network_is_one_source_and_a_running_minute_stays() {
        let strangers = Strangers::default();
        strangers.count(minute(1), Some("2001:db8:1:2::1".parse().unwrap()));
        strangers.count(minute(1), Some("2001:db8:1:2::ffff".parse().unwrap()));
        strangers.count(minute(2), None);

        let source = Some("2001:db8:1:2::".parse().unwrap());
        assert_eq!(strangers.take_before(2), [StrangersRow { minute: 1, source, count: 2 }]);
        assert_eq!(strangers.take_before(3), [StrangersRow { minute: 2, source: None, count: 1 }]);
    }
}
