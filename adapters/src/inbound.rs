//! What came in, translated: one act of one person with the sender's own key, or everything that is wrong with it.

use std::fmt;

use schakel_domain::command::{CareAct, Seen, Write};
use schakel_domain::id::{CaseId, ConsultationId, Hash, OfferId, OrgId, RequestId};
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;

/// One request of an organisation's own system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The sender's own key: the same key is one effect.
    pub request: RequestId,
    /// SHA-256 of the canonical request as sent: it does not depend on what the door fills in.
    pub body: Hash,
    /// The person who answers for it.
    pub actor: Actor,
    /// What is asked. Its version counts only when `version_given`, its receiver only unless `to_previous_lead`.
    pub act: CareAct,
    /// The sender said which version it had read; otherwise the door fills in the version of now.
    pub version_given: bool,
    /// A return: the door fills in who led the case before us.
    pub to_previous_lead: bool,
}

/// The existing thing an act is about: its version is checked before anything changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A case.
    Case(CaseId),
    /// A consultation.
    Consultation(ConsultationId),
    /// A handover.
    Handover(OfferId),
}

impl Inbound {
    /// What the act is about; `None` when it makes something new.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        match &self.act {
            CareAct::OpenCase { .. } | CareAct::Ask(_) => None,
            CareAct::AmendCase { case, .. }
            | CareAct::CloseCase { case, .. }
            | CareAct::AskErasure { case, .. }
            | CareAct::KeepCase { case, .. }
            | CareAct::EraseCase { case }
            | CareAct::ForceReclaim { case, .. }
            | CareAct::ResolveContested { case, .. } => Some(Subject::Case(case.id)),
            CareAct::Offer(offer) => Some(Subject::Case(offer.case.id)),
            CareAct::AcceptConsultation { consultation, .. }
            | CareAct::DeclineConsultation { consultation, .. }
            | CareAct::Advise { consultation, .. }
            | CareAct::CancelConsultation { consultation, .. }
            | CareAct::CloseConsultation { consultation } => Some(Subject::Consultation(consultation.id)),
            CareAct::AcceptHandover { handover, .. }
            | CareAct::DeclineHandover { handover, .. }
            | CareAct::WithdrawHandover { handover, .. }
            | CareAct::ReleasePledge { handover, .. } => Some(Subject::Handover(handover.id)),
        }
    }

    /// The version to fill in, when the sender left it out.
    #[must_use]
    pub fn wants_version(&self) -> Option<Subject> {
        if self.version_given { None } else { self.subject() }
    }

    /// Fills in the version of what the act is about.
    pub fn fill_version(&mut self, version: u64) {
        match &mut self.act {
            CareAct::OpenCase { .. } | CareAct::Ask(_) => {}
            CareAct::AmendCase { case, .. }
            | CareAct::CloseCase { case, .. }
            | CareAct::AskErasure { case, .. }
            | CareAct::KeepCase { case, .. }
            | CareAct::EraseCase { case }
            | CareAct::ForceReclaim { case, .. }
            | CareAct::ResolveContested { case, .. } => set(case, version),
            CareAct::Offer(offer) => set(&mut offer.case, version),
            CareAct::AcceptConsultation { consultation, .. }
            | CareAct::DeclineConsultation { consultation, .. }
            | CareAct::Advise { consultation, .. }
            | CareAct::CancelConsultation { consultation, .. }
            | CareAct::CloseConsultation { consultation } => set(consultation, version),
            CareAct::AcceptHandover { handover, .. }
            | CareAct::DeclineHandover { handover, .. }
            | CareAct::WithdrawHandover { handover, .. }
            | CareAct::ReleasePledge { handover, .. } => set(handover, version),
        }
    }

    /// Fills in to whom a returned case goes.
    pub fn fill_receiver(&mut self, previous: OrgId) {
        if let CareAct::Offer(offer) = &mut self.act {
            offer.to = Some(previous);
        }
    }

    /// The write to hand to the desk.
    #[must_use]
    pub fn into_write(self) -> Write<CareAct> {
        Write { request: self.request, body: self.body, actor: self.actor, within: None, act: self.act }
    }
}

fn set<T>(seen: &mut Seen<T>, version: u64) {
    seen.version = version;
}

/// Everything that is wrong with a request; at least one refusal, at most [`Rejection::MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The request id, when it could be read.
    pub request: Option<RequestId>,
    /// What is wrong, each with its field.
    pub refusals: Vec<Refusal>,
}

impl Rejection {
    /// Most problems told of one request.
    pub const MAX: usize = 50;

    /// A request with one problem, before its id could be read.
    #[must_use]
    pub fn unread(refusal: Refusal) -> Self {
        Self { request: None, refusals: vec![refusal] }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, refusal) in self.refusals.iter().enumerate() {
            write!(f, "{}{refusal}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
