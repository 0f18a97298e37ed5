//! Health on every door (`grpc.health.v1`), for probes. It needs no login and has no log entry.
//!
//! Every service of a door has its own name, and the empty name is the door as a whole. A gateway that lost data decides nothing and goes on
//! showing what it has: services in which anything is decided are then NOT_SERVING, and so is a door that has such a service, while those
//! that only show go on SERVING. A gateway that cannot answer at all, or is about to stop, is NOT_SERVING in everything.

use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

/// What a gateway can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Able {
    /// Everything.
    Decides,
    /// It shows what it has, and decides nothing.
    Shows,
    /// Nothing.
    Nothing,
}

/// The services of one door, by what they need.
#[derive(Debug, Clone, Copy)]
pub struct Services {
    /// In these something is decided.
    pub deciding: &'static [&'static str],
    /// These show, or are needed to end a recovery.
    pub showing: &'static [&'static str],
}

/// What the health of one door says.
#[derive(Debug, Clone)]
pub struct Board {
    reporter: HealthReporter,
    services: Services,
    /// The last word was said.
    closed: Arc<Mutex<bool>>,
}

/// The health of one door: what it says, and the service that says it. It serves nothing until it is told what it can do.
#[must_use]
pub fn health(services: Services) -> (Board, HealthServer<impl Health>) {
    let (reporter, server) = tonic_health::server::health_reporter();
    (Board { reporter, services, closed: Arc::default() }, server)
}

impl Board {
    /// Says of every service whether it serves.
    pub async fn say(&self, able: Able) {
        let closed = self.closed.lock().await;
        if !*closed {
            self.show(able).await;
        }
    }

    /// Says that nothing is served; whatever is said later does not count.
    pub async fn close(&self) {
        let mut closed = self.closed.lock().await;
        *closed = true;
        self.show(Able::Nothing).await;
    }

    async fn show(&self, able: Able) {
        let serving = |yes: bool| if yes { ServingStatus::Serving } else { ServingStatus::NotServing };
        let (decides, shows) = (serving(able == Able::Decides), serving(able != Able::Nothing));
        for name in self.services.deciding {
            self.reporter.set_service_status(name, decides).await;
        }
        for name in self.services.showing {
            self.reporter.set_service_status(name, shows).await;
        }
        let whole = if self.services.deciding.is_empty() { shows } else { decides };
        self.reporter.set_service_status("", whole).await;
    }
}
