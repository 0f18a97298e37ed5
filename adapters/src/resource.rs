//! Resource names of care: `cases/…`, `cases/…/handovers/…`, `consultations/…`.

use std::fmt;
use std::str::FromStr;

use schakel_domain::id::{CaseId, ConsultationId, InvalidId, OfferId};

/// A thing of care by its name, as events, notices and answers write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `cases/{case}`
    Case(CaseId),
    /// `cases/{case}/handovers/{handover}`
    Handover(CaseId, OfferId),
    /// `consultations/{consultation}`
    Consultation(ConsultationId),
}

impl FromStr for Resource {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parts: Vec<&str> = text.splitn(5, '/').collect();
        match parts.as_slice() {
            ["cases", case] => Ok(Resource::Case(case.parse()?)),
            ["cases", case, "handovers", handover] => Ok(Resource::Handover(case.parse()?, handover.parse()?)),
            ["consultations", consultation] => Ok(Resource::Consultation(consultation.parse()?)),
            _ => Err(InvalidId {
                what: "resource name", problem: "expected cases/…, cases/…/handovers/… or consultations/…".to_owned()
            }),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Case(case) => write!(f, "cases/{case}"),
            Resource::Handover(case, handover) => write!(f, "cases/{case}/handovers/{handover}"),
            Resource::Consultation(consultation) => write!(f, "consultations/{consultation}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";

    #[test]
    fn a_resource_reads_back_its_own_name() {
        for name in [format!("cases/{ID}"), format!("cases/{ID}/handovers/{ID}"), format!("consultations/{ID}")] {
            assert_eq!(name.parse::<Resource>().unwrap().to_string(), name);
        }
        for wrong in ["cases", "cases/1", "peers/ura:90000123", &format!("cases/{ID}/handovers/{ID}/x")] {
            assert!(wrong.parse::<Resource>().is_err(), "{wrong}");
        }
    }
}
