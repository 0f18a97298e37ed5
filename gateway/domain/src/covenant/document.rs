//! The covenant as its authors write it: one TOML file, read from top to bottom.
//!
//! Every part is typed, so a name that cannot be one is refused while reading; whether the parts fit together is for
//! [`super::check`]. An unknown key is refused: a gateway never acts on an agreement of which it understands only half.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::name::{AreaId, ClauseId, CovenantId, DatasetId, Role, ServiceId, ServiceKind, Telephone, UrgencyCode, Who};
use super::problem::{Blocks, Problem, Words};
use super::time::{Hours, Period, Zone};
use crate::canonical;
use crate::field::Field;
use crate::id::{Hash, OrgId};
use crate::municipality::MunicipalityCode;
use crate::refusal::Lang;
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
}

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

/// When an alarm sounds. No safety rule depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// A transfer without receipt: call the receiver.
    pub transfer_receipt: Period,
    /// A yes that was not confirmed: call the asker.
    pub bid_confirmation: Period,
    /// A message that could not be delivered: call instead.
    pub undelivered: Period,
}

/// An act that two people do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TwoPersonAct {
    /// Take the lead back while a transfer is under way.
    ForcedReclaim,
    /// Step back from a contested case.
    ResolveContested,
}

impl TwoPersonAct {
    /// Every such act; a covenant names them all, because the protocol asks for it.
    pub const ALL: [TwoPersonAct; 2] = [TwoPersonAct::ForcedReclaim, TwoPersonAct::ResolveContested];
}

/// How long things are kept, in years.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The audit log; at least 5.
    pub audit_log_years: u8,
    /// The content of a case after its last change.
    pub case_years: u8,
}

/// How figures are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// A count below this is not shown, so that nobody can be recognised.
    pub smallest_cell: u32,
}

/// When a young person is passed on too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hops {
    /// Warn from this number of handovers on.
    pub warn_from: u8,
}

impl Document {
    /// Reads a covenant as its authors write it.
    ///
    /// # Errors
    /// Every unknown field name at once, or else the first thing that cannot be read, with its line.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(vec![unreadable("covenant", &format!("larger than {MAX_DOCUMENT_BYTES} bytes"))]);
        }
        toml::from_str(text).map_err(|error| {
            let unknown = unknown_fields(text);
            if unknown.is_empty() { vec![unreadable(&place(text, error.span()), error.message())] } else { unknown }
        })
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

fn unreadable(path: &str, message: &str) -> Problem {
    let message: String = message.chars().take(300).collect();
    Problem {
        path: path.to_owned(),
        what: Words::new(format!("kan niet worden gelezen ({message})."), format!("cannot be read ({message}).")),
        remedy: Words::new("Verbeter deze regel.", "Correct this line."),
        blocks: Blocks::Use,
    }
}

fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let before = span.and_then(|span| text.get(..span.start));
    before.map_or("covenant".to_owned(), |before| format!("line {}", before.matches('\n').count() + 1))
}

/// Every field name that does not exist, so that an author sees all of them at once.
fn unknown_fields(text: &str) -> Vec<Problem> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let datasets = table.get("datasets").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut problems = Vec::new();
    for dataset in datasets {
        let id = dataset.get("id").and_then(toml::Value::as_str).unwrap_or("?");
        for list in ["fields", "protected"] {
            let names = dataset.get(list).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let wrong = names.iter().filter_map(|name| name.as_str()?.parse::<Field>().err());
            problems.extend(wrong.map(|unknown| unknown_field(&format!("datasets[{id}].{list}"), &unknown)));
        }
    }
    problems
}

fn unknown_field(path: &str, unknown: &crate::field::UnknownField) -> Problem {
    let remedy = unknown.hint.map_or_else(
        || Words::new("Gebruik een bestaande veldnaam.", "Use the name of an existing field."),
        |near| Words::new(format!("Bedoelt u `{near}`?"), format!("Do you mean `{near}`?")),
    );
    Problem {
        path: path.to_owned(),
        what: Words::new(format!("het veld `{}` bestaat niet.", unknown.name), format!("the field `{}` does not exist.", unknown.name)),
        remedy,
        blocks: Blocks::Use,
    }
}
