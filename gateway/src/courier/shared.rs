//! What a peer's task shares with the rest: the bells that wake it, and what it shows of itself.

use std::sync::{Mutex, PoisonError};

use schakel_domain::refusal::Refusal;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Where the link with a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing to send; no connection is needed.
    #[default]
    Idle,
    /// Connecting, or greeting the peer.
    Connecting,
    /// Connected; what waits is under way, or was asked to come later.
    Connected,
    /// The last attempt failed; waiting for the next.
    Waiting,
    /// Stopped by an operator.
    Stopped,
    /// The peer has seen more of our messages than we hold: nothing is sent. So it is until a greeting goes well.
    PeerKnowsMore,
}

/// Why the task was woken. A bell that rings twice is one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bells {
    /// There may be something to send.
    pub(super) work: bool,
    /// The peer called us.
    pub(super) nudge: bool,
    /// An operator wants an attempt now.
    pub(super) retry: bool,
    /// Documents are to be compared.
    pub(super) sync: bool,
}

/// What went wrong last.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) text: String,
    /// The same as a reason, when the catalogue has one.
    pub(super) refusal: Option<Refusal>,
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self { text, refusal: None }
    }
}

/// What is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) state: State,
    pub(super) error: Option<Trouble>,
    pub(super) next_attempt: Option<Instant>,
    pub(super) attempts: u32,
    pub(super) held: usize,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    notify: Notify,
    bells: Mutex<Bells>,
    shown: Mutex<Shown>,
}

impl Shared {
    /// Rings, and wakes the task.
    pub(super) fn ring(&self, ring: impl FnOnce(&mut Bells)) {
        ring(&mut self.bells.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }

    /// Looks at the bells, and silences some.
    pub(super) fn hear<T>(&self, hear: impl FnOnce(&mut Bells) -> T) -> T {
        hear(&mut self.bells.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until somebody rings; at once when somebody did since the last wait.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    pub(super) fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
