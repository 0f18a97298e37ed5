//! Requests of the local doors, as bytes: each method's message is decoded, and judged field by field as its door does.

use std::fmt::Debug;

use prost::Message;
use schakel::wire::{agreement, care, log, operations};
use schakel_domain::person::{Actor, PersonId};
use schakel_domain::refusal::Lang;
use schakel_proto::{admin::v1 as admin, audit::v1 as audit, care::v1 as wire};

/// What a door makes of a message, in words.
fn judged<M: Message + Default, T: Debug, E: Debug>(bytes: &[u8], judge: impl Fn(&M) -> Result<T, E>) -> String {
    match M::decode(bytes) {
        Ok(message) => match judge(&message) {
            Ok(_) => "good".to_owned(),
            Err(wrong) => format!("{wrong:?}"),
        },
        Err(error) => error.to_string(),
    }
}

macro_rules! methods {
    ($($message:ty, $judge:expr;)*) => {
        /// How many methods there are.
        pub(crate) const METHODS: usize = [$(stringify!($message)),*].len();

        /// Judges bytes as the request of one method.
        pub(crate) fn judge(method: usize, bytes: &[u8]) -> String {
            let all: [fn(&[u8]) -> String; METHODS] = [$(|bytes| judged::<$message, _, _>(bytes, $judge)),*];
            format!("{}: {}", [$(stringify!($message)),*][method % METHODS], all[method % METHODS](bytes))
        }
    };
}

methods! {
    wire::CreateCaseRequest, care::case::create;
    wire::GetCaseRequest, |request| care::case::get(request, &caller());
    wire::ListCasesRequest, |request| care::case::list(request, &caller());
    wire::UpdateCaseRequest, care::case::update;
    wire::CloseCaseRequest, care::case::close;
    wire::ForceReclaimCaseRequest, care::case::force_reclaim;
    wire::ResolveContestedCaseRequest, care::case::resolve;
    wire::CreateConsultationRequest, care::consultation::create;
    wire::GetConsultationRequest, |request| care::consultation::get(request, &caller());
    wire::ListConsultationsRequest, |request| care::consultation::list(request, &caller());
    wire::AcceptConsultationRequest, care::consultation::accept;
    wire::DeclineConsultationRequest, care::consultation::refuse;
    wire::AnswerConsultationRequest, care::consultation::answer;
    wire::CancelConsultationRequest, care::consultation::cancel;
    wire::CloseConsultationRequest, care::consultation::close;
    wire::CreateHandoverRequest, care::handover::create;
    wire::GetHandoverRequest, |request| care::handover::get(request, &caller());
    wire::ListHandoversRequest, |request| care::handover::list(request, &caller());
    wire::AcceptHandoverRequest, care::handover::accept;
    wire::DeclineHandoverRequest, care::handover::refuse;
    wire::WithdrawHandoverRequest, care::handover::withdraw;
    wire::ReleaseHandoverRequest, care::handover::release;
    wire::GetHandoverProofRequest, care::handover::proof;
    wire::WatchEventsRequest, |request| care::event::watch(request, &caller()).map(drop);
    wire::ListEventsRequest, |request| care::event::list(request, &caller()).map(drop);
    wire::GetCovenantRequest, agreement::get;
    wire::ListCovenantsRequest, agreement::list;
    wire::CheckCovenantRequest, agreement::check;
    wire::ExplainCovenantRequest, |request| agreement::explain(request, Lang::Nl);
    wire::GetDutyRequest, agreement::duty;
    audit::ListEntriesRequest, log::list;
    audit::GetEntryRequest, log::get;
    audit::GetInclusionProofRequest, log::inclusion;
    audit::GetConsistencyProofRequest, log::consistency;
    admin::InstallCovenantRequest, agreement::install_covenant;
    admin::InstallPartyRecordRequest, agreement::install_party_record;
    admin::ListPeersRequest, operations::list_peers;
    admin::ListAdaptersRequest, operations::list_adapters;
    admin::ListMessagesRequest, operations::list_messages;
    admin::StopPeerRequest, |request| operations::stop(request, &person());
    admin::ResumePeerRequest, |request| operations::resume(request, &person());
    admin::EndRecoveryRequest, |request| operations::end_recovery(request, &person());
    admin::RetryPeerRequest, |request| operations::retry(request, &person());
    admin::CancelMessageRequest, |request| operations::cancel(request, &person());
    admin::ReplayMessageRequest, |request| operations::replay(request, &person());
}

fn caller() -> Actor {
    Actor::parse("local:7001", "K. de Wit", "coordinator").unwrap()
}

fn person() -> PersonId {
    PersonId::parse("local:7001").unwrap()
}

/// Requests to begin with: fields that many messages have, under the numbers that they often have.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let id = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";
    let actor = Some(schakel::wire::words::actor_to_wire(&caller()));
    let case = format!("cases/{id}");
    let messages: Vec<Vec<u8>> = vec![
        wire::GetCaseRequest { name: case.clone(), view: 1, actor: actor.clone() }.encode_to_vec(),
        wire::CloseCaseRequest { name: case.clone(), etag: "v3".to_owned(), request_id: id.to_owned(), actor, ..Default::default() }
            .encode_to_vec(),
        wire::ListCasesRequest { page_size: 10, page_token: "YQ".to_owned(), ..Default::default() }.encode_to_vec(),
        wire::GetHandoverRequest { name: format!("{case}/handovers/{id}"), ..Default::default() }.encode_to_vec(),
        wire::CheckCovenantRequest { service: "crisisdienst".to_owned(), urgency: "u1".to_owned(), ..Default::default() }.encode_to_vec(),
        admin::CancelMessageRequest { name: format!("messages/{id}"), request_id: id.to_owned(), ..Default::default() }.encode_to_vec(),
        audit::GetInclusionProofRequest { name: "entries/7".to_owned(), ..Default::default() }.encode_to_vec(),
    ];
    (0..METHODS).flat_map(|method| messages.iter().map(move |message| [&[method as u8][..], message].concat())).collect()
}
