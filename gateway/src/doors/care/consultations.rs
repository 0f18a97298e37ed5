//! `ConsultationService`.

use schakel_domain::refusal::Refusal;
use schakel_domain::view::Answer;
use schakel_proto::Method;
use schakel_proto::care::v1 as wire;
use tonic::{Request, Response, Status};

use crate::wire::care::{another_answer, consultation};
use crate::wire::names::page_token;

fn one(answer: Answer) -> Result<Option<wire::Consultation>, Refusal> {
    match answer {
        Answer::Consultation(view) => Ok(Some(consultation::to_wire(&view))),
        _ => Err(another_answer()),
    }
}

fn page(answer: Answer) -> Result<wire::ListConsultationsResponse, Refusal> {
    match answer {
        Answer::Consultations(views, next) => {
            let consultations = views.iter().map(consultation::to_wire).collect();
            Ok(wire::ListConsultationsResponse { consultations, next_page_token: page_token(next) })
        }
        _ => Err(another_answer()),
    }
}

#[tonic::async_trait]
impl wire::consultation_service_server::ConsultationService for super::Service {
    async fn create_consultation(
        &self,
        request: Request<wire::CreateConsultationRequest>,
    ) -> Result<Response<wire::CreateConsultationResponse>, Status> {
        self.door
            .write(Method::CareCreateConsultation, request, consultation::create, |answer| {
                Ok(wire::CreateConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn get_consultation(
        &self,
        request: Request<wire::GetConsultationRequest>,
    ) -> Result<Response<wire::GetConsultationResponse>, Status> {
        self.door
            .look(Method::CareGetConsultation, request, consultation::get, |answer| {
                Ok(wire::GetConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn list_consultations(
        &self,
        request: Request<wire::ListConsultationsRequest>,
    ) -> Result<Response<wire::ListConsultationsResponse>, Status> {
        self.door.look(Method::CareListConsultations, request, consultation::list, page).await
    }

    async fn accept_consultation(
        &self,
        request: Request<wire::AcceptConsultationRequest>,
    ) -> Result<Response<wire::AcceptConsultationResponse>, Status> {
        self.door
            .write(Method::CareAcceptConsultation, request, consultation::accept, |answer| {
                Ok(wire::AcceptConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn decline_consultation(
        &self,
        request: Request<wire::DeclineConsultationRequest>,
    ) -> Result<Response<wire::DeclineConsultationResponse>, Status> {
        self.door
            .write(Method::CareDeclineConsultation, request, consultation::refuse, |answer| {
                Ok(wire::DeclineConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn answer_consultation(
        &self,
        request: Request<wire::AnswerConsultationRequest>,
    ) -> Result<Response<wire::AnswerConsultationResponse>, Status> {
        self.door
            .write(Method::CareAnswerConsultation, request, consultation::answer, |answer| {
                Ok(wire::AnswerConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn cancel_consultation(
        &self,
        request: Request<wire::CancelConsultationRequest>,
    ) -> Result<Response<wire::CancelConsultationResponse>, Status> {
        self.door
            .write(Method::CareCancelConsultation, request, consultation::cancel, |answer| {
                Ok(wire::CancelConsultationResponse { consultation: one(answer)? })
            })
            .await
    }

    async fn close_consultation(
        &self,
        request: Request<wire::CloseConsultationRequest>,
    ) -> Result<Response<wire::CloseConsultationResponse>, Status> {
        self.door
            .write(Method::CareCloseConsultation, request, consultation::close, |answer| {
                Ok(wire::CloseConsultationResponse { consultation: one(answer)? })
            })
            .await
    }
}
