//! What operators may ask: messages, peers, adapters and recovery; never care content.

use crate::caller::Act;
use crate::command::PageOf;
use crate::id::{MessageId, OrgId, RequestId};
use crate::person::Actor;

/// Writes by an operator: they need no etag, name their person by the login, and never touch care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperateAct {
    /// Sends a waiting message now.
    Retry {
        /// Receiver.
        peer: OrgId,
    },
    /// Takes back an offer or question that was not delivered, by the protocol's own withdraw or cancel.
    Cancel {
        /// The message.
        message: MessageId,
        /// Why.
        reason: String,
    },
    /// Sends a parked message again as a new one; it is judged by the state of that moment.
    Replay {
        /// The message.
        message: MessageId,
    },
    /// Stops traffic with a peer.
    Stop {
        /// The peer.
        peer: OrgId,
        /// Why; shown to staff.
        reason: String,
    },
    /// Resumes it.
    Resume {
        /// The peer.
        peer: OrgId,
    },
    /// Declares that what this gateway lost was made good: it decides again.
    EndRecovery {
        /// What was done; no client's data.
        reason: String,
        /// Who confirms it: another person than the operator.
        second: Actor,
    },
}

impl OperateAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            OperateAct::Retry { .. } => Act::RetryMessage,
            OperateAct::Cancel { .. } => Act::CancelMessage,
            OperateAct::Replay { .. } => Act::ReplayMessage,
            OperateAct::Stop { .. } => Act::StopPeer,
            OperateAct::Resume { .. } => Act::ResumePeer,
            OperateAct::EndRecovery { .. } => Act::EndRecovery,
        }
    }
}

/// An operator's write with the key that makes it one effect, and the person who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The caller's own key.
    pub request: RequestId,
    /// SHA-256 of the canonical request.
    pub body: crate::id::Hash,
    /// The operator, by the login.
    pub person: crate::person::PersonId,
    /// What is asked.
    pub act: OperateAct,
}

/// What an operator reads; no care content, no identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationsRead {
    /// Peers, a page by organisation id.
    Peers(PageOf),
    /// Messages to one peer in one state, a page by number.
    Messages {
        /// Receiver.
        peer: OrgId,
        /// State.
        state: crate::view::MessageState,
        /// After this number; 0: from the start.
        after: u64,
        /// 1 to 200.
        size: u32,
    },
    /// Adapters, a page by name.
    Adapters(PageOf),
}

impl OperationsRead {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            OperationsRead::Peers(_) => Act::ReadPeers,
            OperationsRead::Messages { .. } => Act::ReadOutbox,
            OperationsRead::Adapters(_) => Act::ReadAdapters,
        }
    }
}
