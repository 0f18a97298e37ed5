//! The clauses: who may ask whom for what, on which legal basis, with which fields, within which time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::covenant::name::{ClauseId, DatasetId, ServiceKind, Telephone, UrgencyCode, Who};
use crate::covenant::problem::Words;
use crate::covenant::time::Period;
use crate::field::Field;
use crate::id::OrgId;
use crate::refusal::Lang;

/// A named list of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The code.
    pub id: DatasetId,
    /// The name.
    pub title: Words,
    /// Fields that travel, unless the case marks them as protected.
    pub fields: Vec<Field>,
    /// Fields that travel when the receiver needs them, even when the case marks them as protected. A field in both lists travels freely
    /// while it is not marked, a field in this list alone only when it is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Field>,
}

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Ask for expertise about a named young person.
    Consult,
    /// Ask for expertise without saying who it is about.
    ConsultAnonymous,
    /// Hand over the lead of a case.
    Handover,
    /// Ask for figures.
    Figures,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 4] = [Act::Consult, Act::ConsultAnonymous, Act::Handover, Act::Figures];

    /// The name in TOML and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Act::Consult => "consult",
            Act::ConsultAnonymous => "consult-anonymous",
            Act::Handover => "handover",
            Act::Figures => "figures",
        }
    }

    /// Whether the act is about one young person.
    #[must_use]
    pub fn concerns_case(self) -> bool {
        self != Act::Figures
    }

    /// Whether the act is a question for expertise, named or not.
    #[must_use]
    pub fn asks_expertise(self) -> bool {
        matches!(self, Act::Consult | Act::ConsultAnonymous)
    }

    /// The act as the middle of the sentence "X mag Y ...".
    #[must_use]
    pub fn phrase(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Act::Consult, Lang::Nl) => "op naam om expertise vragen",
            (Act::ConsultAnonymous, Lang::Nl) => "anoniem om expertise vragen",
            (Act::Handover, Lang::Nl) => "vragen een zaak over te nemen",
            (Act::Figures, Lang::Nl) => "om cijfers vragen",
            (Act::Consult, Lang::En) => "for expertise about a named young person",
            (Act::ConsultAnonymous, Lang::En) => "for expertise without naming the young person",
            (Act::Handover, Lang::En) => "to take a case over",
            (Act::Figures, Lang::En) => "for figures",
        }
    }
}

/// The legal basis of a clause. The codes also stand in the audit log as consent profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LegalBasis {
    /// Youth Act 7.3.11(2)(a): people directly involved in the same help.
    #[serde(rename = "jeugdwet-7.3.11-2a-directly-involved")]
    JeugdwetDirectlyInvolved,
    /// Youth Act 7.3.11(4): what the certified institution needs under a supervision order.
    #[serde(rename = "jeugdwet-7.3.11-4-supervision")]
    JeugdwetSupervision,
    /// Civil Code 7:457: people directly involved in the treatment.
    #[serde(rename = "wgbo-457-directly-involved")]
    WgboDirectlyInvolved,
    /// Consent of the youth or those with authority.
    #[serde(rename = "explicit-consent")]
    ExplicitConsent,
    /// GDPR 6(1)(d) and 9(2)(c): vital interest.
    #[serde(rename = "emergency-vital-interest")]
    VitalInterest,
    /// No personal data travels.
    #[serde(rename = "no-personal-data")]
    NoPersonalData,
}

impl LegalBasis {
    /// The code in TOML, API and log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            LegalBasis::JeugdwetDirectlyInvolved => "jeugdwet-7.3.11-2a-directly-involved",
            LegalBasis::JeugdwetSupervision => "jeugdwet-7.3.11-4-supervision",
            LegalBasis::WgboDirectlyInvolved => "wgbo-457-directly-involved",
            LegalBasis::ExplicitConsent => "explicit-consent",
            LegalBasis::VitalInterest => "emergency-vital-interest",
            LegalBasis::NoPersonalData => "no-personal-data",
        }
    }

    /// The basis in words.
    #[must_use]
    pub fn label(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (LegalBasis::JeugdwetDirectlyInvolved, Lang::Nl) => "rechtstreeks betrokken bij dezelfde jeugdhulp (Jeugdwet 7.3.11 lid 2a)",
            (LegalBasis::JeugdwetSupervision, Lang::Nl) => "nodig voor een ondertoezichtstelling (Jeugdwet 7.3.11 lid 4)",
            (LegalBasis::WgboDirectlyInvolved, Lang::Nl) => "rechtstreeks betrokken bij de behandeling (WGBO, BW 7:457)",
            (LegalBasis::ExplicitConsent, Lang::Nl) => "uitdrukkelijke toestemming",
            (LegalBasis::VitalInterest, Lang::Nl) => "vitaal belang bij nood (AVG 6 lid 1d en 9 lid 2c)",
            (LegalBasis::NoPersonalData, Lang::Nl) => "er gaan geen persoonsgegevens mee",
            (LegalBasis::JeugdwetDirectlyInvolved, Lang::En) => "directly involved in the same youth help (Youth Act 7.3.11(2)(a))",
            (LegalBasis::JeugdwetSupervision, Lang::En) => "needed for a supervision order (Youth Act 7.3.11(4))",
            (LegalBasis::WgboDirectlyInvolved, Lang::En) => "directly involved in the treatment (Civil Code 7:457)",
            (LegalBasis::ExplicitConsent, Lang::En) => "explicit consent",
            (LegalBasis::VitalInterest, Lang::En) => "vital interest in an emergency (GDPR 6(1)(d) and 9(2)(c))",
            (LegalBasis::NoPersonalData, Lang::En) => "no personal data travels",
        }
    }
}

/// How candidates are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One after the other.
    #[default]
    Sequence,
    /// All at once.
    FanOut,
}

/// One clause: who may ask whom for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its number.
    pub id: ClauseId,
    /// Who may ask.
    pub from: Vec<Who>,
    /// Who may be asked.
    pub to: Vec<Who>,
    /// What.
    pub act: Act,
    /// For which kind of service; without it, for any the asked party offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKind>,
    /// What for, to stand after "Doel:".
    pub purpose: Words,
    /// Why it is lawful.
    pub legal_basis: LegalBasis,
    /// What may travel; figures have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// Answer within this time, per urgency; else the urgency table decides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response: BTreeMap<UrgencyCode, Period>,
    /// How candidates are asked.
    #[serde(default)]
    pub mode: Mode,
    /// Who comes first; parties that are not named follow in the order of the covenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<OrgId>,
    /// Who is called when nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<EscalationRule>,
}

/// Who is called when nobody answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationRule {
    /// The organisation.
    pub to: OrgId,
    /// The function that picks up the telephone: "achterwacht".
    pub who: Words,
    /// The number; without it, the party's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<Telephone>,
}
