//! What a peer that does not keep to the rules gets at the door: a reason, and no effect.

use std::sync::Arc;

use schakel_domain::id::Hash;
use schakel_domain::message::{MAX_BATCH, MAX_BATCH_BYTES};
use schakel_domain::refusal::Reason;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_client::CovenantSyncServiceClient;
use schakel_proto::federation::v1::exchange_request::Request as Wire;
use schakel_proto::federation::v1::exchange_service_client::ExchangeServiceClient;
use schakel_proto::federation::v1::message_result::Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::MAX_PER_PEER;
use crate::batch::tests::TestSigner;
use crate::batch::{Numbered, Parties, sign_batch, verify_proof};
use crate::courier::tests::kit::{Gateway, Network, in_thread, message, org, pair};
use crate::wire::federation::encode;
use crate::wire::status::to_refusal;

/// A hand-made client: says whatever a test wants.
struct Client {
    requests: mpsc::Sender<pb::ExchangeRequest>,
    answers: Streaming<pb::ExchangeResponse>,
}

fn hello() -> pb::Hello {
    pb::Hello { sender: org(1).to_string(), receiver: org(2).to_string(), incarnation: 1, reads_leaf_hashes: true }
}

/// Opens a stream with the certificate of `certificate`; the Hello is still to be said.
async fn open(network: &Arc<Network>, certificate: u8) -> Result<Client, Status> {
    let (requests, stream) = mpsc::channel(4);
    let mut client = ExchangeServiceClient::new(network.channel(certificate, 2));
    let answers = client.exchange(ReceiverStream::new(stream)).await?.into_inner();
    Ok(Client { requests, answers })
}

impl Client {
    async fn say(&mut self, request: Wire) -> Result<pb::exchange_response::Response, Reason> {
        self.requests.send(pb::ExchangeRequest { request: Some(request) }).await.unwrap();
        match self.answers.message().await {
            Ok(answer) => Ok(answer.unwrap().response.unwrap()),
            Err(status) => Err(reason(&status)),
        }
    }

    async fn results(&mut self, batch: pb::Batch) -> Vec<pb::MessageResult> {
        match self.say(Wire::Batch(batch)).await.unwrap() {
            pb::exchange_response::Response::Acknowledgement(acknowledgement) => acknowledgement.results,
            pb::exchange_response::Response::Welcome(_) => unreachable!(),
        }
    }
}

fn reason(status: &Status) -> Reason {
    to_refusal(status).unwrap().reason
}

/// A stream on which Hello and Welcome were said.
async fn greeted(network: &Arc<Network>) -> Client {
    let mut client = open(network, 1).await.unwrap();
    client.say(Wire::Hello(hello())).await.unwrap();
    client
}

fn parties() -> Parties {
    Parties { sender: org(1), receiver: org(2), incarnation: 1 }
}

/// A batch of these bytes numbered from 1, signed with a key for these parties.
fn batch(parties: &Parties, seed: u8, messages: &[Vec<u8>]) -> pb::Batch {
    let numbered: Vec<Numbered> = (1..).zip(messages).map(|(number, bytes)| (number, Hash::sha256(bytes))).collect();
    let signed = sign_batch(parties, &numbered, &TestSigner::new(seed).named(1));
    let messages =
        (1..).zip(messages).map(|(number, message)| pb::NumberedMessage { number, message: message.clone(), traceparent: String::new() });
    pb::Batch { messages: messages.collect(), key_id: signed.key_id, signature: signed.signature }
}

fn good() -> pb::Batch {
    batch(&parties(), 1, &[encode(&message(1, 2, 1, 1))])
}

