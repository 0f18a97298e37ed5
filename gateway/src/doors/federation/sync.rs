//! Covenants and party records for and of peers. Thin: whoever holds the documents decides.
//!
//! A peer needs a bound key and nothing more: when the covenant between us ended, or traffic is stopped, a successor must still be able to
//! arrive. What it brings proves itself, so that it may bring another party's record too: that of one whose new key nobody knows yet.

use schakel_domain::id::OrgId;
use schakel_domain::refusal::Refusal;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_server::CovenantSyncService;
use tonic::{Request, Response, Status};

use super::{FederationDoor, Guest, status};
use crate::peers::agreements::{Document, Held, HeldCovenant, HeldRecord, MAX_DOCUMENT_BYTES, MAX_HELD};

#[tonic::async_trait]
impl CovenantSyncService for FederationDoor {
    async fn list_documents(&self, request: Request<pb::ListDocumentsRequest>) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        match self.ports.agreements.held(&guest.caller.organization).await {
            Ok(held) => Ok(Response::new(list(held))),
            Err(refusal) => Err(self.no(&guest, &refusal).await),
        }
    }

    async fn get_covenant(&self, request: Request<pb::GetCovenantRequest>) -> Result<Response<pb::GetCovenantResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let pb::GetCovenantRequest { covenant, version } = request.into_inner();
        match self.ports.agreements.covenant(&guest.caller.organization, &covenant, version).await {
            Ok(bundle) => Ok(Response::new(pb::GetCovenantResponse { bundle })),
            Err(refusal) => Err(self.no(&guest, &refusal).await),
        }
    }

    async fn get_party_record(&self, request: Request<pb::GetPartyRecordRequest>) -> Result<Response<pb::GetPartyRecordResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let org = request.into_inner().organization.parse::<OrgId>().map_err(|error| Refusal::field("organization", error.problem));
        let found = match org {
            Ok(org) => self.ports.agreements.party_record(&guest.caller.organization, &org).await,
            Err(refusal) => Err(refusal),
        };
        match found {
            Ok(record) => Ok(Response::new(pb::GetPartyRecordResponse { record })),
            Err(refusal) => Err(self.no(&guest, &refusal).await),
        }
    }

    async fn offer_document(&self, request: Request<pb::OfferDocumentRequest>) -> Result<Response<pb::OfferDocumentResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let document = match document(request.into_inner()) {
            Ok(document) => document,
            Err(refusal) => return Err(self.no(&guest, &refusal).await),
        };
        // Whoever judges a document logs what is refused.
        let offered = self.ports.agreements.offered(&guest.caller, document).await;
        Ok(Response::new(pb::OfferDocumentResponse { is_new: offered.map_err(|refusal| status(&refusal))? }))
    }
}

impl FederationDoor {
    /// A no to an identified peer, logged by the desk.
    async fn no(&self, guest: &Guest, refusal: &Refusal) -> Status {
        self.ports.desk.refused(&guest.caller, refusal).await;
        status(refusal)
    }
}

fn document(request: pb::OfferDocumentRequest) -> Result<Document, Refusal> {
    use pb::offer_document_request::Document as Wire;
    let bounded = |bytes: Vec<u8>| {
        let large = || Refusal::field("document", format!("at most {MAX_DOCUMENT_BYTES} bytes"));
        if bytes.len() <= MAX_DOCUMENT_BYTES { Ok(bytes) } else { Err(large()) }
    };
    match request.document {
        Some(Wire::Covenant(bytes)) => bounded(bytes).map(Document::Covenant),
        Some(Wire::PartyRecord(bytes)) => bounded(bytes).map(Document::PartyRecord),
        None => Err(Refusal::field("document", "expected a covenant or a party record")),
    }
}

fn list(held: Held) -> pb::ListDocumentsResponse {
    let covenants = held.covenants.into_iter().take(MAX_HELD).map(|HeldCovenant { id, version, hash, bundle }| pb::HeldCovenant {
        covenant: id,
        version,
        hash: hash.0.to_vec(),
        bundle_hash: bundle.0.to_vec(),
    });
    let records = held.records.into_iter().take(MAX_HELD);
    let records = records.map(|HeldRecord { org, number }| pb::HeldPartyRecord { organization: org.to_string(), number });
    pb::ListDocumentsResponse { covenants: covenants.collect(), party_records: records.collect() }
}
