//! What the parties offer: the services, where and for which ages, and the levels of urgency.

use serde::{Deserialize, Serialize};

use crate::covenant::name::{AreaId, ServiceId, ServiceKind, UrgencyCode};
use crate::covenant::problem::Words;
use crate::covenant::time::{Hours, Period};
use crate::id::OrgId;
use crate::municipality::MunicipalityCode;

/// A named list of municipalities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The code.
    pub id: AreaId,
    /// The name.
    pub title: Words,
    /// CBS codes.
    pub municipalities: Vec<MunicipalityCode>,
}

/// Ages in whole years, half open: `from` counts, `until` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ages {
    /// The youngest.
    pub from: u8,
    /// One above the oldest.
    pub until: u8,
}

impl Ages {
    /// Whether this age falls inside.
    #[must_use]
    pub fn hold(self, age: u8) -> bool {
        (self.from..self.until).contains(&age)
    }
}

/// A service of one party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The code, unique in the covenant.
    pub id: ServiceId,
    /// Who offers it.
    pub by: OrgId,
    /// What kind of service it is.
    pub kind: ServiceKind,
    /// The name.
    pub title: Words,
    /// Where it works.
    pub areas: Vec<AreaId>,
    /// Where it helps out after the services that work there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_areas: Vec<AreaId>,
    /// For which ages.
    pub ages: Ages,
    /// When somebody is there; empty means day and night. It orders candidates and never refuses: clocks differ, and the
    /// service itself can decline with the reason "outside hours".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
}

/// A level of the urgency table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urgency {
    /// The code.
    pub code: UrgencyCode,
    /// The name.
    pub label: Words,
    /// Answer within this time, where a clause sets no time of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Period>,
}
