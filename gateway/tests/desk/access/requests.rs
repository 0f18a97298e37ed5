//! The request of every method of the local doors, about one situation and another organisation. Each is complete: whatever refuses it
//! refuses it for who asks what about which case, never for how it is written.

use std::sync::LazyLock;

use prost::Message as _;
use schakel_proto::Method;
use schakel_proto::admin::v1 as admin;
use schakel_proto::audit::v1 as audit;
use schakel_proto::care::v1 as care;
use schakel_proto::r#type::v1 as words;
use uuid::Uuid;

use super::front::PERSON;
use super::situations::{Handles, NO_PARTY};
use crate::kit::*;

/// A method, or one of two ways to call it: its name in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) method: Method,
    pub(crate) name: &'static str,
}

/// Every form of every method of the local doors, from the published descriptors.
pub(crate) fn forms() -> Vec<Form> {
    let local = Method::ALL.iter().copied().filter(|method| !method.path().starts_with("/schakel.federation."));
    let plain = local.map(|method| Form { method, name: method.path().rsplit('/').next().unwrap() });
    plain.chain([Form { method: Method::CareCreateConsultation, name: "CreateConsultation/anonymous" }]).collect()
}

/// Whom a question goes to when the other organisation has this standing, and for which service.
fn asked(standing: &str) -> (&'static str, &'static str) {
    match standing {
        "no-purpose" => (PACTUM, "ambulante-spoedhulp"),
        "figures-only" => (G7, "crisisinterventie"),
        "no-party" => (NO_PARTY, "crisisinterventie"),
        _ => (SEZ, "crisisinterventie"),
    }
}

/// The same for an offer.
fn offered(standing: &str) -> (&'static str, &'static str) {
    match standing {
        "no-purpose" => (GGNET, "ggz-crisis"),
        "figures-only" => (G7, "ambulante-spoedhulp"),
        "no-party" => (NO_PARTY, "ambulante-spoedhulp"),
        _ => (PACTUM, "ambulante-spoedhulp"),
    }
}

/// Everything a request is made of.
pub(crate) struct Request<'a> {
    pub(crate) form: Form,
    pub(crate) about: &'a Handles,
    pub(crate) standing: &'a str,
    /// The caller's own key: a number no other request had.
    pub(crate) key: u128,
}

