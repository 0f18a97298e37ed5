//! The federation door: what other gateways may do here.
//!
//! A peer is who its certificate says, and its Hello, its batches' signatures and its messages must say the same. It must be a party
//! of a covenant that all signed, and its key one of its party record; for messages also its traffic not stopped, and that is asked again
//! for every batch.
//! `exchange` takes messages, `sync` covenants and party records, `witness` the heads of peers' logs; `quota` bounds what a peer sends. What
//! comes of a message, the desk decides.

mod exchange;
mod quota;
mod sync;
#[cfg(test)]
mod tests;
mod witness;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::caller::Caller;
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::message::MAX_BATCH_BYTES;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_proto::federation::v1::covenant_sync_service_server::{self, CovenantSyncServiceServer};
use schakel_proto::federation::v1::exchange_service_server::{self, ExchangeServiceServer};
use schakel_proto::federation::v1::witness_service_server;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Extensions, Status};

use self::quota::{MESSAGES_PER_SECOND, Quotas, Use};
use super::health::Services;
use crate::desk::{Delivery, Receipt};
use crate::peers::agreements::{Agreements, MAX_DOCUMENT_BYTES};
use crate::peers::{Directory, Incarnation, Peer, Signer, caller};
use crate::tls::PeerInfo;
use crate::wire::status::from_refusal;
pub use witness::WitnessDoor;

/// Streams and calls of one peer at once. One stream is usual; a second overlaps with one that is dying.
const MAX_PER_PEER: usize = 8;
/// What a batch weighs on the wire besides its messages.
const BATCH_OVERHEAD: usize = 64 * 1024;

/// Whoever takes what peers send: the desk.
pub trait Receive: Send + Sync + 'static {
    /// Takes the messages of one batch, in order; one receipt per delivery, in the same order, after the commit that holds it.
    /// A message that is delivered again gets the receipt it got.
    fn receive<'a>(&'a self, caller: &'a Caller, deliveries: Vec<Delivery>) -> BoxFuture<'a, Vec<Receipt>>;

    /// Refuses for good a message on which [`Receive::receive`] failed when it was given nothing else, so that its sender hears an end of
    /// it.
    fn poison<'a>(&'a self, caller: &'a Caller, delivery: Delivery) -> BoxFuture<'a, Receipt>;

    /// The message of this peer with the highest number, whatever became of it.
    fn highest<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<Highest>, Refusal>>;

    /// Logs that an identified peer was refused at the door, before any message of it was read. Bounds how often it writes.
    fn refused<'a>(&'a self, caller: &'a Caller, refusal: &'a Refusal) -> BoxFuture<'a, ()>;
}

/// What the health of this door names: messages are taken in by deciding on them.
pub const SERVICES: Services = Services {
    deciding: &[exchange_service_server::SERVICE_NAME],
    showing: &[covenant_sync_service_server::SERVICE_NAME, witness_service_server::SERVICE_NAME],
};

/// The highest number a peer's messages have reached here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highest {
    /// The number.
    pub number: u64,
    /// Encoded proof of that message, signed by the peer itself: without it the peer need not believe the number.
    pub proof: Vec<u8>,
}

/// What the door needs.
#[derive(Clone)]
pub struct Ports {
    /// This organisation.
    pub us: OrgId,
    /// Which life of this gateway's data it is, now.
    pub incarnation: Incarnation,
    /// What is known of peers.
    pub directory: Arc<dyn Directory>,
    /// Our signing key.
    pub signer: Arc<dyn Signer>,
    /// Where messages go.
    pub desk: Arc<dyn Receive>,
    /// Where documents go.
    pub agreements: Arc<dyn Agreements>,
    /// Told of every peer that comes in: it can be reached again.
    pub heard: Arc<dyn Fn(&OrgId) + Send + Sync>,
    /// The time, to judge certificates by.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The door; cheap to clone.
#[derive(Clone)]
pub struct FederationDoor {
    ports: Arc<Ports>,
    places: Arc<Mutex<HashMap<OrgId, Arc<Semaphore>>>>,
    quotas: Arc<Quotas>,
}

impl fmt::Debug for FederationDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FederationDoor").field("us", &self.ports.us).finish_non_exhaustive()
    }
}

/// A peer that was let in.
struct Guest {
    caller: Caller,
    info: PeerInfo,
    _place: OwnedSemaphorePermit,
}

