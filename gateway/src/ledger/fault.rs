//! What stops the signing of checkpoints.

use schakel_domain::refusal::Lang;

use crate::store::StoreError;

/// The stored log is not the one that was signed. Nothing is signed until somebody has looked: signing would make the change look true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// The stored checkpoint is not one of this log, or not signed by its key.
    #[error("the stored checkpoint does not hold: {0}")]
    Checkpoint(String),
    /// The checkpoint kept outside the database does not hold.
    #[error("the checkpoint kept outside the database does not hold: {0}")]
    Anchor(String),
    /// Fewer entries, or an older checkpoint, than were signed: the database was rolled back or entries were removed.
    #[error("{signed} entries were signed, the database holds {stored}")]
    RolledBack {
        /// How many were signed.
        signed: u64,
        /// How many there are now.
        stored: u64,
    },
    /// The entries do not lead to what was signed.
    #[error("the stored entries do not lead to the checkpoint of {size} entries")]
    Altered {
        /// Size of the checkpoint that no longer follows.
        size: u64,
    },
    /// An entry's row is gone or cannot be read.
    #[error("stored entries are damaged: {0}")]
    Damaged(String),
}

impl LedgerFault {
    /// What happened and what to do, for whoever watches over the gateway.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> String {
        let (nl, en) = match self {
            Self::Checkpoint(_) => {
                ("De opgeslagen stand van het logboek klopt niet.", "The stored checkpoint of the audit log does not hold.")
            }
            Self::Anchor(_) => {
                ("De stand die buiten de database wordt bewaard klopt niet.", "The checkpoint kept outside the database does not hold.")
            }
            Self::RolledBack { .. } => (
                "De database heeft minder logregels dan er ondertekend zijn: er is een oude kopie teruggezet of er zijn regels verwijderd.",
                "The database has fewer entries than were signed: an old copy was put back or entries were removed.",
            ),
            Self::Altered { .. } => {
                ("De logregels zijn niet meer die ondertekend zijn.", "The entries are no longer those that were signed.")
            }
            Self::Damaged(_) => ("Een logregel ontbreekt of is niet te lezen.", "An entry is missing or cannot be read."),
        };
        match lang {
            Lang::Nl => format!("{nl} Er wordt geen stand meer ondertekend. Bewaar de database en draai: schakel audit verify"),
            Lang::En => format!("{en} No checkpoint is signed any more. Keep the database and run: schakel audit verify"),
        }
    }
}

/// Why a checkpoint or proof is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The log is not what was signed.
    #[error(transparent)]
    Fault(#[from] LedgerFault),
    /// The store did not do it; trying again may help.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for LedgerError {
    /// Rows that cannot be read do not become readable by trying again.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(what) => LedgerFault::Damaged(what).into(),
            other => Self::Store(other),
        }
    }
}
