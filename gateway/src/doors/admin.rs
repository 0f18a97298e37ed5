//! The admin door: operators. They run the gateway and see no care content.

use schakel_domain::command::{Operation, OperationsRead};
use schakel_domain::person::PersonId;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, OperationsAnswer};
use schakel_proto::Method;
use schakel_proto::admin::v1 as wire;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::guard::Guard;
use super::health::{Board, Services};
use super::{Door, MAX_DOCUMENT_REQUEST, MAX_REQUEST, health};
use crate::wire::care::another_answer;
use crate::wire::status::language;
use crate::wire::{agreement, log, names, operations};

/// What its health names: operators are needed most when nothing is decided.
const SERVICES: Services = Services {
    deciding: &[],
    showing: &[
        wire::peer_service_server::SERVICE_NAME,
        wire::outbox_service_server::SERVICE_NAME,
        wire::adapter_service_server::SERVICE_NAME,
        wire::document_service_server::SERVICE_NAME,
    ],
};

#[derive(Debug, Clone)]
struct Service {
    door: Door,
}

/// Everything this door answers, and what its health says.
#[must_use]
pub fn admin_routes(door: &Door) -> (Board, Routes) {
    let (board, health) = health::health(SERVICES);
    let service = || Service { door: door.clone() };
    let peers = wire::peer_service_server::PeerServiceServer::new(service()).max_decoding_message_size(MAX_REQUEST);
    let outbox = wire::outbox_service_server::OutboxServiceServer::new(service()).max_decoding_message_size(MAX_REQUEST);
    let adapters = wire::adapter_service_server::AdapterServiceServer::new(service()).max_decoding_message_size(MAX_REQUEST);
    let documents = wire::document_service_server::DocumentServiceServer::new(service()).max_decoding_message_size(MAX_DOCUMENT_REQUEST);
    let routes = Routes::new(health)
        .add_service(Guard::new(door, peers))
        .add_service(Guard::new(door, outbox))
        .add_service(Guard::new(door, adapters))
        .add_service(Guard::new(door, documents));
    (board, routes.prepare())
}

impl Service {
    async fn look<T, R>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T) -> Result<OperationsRead, Vec<Refusal>>,
        show: impl FnOnce(OperationsAnswer) -> Result<R, Refusal>,
    ) -> Result<Response<R>, Status> {
        let visit = self.door.enter(method, &request).await?;
        let read = visit.read(read(request.get_ref())).await?;
        let answer = self.door.desk.operations(&visit.identified.caller, read).await.and_then(show);
        answer.map(Response::new).map_err(|refusal| visit.status(&refusal))
    }

    /// A write: an operator is a person, by the login.
    async fn operate<T, R: Default>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T, &PersonId) -> Result<Operation, Vec<Refusal>>,
    ) -> Result<Response<R>, Status> {
        let visit = self.door.enter(method, &request).await?;
        let nobody = || vec![Refusal::new(Stage::Caller, Reason::RoleDenied).because("the login names no person")];
        let person = visit.read(visit.identified.caller.person.as_ref().ok_or_else(nobody)).await?;
        let operation = visit.read(read(request.get_ref(), person)).await?;
        visit.reply(self.door.desk.operate(&visit.identified.caller, operation).await, |_| Ok(R::default()))
    }
}

#[tonic::async_trait]
impl wire::peer_service_server::PeerService for Service {
    async fn list_peers(&self, request: Request<wire::ListPeersRequest>) -> Result<Response<wire::ListPeersResponse>, Status> {
        let lang = language(request.metadata().get("accept-language").and_then(|value| value.to_str().ok()));
        let show = |answer| match answer {
            OperationsAnswer::Peers(views, next) => {
                let peers = views.iter().map(|view| operations::peer_to_wire(view, lang)).collect();
                Ok(wire::ListPeersResponse { peers, next_page_token: names::page_token(next) })
            }
            _ => Err(another_answer()),
        };
        self.look(Method::AdminListPeers, request, operations::list_peers, show).await
    }

