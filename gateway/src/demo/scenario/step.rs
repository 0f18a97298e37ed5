//! One step of a story: when, who, does what, and what must be true after it.

use schakel_domain::custody::DeclineCode;
use serde::Deserialize;

use super::{ConsultationState, HandoverState, MAX_STEPS, Mistake, OrgKey, StoryTime, mistake};

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// When, in the story.
    pub at: StoryTime,
    /// Which organisation acts; none for what happens by itself.
    pub who: Option<OrgKey>,
    /// Which of its people.
    pub person: Option<String>,
    /// One sentence for the reader.
    pub says: String,
    /// What happens.
    pub does: Does,
    /// What must be true after it.
    pub expect: Expect,
}

impl Step {
    /// How a mistake or a failure names this step.
    #[must_use]
    pub fn place(&self) -> String {
        format!("step {} ({} {})", self.number, self.at, self.does.name())
    }
}

/// What a step does. Cases, consultations and handovers are called by names of the story: a step that makes one gives it with `as`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "does", rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Does {
    /// The organisation's own system puts a file in its gateway's folder: a case is opened.
    OpenCase {
        /// Name of the new case.
        r#as: String,
        /// The dossier, as the file holds it (adapters/README.md).
        dossier: toml::Table,
    },
    /// Asks for expertise.
    Ask {
        /// Name of the new consultation.
        r#as: String,
        /// About which case; without it, anonymous.
        #[serde(default)]
        case: Option<String>,
        /// Anonymous: what may be said.
        #[serde(default)]
        about: Option<About>,
        /// Kind of service.
        service: String,
        /// Urgency code.
        urgency: String,
        /// The question.
        question: String,
        /// Whom; empty: the covenant's order.
        #[serde(default)]
        candidates: Vec<OrgKey>,
        /// All at once.
        #[serde(default)]
        fan_out: Option<bool>,
    },
    /// A candidate says yes.
    AcceptConsultation {
        /// Which.
        consultation: String,
        /// Minutes until help is there.
        within_minutes: u16,
        /// Note.
        #[serde(default)]
        note: String,
    },
    /// A candidate says no.
    DeclineConsultation {
        /// Which.
        consultation: String,
        /// Why.
        code: DeclineCode,
        /// Note.
        #[serde(default)]
        note: String,
    },
    /// The confirmed candidate advises.
    Advise {
        /// Which.
        consultation: String,
        /// The advice.
        text: String,
    },
    /// The requester ends a question that was answered.
    CloseConsultation {
        /// Which.
        consultation: String,
    },
    /// Opens a consultation and reads it.
    ReadConsultation {
        /// Which.
        consultation: String,
    },
    /// Offers a case.
    OfferHandover {
        /// Name of the new handover.
        r#as: String,
        /// Which case.
        case: String,
        /// To whom; without it, the covenant's order.
        #[serde(default)]
        to: Option<OrgKey>,
        /// Kind of service.
        service: String,
        /// Urgency code.
        urgency: String,
    },
    /// Opens a handover and reads it.
    ReadHandover {
        /// Which.
        handover: String,
    },
    /// Accepts, repeating the key points.
    AcceptHandover {
        /// Which.
        handover: String,
        /// Each key point in own words.
        read_back: Vec<String>,
        /// What happens first.
        first_action: String,
    },
    /// Says no.
    DeclineHandover {
        /// Which.
        handover: String,
        /// Why.
        code: DeclineCode,
        /// Note.
        #[serde(default)]
        note: String,
    },
    /// Takes an offer back.
    WithdrawHandover {
        /// Which.
        handover: String,
        /// Why.
        reason: String,
    },
    /// Opens the dossier of a case.
    ReadCase {
        /// Which.
        case: String,
    },
    /// Ends a case.
    CloseCase {
        /// Which.
        case: String,
        /// Why.
        reason: String,
    },
    /// The line to an organisation's gateway breaks: nobody reaches it, while it reaches others.
    CutLine {
        /// Whose.
        to: OrgKey,
    },
    /// The line is back.
    RestoreLine {
        /// Whose.
        to: OrgKey,
    },
    /// Time passes until the expectations hold.
    Wait {},
    /// Somebody changes the log in a copy of an organisation's data.
    TamperCopy {
        /// Whose.
        of: OrgKey,
    },
}

