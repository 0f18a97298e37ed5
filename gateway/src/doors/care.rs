//! The care door: the organisation's own systems and staff. With health and, on this door alone, reflection.

mod agreements;
mod cases;
mod consultations;
mod events;
mod handovers;

use schakel_proto::care::v1 as wire;
use tonic::service::Routes;

use super::guard::Guard;
use super::health::{Board, Services};
use super::{Door, MAX_REQUEST, health};

/// What its health names; a duty roster, a covenant and events are only looked at.
const SERVICES: Services = Services {
    deciding: &[
        wire::case_service_server::SERVICE_NAME,
        wire::consultation_service_server::SERVICE_NAME,
        wire::handover_service_server::SERVICE_NAME,
    ],
    showing: &[
        wire::duty_service_server::SERVICE_NAME,
        wire::covenant_service_server::SERVICE_NAME,
        wire::event_service_server::SERVICE_NAME,
    ],
};

/// One service of this door: reads its messages, asks the door.
#[derive(Debug, Clone)]
struct Service {
    door: Door,
}

/// Everything this door answers, and what its health says.
///
/// # Errors
/// When the descriptors built into this program cannot be read.
pub fn care_routes(door: &Door) -> Result<(Board, Routes), tonic_reflection::server::Error> {
    let (board, health) = health::health(SERVICES);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(schakel_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("schakel.care.v1.CaseService")
        .with_service_name("schakel.care.v1.ConsultationService")
        .with_service_name("schakel.care.v1.HandoverService")
        .with_service_name("schakel.care.v1.DutyService")
        .with_service_name("schakel.care.v1.CovenantService")
        .with_service_name("schakel.care.v1.EventService")
        .with_service_name("grpc.health.v1.Health")
        .build_v1()?;
    let service = || Service { door: door.clone() };
    let limit = MAX_REQUEST;
    let routes = Routes::new(health)
        .add_service(reflection)
        .add_service(Guard::new(door, wire::case_service_server::CaseServiceServer::new(service()).max_decoding_message_size(limit)))
        .add_service(Guard::new(
            door,
            wire::consultation_service_server::ConsultationServiceServer::new(service()).max_decoding_message_size(limit),
        ))
        .add_service(Guard::new(
            door,
            wire::handover_service_server::HandoverServiceServer::new(service()).max_decoding_message_size(limit),
        ))
        .add_service(Guard::new(door, wire::duty_service_server::DutyServiceServer::new(service()).max_decoding_message_size(limit)))
        .add_service(Guard::new(
            door,
            wire::covenant_service_server::CovenantServiceServer::new(service()).max_decoding_message_size(limit),
        ))
        .add_service(Guard::new(door, wire::event_service_server::EventServiceServer::new(service()).max_decoding_message_size(limit)));
    Ok((board, routes.prepare()))
}
