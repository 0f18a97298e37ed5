//! Failed handshakes, counted per source and minute.
//!
//! Before a caller is identified nothing is logged one by one, or a stranger could fill the disk. Whoever runs the gateway takes
//! the finished minutes out with [`Failures::take_before`] and writes one line per count.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Most rows with a source of their own; what comes on top is counted without a source.
const ROWS_MAX: usize = 4096;
/// Minutes kept when nobody takes them out.
const MINUTES_KEPT: i64 = 60;

/// What went wrong, coarsely: detail comes from a stranger and is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The handshake did not finish in time.
    Timeout,
    /// The first bytes were not TLS.
    NotTls,
    /// No certificate, or one that is not acceptable.
    Certificate,
    /// No common version, cipher suite or group; a broken handshake.
    Protocol,
    /// ALPN without `h2`, or no ALPN.
    NoHttp2,
    /// The other side refused our certificate.
    RefusedByPeer,
    /// The other side went away.
    Gone,
    /// All connections are taken.
    Saturated,
}

/// One row: how often what went wrong from where in which minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCount {
    /// Minutes since 1970-01-01T00:00Z.
    pub minute: i64,
    /// The address, for IPv6 its /64; `None` for all that found the table full.
    pub source: Option<IpAddr>,
    /// What went wrong.
    pub kind: FailureKind,
    /// How often.
    pub count: u64,
}

type Row = (i64, Option<IpAddr>, FailureKind);

/// The table. Bounded in rows and in minutes.
#[derive(Debug, Default)]
pub struct Failures {
    rows: Mutex<BTreeMap<Row, u64>>,
}

impl Failures {
    /// Counts one failure at a time in seconds since 1970.
    pub(super) fn record(&self, seconds: i64, source: IpAddr, kind: FailureKind) {
        let minute = seconds.div_euclid(60);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        while rows.first_key_value().is_some_and(|(row, _)| row.0 < minute - MINUTES_KEPT) {
            rows.pop_first();
        }
        let own = (minute, Some(network(source)), kind);
        let row = if rows.contains_key(&own) || rows.len() < ROWS_MAX { own } else { (minute, None, kind) };
        let count = rows.entry(row).or_default();
        *count = count.saturating_add(1);
    }

    /// Every row held, oldest minute first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<FailureCount> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().map(count).collect()
    }

    /// Takes out the rows of the minutes before this one (minutes since 1970): those that no longer change.
    #[must_use]
    pub fn take_before(&self, minute: i64) -> Vec<FailureCount> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, running) = std::mem::take(&mut *rows).into_iter().partition(|(row, _)| row.0 < minute);
        *rows = running;
        let done: BTreeMap<Row, u64> = done;
        done.iter().map(count).collect()
    }
}

fn count((&(minute, source, kind), &count): (&Row, &u64)) -> FailureCount {
    FailureCount { minute, source, kind, count }
}

/// One household or host in IPv6 owns a /64: counting single addresses would let it fill the table.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_sources_does_not_grow_the_table() {
        let failures = Failures::default();

        for n in 0..20_000_u32 {
            failures.record(60, IpAddr::V4(n.into()), FailureKind::Timeout);
        }

        let rows = failures.snapshot();
        assert_eq!(rows.len(), ROWS_MAX + 1);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 20_000);
    }

    #[test]
    fn minutes_nobody_took_are_forgotten_and_taken_ones_come_once() {
        let (failures, source) = (Failures::default(), IpAddr::V6(Ipv6Addr::LOCALHOST));

        failures.record(0, source, FailureKind::NotTls);
        failures.record(60 * (MINUTES_KEPT + 1), source, FailureKind::NotTls);
        failures.record(60 * (MINUTES_KEPT + 2), source, FailureKind::NotTls);

        let minutes = |rows: Vec<FailureCount>| rows.iter().map(|row| row.minute).collect::<Vec<_>>();
        assert_eq!(minutes(failures.take_before(MINUTES_KEPT + 2)), [MINUTES_KEPT + 1]);
        assert!(minutes(failures.take_before(MINUTES_KEPT + 2)).is_empty());
        assert_eq!(minutes(failures.snapshot()), [MINUTES_KEPT + 2]);
    }
}
