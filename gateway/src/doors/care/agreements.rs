//! `CovenantService` and `DutyService`.

use schakel_domain::view::AgreementAnswer;
use schakel_proto::Method;
use schakel_proto::care::v1 as wire;
use tonic::{Request, Response, Status};

use crate::wire::agreement;
use crate::wire::care::another_answer;
use crate::wire::names::page_token;

#[tonic::async_trait]
impl wire::covenant_service_server::CovenantService for super::Service {
    async fn get_covenant(&self, request: Request<wire::GetCovenantRequest>) -> Result<Response<wire::GetCovenantResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::Covenant(view) => {
                Ok(wire::GetCovenantResponse { covenant: Some(agreement::covenant_to_wire(&view)), bundle: view.bundle })
            }
            _ => Err(another_answer()),
        };
        self.door.agree(Method::CareGetCovenant, request, |request, _| agreement::get(request), show).await
    }

    async fn list_covenants(&self, request: Request<wire::ListCovenantsRequest>) -> Result<Response<wire::ListCovenantsResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::Covenants(views, next) => {
                let covenants = views.iter().map(agreement::covenant_to_wire).collect();
                Ok(wire::ListCovenantsResponse { covenants, next_page_token: page_token(next) })
            }
            _ => Err(another_answer()),
        };
        self.door.agree(Method::CareListCovenants, request, |request, _| agreement::list(request), show).await
    }

    async fn check_covenant(&self, request: Request<wire::CheckCovenantRequest>) -> Result<Response<wire::CheckCovenantResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::Checked(view) => Ok(agreement::check_to_wire(&view)),
            _ => Err(another_answer()),
        };
        self.door.agree(Method::CareCheckCovenant, request, |request, _| agreement::check(request), show).await
    }

    async fn explain_covenant(
        &self,
        request: Request<wire::ExplainCovenantRequest>,
    ) -> Result<Response<wire::ExplainCovenantResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::Explained(text) => Ok(wire::ExplainCovenantResponse { text }),
            _ => Err(another_answer()),
        };
        self.door.agree(Method::CareExplainCovenant, request, agreement::explain, show).await
    }
}

#[tonic::async_trait]
impl wire::duty_service_server::DutyService for super::Service {
    async fn get_duty(&self, request: Request<wire::GetDutyRequest>) -> Result<Response<wire::GetDutyResponse>, Status> {
        let show = |answer| match answer {
            AgreementAnswer::Duty(view) => Ok(wire::GetDutyResponse { duty: Some(agreement::duty_to_wire(&view)) }),
            _ => Err(another_answer()),
        };
        self.door.agree(Method::CareGetDuty, request, |request, _| agreement::duty(request), show).await
    }
}
