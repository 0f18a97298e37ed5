//! What the log answers an auditor.

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntryView {
    /// Position, from 0.
    pub index: u64,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// RFC 6962 leaf hash.
    pub leaf: crate::id::Hash,
}

/// A piece of an exported log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Path in the export, with forward slashes.
    pub path: String,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// A step of a check of the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCheck {
    /// So many entries were found good so far.
    Checked(u64),
    /// The end of it.
    Verdict(Box<LogVerdict>),
}

/// The verdict over the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerdict {
    /// Every check held.
    pub ok: bool,
    /// Entries found good.
    pub entries: u64,
    /// First entry in doubt.
    pub first_bad: Option<u64>,
    /// Stable code of the check that failed; empty: none.
    pub check: String,
    /// For people, Dutch, with what it does not show.
    pub text_nl: String,
    /// For people, English.
    pub text_en: String,
}

/// What the log answers an auditor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAnswer {
    /// Entries, and the index at which the next page starts.
    Entries(Vec<LogEntryView>, Option<u64>),
    /// One entry.
    Entry(LogEntryView),
    /// A signed head.
    Checkpoint {
        /// Entries it covers.
        size: u64,
        /// Root hash.
        root: crate::id::Hash,
        /// The signed note.
        note: Vec<u8>,
    },
    /// An inclusion proof.
    Inclusion {
        /// Size of the log.
        size: u64,
        /// Leaf hash.
        leaf: crate::id::Hash,
        /// Siblings from leaf to root.
        path: Vec<crate::id::Hash>,
        /// The root.
        root: crate::id::Hash,
    },
    /// A consistency proof.
    Consistency {
        /// Size of the larger log.
        to: u64,
        /// Hashes.
        path: Vec<crate::id::Hash>,
        /// Root of the smaller.
        from_root: crate::id::Hash,
        /// Root of the larger.
        to_root: crate::id::Hash,
    },
}
