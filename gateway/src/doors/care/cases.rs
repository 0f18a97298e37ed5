//! `CaseService`.

use schakel_domain::refusal::Refusal;
use schakel_domain::view::Answer;
use schakel_proto::Method;
use schakel_proto::care::v1 as wire;
use tonic::{Request, Response, Status};

use crate::wire::care::{another_answer, case, erasure};
use crate::wire::names::page_token;

fn one(answer: Answer) -> Result<Option<wire::Case>, Refusal> {
    match answer {
        Answer::Case(view) => Ok(Some(case::to_wire(&view))),
        _ => Err(another_answer()),
    }
}

fn erased(answer: Answer) -> Result<Option<wire::Erasure>, Refusal> {
    match answer {
        Answer::Erasure(view) => Ok(Some(erasure::to_wire(&view))),
        _ => Err(another_answer()),
    }
}

fn page(answer: Answer) -> Result<wire::ListCasesResponse, Refusal> {
    match answer {
        Answer::Cases(views, next) => {
            Ok(wire::ListCasesResponse { cases: views.iter().map(case::to_wire).collect(), next_page_token: page_token(next) })
        }
        _ => Err(another_answer()),
    }
}

#[tonic::async_trait]
impl wire::case_service_server::CaseService for super::Service {
    async fn create_case(&self, request: Request<wire::CreateCaseRequest>) -> Result<Response<wire::CreateCaseResponse>, Status> {
        self.door.write(Method::CareCreateCase, request, case::create, |answer| Ok(wire::CreateCaseResponse { case: one(answer)? })).await
    }

    async fn get_case(&self, request: Request<wire::GetCaseRequest>) -> Result<Response<wire::GetCaseResponse>, Status> {
        self.door.look(Method::CareGetCase, request, case::get, |answer| Ok(wire::GetCaseResponse { case: one(answer)? })).await
    }

    async fn list_cases(&self, request: Request<wire::ListCasesRequest>) -> Result<Response<wire::ListCasesResponse>, Status> {
        self.door.look(Method::CareListCases, request, case::list, page).await
    }

    async fn update_case(&self, request: Request<wire::UpdateCaseRequest>) -> Result<Response<wire::UpdateCaseResponse>, Status> {
        self.door.write(Method::CareUpdateCase, request, case::update, |answer| Ok(wire::UpdateCaseResponse { case: one(answer)? })).await
    }

    async fn close_case(&self, request: Request<wire::CloseCaseRequest>) -> Result<Response<wire::CloseCaseResponse>, Status> {
        self.door.write(Method::CareCloseCase, request, case::close, |answer| Ok(wire::CloseCaseResponse { case: one(answer)? })).await
    }

    async fn ask_case_erasure(
        &self,
        request: Request<wire::AskCaseErasureRequest>,
    ) -> Result<Response<wire::AskCaseErasureResponse>, Status> {
        self.door
            .write(Method::CareAskCaseErasure, request, erasure::ask, |answer| Ok(wire::AskCaseErasureResponse { case: one(answer)? }))
            .await
    }

    async fn keep_case(&self, request: Request<wire::KeepCaseRequest>) -> Result<Response<wire::KeepCaseResponse>, Status> {
        self.door.write(Method::CareKeepCase, request, erasure::keep, |answer| Ok(wire::KeepCaseResponse { case: one(answer)? })).await
    }

    async fn erase_case(&self, request: Request<wire::EraseCaseRequest>) -> Result<Response<wire::EraseCaseResponse>, Status> {
        self.door
            .write(Method::CareEraseCase, request, erasure::erase, |answer| Ok(wire::EraseCaseResponse { erasure: erased(answer)? }))
            .await
    }

    async fn get_erasure(&self, request: Request<wire::GetErasureRequest>) -> Result<Response<wire::GetErasureResponse>, Status> {
        self.door
            .look(Method::CareGetErasure, request, erasure::get, |answer| Ok(wire::GetErasureResponse { erasure: erased(answer)? }))
            .await
    }

    async fn force_reclaim_case(
        &self,
        request: Request<wire::ForceReclaimCaseRequest>,
    ) -> Result<Response<wire::ForceReclaimCaseResponse>, Status> {
        self.door
            .write(Method::CareForceReclaimCase, request, case::force_reclaim, |answer| {
                Ok(wire::ForceReclaimCaseResponse { case: one(answer)? })
            })
            .await
    }

    async fn resolve_contested_case(
        &self,
        request: Request<wire::ResolveContestedCaseRequest>,
    ) -> Result<Response<wire::ResolveContestedCaseResponse>, Status> {
        self.door
            .write(Method::CareResolveContestedCase, request, case::resolve, |answer| {
                Ok(wire::ResolveContestedCaseResponse { case: one(answer)? })
            })
            .await
    }
}
