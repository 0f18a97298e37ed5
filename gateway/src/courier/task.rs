//! The life of one peer: wait for work, hold a session, rest after a failure.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use schakel_domain::id::OrgId;
use tokio::time::{Instant, sleep, sleep_until};

use super::line::Line;
use super::session::{self, Fault};
use super::shared::{Shared, State, Trouble};
use super::{Ports, backoff};

/// A nudge never starts an attempt sooner after the last one: two gateways that fail each other must not chase each other.
const NUDGE_SPACING: Duration = Duration::from_secs(1);

/// One peer's task.
pub(super) struct Task {
    pub(super) ports: Arc<Ports>,
    pub(super) org: OrgId,
    pub(super) shared: Arc<Shared>,
    pub(super) line: Line,
    /// Attempts in a row that failed.
    pub(super) attempts: u32,
    /// The peer told us, in this run of the gateway, what it has seen of ours.
    pub(super) greeted: bool,
    /// When documents were last compared.
    pub(super) synced: Option<Instant>,
    /// When what the peer had lost was last sent again.
    pub(super) sent_lost: Option<Instant>,
}

/// Runs until it is aborted. A panic, which is a fault of ours, ends one life and not the link.
pub(super) async fn live(ports: Arc<Ports>, org: OrgId, shared: Arc<Shared>) {
    loop {
        let task = Task {
            ports: Arc::clone(&ports),
            org: org.clone(),
            shared: Arc::clone(&shared),
            line: Line::default(),
            attempts: 0,
            greeted: false,
            synced: None,
            sent_lost: None,
        };
        // What it borrows is made anew for the next life, and the store is whole after every commit.
        if std::panic::AssertUnwindSafe(task.run()).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!(peer = %org, "the courier of this peer failed and starts again");
        shared.ring(|bells| bells.work = true);
        shared.show(|shown| (shown.state, shown.error) = (State::Waiting, Some("an error in this gateway".to_owned().into())));
        sleep(backoff::LONGEST).await;
    }
}

impl Task {
    async fn run(mut self) {
        loop {
            self.wait_for_work().await;
            let started = Instant::now();
            self.shared.show(|shown| {
                shown.next_attempt = None;
                // What was lost stays lost while the peer is asked again.
                if shown.state != State::PeerKnowsMore {
                    shown.state = State::Connecting;
                }
            });
            match session::hold(&mut self).await {
                Ok(()) => {
                    self.attempts = 0;
                    let held = self.line.held();
                    self.shared.show(|shown| {
                        (shown.state, shown.attempts, shown.held) = (State::Idle, 0, held);
                        if held == 0 {
                            shown.error = None;
                        }
                    });
                }
                Err(fault) => {
                    self.line.restart();
                    self.shared.hear(|bells| bells.work = true);
                    self.rest(fault, started).await;
                }
            }
        }
    }

    async fn wait_for_work(&mut self) {
        loop {
            let (work, hurry) = self.shared.hear(|bells| (bells.work || bells.sync, std::mem::take(&mut bells.nudge) || bells.retry));
            if hurry {
                self.line.hurry(Instant::now());
            }
            let release = self.line.next_release();
            if work || !self.greeted || release.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            tokio::select! {
                () = self.shared.woken() => {}
                () = until(release) => {}
            }
        }
    }

    /// Waits after a failure: until the back-off ends, an operator wants it, or the peer calls.
    async fn rest(&mut self, fault: Fault, started: Instant) {
        if matches!(fault, Fault::Stopped(_)) {
            return self.rest_while_stopped(&fault).await;
        }
        self.attempts = self.attempts.saturating_add(1);
        let mut end = Instant::now() + backoff::delay(self.attempts, &self.ports.random);
        tracing::info!(peer = %self.org, attempts = self.attempts, reason = %fault, "cannot send to this peer");
        loop {
            let (retry, nudge) = self.shared.hear(|bells| (std::mem::take(&mut bells.retry), std::mem::take(&mut bells.nudge)));
            if retry || nudge {
                let soonest = if retry { started } else { started + NUDGE_SPACING };
                end = end.min(soonest);
                self.attempts = 0;
                self.line.hurry(Instant::now());
            }
            if end <= Instant::now() {
                return;
            }
            let state = if matches!(fault, Fault::Ahead { .. }) { State::PeerKnowsMore } else { State::Waiting };
            let (attempts, held) = (self.attempts, self.line.held());
            let trouble = Trouble { text: fault.to_string(), refusal: fault.refusal().cloned() };
            self.shared.show(|shown| {
                (shown.state, shown.attempts, shown.held) = (state, attempts, held);
                (shown.error, shown.next_attempt) = (Some(trouble), Some(end));
            });
            tokio::select! {
                () = self.shared.woken() => {}
                () = sleep_until(end) => {}
            }
        }
    }

    /// No timer: whoever lifts the stop wakes us.
    async fn rest_while_stopped(&mut self, fault: &Fault) {
        self.attempts = 0;
        let text = fault.to_string();
        self.shared.show(|shown| {
            (shown.state, shown.attempts, shown.next_attempt, shown.error) = (State::Stopped, 0, None, Some(text.into()));
        });
        while self.ports.directory.peer(&self.org).is_ok_and(|peer| peer.stopped.is_some()) {
            self.shared.woken().await;
        }
    }
}

/// Waits until a moment, or for ever.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