impl Request<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let path = self.form.method.path();
        match path.split('/').nth(1).unwrap() {
            "schakel.care.v1.CaseService" => self.of_cases(),
            "schakel.care.v1.ConsultationService" => self.of_consultations(),
            "schakel.care.v1.HandoverService" => self.of_handovers(),
            service if service.starts_with("schakel.care.") => self.of_agreements(),
            service if service.starts_with("schakel.audit.") => self.of_the_log(),
            _ => self.of_operators(),
        }
    }

    fn request_id(&self) -> String {
        Uuid::from_u128(0x0198_aaaa_0000_7000_8000_0000_0000_0000 | self.key).to_string()
    }

    fn case(&self) -> String {
        format!("cases/{}", self.about.case.0)
    }

    fn handover(&self) -> String {
        format!("cases/{}/handovers/{}", self.about.case.0, self.about.offer.0)
    }

    fn consultation(&self) -> String {
        format!("consultations/{}", self.about.consultation.0)
    }

    fn of_cases(&self) -> Vec<u8> {
        let (name, request_id, etag, actor) = (self.case(), self.request_id(), format!("v{}", self.about.case.1), me());
        let (second_actor, called, reason) = (other(), "N. Vos, GGNet".to_owned(), "geen antwoord".to_owned());
        let dossier = Some(words::Dossier { situation: "onrust".to_owned(), ..words::Dossier::default() });
        match self.form.method {
            Method::CareCreateCase => care::CreateCaseRequest { dossier, request_id, actor }.encode_to_vec(),
            Method::CareGetCase => care::GetCaseRequest { name, view: care::View::Full.into(), actor }.encode_to_vec(),
            Method::CareListCases => care::ListCasesRequest { page_size: 200, actor, ..Default::default() }.encode_to_vec(),
            Method::CareUpdateCase => care::UpdateCaseRequest { name, etag, request_id, actor, dossier }.encode_to_vec(),
            Method::CareCloseCase => care::CloseCaseRequest { name, etag, request_id, actor, reason }.encode_to_vec(),
            Method::CareAskCaseErasure => {
                let ground = words::ErasureGround::ClientRequest.into();
                care::AskCaseErasureRequest { name, etag, request_id, actor, ground, reason }.encode_to_vec()
            }
            Method::CareKeepCase => {
                let hold_until_time = Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 });
                care::KeepCaseRequest { name, etag, request_id, actor, reason, hold_until_time }.encode_to_vec()
            }
            Method::CareEraseCase => care::EraseCaseRequest { name, etag, request_id, actor }.encode_to_vec(),
            Method::CareGetErasure => care::GetErasureRequest { name: format!("{name}/erasure"), actor }.encode_to_vec(),
            Method::CareForceReclaimCase => {
                care::ForceReclaimCaseRequest { name, etag, request_id, actor, second_actor, called, reason }.encode_to_vec()
            }
            Method::CareResolveContestedCase => {
                care::ResolveContestedCaseRequest { name, etag, request_id, actor, second_actor, called, reason }.encode_to_vec()
            }
            method => panic!("no request for {}", method.path()),
        }
    }

    fn of_consultations(&self) -> Vec<u8> {
        let (name, request_id, etag, actor) = (self.consultation(), self.request_id(), format!("v{}", self.about.consultation.1), me());
        let (note, code, reason) = (String::new(), words::DeclineCode::NoCapacity.into(), "opgelost".to_owned());
        match self.form.method {
            Method::CareCreateConsultation => self.question().encode_to_vec(),
            Method::CareGetConsultation => care::GetConsultationRequest { name, view: care::View::Full.into(), actor }.encode_to_vec(),
            Method::CareListConsultations => care::ListConsultationsRequest { page_size: 200, actor, ..Default::default() }.encode_to_vec(),
            Method::CareAcceptConsultation => {
                care::AcceptConsultationRequest { name, etag, request_id, actor, available_time: None, note }.encode_to_vec()
            }
            Method::CareDeclineConsultation => {
                care::DeclineConsultationRequest { name, etag, request_id, actor, code, note }.encode_to_vec()
            }
            Method::CareAnswerConsultation => {
                care::AnswerConsultationRequest { name, etag, request_id, actor, advice: "kom langs".to_owned() }.encode_to_vec()
            }
            Method::CareCancelConsultation => care::CancelConsultationRequest { name, etag, request_id, actor, reason }.encode_to_vec(),
            Method::CareCloseConsultation => care::CloseConsultationRequest { name, etag, request_id, actor }.encode_to_vec(),
            method => panic!("no request for {}", method.path()),
        }
    }

    fn question(&self) -> care::CreateConsultationRequest {
        use care::create_consultation_request::About;
        let anonymous = self.form.name.ends_with("/anonymous");
        let nobody = care::AnonymousAbout { age: Some(15), municipality: "0202".to_owned(), ..Default::default() };
        let (candidate, service) = asked(self.standing);
        care::CreateConsultationRequest {
            about: Some(if anonymous { About::Anonymous(nobody) } else { About::Case(self.case()) }),
            service: service.to_owned(),
            urgency: "acuut".to_owned(),
            question: "wat past hier?".to_owned(),
            candidates: vec![candidate.to_owned()],
            request_id: self.request_id(),
            actor: me(),
            ..Default::default()
        }
    }

    fn of_handovers(&self) -> Vec<u8> {
        let (name, request_id, etag, actor) = (self.handover(), self.request_id(), format!("v{}", self.about.offer.1), me());
        let (note, code, reason) = (String::new(), words::DeclineCode::NoCapacity.into(), "opgelost".to_owned());
        let point = |point| words::ReadBack { point, words: "in eigen woorden".to_owned() };
        match self.form.method {
            Method::CareCreateHandover => {
                let (receiver, service) = offered(self.standing);
                let (parent, etag) = (self.case(), format!("v{}", self.about.case.1));
                let (receiver, service, urgency) = (receiver.to_owned(), service.to_owned(), "acuut".to_owned());
                care::CreateHandoverRequest { parent, etag, request_id, actor, receiver, service, urgency, ..Default::default() }
                    .encode_to_vec()
            }
            Method::CareGetHandover => care::GetHandoverRequest { name, view: care::View::Full.into(), actor }.encode_to_vec(),
            Method::CareListHandovers => {
                care::ListHandoversRequest { parent: self.case(), page_size: 200, actor, ..Default::default() }.encode_to_vec()
            }
            Method::CareAcceptHandover => {
                let (read_back, first_action) = (vec![point(1), point(2)], "vanavond langs".to_owned());
                care::AcceptHandoverRequest { name, etag, request_id, actor, read_back, first_action, first_action_time: None }
                    .encode_to_vec()
            }
            Method::CareDeclineHandover => care::DeclineHandoverRequest { name, etag, request_id, actor, code, note }.encode_to_vec(),
            Method::CareWithdrawHandover => care::WithdrawHandoverRequest { name, etag, request_id, actor, reason }.encode_to_vec(),
            Method::CareReleaseHandover => {
                let (second_actor, called) = (other(), "N. Vos, GGNet".to_owned());
                care::ReleaseHandoverRequest { name, etag, request_id, actor, second_actor, called, reason, code }.encode_to_vec()
            }
            Method::CareGetHandoverProof => care::GetHandoverProofRequest { name, actor }.encode_to_vec(),
            method => panic!("no request for {}", method.path()),
        }
    }

    fn of_agreements(&self) -> Vec<u8> {
        let name = "covenants/gelderland-crisisinterventie-jeugd".to_owned();
        match self.form.method {
            Method::CareGetDuty => care::GetDutyRequest { name: format!("organizations/{SEZ}/duty") }.encode_to_vec(),
            Method::CareGetCovenant => care::GetCovenantRequest { name }.encode_to_vec(),
            Method::CareListCovenants => care::ListCovenantsRequest::default().encode_to_vec(),
            Method::CareExplainCovenant => care::ExplainCovenantRequest { name, ..Default::default() }.encode_to_vec(),
            Method::CareCheckCovenant => care::CheckCovenantRequest {
                sender: PRO_PERSONA.to_owned(),
                receiver: SEZ.to_owned(),
                act: care::check_covenant_request::Act::Consult.into(),
                ..Default::default()
            }
            .encode_to_vec(),
            Method::CareWatchEvents => care::WatchEventsRequest { actor: me(), ..Default::default() }.encode_to_vec(),
            Method::CareListEvents => care::ListEventsRequest { actor: me(), ..Default::default() }.encode_to_vec(),
            method => panic!("no request for {}", method.path()),
        }
    }

    fn of_the_log(&self) -> Vec<u8> {
        match self.form.method {
            Method::AuditListEntries => audit::ListEntriesRequest { case: self.case(), ..Default::default() }.encode_to_vec(),
            Method::AuditGetEntry => audit::GetEntryRequest { name: "entries/0".to_owned() }.encode_to_vec(),
            Method::AuditGetCheckpoint => audit::GetCheckpointRequest {}.encode_to_vec(),
            Method::AuditExportLog => audit::ExportLogRequest {}.encode_to_vec(),
            Method::AuditVerifyLog => audit::VerifyLogRequest {}.encode_to_vec(),
            Method::AuditGetInclusionProof => {
                audit::GetInclusionProofRequest { name: "entries/0".to_owned(), ..Default::default() }.encode_to_vec()
            }
            Method::AuditGetConsistencyProof => audit::GetConsistencyProofRequest { from_size: 1, to_size: 0 }.encode_to_vec(),
            method => panic!("no request for {}", method.path()),
        }
    }

    fn of_operators(&self) -> Vec<u8> {
        let (request_id, peer, message) = (self.request_id(), format!("peers/{SEZ}"), format!("messages/{}", self.about.message));
        let reason = "onderhoud".to_owned();
        match self.form.method {
            Method::AdminListPeers => admin::ListPeersRequest::default().encode_to_vec(),
            Method::AdminStopPeer => admin::StopPeerRequest { name: peer, request_id, reason }.encode_to_vec(),
            Method::AdminResumePeer => admin::ResumePeerRequest { name: peer, request_id }.encode_to_vec(),
            Method::AdminEndRecovery => admin::EndRecoveryRequest { request_id, reason, second_actor: other() }.encode_to_vec(),
            Method::AdminListMessages => admin::ListMessagesRequest { parent: peer, state: 1, ..Default::default() }.encode_to_vec(),
            Method::AdminRetryPeer => admin::RetryPeerRequest { name: peer, request_id }.encode_to_vec(),
            Method::AdminCancelMessage => admin::CancelMessageRequest { name: message, request_id, reason }.encode_to_vec(),
            Method::AdminReplayMessage => admin::ReplayMessageRequest { name: message, request_id }.encode_to_vec(),
            Method::AdminListAdapters => admin::ListAdaptersRequest::default().encode_to_vec(),
            Method::AdminInstallCovenant => {
                static BUNDLE: LazyLock<String> = LazyLock::new(|| signed(document()).to_json());
                admin::InstallCovenantRequest { request_id, bundle: BUNDLE.clone().into() }.encode_to_vec()
            }
            Method::AdminInstallPartyRecord => {
                let signed = record(&org(SEZ), 3, "2027-06-01T00:00:00Z").sign(&root(&org(SEZ))).unwrap();
                admin::InstallPartyRecordRequest { request_id, record: signed.to_json().into() }.encode_to_vec()
            }
            method => panic!("no request for {}", method.path()),
        }
    }
}

/// Whoever is logged in.
fn me() -> Option<words::Actor> {
    Some(words::Actor { person: PERSON.to_owned(), name: "K. de Wit".to_owned(), function: "arts".to_owned() })
}

/// A second person.
fn other() -> Option<words::Actor> {
    Some(words::Actor { person: "skj:190054321".to_owned(), name: "N. Vos".to_owned(), function: "arts".to_owned() })
}
