//! The terms that hold for all clauses: alarms, acts of two people, retention, figures, hops and cosigning.

use serde::{Deserialize, Serialize};

use crate::covenant::time::Period;

/// When an alarm sounds. No safety rule depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// A transfer without receipt: call the receiver.
    pub transfer_receipt: Period,
    /// A yes that was not confirmed: call the asker.
    pub bid_confirmation: Period,
    /// A message that could not be delivered: call instead.
    pub undelivered: Period,
}

/// An act that two people do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TwoPersonAct {
    /// Take the lead back while a transfer is under way.
    ForcedReclaim,
    /// Step back from a contested case.
    ResolveContested,
}

impl TwoPersonAct {
    /// Every such act; a covenant names them all, because the protocol asks for it.
    pub const ALL: [TwoPersonAct; 2] = [TwoPersonAct::ForcedReclaim, TwoPersonAct::ResolveContested];
}

/// How long things are kept, in years.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The audit log; at least 5.
    pub audit_log_years: u8,
    /// The content of a case after its last change.
    pub case_years: u8,
}

/// How figures are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// A count below this is not shown, so that nobody can be recognised.
    pub smallest_cell: u32,
}

/// When a young person is passed on too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hops {
    /// Warn from this number of handovers on.
    pub warn_from: u8,
}

/// How the parties cosign the heads of each other's logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigning {
    /// How many of the other parties make a head believable.
    pub quorum: u8,
    /// Time between two rounds while there are new entries; when two are missed, people are alarmed.
    pub interval: Period,
    /// How old the first entry without a quorum may be before new offers stop, when they do.
    pub grace: Period,
    /// Whether new offers stop then. Answers, acceptances, transfers and receipts never do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops_offers: bool,
}
