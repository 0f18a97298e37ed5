//! DESK: the one place that decides. Neighbours: doors hand in commands, the courier hands in what peers send, the clock ticks.
//!
//! Every way in ends in one [`Commit`](crate::store::Commit): state, outgoing messages, log entries, events and the idempotency
//! record together, or nothing. Reads of care data are commands too: their entry is durable before the answer leaves.

use schakel_domain::caller::Caller;
use schakel_domain::command::Command;
use schakel_domain::message::Message;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::Answer;

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
}
