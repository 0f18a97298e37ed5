//! Compares covenants and party records with a peer: fetches what is newer there, offers what is newer here.

use std::collections::BTreeMap;

use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::Refusal;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_client::CovenantSyncServiceClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::peers::agreements::{Agreements, Document, Held, HeldCovenant, HeldRecord, MAX_DOCUMENT_BYTES, MAX_HELD};
use crate::peers::caller;

/// Room for a list, or for one document and its frame.
const MAX_ANSWER_BYTES: usize = MAX_DOCUMENT_BYTES + 64 * 1024;

/// Most documents fetched in one comparison: what a peer says to hold is its own word. The rest comes at the next one.
const MAX_FETCHED: usize = 64;

/// What a comparison brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    /// Documents fetched that were new here.
    pub fetched: usize,
    /// Documents offered that were new there.
    pub offered: usize,
    /// Documents that either side refused; each refusal is logged where it was made.
    pub refused: usize,
}

/// Why documents could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The peer did not answer, or refused to.
    #[error("the peer: {}", .0.message())]
    Peer(#[from] Box<Status>),
    /// Our own documents cannot be read.
    #[error("here: {0}")]
    Own(#[from] Refusal),
    /// The peer's list makes no sense.
    #[error("the peer's list cannot be read")]
    Malformed,
}

type Client = CovenantSyncServiceClient<Channel>;

/// Compares with one peer. Each document is judged by whoever receives it; one that is refused does not stop the others.
///
/// # Errors
/// When either list cannot be had; nothing is lost, and the next comparison starts over.
pub async fn sync_with(channel: Channel, peer: &OrgId, agreements: &dyn Agreements) -> Result<Synced, SyncError> {
    let mut client =
        CovenantSyncServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES).max_encoding_message_size(MAX_ANSWER_BYTES);
    let answer = client.list_documents(pb::ListDocumentsRequest {}).await.map_err(Box::new)?.into_inner();
    let theirs = read_list(answer).ok_or(SyncError::Malformed)?;
    let mut synced = Synced::default();
    fetch(&mut client, peer, agreements, &theirs, &mut synced).await?;
    offer(&mut client, peer, agreements, &theirs, &mut synced).await?;
    Ok(synced)
}

/// Fetches what is missing or different here.
async fn fetch(
    client: &mut Client,
    peer: &OrgId,
    agreements: &dyn Agreements,
    theirs: &Held,
    synced: &mut Synced,
) -> Result<(), SyncError> {
    let ours = Index::of(&agreements.held(peer).await?);
    let from = caller(peer.clone(), None);
    for held in theirs.covenants.iter().filter(|held| !ours.has_covenant(held)).take(MAX_FETCHED) {
        let request = pb::GetCovenantRequest { covenant: held.id.clone(), version: held.version };
        let bundle = client.get_covenant(request).await.map_err(Box::new)?.into_inner().bundle;
        synced.took(agreements.offered(&from, Document::Covenant(bundle)).await);
    }
    for held in theirs.records.iter().filter(|held| ours.record(&held.org) < held.number).take(MAX_FETCHED) {
        let request = pb::GetPartyRecordRequest { organization: held.org.to_string() };
        let record = client.get_party_record(request).await.map_err(Box::new)?.into_inner().record;
        synced.took(agreements.offered(&from, Document::PartyRecord(record)).await);
    }
    Ok(())
}

/// Offers what the peer lacked; read anew, as what was fetched may have been joined with ours.
async fn offer(
    client: &mut Client,
    peer: &OrgId,
    agreements: &dyn Agreements,
    theirs: &Held,
    synced: &mut Synced,
) -> Result<(), SyncError> {
    use pb::offer_document_request::Document as Wire;
    let (ours, theirs) = (agreements.held(peer).await?, Index::of(theirs));
    for held in ours.covenants.iter().filter(|held| !theirs.has_covenant(held)) {
        let bundle = agreements.covenant(peer, &held.id, held.version).await?;
        synced.gave(client.offer_document(pb::OfferDocumentRequest { document: Some(Wire::Covenant(bundle)) }).await);
    }
    for held in ours.records.iter().filter(|held| theirs.record(&held.org) < held.number) {
        let record = agreements.party_record(peer, &held.org).await?;
        synced.gave(client.offer_document(pb::OfferDocumentRequest { document: Some(Wire::PartyRecord(record)) }).await);
    }
    Ok(())
}

impl Synced {
    fn took(&mut self, outcome: Result<bool, Refusal>) {
        match outcome {
            Ok(is_new) => self.fetched += usize::from(is_new),
            Err(_) => self.refused += 1,
        }
    }

    fn gave(&mut self, outcome: Result<tonic::Response<pb::OfferDocumentResponse>, Status>) {
        match outcome {
            Ok(answer) => self.offered += usize::from(answer.into_inner().is_new),
            Err(_) => self.refused += 1,
        }
    }
}

/// A list to look things up in.
struct Index {
    covenants: BTreeMap<(String, u32), Hash>,
    records: BTreeMap<OrgId, u64>,
}

impl Index {
    fn of(held: &Held) -> Self {
        Self {
            covenants: held.covenants.iter().map(|held| ((held.id.clone(), held.version), held.bundle)).collect(),
            records: held.records.iter().map(|held| (held.org.clone(), held.number)).collect(),
        }
    }

    fn has_covenant(&self, held: &HeldCovenant) -> bool {
        self.covenants.get(&(held.id.clone(), held.version)) == Some(&held.bundle)
    }

    /// 0 when there is none.
    fn record(&self, org: &OrgId) -> u64 {
        self.records.get(org).copied().unwrap_or_default()
    }
}

fn read_list(list: pb::ListDocumentsResponse) -> Option<Held> {
    let pb::ListDocumentsResponse { covenants, party_records } = list;
    if covenants.len() > MAX_HELD || party_records.len() > MAX_HELD {
        return None;
    }
    let digest = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok().map(Hash);
    let covenants = covenants.into_iter().map(|pb::HeldCovenant { covenant, version, hash, bundle_hash }| {
        Some(HeldCovenant { id: covenant, version, hash: digest(hash)?, bundle: digest(bundle_hash)? })
    });
    let records = party_records
        .into_iter()
        .map(|pb::HeldPartyRecord { organization, number }| Some(HeldRecord { org: organization.parse().ok()?, number }));
    Some(Held { covenants: covenants.collect::<Option<_>>()?, records: records.collect::<Option<_>>()? })
}
