//! Carries the head of our log to a peer's witness: one call over the link, on a connection of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schakel_domain::id::OrgId;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::witness_service_client::WitnessServiceClient;
use tokio::time::timeout;

use super::Dial;
use crate::cosigner::Submit;
use crate::peers::Directory;

/// Longest wait for connection and answer together.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// The way to the witnesses of our peers.
pub struct Heads {
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// What is known of peers.
    pub directory: Arc<dyn Directory>,
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}

impl Submit for Heads {
    fn add_checkpoint<'a>(&'a self, peer: &'a OrgId, body: Vec<u8>) -> BoxFuture<'a, Result<(u16, String), String>> {
        Box::pin(async move {
            let known = self.directory.peer(peer).map_err(|refusal| refusal.to_string())?;
            if let Some(why) = known.stopped {
                return Err(format!("stopped by an operator: {why}"));
            }
            let dialled = self.dial.dial(peer, &known)?;
            let mut client = WitnessServiceClient::new(dialled.channel.clone()).max_decoding_message_size(MAX_ANSWER);
            let asked = timeout(ANSWER, client.add_checkpoint(pb::AddCheckpointRequest { body })).await;
            let why = |otherwise: String| (dialled.why)().map_or(otherwise, |refusal| refusal.to_string());
            let answer = asked.map_err(|_| why("no answer in time".to_owned()))?.map_err(|status| why(status.message().to_owned()))?;
            let pb::AddCheckpointResponse { status, body } = answer.into_inner();
            let status = u16::try_from(status).map_err(|_| "an answer without a status".to_owned())?;
            Ok((status, String::from_utf8(body).map_err(|_| "an answer that is no text".to_owned())?))
        })
    }
}
