//! The one table of methods: which act each is, and what its requests must carry. The match has no rest arm and the enum is
//! generated from the `.proto` files: a method without a rule does not compile.

use schakel_domain::caller::Act;
use schakel_proto::Method;

/// What the requests of a method must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing of care. A full view of a dossier names who looks; anything less falls to the caller.
    Reads,
    /// Makes something new: `request_id` and `actor`.
    Creates,
    /// Changes something that was read: `request_id`, `actor` and `etag`.
    Changes,
    /// An operator's write: `request_id`; the login names the person.
    Operates,
    /// Between gateways: signed messages carry their own.
    Exchanges,
}

/// The rule of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What a caller's roles must permit.
    pub act: Act,
    /// What a request must carry.
    pub kind: Kind,
}

/// The rule of a method.
#[must_use]
pub fn rule(method: Method) -> Rule {
    use Kind::{Changes, Creates, Exchanges, Operates, Reads};
    let (act, kind) = match method {
        Method::CareCreateCase => (Act::OpenCase, Creates),
        Method::CareGetCase => (Act::ReadCase, Reads),
        Method::CareListCases => (Act::ListCases, Reads),
        Method::CareUpdateCase => (Act::AmendCase, Changes),
        Method::CareCloseCase => (Act::CloseCase, Changes),
        Method::CareAskCaseErasure => (Act::AskErasure, Changes),
        Method::CareKeepCase => (Act::KeepCase, Changes),
        Method::CareEraseCase => (Act::EraseCase, Changes),
        Method::CareGetErasure => (Act::ReadErasure, Reads),
        Method::CareForceReclaimCase => (Act::ForceReclaim, Changes),
        Method::CareResolveContestedCase => (Act::ResolveContested, Changes),
        Method::CareCreateConsultation => (Act::Ask, Creates),
        Method::CareGetConsultation => (Act::ReadConsultation, Reads),
        Method::CareListConsultations => (Act::ListConsultations, Reads),
        Method::CareAcceptConsultation => (Act::AcceptConsultation, Changes),
        Method::CareDeclineConsultation => (Act::DeclineConsultation, Changes),
        Method::CareAnswerConsultation => (Act::Advise, Changes),
        Method::CareCancelConsultation => (Act::CancelConsultation, Changes),
        Method::CareCloseConsultation => (Act::CloseConsultation, Changes),
        Method::CareCreateHandover => (Act::Offer, Changes),
        Method::CareGetHandover => (Act::ReadHandover, Reads),
        Method::CareListHandovers => (Act::ListHandovers, Reads),
        Method::CareAcceptHandover => (Act::AcceptHandover, Changes),
        Method::CareDeclineHandover => (Act::DeclineHandover, Changes),
        Method::CareWithdrawHandover => (Act::WithdrawHandover, Changes),
        Method::CareReleaseHandover => (Act::ReleasePledge, Changes),
        Method::CareGetHandoverProof => (Act::ReadProof, Reads),
        Method::CareGetDuty => (Act::ReadDuty, Reads),
        Method::CareGetCovenant | Method::CareListCovenants | Method::CareExplainCovenant => (Act::ReadCovenant, Reads),
        Method::CareCheckCovenant => (Act::CheckCovenant, Reads),
        Method::CareWatchEvents | Method::CareListEvents => (Act::WatchEvents, Reads),
        Method::AuditListEntries | Method::AuditGetEntry | Method::AuditGetCheckpoint => (Act::ReadLog, Reads),
        Method::AuditExportLog => (Act::ExportLog, Reads),
        Method::AuditVerifyLog | Method::AuditGetInclusionProof | Method::AuditGetConsistencyProof => (Act::VerifyLog, Reads),
        Method::AdminListPeers => (Act::ReadPeers, Reads),
        Method::AdminStopPeer => (Act::StopPeer, Operates),
        Method::AdminResumePeer => (Act::ResumePeer, Operates),
        Method::AdminEndRecovery => (Act::EndRecovery, Operates),
        Method::AdminListMessages => (Act::ReadOutbox, Reads),
        Method::AdminRetryPeer => (Act::RetryMessage, Operates),
        Method::AdminCancelMessage => (Act::CancelMessage, Operates),
        Method::AdminReplayMessage => (Act::ReplayMessage, Operates),
        Method::AdminListAdapters => (Act::ReadAdapters, Reads),
        Method::AdminInstallCovenant => (Act::InstallCovenant, Operates),
        Method::AdminInstallPartyRecord => (Act::InstallPartyRecord, Operates),
        Method::FederationExchange => (Act::Receive, Exchanges),
        Method::FederationListDocuments
        | Method::FederationGetCovenant
        | Method::FederationGetPartyRecord
        | Method::FederationOfferDocument
        | Method::FederationAddCheckpoint => (Act::ExchangeDocuments, Exchanges),
    };
    Rule { act, kind }
}

/// The method of a request's path.
#[must_use]
pub fn of_path(path: &str) -> Option<Method> {
    Method::ALL.iter().copied().find(|method| method.path() == path)
}