impl Does {
    /// The name in a file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenCase { .. } => "open-case",
            Self::Ask { .. } => "ask",
            Self::AcceptConsultation { .. } => "accept-consultation",
            Self::DeclineConsultation { .. } => "decline-consultation",
            Self::Advise { .. } => "advise",
            Self::CloseConsultation { .. } => "close-consultation",
            Self::ReadConsultation { .. } => "read-consultation",
            Self::OfferHandover { .. } => "offer-handover",
            Self::ReadHandover { .. } => "read-handover",
            Self::AcceptHandover { .. } => "accept-handover",
            Self::DeclineHandover { .. } => "decline-handover",
            Self::WithdrawHandover { .. } => "withdraw-handover",
            Self::ReadCase { .. } => "read-case",
            Self::CloseCase { .. } => "close-case",
            Self::CutLine { .. } => "cut-line",
            Self::RestoreLine { .. } => "restore-line",
            Self::Wait {} => "wait",
            Self::TamperCopy { .. } => "tamper-copy",
        }
    }

    /// Whether somebody of an organisation does it.
    #[must_use]
    pub fn by_a_person(&self) -> bool {
        !matches!(self, Self::CutLine { .. } | Self::RestoreLine { .. } | Self::Wait {} | Self::TamperCopy { .. })
    }
}

/// What may be said of nobody in particular.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Age in whole years.
    pub age: u32,
    /// CBS municipality code.
    pub municipality: String,
}

/// What must be true after a step. Everything is optional; what is named is checked and waited for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Of which case; without it, the only or last one of the story so far.
    #[serde(default)]
    pub case: Option<String>,
    /// Who is responsible, exactly; the empty list: nobody (a closed case).
    #[serde(default)]
    pub responsible: Option<Vec<OrgKey>>,
    /// Who leads, exactly; the empty list: nobody (the lead is under way).
    #[serde(default)]
    pub lead: Option<Vec<OrgKey>>,
    /// State of the step's consultation at `at`.
    #[serde(default)]
    pub consultation: Option<ConsultationState>,
    /// State of one candidate of the step's consultation at the requester: `late`.
    #[serde(default)]
    pub candidate: Option<String>,
    /// State of the step's handover at `at`.
    #[serde(default)]
    pub handover: Option<HandoverState>,
    /// Seen from which organisation; without it, the one that acts.
    #[serde(default)]
    pub at: Option<OrgKey>,
    /// Which consultation or handover, when the step names none.
    #[serde(default)]
    pub of: Option<String>,
    /// Whether what was asked or offered is durable at the receiver.
    #[serde(default)]
    pub delivered: Option<bool>,
    /// Whether a person at the receiver opened it.
    #[serde(default)]
    pub seen: Option<bool>,
    /// The telephone number the answer must give.
    #[serde(default)]
    pub telephone: Option<String>,
    /// The step must be refused.
    #[serde(default)]
    pub refused: Option<RefusalExpected>,
    /// Both sides hold the transfer and the receipt, and the receipt names the transfer.
    #[serde(default)]
    pub proof: bool,
}

/// How a step is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalExpected {
    /// Reason code: `COVENANT_DENIED`.
    pub reason: String,
    /// Clause of the covenant; without it, any or none.
    #[serde(default)]
    pub clause: Option<String>,
}

/// What every step has, whatever it does.
#[derive(Debug, Deserialize)]
struct Common {
    at: StoryTime,
    #[serde(default)]
    who: Option<String>,
    says: String,
    #[serde(default)]
    expect: Expect,
}

/// Reads every step, and notes what is wrong with each.
pub(super) fn parse_all(tables: Vec<toml::Table>, mistakes: &mut Vec<Mistake>) -> Vec<Step> {
    if tables.is_empty() || tables.len() > MAX_STEPS {
        mistakes.push(mistake("steps", format!("expected 1 to {MAX_STEPS}")));
        return Vec::new();
    }
    let mut steps = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        match parse(index + 1, table) {
            Ok(step) => steps.push(step),
            Err(wrong) => mistakes.push(wrong),
        }
    }
    steps
}

fn parse(number: usize, mut table: toml::Table) -> Result<Step, Mistake> {
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or("?").to_owned();
    let place = format!("step {number} ({} {})", text("at"), text("does"));
    let mut common = toml::Table::new();
    for key in ["at", "who", "says", "expect"] {
        if let Some(value) = table.remove(key) {
            common.insert(key.to_owned(), value);
        }
    }
    let fail = |error: toml::de::Error| mistake(&place, error.message());
    let common: Common = common.try_into().map_err(fail)?;
    let does: Does = table.try_into().map_err(fail)?;
    let (who, person) = match common.who.as_deref().map(|who| who.split_once('/').map_or((who, None), |(org, person)| (org, Some(person))))
    {
        Some((org, person)) => {
            let key = org.parse::<OrgKey>().map_err(|problem| mistake(&format!("{place}, who"), problem))?;
            (Some(key), person.map(str::to_owned))
        }
        None => (None, None),
    };
    Ok(Step { number, at: common.at, who, person, says: common.says, does, expect: common.expect })
}