    async fn stop_peer(&self, request: Request<wire::StopPeerRequest>) -> Result<Response<wire::StopPeerResponse>, Status> {
        self.operate(Method::AdminStopPeer, request, operations::stop).await
    }

    async fn resume_peer(&self, request: Request<wire::ResumePeerRequest>) -> Result<Response<wire::ResumePeerResponse>, Status> {
        self.operate(Method::AdminResumePeer, request, operations::resume).await
    }

    async fn end_recovery(&self, request: Request<wire::EndRecoveryRequest>) -> Result<Response<wire::EndRecoveryResponse>, Status> {
        self.operate(Method::AdminEndRecovery, request, operations::end_recovery).await
    }
}

#[tonic::async_trait]
impl wire::outbox_service_server::OutboxService for Service {
    async fn list_messages(&self, request: Request<wire::ListMessagesRequest>) -> Result<Response<wire::ListMessagesResponse>, Status> {
        let show = |answer| match answer {
            OperationsAnswer::Messages(views, next) => {
                let messages = views.iter().map(operations::message_to_wire).collect();
                Ok(wire::ListMessagesResponse { messages, next_page_token: names::page_token(next) })
            }
            _ => Err(another_answer()),
        };
        self.look(Method::AdminListMessages, request, operations::list_messages, show).await
    }

    async fn retry_peer(&self, request: Request<wire::RetryPeerRequest>) -> Result<Response<wire::RetryPeerResponse>, Status> {
        self.operate(Method::AdminRetryPeer, request, operations::retry).await
    }

    async fn cancel_message(&self, request: Request<wire::CancelMessageRequest>) -> Result<Response<wire::CancelMessageResponse>, Status> {
        self.operate(Method::AdminCancelMessage, request, operations::cancel).await
    }

    async fn replay_message(&self, request: Request<wire::ReplayMessageRequest>) -> Result<Response<wire::ReplayMessageResponse>, Status> {
        self.operate(Method::AdminReplayMessage, request, operations::replay).await
    }
}

#[tonic::async_trait]
impl wire::adapter_service_server::AdapterService for Service {
    async fn list_adapters(&self, request: Request<wire::ListAdaptersRequest>) -> Result<Response<wire::ListAdaptersResponse>, Status> {
        let show = |answer| match answer {
            OperationsAnswer::Adapters(views, next) => {
                let adapters = views.iter().map(operations::adapter_to_wire).collect();
                Ok(wire::ListAdaptersResponse { adapters, next_page_token: names::page_token(next) })
            }
            _ => Err(another_answer()),
        };
        self.look(Method::AdminListAdapters, request, operations::list_adapters, show).await
    }
}

#[tonic::async_trait]
impl wire::document_service_server::DocumentService for Service {
    async fn install_covenant(
        &self,
        request: Request<wire::InstallCovenantRequest>,
    ) -> Result<Response<wire::InstallCovenantResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::CovenantInstalled { id, version, is_new, unsigned } => Ok(wire::InstallCovenantResponse {
                name: names::covenant(&id, version),
                is_new,
                unsigned: unsigned.iter().map(ToString::to_string).collect(),
            }),
            _ => Err(another_answer()),
        };
        self.door.agree(Method::AdminInstallCovenant, request, |request, _| agreement::install_covenant(request), show).await
    }

    async fn install_party_record(
        &self,
        request: Request<wire::InstallPartyRecordRequest>,
    ) -> Result<Response<wire::InstallPartyRecordResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::PartyRecordInstalled { organization, number, is_new } => {
                Ok(wire::InstallPartyRecordResponse { name: names::organization(&organization), number: log::number(number), is_new })
            }
            _ => Err(another_answer()),
        };
        self.door.agree(Method::AdminInstallPartyRecord, request, |request, _| agreement::install_party_record(request), show).await
    }
}
