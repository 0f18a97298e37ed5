//! Legal status: under which law help is given, on what basis, with whose consent, by what court order.
//! Jeugdwet 7.3.4 and 7.3.5 (consent by age), 7.3.11 (what may be shared), 6.1.3 (urgent authorisation).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::bound::MAX_NOTE;
use crate::refusal::Refusal;

/// Longest name of a kind of court order, in characters.
const MAX_ORDER_KIND: usize = 200;

/// Legal status of the young person in this crisis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalStatus {
    /// Law under which the sender gives help.
    pub regime: Regime,
    /// Why data may be shared.
    pub basis: Basis,
    /// Consent, or why there is none.
    pub consent: Consent,
    /// Who holds authority over the young person.
    pub authority: Authority,
    /// Court order, if any.
    pub court_order: Option<CourtOrder>,
    /// How sure we are who this is.
    pub identity_status: IdentityStatus,
}

/// Law under which an organisation gives help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Jeugdwet: youth help, youth protection.
    Jeugdwet,
    /// WGBO: medical treatment (art. 7:446 BW).
    Wgbo,
    /// Wmo 2015.
    Wmo,
    /// Wlz.
    Wlz,
}

/// Legal basis on which data is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Consent of whoever must give it.
    Consent,
    /// Directly involved in the same help (Jeugdwet 7.3.11 lid 2 onder a).
    DirectlyInvolved,
    /// Executing a supervision order (Jeugdwet 7.3.11 lid 4).
    SupervisionOrder,
    /// Serious harm must be prevented (vital interest).
    VitalInterest,
}

/// Consent, or the reason there is none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Consent {
    /// Given by these people.
    Given {
        /// Who consented.
        by: Vec<ConsentBy>,
        /// On which day.
        on: Date,
    },
    /// Not asked or not given, with the reason in words.
    Absent {
        /// Why not.
        reason: String,
    },
}

/// Who can consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentBy {
    /// The young person.
    Youth,
    /// A parent with authority, or the guardian.
    AuthorityHolder,
}

/// Who holds authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// Both parents.
    BothParents,
    /// One parent.
    OneParent,
    /// A guardian, person or institution.
    Guardian,
    /// Not known yet.
    Unknown,
}

/// A court order, asked for or granted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourtOrder {
    /// Requested or granted.
    pub state: OrderState,
    /// Which kind, such as `spoedmachtiging gesloten jeugdhulp`, `ondertoezichtstelling`.
    pub kind: String,
    /// Day of the request or the order.
    pub on: Date,
    /// Last day it is valid; required when granted.
    pub until: Option<Date>,
}

/// Where a court order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// Asked for.
    Requested,
    /// Granted.
    Granted,
}

/// How sure we are who this is (Jeugdwet 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityStatus {
    /// Nobody has checked.
    Unverified,
    /// Supplied by a party that must verify it.
    SuppliedByObligedParty,
    /// Checked by the sender.
    Verified,
}

impl LegalStatus {
    pub(super) fn check(&self, wrong: &mut Vec<Refusal>) {
        if let Some(order) = &self.court_order {
            if order.state == OrderState::Granted && order.until.is_none() {
                wrong.push(Refusal::field("legal.court_order.until", "a granted order names its last day"));
            }
            if order.until.is_some_and(|until| until < order.on) {
                wrong.push(Refusal::field("legal.court_order.until", "not before the day of the order"));
            }
            if !says_something(&order.kind, MAX_ORDER_KIND) {
                wrong.push(Refusal::field("legal.court_order.kind", format!("expected 1 to {MAX_ORDER_KIND} characters")));
            }
        }
        match &self.consent {
            Consent::Absent { reason } if !says_something(reason, MAX_NOTE) => {
                let why = format!("say why there is no consent, 1 to {MAX_NOTE} characters");
                wrong.push(Refusal::field("legal.consent.reason", why));
            }
            Consent::Given { by, .. } if !(1..=2).contains(&by.len()) => {
                wrong.push(Refusal::field("legal.consent.by", "expected youth, authority-holder or both"));
            }
            Consent::Absent { .. } | Consent::Given { .. } => {}
        }
    }

