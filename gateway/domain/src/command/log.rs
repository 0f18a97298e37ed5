//! What auditors may ask of the log.

use jiff::Timestamp;

use crate::caller::Act;
use crate::id::CaseId;

/// What an auditor asks of the log. Each is itself in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAct {
    /// Entries in order, a page.
    Entries {
        /// From this index on.
        from: u64,
        /// 1 to 200.
        size: u32,
        /// Only of this case.
        case: Option<CaseId>,
        /// Only from this moment on.
        since: Option<Timestamp>,
        /// Only before this moment.
        before: Option<Timestamp>,
    },
    /// One entry.
    Entry(u64),
    /// The newest signed checkpoint.
    Checkpoint,
    /// That an entry is in the log of this size; absent: as the newest checkpoint.
    Inclusion {
        /// The entry.
        index: u64,
        /// Size of the log.
        size: Option<u64>,
    },
    /// That a larger log extends a smaller one.
    Consistency {
        /// Size of the smaller, from 1.
        from: u64,
        /// Size of the larger; absent: as the newest checkpoint.
        to: Option<u64>,
    },
}

impl LogAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            LogAct::Entries { .. } | LogAct::Entry(_) | LogAct::Checkpoint => Act::ReadLog,
            LogAct::Inclusion { .. } | LogAct::Consistency { .. } => Act::VerifyLog,
        }
    }
}
