//! How the desk's neighbours learn that something was committed: no polling anywhere.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use schakel_domain::id::OrgId;
use tokio::sync::{Notify, watch};

use crate::store::Committed;

/// Wakes for readers of events, for the courier, for the clock and for the log's signer.
#[derive(Debug)]
pub struct Signals {
    events: watch::Sender<u64>,
    log: watch::Sender<u64>,
    timers: Notify,
    outgoing: Mutex<BTreeSet<OrgId>>,
    outgoing_wake: Notify,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            events: watch::Sender::new(0),
            log: watch::Sender::new(0),
            timers: Notify::new(),
            outgoing: Mutex::new(BTreeSet::new()),
            outgoing_wake: Notify::new(),
        }
    }
}

impl Signals {
    /// Sequence of the newest event.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Size of the log.
    #[must_use]
    pub fn log(&self) -> watch::Receiver<u64> {
        self.log.subscribe()
    }

    /// Waits until the timers may have changed.
    pub async fn timers_changed(&self) {
        self.timers.notified().await;
    }

    /// Waits until there are peers with new messages, and takes their names.
    pub async fn outgoing(&self) -> BTreeSet<OrgId> {
        loop {
            let woken = self.outgoing_wake.notified();
            let peers = std::mem::take(&mut *self.outgoing.lock().unwrap_or_else(PoisonError::into_inner));
            if !peers.is_empty() {
                return peers;
            }
            woken.await;
        }
    }

    /// An operator wants a peer tried now, or its stop was changed.
    pub(super) fn retry(&self, peer: OrgId) {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
        self.outgoing_wake.notify_one();
    }

    /// The clock must look again: timers changed, or whether they may fire.
    pub(super) fn timers_moved(&self) {
        self.timers.notify_one();
    }

    /// Tells everybody about a commit.
    pub(super) fn committed(&self, committed: &Committed, peers: Vec<OrgId>, timers: bool) {
        // Commits of one group are answered in any order: the highest counts.
        let raise = |highest: &mut u64, value: u64| {
            let higher = value > *highest;
            *highest = value.max(*highest);
            higher
        };
        self.events.send_if_modified(|highest| raise(highest, committed.last_event));
        self.log.send_if_modified(|highest| raise(highest, committed.log_size));
        self.wake(peers, timers);
    }

    /// Tells everybody to look again: the store does not say whether a commit was made.
    pub(super) fn perhaps_committed(&self, peers: Vec<OrgId>, timers: bool) {
        self.events.send_modify(|_| {});
        self.log.send_modify(|_| {});
        self.wake(peers, timers);
    }

    fn wake(&self, peers: Vec<OrgId>, timers: bool) {
        if !peers.is_empty() {
            self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).extend(peers);
            self.outgoing_wake.notify_one();
        }
        if timers {
            self.timers.notify_one();
        }
    }
}