    /// Checks consent against the age rules: under 12 the authority holder; 12 to 15 both; from 16 the young person alone.
    ///
    /// Consent that is absent with a reason is not refused: an emergency does not wait, and the reason is on record.
    ///
    /// # Errors
    /// When consent is claimed but the person who must give it is not among those who did.
    pub fn consent_fits(&self, age: u8) -> Result<(), Refusal> {
        let Consent::Given { by, .. } = &self.consent else { return Ok(()) };
        let (youth, holder) = (by.contains(&ConsentBy::Youth), by.contains(&ConsentBy::AuthorityHolder));
        let (fits, rule) = match age {
            0..=11 => (holder, "under 12 a parent with authority or the guardian consents (Jeugdwet 7.3.4)"),
            12..=15 => (youth && holder, "from 12 to 15 the young person and a parent with authority consent (Jeugdwet 7.3.4)"),
            _ => (youth, "from 16 the young person decides alone (Jeugdwet 7.3.4)"),
        };
        if fits { Ok(()) } else { Err(Refusal::field("legal.consent.by", rule)) }
    }
}

/// Whether a text has words and, with every space around them, stays within its bound: the text is kept and sent as it is.
fn says_something(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most
}

crate::shows_its_name!(Consent, CourtOrder);

#[cfg(test)]
mod tests {
    use super::*;

    fn given(by: &[ConsentBy]) -> LegalStatus {
        LegalStatus {
            regime: Regime::Jeugdwet,
            basis: Basis::Consent,
            consent: Consent::Given { by: by.to_vec(), on: jiff::civil::date(2026, 11, 22) },
            authority: Authority::BothParents,
            court_order: None,
            identity_status: IdentityStatus::Unverified,
        }
    }

    #[test]
    fn consent_follows_the_ages_twelve_and_sixteen() {
        use ConsentBy::{AuthorityHolder, Youth};
        let cases: [(u8, &[ConsentBy], bool); 8] = [
            (11, &[AuthorityHolder], true),
            (11, &[Youth], false),
            (12, &[Youth], false),
            (12, &[Youth, AuthorityHolder], true),
            (15, &[AuthorityHolder], false),
            (16, &[Youth], true),
            (16, &[AuthorityHolder], false),
            (17, &[Youth, AuthorityHolder], true),
        ];

        for (age, by, fits) in cases {
            assert_eq!(given(by).consent_fits(age).is_ok(), fits, "{age} {by:?}");
        }
    }

    #[test]
    fn a_granted_order_names_its_last_day() {
        let order = CourtOrder {
            state: OrderState::Granted,
            kind: "ondertoezichtstelling".to_owned(),
            on: jiff::civil::date(2026, 11, 1),
            until: None,
        };
        let status = LegalStatus { court_order: Some(order), ..given(&[ConsentBy::Youth]) };
        let mut wrong = Vec::new();

        status.check(&mut wrong);

        assert_eq!(wrong[0].field.as_deref(), Some("legal.court_order.until"));
    }

    #[test]
    fn white_space_counts_and_consent_is_somebodys() {
        let order = |kind: String| CourtOrder { state: OrderState::Requested, kind, on: jiff::civil::date(2026, 11, 1), until: None };
        let absent = |reason: String| LegalStatus { consent: Consent::Absent { reason }, ..given(&[ConsentBy::Youth]) };
        let ordered = |kind: String| LegalStatus { court_order: Some(order(kind)), ..given(&[ConsentBy::Youth]) };
        let wide = |most: usize| format!("x{}", " ".repeat(most));

        for (status, fields) in [
            (absent(wide(MAX_NOTE - 1)), vec![]),
            (absent(wide(MAX_NOTE)), vec!["legal.consent.reason"]),
            (absent(" ".to_owned()), vec!["legal.consent.reason"]),
            (ordered(wide(MAX_ORDER_KIND - 1)), vec![]),
            (ordered(wide(MAX_ORDER_KIND)), vec!["legal.court_order.kind"]),
            (given(&[]), vec!["legal.consent.by"]),
        ] {
            let mut wrong = Vec::new();
            status.check(&mut wrong);
            assert_eq!(wrong.iter().filter_map(|refusal| refusal.field.as_deref()).collect::<Vec<_>>(), fields, "{status:?}");
        }
    }
}
