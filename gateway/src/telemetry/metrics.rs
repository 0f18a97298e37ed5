//! Every metric there is, by the semantic conventions of OpenTelemetry where they have one. Attributes are doors, methods, organisations and
//! reason codes: few, and none of them is about a person or a case.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Reason;

/// Bounds of the histograms, in seconds, as the conventions advise.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What is measured; made once, when something is measured first.
struct Instruments {
    calls: Histogram<f64>,
    commits: Histogram<f64>,
    refusals: Counter<u64>,
    messages: Counter<u64>,
    gauges: [Gauge<f64>; Level::ALL.len()],
}

/// What stands at a level, looked at now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Messages that wait for a peer.
    OutboxMessages,
    /// Seconds that the oldest of them has waited.
    OutboxAge,
    /// Attempts in a row to reach a peer that failed.
    PeerAttempts,
    /// Threads that a peer asked to send again later.
    PeerHeld,
    /// Offers of ours that the other gateway has not confirmed to hold.
    OffersUnacknowledged,
    /// Open offers whose time to answer is over, ours and those made to us.
    OffersOverdue,
    /// Entries in the log.
    LogEntries,
    /// Entries that no signed head covers yet.
    LogUnsigned,
    /// Seconds since something was written that no quorum of peers has cosigned.
    CosignLate,
    /// Days until the first certificate of an organisation's chain ends.
    CertificateDays,
    /// Open connections of a door that showed a certificate.
    Connections,
    /// Whether a commit would be possible: 1 or 0.
    StoreReady,
    /// Whether this gateway stopped deciding because messages of its own are missing: 1 or 0.
    Recovering,
}

impl Level {
    /// Every level.
    pub const ALL: [Level; 13] = [
        Level::OutboxMessages,
        Level::OutboxAge,
        Level::PeerAttempts,
        Level::PeerHeld,
        Level::OffersUnacknowledged,
        Level::OffersOverdue,
        Level::LogEntries,
        Level::LogUnsigned,
        Level::CosignLate,
        Level::CertificateDays,
        Level::Connections,
        Level::StoreReady,
        Level::Recovering,
    ];

    /// Its name and unit.
    #[must_use]
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Level::OutboxMessages => ("schakel.outbox.messages", "{message}"),
            Level::OutboxAge => ("schakel.outbox.oldest.age", "s"),
            Level::PeerAttempts => ("schakel.peer.failed_attempts", "{attempt}"),
            Level::PeerHeld => ("schakel.peer.held_threads", "{thread}"),
            Level::OffersUnacknowledged => ("schakel.offers.unacknowledged", "{offer}"),
            Level::OffersOverdue => ("schakel.offers.overdue", "{offer}"),
            Level::LogEntries => ("schakel.log.entries", "{entry}"),
            Level::LogUnsigned => ("schakel.log.unsigned", "{entry}"),
            Level::CosignLate => ("schakel.log.cosigning.late", "s"),
            Level::CertificateDays => ("schakel.certificate.days_left", "d"),
            Level::Connections => ("schakel.connections", "{connection}"),
            Level::StoreReady => ("schakel.store.ready", "1"),
            Level::Recovering => ("schakel.recovering", "1"),
        }
    }
}

fn instruments() -> &'static Instruments {
    static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();
    INSTRUMENTS.get_or_init(|| {
        let meter = global::meter("schakel");
        let seconds = |name| meter.f64_histogram(name).with_unit("s").with_boundaries(SECONDS.to_vec()).build();
        Instruments {
            calls: seconds("rpc.server.call.duration"),
            commits: seconds("schakel.store.commit.duration"),
            refusals: meter.u64_counter("schakel.refusals").with_unit("{refusal}").build(),
            messages: meter.u64_counter("schakel.messages").with_unit("{message}").build(),
            gauges: Level::ALL.map(|level| {
                let (name, unit) = level.name();
                meter.f64_gauge(name).with_unit(unit).build()
            }),
        }
    })
}

/// A call was answered, or its stream of answers was opened.
pub fn called(door: &'static str, method: &'static str, status: &'static str, took: Duration) {
    let attributes = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method),
        KeyValue::new("rpc.response.status_code", status),
        KeyValue::new("schakel.door", door),
    ];
    instruments().calls.record(took.as_secs_f64(), &attributes);
}

/// A commit was answered.
pub fn committed(outcome: &'static str, took: Duration) {
    instruments().commits.record(took.as_secs_f64(), &[KeyValue::new("schakel.outcome", outcome)]);
}

/// A caller was refused at a door.
pub fn refused(door: &'static str, reason: Reason) {
    instruments().refusals.add(1, &[KeyValue::new("schakel.door", door), KeyValue::new("error.type", reason.code())]);
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a peer, which has answered.
    Sent,
    /// From a peer, and judged.
    Received,
}

/// A message was judged, at ours or at a peer's.
pub fn message(way: Way, peer: &OrgId, outcome: &'static str) {
    let way = match way {
        Way::Sent => "sent",
        Way::Received => "received",
    };
    let attributes =
        [KeyValue::new("schakel.way", way), KeyValue::new("schakel.peer", peer.to_string()), KeyValue::new("schakel.outcome", outcome)];
    instruments().messages.add(1, &attributes);
}

/// What stands at a level now, of one organisation, one door, or of the whole gateway.
pub fn stands(level: Level, of: Option<(&'static str, String)>, value: f64) {
    let attributes: Vec<_> = of.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
    let at = Level::ALL.iter().position(|one| *one == level).unwrap_or_default();
    instruments().gauges[at].record(value, &attributes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_level_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Level::ALL.iter().map(|level| level.name().0).collect();

        assert_eq!(names.len(), Level::ALL.len());
    }
}
