//! Health on every door (`grpc.health.v1`): whether the gateway can commit, for probes. It needs no login and has no log entry.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

/// The health of one door: the service, and the handle that changes what it says.
#[must_use]
pub fn health() -> (HealthReporter, HealthServer<impl Health>) {
    tonic_health::server::health_reporter()
}

/// Says of the whole door whether it serves.
pub async fn say(reporter: &HealthReporter, serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status("", status).await;
}
