//! What operators see: messages, peers and adapters, without content.

use jiff::Timestamp;

use crate::id::OrgId;
use crate::refusal::Refusal;

/// Where an outgoing message stands, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// To be sent.
    Waiting,
    /// Durably stored by the peer.
    Delivered,
    /// The peer cannot accept it.
    Parked,
    /// Taken back before it was delivered.
    Cancelled,
}

/// A message in the outbox, for operators: no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: crate::id::MessageId,
    /// Receiver.
    pub peer: OrgId,
    /// Kind, as [`crate::message::Body::kind`].
    pub kind: String,
    /// Where it stands.
    pub state: MessageState,
    /// Reason code, for parked and cancelled.
    pub reason: Option<String>,
    /// Position towards this peer.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub hash: crate::id::Hash,
    /// When it was put in the outbox.
    pub queued: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
}

/// How traffic with a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// Connected, or nothing to send.
    Open,
    /// Cannot be reached; tried again.
    Unreachable,
    /// Stopped by an operator.
    Stopped,
    /// Its party record has expired.
    Expired,
    /// It holds messages of ours that our own store lacks: nothing is sent to it.
    KnowsMore,
}

/// A peer, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Organisation.
    pub organization: OrgId,
    /// Its name.
    pub name: String,
    /// How traffic stands.
    pub state: PeerState,
    /// Why messages wait, or why it was stopped.
    pub reason: Option<String>,
    /// The same as a reason with a remedy, when the connection itself fails.
    pub refusal: Option<Refusal>,
    /// When the first certificate of its chain ends, as it was shown last; none when it was not seen since the start.
    pub certificate_ends: Option<Timestamp>,
    /// Messages waiting.
    pub waiting: u64,
    /// When the oldest waiting message was queued.
    pub oldest: Option<Timestamp>,
    /// When the next attempt is made.
    pub next_attempt: Option<Timestamp>,
    /// When anything of it was last heard.
    pub contact: Option<Timestamp>,
}

/// An adapter, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterView {
    /// Its name in the configuration.
    pub name: String,
    /// Kind, such as `file-drop`.
    pub kind: String,
    /// What is wrong.
    pub problem: Option<String>,
    /// Things waiting for the system.
    pub waiting: u64,
    /// When it last did something.
    pub active: Option<Timestamp>,
}

/// What an operator's read answers; each list with where its next page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationsAnswer {
    /// Peers.
    Peers(Vec<PeerView>, Option<String>),
    /// Messages; the next page starts after this number.
    Messages(Vec<MessageView>, Option<u64>),
    /// Adapters.
    Adapters(Vec<AdapterView>, Option<String>),
}
