//! RAW: one unary call with the payload, answered at once. TLS, HTTP/2 and the RPC library exactly as the gateways use them; nothing is
//! checked, decided or stored. The answer is short, as an acknowledgement is.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_client::CovenantSyncServiceClient;
use schakel_proto::federation::v1::covenant_sync_service_server::{CovenantSyncService, CovenantSyncServiceServer};
use schakel_proto::federation::v1::exchange_service_server::ExchangeServiceServer;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::floor::FloorDoor;
use super::measure::Work;
use super::{STREAMS, Setup};
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::tls::{self, ClientAuth, ClientTls, Expectation, Expected, Files, Http2Limits, Limits, Material, ServerTls};

/// A call with a payload: `OfferDocument` is one of ours that carries bytes.
pub(super) struct Raw {
    client: CovenantSyncServiceClient<Channel>,
    payload: Vec<u8>,
}

impl Raw {
    /// Calls this address. Nothing is sent yet.
    pub(super) fn new(setup: &Setup, address: SocketAddr, payload: Vec<u8>) -> Result<Self, anyhow::Error> {
        Ok(Self { client: CovenantSyncServiceClient::new(bare_channel(setup, address)?), payload })
    }
}

impl Work for Raw {
    fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        let mut client = self.client.clone();
        let document = pb::offer_document_request::Document::Covenant(self.payload.clone());
        Box::pin(async move {
            client.offer_document(pb::OfferDocumentRequest { document: Some(document) }).await?;
            Ok(())
        })
    }
}

/// A channel to the receiver's bare door, bound to its certificate as a link between gateways is.
pub(super) fn bare_channel(setup: &Setup, address: SocketAddr) -> Result<Channel, anyhow::Error> {
    let client = ClientTls::new(Material::from_files(&files(setup))?, tls::system_clock())?;
    let identity = schakel_certs::profile::identity(&bounded::read(&setup.peer_certificate, MAX_CERTIFICATE_BYTES)?)?;
    let expected = Expected { org: setup.peer.clone(), spki: vec![identity.spki] };
    let expectation: Expectation = Arc::new(move || Some(expected.clone()));
    Ok(tls::channel(&address.to_string().parse()?, client, expectation)?.0)
}

fn files(setup: &Setup) -> Files {
    Files { certificate: setup.certificate.clone(), key: setup.key.clone(), trust: setup.trust.clone(), revocation: Default::default() }
}

/// Answers bare calls and streams until the process ends.
///
/// # Errors
/// When the port is taken or the certificate cannot be used.
pub(super) async fn serve(setup: &Setup, floor: FloorDoor) -> Result<(), anyhow::Error> {
    let listener = TcpListener::bind(setup.bare).await?;
    let material = Material::from_files(&files(setup))?;
    let tls = ServerTls::new("bench", ClientAuth::Organization, None, material, tls::system_clock())?;
    let incoming = tls::accept(listener, tls, Limits::default());
    let limits = Http2Limits { streams: STREAMS, ..Http2Limits::default() };
    let server = tls::http2_server(&limits)
        .add_service(CovenantSyncServiceServer::new(Answer))
        .add_service(ExchangeServiceServer::new(floor))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    Ok(())
}

/// Says yes to everything.
struct Answer;

#[tonic::async_trait]
impl CovenantSyncService for Answer {
    async fn offer_document(&self, _: Request<pb::OfferDocumentRequest>) -> Result<Response<pb::OfferDocumentResponse>, Status> {
        Ok(Response::new(pb::OfferDocumentResponse { is_new: true }))
    }

    async fn list_documents(&self, _: Request<pb::ListDocumentsRequest>) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        Err(Status::unimplemented("only OfferDocument is measured"))
    }

    async fn get_covenant(&self, _: Request<pb::GetCovenantRequest>) -> Result<Response<pb::GetCovenantResponse>, Status> {
        Err(Status::unimplemented("only OfferDocument is measured"))
    }

    async fn get_party_record(&self, _: Request<pb::GetPartyRecordRequest>) -> Result<Response<pb::GetPartyRecordResponse>, Status> {
        Err(Status::unimplemented("only OfferDocument is measured"))
    }
}
