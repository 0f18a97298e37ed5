//! `HandoverService`.

use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::Answer;
use schakel_proto::Method;
use schakel_proto::care::v1 as wire;
use tonic::{Request, Response, Status};

use crate::wire::care::{another_answer, handover};
use crate::wire::names::page_token;

fn one(answer: Answer) -> Result<Option<wire::Handover>, Refusal> {
    match answer {
        Answer::Handover(view) => Ok(Some(handover::to_wire(&view))),
        _ => Err(another_answer()),
    }
}

fn page(answer: Answer) -> Result<wire::ListHandoversResponse, Refusal> {
    match answer {
        Answer::Handovers(views, next) => {
            let handovers = views.iter().map(handover::to_wire).collect();
            Ok(wire::ListHandoversResponse { handovers, next_page_token: page_token(next) })
        }
        _ => Err(another_answer()),
    }
}

#[tonic::async_trait]
impl wire::handover_service_server::HandoverService for super::Service {
    async fn create_handover(
        &self,
        request: Request<wire::CreateHandoverRequest>,
    ) -> Result<Response<wire::CreateHandoverResponse>, Status> {
        self.door
            .write(Method::CareCreateHandover, request, handover::create, |answer| {
                Ok(wire::CreateHandoverResponse { handover: one(answer)? })
            })
            .await
    }

    async fn get_handover(&self, request: Request<wire::GetHandoverRequest>) -> Result<Response<wire::GetHandoverResponse>, Status> {
        self.door
            .look(Method::CareGetHandover, request, handover::get, |answer| Ok(wire::GetHandoverResponse { handover: one(answer)? }))
            .await
    }

    async fn list_handovers(&self, request: Request<wire::ListHandoversRequest>) -> Result<Response<wire::ListHandoversResponse>, Status> {
        self.door.look(Method::CareListHandovers, request, handover::list, page).await
    }

    async fn accept_handover(
        &self,
        request: Request<wire::AcceptHandoverRequest>,
    ) -> Result<Response<wire::AcceptHandoverResponse>, Status> {
        self.door
            .write(Method::CareAcceptHandover, request, handover::accept, |answer| {
                Ok(wire::AcceptHandoverResponse { handover: one(answer)? })
            })
            .await
    }

    async fn decline_handover(
        &self,
        request: Request<wire::DeclineHandoverRequest>,
    ) -> Result<Response<wire::DeclineHandoverResponse>, Status> {
        self.door
            .write(Method::CareDeclineHandover, request, handover::refuse, |answer| {
                Ok(wire::DeclineHandoverResponse { handover: one(answer)? })
            })
            .await
    }

    async fn withdraw_handover(
        &self,
        request: Request<wire::WithdrawHandoverRequest>,
    ) -> Result<Response<wire::WithdrawHandoverResponse>, Status> {
        self.door
            .write(Method::CareWithdrawHandover, request, handover::withdraw, |answer| {
                Ok(wire::WithdrawHandoverResponse { handover: one(answer)? })
            })
            .await
    }

    async fn release_handover(
        &self,
        request: Request<wire::ReleaseHandoverRequest>,
    ) -> Result<Response<wire::ReleaseHandoverResponse>, Status> {
        self.door
            .write(Method::CareReleaseHandover, request, handover::release, |answer| {
                Ok(wire::ReleaseHandoverResponse { handover: one(answer)? })
            })
            .await
    }

    async fn get_handover_proof(
        &self,
        request: Request<wire::GetHandoverProofRequest>,
    ) -> Result<Response<wire::GetHandoverProofResponse>, Status> {
        // The proof's name needs the case, which stands in the request only.
        let case = handover::proof(request.get_ref()).map(|(case, _)| case).ok();
        let read = |request: &wire::GetHandoverProofRequest, _: &Actor| handover::proof(request).map(|(_, act)| act);
        let show = |answer| match (answer, case) {
            (Answer::Proof(view), Some(case)) => Ok(wire::GetHandoverProofResponse { proof: Some(handover::proof_to_wire(case, &view)?) }),
            _ => Err(another_answer()),
        };
        self.door.look(Method::CareGetHandoverProof, request, read, show).await
    }
}
