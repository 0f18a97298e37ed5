//! Expertise: one organisation asks others for help, and never stays without an answer. It never moves a case.
//!
//! The requester asks the covenant's candidates in order, or all at once. A candidate's yes is a **bid**; the requester's
//! assignment is the single decision, and a bidder sets out only after the confirmation. Every other bid or open question is
//! released. When nobody helps in time the request escalates to a telephone number.
//!
//! Two pure functions: [`requester::step`] and [`candidate::step`]. They see ids and hashes, never content, and have no clock: due
//! times are rows of the caller, which says when one has passed. Like in [`crate::custody`], a repeated or late message is answered
//! from the current state. Times promised in a bid, and the words of an advice, travel beside these messages.

pub mod candidate;
pub mod requester;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::custody::DeclineCode;
use crate::refusal::Reason;

/// What one gateway says to another about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message<H> {
    /// Requester: can you help?
    Ask {
        /// The question.
        content: H,
    },
    /// Candidate: yes. Binding only once confirmed.
    Bid {
        /// The question that was read.
        content: H,
    },
    /// Candidate: no.
    Decline {
        /// Why.
        code: DeclineCode,
    },
    /// Requester: it is you. Wins over a release that was sent earlier or arrives later.
    Confirm,
    /// Requester: not needed (any more).
    Release,
    /// Confirmed candidate: an advice.
    Advice {
        /// The advice.
        content: H,
    },
    /// Requester: done, thank you.
    Close,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<O, H> {
    /// To whom.
    pub to: O,
    /// What.
    pub message: Message<H>,
}

/// The result of one input: state `S`, messages between organisations `O`, facts `F`. All of it is committed, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<S, O, H, F> {
    /// The next state; absent when nothing changes.
    pub state: Option<S>,
    /// Messages to send, in this order.
    pub send: Vec<Outgoing<O, H>>,
    /// What became true, for events and the audit entry.
    pub facts: Vec<F>,
}

impl<S, O, H, F> Step<S, O, H, F> {
    fn nothing() -> Self {
        Self { state: None, send: Vec::new(), facts: Vec::new() }
    }

    fn answer(to: O, message: Message<H>) -> Self {
        Self::nothing().say(to, message)
    }

    fn to(state: S) -> Self {
        Self { state: Some(state), ..Self::nothing() }
    }

    fn say(mut self, to: O, message: Message<H>) -> Self {
        self.send.push(Outgoing { to, message });
        self
    }

    fn fact(mut self, fact: F) -> Self {
        self.facts.push(fact);
        self
    }
}

/// Why an input is refused. The state stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// The request, or the question here, is not open (any more).
    #[error("the request is not open")]
    NotOpen,
    /// A colleague answered before.
    #[error("the question was answered before")]
    AlreadyAnswered,
    /// Nobody can be asked: no candidate, too many, one twice, or oneself.
    #[error("the list of candidates cannot be used")]
    BadCandidates,
    /// A peer speaks that has no part in this request, or has not been asked yet.
    #[error("the message is not this organisation's to send")]
    Foreign,
    /// The message does not follow from anything said before.
    #[error("the message does not fit")]
    Unexpected,
    /// The question differs from the one that was asked.
    #[error("the question differs from the one asked")]
    ContentChanged,
}

impl Rejected {
    /// The reason told to people and to peers.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotOpen => Reason::ConsultationNotOpen,
            Self::AlreadyAnswered => Reason::AlreadyAnswered,
            Self::BadCandidates => Reason::InvalidField,
            Self::Foreign | Self::Unexpected | Self::ContentChanged => Reason::ProtocolViolation,
        }
    }
}
