//! How the desk's neighbours learn that something was committed: no polling anywhere.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use schakel_domain::id::OrgId;
use tokio::sync::{Notify, watch};

use crate::store::Committed;

/// Wakes for readers of events, for the courier, for the clock and for the log's signer.
#[derive(Debug)]
pub struct Signals {
    events: watch::Sender<u64>,
    log: watch::Sender<u64>,
    timers: Notify,
    /// When the clock wakes by itself; none: it is about to look, and every new timer counts.
    clock_wakes: Mutex<Option<Timestamp>>,
    outgoing: Mutex<BTreeSet<OrgId>>,
    outgoing_wake: Notify,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            events: watch::Sender::new(0),
            log: watch::Sender::new(0),
            timers: Notify::new(),
            clock_wakes: Mutex::new(None),
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

    /// The clock says when it wakes by itself, so that later timers need not wake it: most are set long before they are due. None before it
    /// looks for the next one: what is set while it looks wakes it.
    pub fn clock_wakes(&self, at: Option<Timestamp>) {
        *self.clock_wakes.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Waits until there may be a timer that is due before the clock wakes by itself.
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

    /// Tells everybody about a commit; `timer` is the earliest moment of the timers it set.
    pub(super) fn committed(&self, committed: &Committed, peers: Vec<OrgId>, timer: Option<Timestamp>) {
        // Commits of one group are answered in any order: the highest counts.
        let raise = |highest: &mut u64, value: u64| {
            let higher = value > *highest;
            *highest = value.max(*highest);
            higher
        };
        self.events.send_if_modified(|highest| raise(highest, committed.last_event));
        self.log.send_if_modified(|highest| raise(highest, committed.log_size));
        self.wake(peers, timer);
    }

    /// Tells everybody to look again: the store does not say whether a commit was made.
    pub(super) fn perhaps_committed(&self, peers: Vec<OrgId>, timer: Option<Timestamp>) {
        self.events.send_modify(|_| {});
        self.log.send_modify(|_| {});
        self.wake(peers, timer);
    }

    fn wake(&self, peers: Vec<OrgId>, timer: Option<Timestamp>) {
        if !peers.is_empty() {
            self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).extend(peers);
            self.outgoing_wake.notify_one();
        }
        if timer.is_some_and(|due| self.clock_wakes.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|wakes| due < wakes)) {
            self.timers.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::ToSpan as _;

    use super::*;

    async fn woken(signals: &Signals) -> bool {
        tokio::time::timeout(Duration::from_millis(1), signals.timers_changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_timer_that_is_due_before_the_clock_wakes_does_wake_it() {
        let (signals, now) = (Signals::default(), Timestamp::UNIX_EPOCH);
        let committed = Committed { first_entry: None, last_event: 0, log_size: 0 };
        let set = |at: Option<Timestamp>| signals.committed(&committed, Vec::new(), at);
        set(Some(now + 9.hours()));
        assert!(woken(&signals).await, "it has not looked yet");

        signals.clock_wakes(Some(now + 2.hours()));

        set(Some(now + 3.hours()));
        set(None);
        assert!(!woken(&signals).await, "later than it wakes by itself");
        set(Some(now + 1.hour()));
        assert!(woken(&signals).await);
        signals.clock_wakes(None);
        set(Some(now + 3.hours()));
        assert!(woken(&signals).await, "it is looking");
    }
}
