//! How a covenant changes: what kind of change a version is, and who must sign it.

use serde::{Deserialize, Serialize};

use crate::covenant::name::Who;

/// What kind of change a version is. It decides who must sign, and it may change nothing but what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Any change.
    Ordinary,
    /// Parties join, with their services; nothing else.
    Accession,
    /// Parties leave, with their services; nothing else.
    Withdrawal,
    /// A municipality colours in what is left to it.
    Overlay,
}

/// Who must sign the next version, per kind of change. A party that joins always signs too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRules {
    /// For any change.
    pub ordinary: Vec<Who>,
    /// When a party joins.
    pub accession: Vec<Who>,
    /// When a party leaves.
    pub withdrawal: Vec<Who>,
    /// For a local overlay.
    pub overlay: Vec<Who>,
}

impl ChangeRules {
    /// Who must sign this kind of change.
    #[must_use]
    pub fn signers(&self, change: Change) -> &[Who] {
        match change {
            Change::Ordinary => &self.ordinary,
            Change::Accession => &self.accession,
            Change::Withdrawal => &self.withdrawal,
            Change::Overlay => &self.overlay,
        }
    }
}
