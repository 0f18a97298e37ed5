//! The audit door: auditors, logged in with two factors. They see the log, never a case.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use schakel_domain::command::LogAct;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::LogAnswer;
use schakel_proto::Method;
use schakel_proto::audit::v1 as wire;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::guard::Guard;
use super::health::{Board, Services};
use super::{Door, MAX_REQUEST, health};
use crate::wire::care::another_answer;
use crate::wire::status::from_refusal;
use crate::wire::{log, names};

/// What its health names: nothing is decided here.
const SERVICES: Services =
    Services { deciding: &[], showing: &[wire::audit_service_server::SERVICE_NAME, wire::verification_service_server::SERVICE_NAME] };

#[derive(Debug, Clone)]
struct Service {
    door: Door,
}

/// Everything this door answers, and what its health says.
#[must_use]
pub fn audit_routes(door: &Door) -> (Board, Routes) {
    let (board, health) = health::health(SERVICES);
    let service = || Service { door: door.clone() };
    let audit = wire::audit_service_server::AuditServiceServer::new(service()).max_decoding_message_size(MAX_REQUEST);
    let verification = wire::verification_service_server::VerificationServiceServer::new(service()).max_decoding_message_size(MAX_REQUEST);
    let routes = Routes::new(health).add_service(Guard::new(door, audit)).add_service(Guard::new(door, verification));
    (board, routes.prepare())
}

impl Service {
    async fn ask<T, R>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T) -> Result<LogAct, Vec<Refusal>>,
        show: impl FnOnce(LogAnswer) -> Result<R, Refusal>,
    ) -> Result<Response<R>, Status> {
        let visit = self.door.enter(method, &request).await?;
        let act = visit.read(read(request.get_ref())).await?;
        let answer = self.door.desk.log(&visit.identified.caller, act).await.and_then(show);
        answer.map(Response::new).map_err(|refusal| visit.status(&refusal))
    }
}

#[tonic::async_trait]
impl wire::audit_service_server::AuditService for Service {
    type ExportLogStream = BoxStream<'static, Result<wire::ExportLogResponse, Status>>;

    async fn list_entries(&self, request: Request<wire::ListEntriesRequest>) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let show = |answer| match answer {
            LogAnswer::Entries(views, next) => {
                let entries = views.iter().map(log::entry_to_wire).collect();
                Ok(wire::ListEntriesResponse { entries, next_page_token: names::page_token(next) })
            }
            _ => Err(another_answer()),
        };
        self.ask(Method::AuditListEntries, request, log::list, show).await
    }

    async fn get_entry(&self, request: Request<wire::GetEntryRequest>) -> Result<Response<wire::GetEntryResponse>, Status> {
        let show = |answer| match answer {
            LogAnswer::Entry(view) => Ok(wire::GetEntryResponse { entry: Some(log::entry_to_wire(&view)) }),
            _ => Err(another_answer()),
        };
        self.ask(Method::AuditGetEntry, request, log::get, show).await
    }

    async fn get_checkpoint(&self, request: Request<wire::GetCheckpointRequest>) -> Result<Response<wire::GetCheckpointResponse>, Status> {
        let show = |answer| match answer {
            LogAnswer::Checkpoint { size, root, note } => Ok(wire::GetCheckpointResponse {
                name: format!("checkpoints/{size}"),
                size: log::number(size),
                root_hash: root.0.to_vec(),
                signed_note: note,
            }),
            _ => Err(another_answer()),
        };
        self.ask(Method::AuditGetCheckpoint, request, |_| Ok(LogAct::Checkpoint), show).await
    }

    async fn export_log(&self, request: Request<wire::ExportLogRequest>) -> Result<Response<Self::ExportLogStream>, Status> {
        let visit = self.door.enter(Method::AuditExportLog, &request).await?;
        let files = self.door.desk.export_log(&visit.identified.caller).await.map_err(|refusal| visit.status(&refusal))?;
        let lang = visit.lang;
        let pieces = ReceiverStream::new(files).flat_map(move |file| {
            stream::iter(match file {
                Ok(file) => log::pieces(&file.path, &file.bytes).into_iter().map(Ok).collect(),
                Err(refusal) => vec![Err(from_refusal(&refusal, lang))],
            })
        });
        Ok(Response::new(Box::pin(pieces)))
    }
}

#[tonic::async_trait]
impl wire::verification_service_server::VerificationService for Service {
    type VerifyLogStream = BoxStream<'static, Result<wire::VerifyLogResponse, Status>>;

    async fn verify_log(&self, request: Request<wire::VerifyLogRequest>) -> Result<Response<Self::VerifyLogStream>, Status> {
        let visit = self.door.enter(Method::AuditVerifyLog, &request).await?;
        let steps = self.door.desk.check_log(&visit.identified.caller).await.map_err(|refusal| visit.status(&refusal))?;
        let lang = visit.lang;
        let answers = ReceiverStream::new(steps).map(move |step| match step {
            Ok(step) => Ok(log::check_to_wire(step)),
            Err(refusal) => Err(from_refusal(&refusal, lang)),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<wire::GetInclusionProofRequest>,
    ) -> Result<Response<wire::GetInclusionProofResponse>, Status> {
        let show = |answer| match answer {
            LogAnswer::Inclusion { size, leaf, path, root } => Ok(wire::GetInclusionProofResponse {
                log_size: log::number(size),
                leaf_hash: leaf.0.to_vec(),
                path: log::path(&path),
                root_hash: root.0.to_vec(),
            }),
            _ => Err(another_answer()),
        };
        self.ask(Method::AuditGetInclusionProof, request, log::inclusion, show).await
    }

    async fn get_consistency_proof(
        &self,
        request: Request<wire::GetConsistencyProofRequest>,
    ) -> Result<Response<wire::GetConsistencyProofResponse>, Status> {
        let show = |answer| match answer {
            LogAnswer::Consistency { to, path, from_root, to_root } => Ok(wire::GetConsistencyProofResponse {
                to_size: log::number(to),
                path: log::path(&path),
                from_root_hash: from_root.0.to_vec(),
                to_root_hash: to_root.0.to_vec(),
            }),
            _ => Err(another_answer()),
        };
        self.ask(Method::AuditGetConsistencyProof, request, log::consistency, show).await
    }
}
