//! The texts that are signed, and the bytes of their leaves.

use std::fmt;

use schakel_domain::id::{Hash, OrgId};
use schakel_proto::federation::v1::MessageResult;
use schakel_proto::federation::v1::message_result::Outcome as Wire;

use super::{Numbered, Unproven, digest, stated};

/// Longest reason code, in bytes.
const MAX_REASON: usize = 63;
/// Longest detail, in bytes.
const MAX_DETAIL: usize = 200;

/// What a statement is about; its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Messages.
    Batch,
    /// Answers to them.
    Acknowledgement,
}

impl Topic {
    fn title(self) -> &'static str {
        match self {
            Topic::Batch => "schakel batch v1",
            Topic::Acknowledgement => "schakel acknowledgement v1",
        }
    }
}

/// Who signs, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// Who signs: the sender of messages, or whoever answers them.
    pub sender: OrgId,
    /// For whom.
    pub receiver: OrgId,
    /// Incarnation of the signing gateway.
    pub incarnation: u64,
}

/// A statement; its `Display` is the exact text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) topic: Topic,
    pub(super) parties: Parties,
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parties { sender, receiver, incarnation } = &self.parties;
        writeln!(f, "{}", self.topic.title())?;
        writeln!(f, "sender {sender}")?;
        writeln!(f, "receiver {receiver}")?;
        writeln!(f, "incarnation {incarnation}")?;
        writeln!(f, "size {}", self.size)?;
        writeln!(f, "root {}", self.root)
    }
}

impl Statement {
    /// Reads a statement; only the exact text that would be written again counts.
    pub(super) fn parse(topic: Topic, bytes: &[u8]) -> Result<Self, Unproven> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unproven::Statement)?;
        let mut lines = text.lines().skip(1);
        let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).ok_or(Unproven::Statement);
        let (sender, receiver, incarnation, size, root) =
            (value("sender ")?, value("receiver ")?, value("incarnation ")?, value("size ")?, value("root ")?);
        let statement = Self {
            topic,
            parties: Parties {
                sender: sender.parse().map_err(|_| Unproven::Statement)?,
                receiver: receiver.parse().map_err(|_| Unproven::Statement)?,
                incarnation: incarnation.parse().map_err(|_| Unproven::Statement)?,
            },
            size: size.parse().map_err(|_| Unproven::Statement)?,
            root: root.parse().map_err(|_| Unproven::Statement)?,
        };
        if statement.to_string() == text { Ok(statement) } else { Err(Unproven::Statement) }
    }
}

/// The record of a message in a batch's tree: its number, 8 bytes big-endian, and SHA-256 of its bytes.
///
/// The hash and not the bytes, so that a proof can be shown to somebody who may not see the content.
pub(super) fn message_record((number, hash): &Numbered) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), hash.0.as_slice()].concat()
}

/// What a receiver did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and judged.
    Accepted,
    /// Not as it is: never send it again.
    Refused,
    /// Not now: send it again.
    Later,
}

impl Outcome {
    /// The word in the signed record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Later => "later",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Outcome::Accepted, Outcome::Refused, Outcome::Later].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// A receiver's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message's number.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub hash: Hash,
    /// What was done with it.
    pub outcome: Outcome,
    /// Reason code when not accepted; a newer peer may send one that is unknown here.
    pub reason: String,
    /// Field or clause to blame, on one line; may be empty.
    pub detail: String,
    /// Leaf hash of the receiver's own entry about the message; none when there is none, or the sender does not read it.
    pub leaf: Option<Hash>,
}

impl Answer {
    /// The record of this answer in an acknowledgement's tree: number, hash, outcome, reason and detail, a line each but the last, and
    /// the leaf hash on a sixth when there is one. None of the parts has a line feed, so that no record reads as another.
    pub(super) fn record(&self) -> Vec<u8> {
        let Self { number, hash, outcome, reason, detail, leaf } = self;
        let leaf = leaf.map_or_else(String::new, |leaf| format!("\n{leaf}"));
        format!("{number}\n{hash}\n{}\n{reason}\n{detail}{leaf}", outcome.as_str()).into_bytes()
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> MessageResult {
        let outcome = match self.outcome {
            Outcome::Accepted => Wire::Accepted,
            Outcome::Refused => Wire::Refused,
            Outcome::Later => Wire::Later,
        };
        MessageResult {
            number: self.number,
            message_hash: self.hash.0.to_vec(),
            outcome: outcome.into(),
            reason: self.reason.clone(),
            detail: self.detail.clone(),
            leaf_hash: self.leaf.map_or_else(Vec::new, |leaf| leaf.0.to_vec()),
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`Unproven::Malformed`] when a field is wrong or too long.
    pub fn from_wire(result: MessageResult) -> Result<Self, Unproven> {
        let MessageResult { number, message_hash, outcome, reason, detail, leaf_hash } = result;
        let outcome = match Wire::try_from(outcome) {
            Ok(Wire::Accepted) => Outcome::Accepted,
            Ok(Wire::Refused) => Outcome::Refused,
            Ok(Wire::Later) => Outcome::Later,
            Ok(Wire::Unspecified) | Err(_) => return Err(Unproven::Malformed),
        };
        let is_code = reason.len() <= MAX_REASON && reason.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let one_line = detail.len() <= MAX_DETAIL && !detail.chars().any(char::is_control);
        if !is_code || !one_line || (outcome != Outcome::Accepted && reason.is_empty()) {
            return Err(Unproven::Malformed);
        }
        let hash = digest(&message_hash)?;
        Ok(Self { number, hash, outcome, reason, detail, leaf: stated(&leaf_hash)? })
    }

    /// What to blame, cut to what fits on the wire: the field or clause, never free text.
    #[must_use]
    pub fn detail_of(refusal: &schakel_domain::refusal::Refusal) -> String {
        let blame = refusal.field.as_deref().or(refusal.clause.as_deref()).unwrap_or_default();
        let mut detail: String = blame.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        while detail.len() > MAX_DETAIL {
            detail.pop();
        }
        detail
    }
}
