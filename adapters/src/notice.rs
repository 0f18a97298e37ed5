//! What an organisation's own system is told: thin by itself, with care content only where the adapter's profile says so.

use jiff::Timestamp;
use schakel_domain::dossier::Dossier;
use schakel_domain::id::Label;
use schakel_domain::view::{Call, Responsibility};

/// Something that happened, for the organisation's own system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Position of the event in the gateway's one sequence, from 1; with the resource it is the notice's stable key.
    pub seq: u64,
    /// What happened, such as `handover.offered`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// What it happened to, such as `cases/…/handovers/…`.
    pub resource: String,
    /// State of the resource after it.
    pub state: String,
    /// Version of the resource as read for this notice, to send back with the command that answers it.
    pub version: Option<u64>,
    /// Name of the case for the telephone.
    pub label: Option<Label>,
    /// Who is responsible now, in a sentence, and whom to call.
    pub responsibility: Option<Responsibility>,
    /// An answer is wanted before.
    pub respond_by: Option<Timestamp>,
    /// Care content, when this system may have it.
    pub content: Option<Content>,
}

/// Care content of a notice. Reading it was logged before the notice existed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// What is asked.
    pub question: Option<String>,
    /// The dossier as it travelled.
    pub dossier: Option<Box<Dossier>>,
    /// Advice given so far.
    pub advice: Vec<String>,
}

/// What a door writes or sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Stable name, safe as a file name; the same notice always has the same.
    pub name: String,
    /// The document.
    pub bytes: Vec<u8>,
}

impl Notice {
    /// The stable key: the same event is always told under the same key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.seq, self.resource)
    }

    /// Whom to call about it.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        self.responsibility.as_ref().and_then(|responsibility| responsibility.call.as_ref())
    }
}

schakel_domain::shows_its_name!(Content, Document);