impl FederationDoor {
    /// A door with these neighbours.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports: Arc::new(ports), places: Arc::default(), quotas: Arc::new(Quotas::new(MESSAGES_PER_SECOND)) }
    }

    /// The door with another bound on what one peer may send each second; ten times as much may come at once.
    #[must_use]
    pub fn with_messages_per_second(self, messages: u32) -> Self {
        Self { quotas: Arc::new(Quotas::new(messages)), ..self }
    }

    /// The service that takes messages.
    #[must_use]
    pub fn exchange(&self) -> ExchangeServiceServer<Self> {
        ExchangeServiceServer::new(self.clone())
            .max_decoding_message_size(MAX_BATCH_BYTES + BATCH_OVERHEAD)
            .max_encoding_message_size(BATCH_OVERHEAD * 4)
    }

    /// The service that exchanges covenants and party records.
    #[must_use]
    pub fn sync(&self) -> CovenantSyncServiceServer<Self> {
        CovenantSyncServiceServer::new(self.clone())
            .max_decoding_message_size(MAX_DOCUMENT_BYTES + BATCH_OVERHEAD)
            .max_encoding_message_size(MAX_DOCUMENT_BYTES + BATCH_OVERHEAD)
    }

    /// Who calls, by certificate alone.
    fn identify(&self, extensions: &Extensions) -> Result<(OrgId, PeerInfo), Refusal> {
        let nobody = || Refusal::new(Stage::Caller, Reason::Unauthenticated);
        let info = extensions.get::<PeerInfo>().ok_or_else(|| nobody().because("no client certificate"))?;
        let org = info.org.clone().ok_or_else(|| nobody().because("not the certificate of a gateway"))?;
        self.stands(info)?;
        Ok((org, info.clone()))
    }

    /// Whether the certificate of a connection still counts: not ended, not revoked since, still that of a party.
    fn stands(&self, info: &PeerInfo) -> Result<(), Refusal> {
        let nobody = || Refusal::new(Stage::Caller, Reason::Unauthenticated);
        if let Some(why) = info.life.ended() {
            return Err(nobody().because(format!("the certificate no longer counts: {}", why.reason.code())));
        }
        if info.not_after.is_none_or(|end| end <= (self.ports.now)()) {
            return Err(nobody().because("the certificate has expired"));
        }
        Ok(())
    }

    /// Whether this key is bound to this organisation: in the newest party record held of it. TLS asked the same at the handshake; a door
    /// that is served otherwise asks it here, of every method. A key that is not bound yet reaches nothing, not even the exchange of the
    /// record that would bind it: whoever holds a bound key may bring that record, for it proves itself.
    fn bound(&self, org: &OrgId, spki: Option<Hash>) -> Result<Peer, Refusal> {
        let peer = self.ports.directory.peer(org)?;
        if spki.is_some_and(|spki| peer.spki.contains(&spki)) {
            return Ok(peer);
        }
        let other = Refusal::new(Stage::Caller, Reason::IdentityMismatch);
        Err(other
            .because("the certificate's key is not in the party record held here; another party or our operator can bring the newest one"))
    }

    /// Whether this peer may exchange messages with us now.
    fn admit(&self, org: &OrgId, spki: Option<Hash>) -> Result<Peer, Refusal> {
        let peer = self.bound(org, spki)?;
        match &peer.stopped {
            Some(_) => Err(Refusal::new(Stage::Peer, Reason::PeerStopped)),
            None => Ok(peer),
        }
    }

    /// Lets a peer in, or says why not; an identified peer's refusal is logged by the desk.
    async fn enter(&self, extensions: &Extensions, messages: bool) -> Result<Guest, Status> {
        let (org, info) = self.identify(extensions).map_err(|refusal| status(&refusal))?;
        let caller = caller(org.clone(), info.spki);
        let documents = || self.bound(&org, info.spki).and_then(|_| self.quotas.take(&org, Use::Documents, 1));
        let admitted = if messages { self.admit(&org, info.spki).map(drop) } else { documents() };
        match admitted.and_then(|()| self.place(&org)) {
            Ok(place) => Ok(Guest { caller, info, _place: place }),
            Err(refusal) => {
                self.ports.desk.refused(&caller, &refusal).await;
                Err(status(&refusal))
            }
        }
    }

    fn place(&self, org: &OrgId) -> Result<OwnedSemaphorePermit, Refusal> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = places.entry(org.clone()).or_insert_with(|| Arc::new(Semaphore::new(MAX_PER_PEER)));
        let full = || Refusal::new(Stage::Door, Reason::QuotaExceeded).because(format!("at most {MAX_PER_PEER} calls at once"));
        Arc::clone(semaphore).try_acquire_owned().map_err(|_| full())
    }
}

/// A refusal as a status. Operators of a peer read it, in the language of the log.
fn status(refusal: &Refusal) -> Status {
    from_refusal(refusal, Lang::En)
}
