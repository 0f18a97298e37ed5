//! How an adapter stands: what is wrong, what waits, when it last did something. Its door writes it, the operator's door reads it.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use schakel_domain::view::AdapterView;

/// What tells the time; never a safety rule's.
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// How one adapter stands. Cheap to ask: nothing is read from a disk or a store.
pub struct AdapterStatus {
    name: String,
    kind: &'static str,
    clock: Clock,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// What holds up each of the two directions.
    inward: Option<String>,
    outward: Option<String>,
    waiting: u64,
    active: Option<Timestamp>,
}

/// Which way things go that are held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the system to the gateway: commands.
    Inward,
    /// From the gateway to the system: notices.
    Outward,
}

impl AdapterStatus {
    /// An adapter that has done nothing yet. `name` is that of the configuration, `kind` such as `file-drop`.
    #[must_use]
    pub fn new(name: &str, kind: &'static str, clock: Clock) -> Self {
        Self { name: name.to_owned(), kind, clock, now: Mutex::default() }
    }

    /// Something was taken from the system or handed to it.
    pub(super) fn worked(&self) {
        let at = (self.clock)();
        self.change(|now| now.active = Some(at));
    }

    /// So many things the system has not taken yet.
    pub(super) fn waiting(&self, things: usize) {
        self.change(|now| now.waiting = things.try_into().unwrap_or(u64::MAX));
    }

    /// What holds up one way, for operators; none when it goes on. Never a name of a file: those may name a client.
    pub(super) fn held_up(&self, way: Way, why: Option<&str>) {
        self.change(|now| match way {
            Way::Inward => now.inward = why.map(str::to_owned),
            Way::Outward => now.outward = why.map(str::to_owned),
        });
    }

    /// As an operator sees it.
    #[must_use]
    pub fn view(&self) -> AdapterView {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let problems: Vec<&str> = [&now.inward, &now.outward].into_iter().flatten().map(String::as_str).collect();
        AdapterView {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            waiting: now.waiting,
            active: now.active,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        // A poisoned lock holds only what is shown; showing it is better than nothing.
        change(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