fn nothing_happened(gateway: &Gateway) {
    assert!(gateway.desk.know(|memory| memory.deliveries.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn certificate_sender_and_receiver_must_agree() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);

    for wrong in [pb::Hello { sender: org(3).to_string(), ..hello() }, pb::Hello { receiver: org(3).to_string(), ..hello() }] {
        let said = open(&network, 1).await.unwrap().say(Wire::Hello(wrong)).await;
        assert_eq!(said.unwrap_err(), Reason::IdentityMismatch);
    }
    assert_eq!(b.desk.know(|memory| memory.refused.clone()), [Reason::IdentityMismatch; 2]);
}

#[tokio::test(start_paused = true)]
async fn an_organization_without_a_covenant_is_refused_before_anything_is_read() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);

    assert_eq!(reason(&open(&network, 3).await.err().unwrap()), Reason::UnknownPeer);

    b.directory.put(org(1), crate::peers::Peer { spki: vec![Hash([9; 32])], ..crate::courier::tests::kit::peer(1) });
    assert_eq!(reason(&open(&network, 1).await.err().unwrap()), Reason::IdentityMismatch);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_no_record_binds_reaches_no_method_not_even_with_its_own_record() {
    use pb::offer_document_request::Document;
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);
    let offer = |number: u64| {
        let record = format!("{}/{number}", org(1)).into_bytes();
        pb::OfferDocumentRequest { document: Some(Document::PartyRecord(record)) }
    };
    let mut documents = CovenantSyncServiceClient::new(network.channel(1, 2));
    documents.offer_document(offer(2)).await.unwrap();

    b.directory.put(org(1), crate::peers::Peer { spki: vec![Hash([9; 32])], ..crate::courier::tests::kit::peer(1) });

    let listed = documents.list_documents(pb::ListDocumentsRequest {}).await.err();
    let covenant = documents.get_covenant(pb::GetCovenantRequest { covenant: "gelderland".to_owned(), version: 1 }).await.err();
    let record = documents.get_party_record(pb::GetPartyRecordRequest { organization: org(1).to_string() }).await.err();
    let offered = documents.offer_document(offer(3)).await.err();
    for refused in [listed, covenant, record, offered] {
        assert_eq!(reason(&refused.unwrap()), Reason::IdentityMismatch);
    }
    assert_eq!(b.papers.records.lock().unwrap()[&org(1)], 2, "its record is brought by somebody who is known");
}

#[tokio::test(start_paused = true)]
async fn a_batch_before_the_hello_is_refused() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);

    let said = open(&network, 1).await.unwrap().say(Wire::Batch(good())).await;

    assert_eq!(said.unwrap_err(), Reason::InvalidField);
    nothing_happened(&b);
}

#[tokio::test(start_paused = true)]
async fn a_forged_altered_or_redirected_batch_is_refused_whole() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);
    let mut altered = good();
    altered.messages[0].message.push(0);
    let mut renumbered = good();
    renumbered.messages[0].number = 2;
    let mut unknown_key = good();
    unknown_key.key_id = "key-9".to_owned();
    let forged = batch(&parties(), 9, &[encode(&message(1, 2, 1, 1))]);
    let redirected = batch(&Parties { receiver: org(3), ..parties() }, 1, &[encode(&message(1, 2, 1, 1))]);
    let of_another_life = batch(&Parties { incarnation: 2, ..parties() }, 1, &[encode(&message(1, 2, 1, 1))]);

    for wrong in [altered, renumbered, unknown_key, forged, redirected, of_another_life] {
        let said = greeted(&network).await.say(Wire::Batch(wrong)).await;
        assert_eq!(said.unwrap_err(), Reason::BadSignature);
    }
    nothing_happened(&b);
    assert_eq!(greeted(&network).await.results(good()).await[0].outcome(), Outcome::Accepted);
}

