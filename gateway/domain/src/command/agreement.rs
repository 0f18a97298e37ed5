//! What may be asked about covenants, party records and the telephone lines in them.

use crate::caller::Act;
use crate::command::PageOf;
use crate::id::{OrgId, RequestId};

/// What is asked about agreements, and the telephone lines that stand in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgreementAct {
    /// Versions of covenants, a page by `covenant/version`.
    List(PageOf),
    /// One version with its signed document; absent version: the one in force.
    Show {
        /// Id of the covenant.
        covenant: String,
        /// Version.
        version: Option<u32>,
    },
    /// Whether one party may ask another something now.
    Check(CovenantQuestion),
    /// What one organisation may ask and must answer, in plain words.
    Explain {
        /// Id of the covenant.
        covenant: String,
        /// Version; absent: the one in force.
        version: Option<u32>,
        /// Organisation; absent: our own.
        organization: Option<OrgId>,
        /// Language.
        lang: crate::refusal::Lang,
    },
    /// Who can be called at an organisation.
    Duty(OrgId),
    /// Installs a covenant version, or signatures of one.
    InstallCovenant {
        /// The caller's own key.
        request: RequestId,
        /// SHA-256 of the canonical request.
        body: crate::id::Hash,
        /// JSON bundle of document and signatures.
        bundle: Vec<u8>,
    },
    /// Installs a party record.
    InstallPartyRecord {
        /// The caller's own key.
        request: RequestId,
        /// SHA-256 of the canonical request.
        body: crate::id::Hash,
        /// The signed record, as JSON.
        record: String,
    },
}

/// May `from` ask `to` this? What is not given is not judged. Names and codes are as typed: the covenant knows which exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CovenantQuestion {
    /// Who asks.
    pub from: OrgId,
    /// Who is asked.
    pub to: OrgId,
    /// `consult`, `consult-anonymous`, `handover` or `figures`.
    pub act: &'static str,
    /// Service.
    pub service: Option<String>,
    /// Age in whole years.
    pub age: Option<u8>,
    /// CBS municipality code.
    pub municipality: Option<String>,
    /// Urgency code.
    pub urgency: Option<String>,
}

impl AgreementAct {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            AgreementAct::List(_) | AgreementAct::Show { .. } | AgreementAct::Explain { .. } => Act::ReadCovenant,
            AgreementAct::Check(_) => Act::CheckCovenant,
            AgreementAct::Duty(_) => Act::ReadDuty,
            AgreementAct::InstallCovenant { .. } => Act::InstallCovenant,
            AgreementAct::InstallPartyRecord { .. } => Act::InstallPartyRecord,
        }
    }
}
