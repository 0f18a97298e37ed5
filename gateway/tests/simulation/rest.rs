//! Whether a gateway has come to rest, from what is on its disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use schakel::desk::CaseRecord;
use schakel::store::{Kind, Page, Record, Store, StoreError};
use schakel_domain::custody::{Answer, Role};

use crate::world::Node;

/// Reads a disk that is memory: nothing is waited for.
pub(crate) fn at_once<T>(read: impl Future<Output = Result<T, StoreError>>) -> T {
    read.now_or_never().unwrap().unwrap()
}

/// Records of a kind.
pub(crate) fn records(node: &Node, kind: Kind) -> Vec<Record> {
    at_once(node.disk.peek().records(kind, Page { open_only: false, after: String::new(), limit: 1_000 }))
}

/// Cases as this organisation knows them.
pub(crate) fn cases(node: &Node) -> Vec<CaseRecord> {
    records(node, Kind::Case).iter().map(|record| serde_json::from_str(&record.clear).unwrap()).collect()
}

/// What still moves at one organisation.
pub(crate) fn restless(node: &Arc<Node>) -> Option<String> {
    let queues = at_once(node.disk.peek().outbox_peers());
    if let Some(queue) = queues.iter().find(|queue| queue.waiting > 0) {
        return Some(format!("{} messages of {} to {} wait", queue.waiting, node.me, queue.peer));
    }
    if node.front.lock().unwrap().is_none() {
        return Some(format!("{} is not open", node.me));
    }
    for case in cases(node) {
        let waits = match &case.custody.role {
            Role::Offering { .. } => Some("offers"),
            Role::Transferring { .. } => Some("is in transfer"),
            Role::Contested { .. } => Some("is contested"),
            _ => None,
        };
        let reserved = case.custody.inbound.values().any(|row| matches!(row.answer, Answer::Received { .. } | Answer::Pledged { .. }));
        if let Some(why) = waits.or(reserved.then_some("has an offer open")) {
            return Some(format!("{} {why} in case {}", node.me, case.case));
        }
    }
    None
}

/// A timer that is due by the organisation's own clock.
pub(crate) fn overdue(node: &Node, now: Timestamp) -> Option<String> {
    let own = now + SignedDuration::from_millis(node.skew_ms.load(Ordering::Relaxed));
    let due = at_once(node.disk.peek().due(own, 1));
    due.first().map(|timer| format!("timer {} of {} is due and has not fired", timer.id, node.me))
}