#[tokio::test(start_paused = true)]
async fn a_batch_beyond_its_bounds_is_refused_before_its_signature_is_looked_at() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);
    let numbered = |numbers: &[u64]| pb::Batch {
        messages: numbers
            .iter()
            .map(|number| pb::NumberedMessage { number: *number, message: vec![1], traceparent: String::new() })
            .collect(),
        ..pb::Batch::default()
    };
    let many = numbered(&(1..=MAX_BATCH as u64 + 1).collect::<Vec<_>>());
    let mut heavy = numbered(&[1]);
    heavy.messages[0].message = vec![0; MAX_BATCH_BYTES + 1];

    for (wrong, says) in [
        (many, Reason::MessageTooLarge),
        (heavy, Reason::MessageTooLarge),
        (numbered(&[]), Reason::InvalidField),
        (numbered(&[0]), Reason::InvalidField),
        (numbered(&[2, 2]), Reason::InvalidField),
        (numbered(&[u64::MAX]), Reason::InvalidField),
    ] {
        assert_eq!(greeted(&network).await.say(Wire::Batch(wrong)).await.unwrap_err(), says);
    }
    nothing_happened(&b);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_or_is_of_another_is_refused_alone() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);
    let later_life = schakel_domain::message::Message { incarnation: 2, ..message(1, 2, 3, 1) };
    let bytes = [
        encode(&message(1, 2, 1, 1)),
        b"no message".to_vec(),
        encode(&message(3, 2, 1, 2)),
        encode(&message(1, 3, 1, 2)),
        encode(&later_life),
        encode(&message(1, 2, 1, 2)),
    ];

    let results = greeted(&network).await.results(batch(&parties(), 1, &bytes)).await;

    let said: Vec<_> = results.iter().map(|result| (result.outcome(), result.reason.as_str())).collect();
    let refused = |reason: Reason| (Outcome::Refused, reason.code());
    assert_eq!(said[0], (Outcome::Accepted, ""));
    assert_eq!(said[1..5], [Reason::InvalidField, Reason::IdentityMismatch, Reason::IdentityMismatch, Reason::InvalidField].map(refused));
    assert_eq!(said[5], (Outcome::Accepted, ""));
    assert_eq!(results[1].detail, "message");
    assert_eq!(in_thread(&b.desk, 1), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_same_batch_again_has_no_second_effect_and_the_same_answer() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);

    let first = greeted(&network).await.results(good()).await;
    let again = greeted(&network).await.results(good()).await;

    assert_eq!(first, again);
    assert_eq!(in_thread(&b.desk, 1), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_an_ended_covenant_and_a_withdrawn_key_count_on_an_open_stream() {
    let network = Arc::new(Network::default());
    let (_a, b) = pair(&network);
    let known = crate::courier::tests::kit::peer(1);
    let keyless = crate::peers::Peer { keys: Default::default(), ..known.clone() };

    for (change, says) in [
        (Box::new(|| b.directory.stop(&org(1), Some("lek"))) as Box<dyn Fn()>, Reason::PeerStopped),
        (Box::new(|| b.directory.remove(&org(1))), Reason::UnknownPeer),
        (Box::new(|| b.directory.put(org(1), keyless.clone())), Reason::BadSignature),
    ] {
        b.directory.put(org(1), known.clone());
        let mut client = greeted(&network).await;
        change();
        assert_eq!(client.say(Wire::Batch(good())).await.unwrap_err(), says);
    }
    nothing_happened(&b);
}

#[tokio::test(start_paused = true)]
async fn one_peer_cannot_take_every_place() {
    let network = Arc::new(Network::default());
    let (_a, _b) = pair(&network);
    let mut clients = Vec::new();
    for _ in 0..MAX_PER_PEER {
        clients.push(greeted(&network).await);
    }

    assert_eq!(reason(&open(&network, 1).await.err().unwrap()), Reason::QuotaExceeded);

    let Client { requests, mut answers } = clients.pop().unwrap();
    drop(requests);
    assert!(answers.message().await.unwrap().is_none());
    greeted(&network).await;
}

#[tokio::test(start_paused = true)]
async fn the_welcome_says_what_was_seen() {
    let network = Arc::new(Network::default());
    let (_a, _b) = pair(&network);
    greeted(&network).await.results(good()).await;

    let said = open(&network, 1).await.unwrap().say(Wire::Hello(hello())).await.unwrap();

    let pb::exchange_response::Response::Welcome(welcome) = said else { unreachable!() };
    assert_eq!((welcome.highest_number, welcome.incarnation), (1, 1));
    let proven = verify_proof(&welcome.highest.unwrap(), &TestSigner::new(1).public()).unwrap();
    assert_eq!((proven.number, proven.parties), (1, parties()), "the sender's own signature");
}
