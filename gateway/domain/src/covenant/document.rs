//! The covenant as its authors write it: one TOML file, read from top to bottom.
//!
//! Every part is typed, so a name that cannot be one is refused while reading; whether the parts fit together is for
//! [`super::check`]. An unknown key is refused: a gateway never acts on an agreement of which it understands only half.

mod change;
mod clause;
mod party;
mod read;
mod service;
mod terms;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use self::change::{Change, ChangeRules};
pub use self::clause::{Act, Clause, Dataset, EscalationRule, LegalBasis, Mode};
pub use self::party::{Party, Regime, RoleEntry, Signatory};
pub use self::service::{Ages, Area, Service, Urgency};
pub use self::terms::{Cosigning, Deadlines, Figures, Hops, Retention, TwoPersonAct};
use super::name::{AreaId, CovenantId, DatasetId, UrgencyCode, Who};
use super::problem::{Problem, Words};
use super::time::{Period, Zone};
use crate::canonical;
use crate::id::{Hash, OrgId};
use crate::municipality::MunicipalityCode;
use crate::signature::PublicKey;

/// Largest covenant that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// One version of a covenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The same in every version.
    pub id: CovenantId,
    /// The name of the agreement.
    pub title: Words,
    /// 1 for the first, one more for each next.
    pub version: u32,
    /// What kind of change this version is; only from version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Hash of the version before this one; only from version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Hash>,
    /// First day on which this version applies.
    pub in_force_from: Date,
    /// First day on which it applies no more; without it, until a successor does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_until: Option<Date>,
    /// First day on which the version before this one no longer stands beside it; without it, the day this one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor_until: Option<Date>,
    /// The time zone of all dates and hours.
    pub time_zone: Zone,
    /// Who must sign the next version.
    pub change_rules: ChangeRules,
    /// The roles that parties play.
    pub roles: Vec<RoleEntry>,
    /// The organisations that sign.
    pub parties: Vec<Party>,
    /// Named lists of municipalities.
    pub areas: Vec<Area>,
    /// What each party offers.
    pub services: Vec<Service>,
    /// The levels of urgency, most urgent first.
    pub urgencies: Vec<Urgency>,
    /// Named lists of fields.
    pub datasets: Vec<Dataset>,
    /// The clauses: who may ask whom for what.
    pub grants: Vec<Clause>,
    /// When an alarm sounds.
    pub deadlines: Deadlines,
    /// Acts that two people do together.
    pub two_person: Vec<TwoPersonAct>,
    /// How long things are kept.
    pub retention: Retention,
    /// How figures are shown; without it, no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// When a young person is passed on too often; without it, nobody is warned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<Hops>,
    /// How the parties cosign the heads of each other's logs; without it, nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigning: Option<Cosigning>,
}

impl Document {
    /// Reads a covenant as its authors write it.
    ///
    /// # Errors
    /// Every unknown field name at once, or else the first thing that cannot be read, with its line.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        read::from_toml(text)
    }

    /// The covenant as TOML, without the comments of its source.
    ///
    /// # Errors
    /// When a value has no TOML form; a document that was read always has one.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// The bytes that are hashed and signed: RFC 8785 JSON.
    ///
    /// # Panics
    /// Never: a document holds texts and small whole numbers only.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let value = serde_json::to_value(self).expect("a document holds only maps with text keys, texts and integers");
        canonical::to_bytes(&value).expect("every number of a document fits in 32 bits")
    }

    /// The covenant's hash: SHA-256 of its canonical bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::sha256(&self.canonical())
    }

    /// The party with this id.
    #[must_use]
    pub fn party(&self, id: &OrgId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == *id)
    }

    /// The name of a party; of a stranger, its id.
    #[must_use]
    pub fn party_name<'a>(&'a self, id: &'a OrgId) -> &'a str {
        self.party(id).map_or(id.as_str(), |party| &party.name)
    }

    /// Fills in the root key of a party; false when it is no party.
    pub fn set_root_key(&mut self, id: &OrgId, key: PublicKey) -> bool {
        let party = self.parties.iter_mut().find(|party| party.id == *id);
        party.map(|party| party.root_key = Some(key)).is_some()
    }

    /// The dataset with this id.
    #[must_use]
    pub fn dataset(&self, id: &DatasetId) -> Option<&Dataset> {
        self.datasets.iter().find(|dataset| dataset.id == *id)
    }

    /// The urgency with this code.
    #[must_use]
    pub fn urgency(&self, code: &UrgencyCode) -> Option<&Urgency> {
        self.urgencies.iter().find(|urgency| urgency.code == *code)
    }

    /// Whether a municipality lies in one of these areas.
    #[must_use]
    pub fn in_areas(&self, areas: &[AreaId], municipality: MunicipalityCode) -> bool {
        self.areas.iter().any(|area| areas.contains(&area.id) && area.municipalities.contains(&municipality))
    }

    /// Whether this party may see figures and never a case.
    #[must_use]
    pub fn is_figures_only(&self, party: &Party) -> bool {
        self.roles.iter().any(|role| role.figures_only && party.roles.contains(&role.id))
    }

    /// Whether these words speak of this party. `service:` speaks of the party that offers the service.
    #[must_use]
    pub fn names(&self, who: &[Who], party: &Party) -> bool {
        who.iter().any(|who| match who {
            Who::All => true,
            Who::Role(role) => party.roles.contains(role),
            Who::Party(id) => *id == party.id,
            Who::Service(id) => self.services.iter().any(|service| service.id == *id && service.by == party.id),
        })
    }

    /// The answer time of a clause for an urgency.
    #[must_use]
    pub fn response(&self, clause: &Clause, code: &UrgencyCode) -> Option<Period> {
        clause.response.get(code).copied().or_else(|| self.urgency(code)?.response)
    }

    /// The moment this version begins to apply.
    #[must_use]
    pub fn begins(&self) -> Timestamp {
        self.time_zone.start_of(self.in_force_from)
    }

    /// The moment this version ends by its own words.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.in_force_until.map(|date| self.time_zone.start_of(date))
    }

    /// The moment until which the version before this one stands beside it.
    #[must_use]
    pub fn predecessor_ends(&self) -> Timestamp {
        self.time_zone.start_of(self.predecessor_until.unwrap_or(self.in_force_from))
    }
}
