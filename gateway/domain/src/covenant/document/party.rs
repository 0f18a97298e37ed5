//! The organisations of a covenant: their roles, the law they work under, and who signs for them.

use serde::{Deserialize, Serialize};

use crate::covenant::name::{Role, Telephone};
use crate::covenant::problem::Words;
use crate::id::OrgId;
use crate::signature::PublicKey;

/// A role and its name for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The code.
    pub id: Role,
    /// The name.
    pub label: Words,
    /// Parties with this role may see figures and never a case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub figures_only: bool,
}

/// The law an organisation works under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// Youth Act.
    Jeugdwet,
    /// Medical treatment contracts act (Civil Code 7:446): mental health care.
    Wgbo,
    /// A municipality or a body of municipalities.
    Municipal,
}

/// An organisation that signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its number.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// What it is in this covenant.
    pub roles: Vec<Role>,
    /// The law it works under.
    pub regime: Regime,
    /// The key it signs covenants and party records with. May be missing in a draft; then nobody can sign yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<PublicKey>,
    /// Number of last resort, answered at all hours. The newest number stands in the party record.
    pub telephone: Telephone,
    /// Who signs for it.
    pub signatory: Signatory,
}

/// Who signs for a party: a function, not a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signatory {
    /// The function: "bestuurder".
    pub function: String,
    /// On what ground the function binds the organisation.
    pub mandate: String,
}
