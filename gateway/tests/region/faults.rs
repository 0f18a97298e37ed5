//! What whole gateways over the real link survive together: lines that are cut for an hour, a log that cannot be written, cosigners that
//! stay away, and clocks that differ.

#[path = "faults/cosigned.rs"]
mod cosigned;
#[path = "faults/partition.rs"]
mod partition;
#[path = "faults/unwritable.rs"]
mod unwritable;

use std::time::Duration;

use schakel::demo::checker::{self, History, Subject};

use super::kit::Gateway;

/// Time between two looks at what nobody tells of.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Longest wait for anything; catches a hang only.
const PATIENCE: Duration = Duration::from_secs(180);

/// Looks again and again until it is so.
async fn until_so(what: &str, look: impl AsyncFn() -> bool) {
    let looking = async {
        let mut again = tokio::time::interval(LOOK_AGAIN);
        while !look().await {
            again.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never so: {what}"));
}

/// How often an event of this kind is stored.
async fn told(gateway: &Gateway, kind: &str) -> usize {
    events(gateway).await.iter().filter(|event| event.kind == kind).count()
}

async fn events(gateway: &Gateway) -> Vec<schakel::store::NewEvent> {
    let (store, mut events, mut after) = (gateway.running.desk.store(), Vec::new(), 0);
    loop {
        let page = store.events(after, schakel::store::MAX_ROWS).await.unwrap();
        let Some(last) = page.last() else { return events };
        after = last.seq;
        events.extend(page.into_iter().map(|row| row.event));
    }
}

/// Everything that these gateways stored and signed holds together, and this many handovers were offered.
async fn holds(gateways: &[&Gateway], handovers: u64) {
    let mut subjects = Vec::new();
    for gateway in gateways {
        gateway.signed().await;
        let (ledger, store) = (&gateway.running.ledger, gateway.running.desk.store().clone());
        let checkpoint = ledger.checkpoint().map(|signed| (signed.note.clone().into_bytes(), ledger.vkey().clone()));
        subjects.push(Subject { org: gateway.home.id.parse().unwrap(), store, checkpoint });
    }
    let findings = checker::check(&History::read(subjects).await.unwrap());
    let violations: Vec<String> = findings.violations.iter().map(ToString::to_string).collect();
    assert_eq!((violations, findings.handovers), (Vec::<String>::new(), handovers));
}
