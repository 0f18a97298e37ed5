//! Covenants and party records for and of peers. Thin: whoever holds the documents decides.
//!
//! A peer is identified by certificate alone here: when the covenant between us ended, its successor must still be able to arrive.

use schakel_domain::id::OrgId;
use schakel_domain::refusal::Refusal;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_server::CovenantSyncService;
use tonic::{Request, Response, Status};

use super::{FederationDoor, status};
use crate::peers::agreements::{Document, Held, HeldCovenant, HeldRecord, MAX_DOCUMENT_BYTES, MAX_HELD};

#[tonic::async_trait]
impl CovenantSyncService for FederationDoor {
    async fn list_documents(&self, request: Request<pb::ListDocumentsRequest>) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let held = self.ports.agreements.held(&guest.caller.organization).await.map_err(|refusal| status(&refusal))?;
        Ok(Response::new(list(held)))
    }

    async fn get_covenant(&self, request: Request<pb::GetCovenantRequest>) -> Result<Response<pb::GetCovenantResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let pb::GetCovenantRequest { covenant, version } = request.into_inner();
        let found = self.ports.agreements.covenant(&guest.caller.organization, &covenant, version).await;
        Ok(Response::new(pb::GetCovenantResponse { bundle: found.map_err(|refusal| status(&refusal))? }))
    }

    async fn get_party_record(&self, request: Request<pb::GetPartyRecordRequest>) -> Result<Response<pb::GetPartyRecordResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let org: OrgId = request
            .into_inner()
            .organization
            .parse()
            .map_err(|error: schakel_domain::id::InvalidId| status(&Refusal::field("organization", error.problem)))?;
        let found = self.ports.agreements.party_record(&guest.caller.organization, &org).await;
        Ok(Response::new(pb::GetPartyRecordResponse { record: found.map_err(|refusal| status(&refusal))? }))
    }

    async fn offer_document(&self, request: Request<pb::OfferDocumentRequest>) -> Result<Response<pb::OfferDocumentResponse>, Status> {
        let guest = self.enter(request.extensions(), false).await?;
        let document = document(request.into_inner()).map_err(|refusal| status(&refusal))?;
        let offered = self.ports.agreements.offered(&guest.caller, document).await;
        Ok(Response::new(pb::OfferDocumentResponse { is_new: offered.map_err(|refusal| status(&refusal))? }))
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
