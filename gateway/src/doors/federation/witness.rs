//! Where peers bring the heads of their logs to be cosigned. The witness decides; here only who may ask.

use std::fmt;
use std::sync::Arc;

use schakel_domain::audit::witness::MAX_REQUEST;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::witness_service_server::{WitnessService, WitnessServiceServer};
use tonic::{Request, Response, Status};

use super::{FederationDoor, status};
use crate::witness::Witness;

/// The federation door, with a witness behind it.
#[derive(Clone)]
pub struct WitnessDoor {
    door: FederationDoor,
    witness: Arc<Witness>,
}

impl fmt::Debug for WitnessDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessDoor").field("witness", &self.witness).finish_non_exhaustive()
    }
}

impl FederationDoor {
    /// The service that cosigns.
    #[must_use]
    pub fn witness(&self, witness: Arc<Witness>) -> WitnessServiceServer<WitnessDoor> {
        WitnessServiceServer::new(WitnessDoor { door: self.clone(), witness }).max_decoding_message_size(MAX_REQUEST + 1024)
    }
}

#[tonic::async_trait]
impl WitnessService for WitnessDoor {
    async fn add_checkpoint(&self, request: Request<pb::AddCheckpointRequest>) -> Result<Response<pb::AddCheckpointResponse>, Status> {
        let guest = self.door.enter(request.extensions(), true).await?;
        let (witness, org, body) = (Arc::clone(&self.witness), guest.caller.organization.clone(), request.into_inner().body);
        // A task of its own: a call that is reset never drops a head half way.
        let judged = tokio::spawn(async move { witness.add(&org, &body).await }).await;
        let unkept = || status(&Refusal::new(Stage::Store, Reason::StoreUnavailable));
        let answer = judged.map_err(|_| unkept())?.map_err(|error| {
            tracing::error!(%error, "a peer's head could not be kept");
            unkept()
        })?;
        Ok(Response::new(pb::AddCheckpointResponse { status: answer.status.into(), body: answer.body.into_bytes() }))
    }
}
