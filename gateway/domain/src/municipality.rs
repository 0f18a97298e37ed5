//! The municipalities of the Netherlands and the youth region each belongs to.
//!
//! The table is that of 1 January 2026 (CBS, gemeentelijke indeling). A region is never derived from a province: regions cross their borders.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::id::InvalidId;

/// A CBS municipality code: four digits, leading zeros included.
///
/// Parsing checks the shape only, so that a covenant of an earlier year stays readable; [`MunicipalityCode::known`] looks it up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MunicipalityCode(u16);

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Municipality {
    /// The code.
    pub code: MunicipalityCode,
    /// The name, as CBS writes it.
    pub name: &'static str,
    /// The youth region (jeugdzorgregio).
    pub region: &'static str,
}

const TABLE: &str = include_str!("../data/municipalities-2026.csv");

static MUNICIPALITIES: LazyLock<BTreeMap<MunicipalityCode, Municipality>> = LazyLock::new(|| TABLE.lines().filter_map(row).collect());

fn row(line: &'static str) -> Option<(MunicipalityCode, Municipality)> {
    let mut cells = line.split(';');
    let code = cells.next()?.parse().ok()?;
    Some((code, Municipality { code, name: cells.next()?, region: cells.next()? }))
}

impl MunicipalityCode {
    /// The municipality with this code on 1 January 2026.
    #[must_use]
    pub fn known(self) -> Option<Municipality> {
        MUNICIPALITIES.get(&self).copied()
    }
}

/// Every municipality, by code.
pub fn all() -> impl Iterator<Item = Municipality> {
    MUNICIPALITIES.values().copied()
}

impl FromStr for MunicipalityCode {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .map(Self)
            .ok_or_else(|| InvalidId { what: "municipality code", problem: "expected the four digits of CBS, such as 0268".to_owned() })
    }
}

impl TryFrom<String> for MunicipalityCode {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<MunicipalityCode> for String {
    fn from(code: MunicipalityCode) -> String {
        code.to_string()
    }
}

impl fmt::Display for MunicipalityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for MunicipalityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_holds_342_municipalities_in_42_regions() {
        let regions: BTreeSet<_> = all().map(|row| row.region).collect();

        assert_eq!((all().count(), regions.len()), (342, 42));
    }

    #[test]
    fn a_code_keeps_its_leading_zero_and_an_unknown_one_is_told_apart() {
        let nijmegen: MunicipalityCode = "0268".parse().unwrap();

        assert_eq!((nijmegen.to_string().as_str(), nijmegen.known().unwrap().region), ("0268", "Rijk van Nijmegen"));
        assert!("9999".parse::<MunicipalityCode>().unwrap().known().is_none());
        for bad in ["268", "GM0268", "+268", "02680", ""] {
            assert!(bad.parse::<MunicipalityCode>().is_err(), "{bad}");
        }
    }
}
