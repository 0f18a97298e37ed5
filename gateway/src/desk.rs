//! DESK: the one place that decides. Neighbours: doors hand in commands, the courier hands in what peers send, the clock ticks.
//!
//! Every way in ends in one [`Commit`](crate::store::Commit): state, outgoing messages, log entries, events and the idempotency
//! record together, or nothing. Reads of care data are commands too: their entry is durable before the answer leaves.

use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{AgreementAct, Command, LogAct, Operation, OperationsRead};
use schakel_domain::message::Message;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, Answer, LogAnswer, LogFile, OperationsAnswer};
use tokio::sync::{mpsc, watch};

use crate::store::EventRow;

/// What the desk answers to a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The answer is the stored outcome of an earlier, equal request.
    pub replayed: bool,
}

/// A message from a peer whose certificate, batch signature and sender were checked by the federation door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Position in everything this peer sent us.
    pub number: u64,
    /// The message, parsed; or why it cannot be parsed (it is then refused, signed and parked at the sender).
    pub message: Result<Message, Refusal>,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Encoded proof: `schakel.type.v1.MessageProof`.
    pub proof: Vec<u8>,
}

/// What became of a delivery. Returned only after the commit that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Durable and judged, now or earlier.
    Accepted,
    /// Cannot be accepted as it is: the sender parks it.
    Refused(Refusal),
    /// Not now: the sender keeps it and sends it again.
    Later(Refusal),
}

/// The desk.
#[derive(Debug)]
pub struct Desk {}

impl Desk {
    /// Executes one command of one known caller.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was changed, and the log says so (except when the log itself cannot be written).
    pub async fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        let _ = (caller, command);
        Err(Refusal::new(schakel_domain::refusal::Stage::Store, schakel_domain::refusal::Reason::StoreUnavailable))
    }

    /// Takes the messages of one batch of one peer, in order; one verdict per delivery, in the same order.
    pub async fn receive(&self, caller: &Caller, deliveries: Vec<Delivery>) -> Vec<Verdict> {
        let _ = caller;
        let later = Refusal::new(schakel_domain::refusal::Stage::Store, schakel_domain::refusal::Reason::StoreUnavailable);
        deliveries.into_iter().map(|_| Verdict::Later(later.clone())).collect()
    }

    /// Writes that a door refused an identified caller: who, what and why. The door answers this refusal only after it is durable.
    ///
    /// # Errors
    /// The log cannot be written; the door then answers that instead.
    pub async fn refused(&self, caller: &Caller, act: Act, refusal: &Refusal) -> Result<(), Refusal> {
        let _ = (caller, act, refusal);
        Ok(())
    }

    /// Executes an operator's write, once per key. [`Desk::handle`] with the act inside does the work; here the key is kept.
    ///
    /// # Errors
    /// As [`Desk::handle`]; `REQUEST_ID_REUSED` for another body under the same key.
    pub async fn operate(&self, caller: &Caller, operation: Operation) -> Result<Reply, Refusal> {
        self.handle(caller, Command::Operate(operation.act)).await
    }

    /// Answers what an operator reads; the read is logged.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub async fn operations(&self, caller: &Caller, read: OperationsRead) -> Result<OperationsAnswer, Refusal> {
        let _ = (caller, read);
        Err(unavailable())
    }

    /// Answers what an auditor asks of the log; the question is logged first.
    ///
    /// # Errors
    /// A [`Refusal`]; `NOT_FOUND` for an entry or size the log does not have.
    pub async fn log(&self, caller: &Caller, act: LogAct) -> Result<LogAnswer, Refusal> {
        let _ = (caller, act);
        Err(unavailable())
    }

    /// The log as files, the checkpoint last; logged first. Whoever makes the files waits while the channel is full and stops when
    /// it is closed.
    ///
    /// # Errors
    /// A [`Refusal`]; one inside the channel ends the export.
    pub async fn export_log(&self, caller: &Caller) -> Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal> {
        let _ = caller;
        Err(unavailable())
    }

    /// Answers and executes what is asked about agreements.
    ///
    /// # Errors
    /// A [`Refusal`]. A covenant that says no is an answer here, not a refusal.
    pub async fn agreements(&self, caller: &Caller, act: AgreementAct) -> Result<AgreementAnswer, Refusal> {
        let _ = (caller, act);
        Err(unavailable())
    }

    /// Writes that somebody starts to read events, and gives the lowest and highest sequence kept ((1, 0): none).
    ///
    /// # Errors
    /// A [`Refusal`]; no event may then be shown.
    pub async fn open_events(&self, caller: &Caller, actor: &Actor) -> Result<(u64, u64), Refusal> {
        let _ = (caller, actor);
        Err(unavailable())
    }

    /// Events after a sequence, in order, for a reader that [`Desk::open_events`] let in. Writes nothing.
    ///
    /// # Errors
    /// `CURSOR_EXPIRED` when the next event is no longer kept; the store's own.
    pub async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<EventRow>, Refusal> {
        let _ = (after, limit);
        Err(unavailable())
    }

    /// Tells the highest sequence of a committed event, as it rises.
    #[must_use]
    pub fn event_signal(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

fn unavailable() -> Refusal {
    Refusal::new(Stage::Store, Reason::StoreUnavailable)
}
