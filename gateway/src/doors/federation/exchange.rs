//! One stream of one peer: Hello, Welcome, then batch by batch, each answered after the commit that holds it.

use std::sync::Arc;
use std::time::Duration;

use schakel_domain::id::{Hash, OrgId};
use schakel_domain::message::{MAX_BATCH, MAX_BATCH_BYTES};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_service_server::ExchangeService;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::quota::Use;
use super::{FederationDoor, Guest, status};
use crate::batch::{Answer, Numbered, Outcome, Parties, Signature, SignedList, read_proof, sign_answers, verify_batch};
use crate::desk::{Delivery, Receipt, Verdict};
use crate::peers::Peer;
use crate::telemetry::context;
use crate::wire::federation::decode;

/// Longest wait for the Hello.
const HELLO: Duration = Duration::from_secs(10);
/// A stream without a batch is ended after this time; the courier ends it long before.
const IDLE: Duration = Duration::from_secs(300);
/// Answers that wait until the peer reads them; no further batch is taken meanwhile.
const UNREAD: usize = 2;

/// What holds for a stream from its first word to its last.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// The peer reads the leaf hashes of our entries.
    states_leaf: bool,
    /// Our life, as in the Welcome.
    incarnation: u64,
}

type Answers = mpsc::Sender<Result<pb::ExchangeResponse, Status>>;

#[tonic::async_trait]
impl ExchangeService for FederationDoor {
    type ExchangeStream = ReceiverStream<Result<pb::ExchangeResponse, Status>>;

    async fn exchange(&self, request: Request<Streaming<pb::ExchangeRequest>>) -> Result<Response<Self::ExchangeStream>, Status> {
        let guest = self.enter(request.extensions(), true).await?;
        let (answers, stream) = mpsc::channel(UNREAD);
        // A task of its own: a stream that is reset never drops a commit half way.
        tokio::spawn(serve(self.clone(), guest, request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Serves one stream to its end. The refusal that ends it is logged and told.
async fn serve(door: FederationDoor, guest: Guest, requests: Streaming<pb::ExchangeRequest>, answers: Answers) {
    if let Err(refusal) = converse(&door, &guest, requests, &answers).await {
        door.ports.desk.refused(&guest.caller, &refusal).await;
        // The peer may be gone already.
        drop(answers.send(Err(status(&refusal))).await);
    }
}

async fn converse(
    door: &FederationDoor,
    guest: &Guest,
    mut requests: Streaming<pb::ExchangeRequest>,
    answers: &Answers,
) -> Result<(), Refusal> {
    use pb::exchange_request::Request as Wire;
    use pb::exchange_response::Response as Reply;
    let unexpected = || Refusal::field("request", "expected a Hello first, then batches");
    let Some(first) = next(&mut requests, HELLO).await? else { return Ok(()) };
    let Some(Wire::Hello(hello)) = first.request else { return Err(unexpected()) };
    let parties = greet(door, guest, &hello)?;
    let terms = Terms { states_leaf: hello.reads_leaf_hashes, incarnation: (door.ports.incarnation)() };
    let highest = door.ports.desk.highest(&parties.sender).await?;
    (door.ports.heard)(&parties.sender);
    let welcome = pb::Welcome {
        highest_number: highest.as_ref().map_or(0, |highest| highest.number),
        incarnation: terms.incarnation,
        highest: highest.and_then(|highest| read_proof(&highest.proof).ok()),
    };
    if !reply(answers, Reply::Welcome(welcome)).await {
        return Ok(());
    }
    while let Some(request) = next(&mut requests, IDLE).await? {
        let Some(Wire::Batch(batch)) = request.request else { return Err(unexpected()) };
        let peer = revisit(door, guest)?;
        let parcel = check(&parties, &peer, &batch)?;
        let acknowledgement = take(door, guest, &parcel, terms).await;
        if !reply(answers, Reply::Acknowledgement(acknowledgement)).await {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request; `None` at the end of the stream, when the peer is gone, and when it says nothing for too long.
async fn next(requests: &mut Streaming<pb::ExchangeRequest>, wait: Duration) -> Result<Option<pb::ExchangeRequest>, Refusal> {
    match timeout(wait, requests.message()).await {
        Ok(Ok(request)) => Ok(request),
        Ok(Err(error)) if error.code() == tonic::Code::OutOfRange => Err(Refusal::new(Stage::Door, Reason::MessageTooLarge)),
        // A stream that broke off has a cause below it; bytes that are no request have none.
        Ok(Err(error)) if error.code() == tonic::Code::Internal && std::error::Error::source(&error).is_none() => {
            Err(Refusal::field("request", "expected a schakel.federation.v1.ExchangeRequest"))
        }
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// Whether the peer still reads.
async fn reply(answers: &Answers, response: pb::exchange_response::Response) -> bool {
    answers.send(Ok(pb::ExchangeResponse { response: Some(response) })).await.is_ok()
}

/// The certificate and everything in the directory, asked again.
fn revisit(door: &FederationDoor, guest: &Guest) -> Result<Peer, Refusal> {
    door.stands(&guest.info)?;
    door.admit(&guest.caller.organization, guest.info.spki)
}

/// Certificate, Hello and receiver must agree.
fn greet(door: &FederationDoor, guest: &Guest, hello: &pb::Hello) -> Result<Parties, Refusal> {
    let pb::Hello { sender, receiver, incarnation, reads_leaf_hashes: _ } = hello;
    let mismatch = |why: &str| Refusal::new(Stage::Caller, Reason::IdentityMismatch).because(why);
    if *sender != guest.caller.organization.as_str() {
        return Err(mismatch("the sender is not the organisation of the certificate"));
    }
    if *receiver != door.ports.us.as_str() {
        return Err(mismatch("the receiver is another organisation than this one"));
    }
    Ok(Parties { sender: guest.caller.organization.clone(), receiver: door.ports.us.clone(), incarnation: *incarnation })
}

/// Checks a batch. An error refuses it whole, and ends the stream.
fn check<'a>(parties: &'a Parties, peer: &Peer, batch: &'a pb::Batch) -> Result<Parcel<'a>, Refusal> {
    let numbered = check_size(&batch.messages)?;
    let wrong = |why: &str| Refusal::new(Stage::Caller, Reason::BadSignature).because(why);
    let key = peer.keys.get(&batch.key_id).ok_or_else(|| wrong("the signing key is not one of the party record"))?;
    let signature = Signature { key_id: &batch.key_id, key, bytes: &batch.signature };
    let signed = verify_batch(parties, &numbered, signature).map_err(|_| wrong("the batch was altered, or meant for another"))?;
    Ok(Parcel { parties, messages: &batch.messages, numbered, signed })
}

/// Hands a batch to the desk and signs what became of it; with the leaf hashes of our own entries, when the sender reads them.
async fn take(door: &FederationDoor, guest: &Guest, parcel: &Parcel<'_>, terms: Terms) -> pb::Acknowledgement {
    let Parties { sender, receiver, .. } = parcel.parties;
    let receipts = match within_quota(door, sender, parcel.numbered.len()) {
        Ok(()) => judge(door, guest, parcel).await,
        Err(refusal) => {
            door.ports.desk.refused(&guest.caller, &refusal).await;
            vec![Receipt { verdict: Verdict::Later(refusal), leaf: None }; parcel.numbered.len()]
        }
    };
    let refused = receipts.iter().filter(|receipt| matches!(receipt.verdict, Verdict::Refused(_))).count();
    door.quotas.spend(sender, Use::Refusals, refused);
    let answers = parcel.numbered.iter().zip(receipts).map(|(numbered, receipt)| {
        let answer = answer(*numbered, &receipt);
        Answer { leaf: receipt.leaf.filter(|_| terms.states_leaf), ..answer }
    });
    let answers: Vec<_> = answers.collect();
    let us = Parties { sender: receiver.clone(), receiver: sender.clone(), incarnation: terms.incarnation };
    let signed = sign_answers(&us, &answers, door.ports.signer.as_ref());
    let results = answers.iter().map(Answer::to_wire).collect();
    pb::Acknowledgement { results, key_id: signed.key_id, signature: signed.signature }
}

/// Whether the peer may send so many messages now; all of a batch or none.
fn within_quota(door: &FederationDoor, peer: &OrgId, messages: usize) -> Result<(), Refusal> {
    door.quotas.check(peer, Use::Refusals)?;
    door.quotas.take(peer, Use::Messages, messages)
}

/// Size and numbering, before anything is hashed.
fn check_size(messages: &[pb::NumberedMessage]) -> Result<Vec<Numbered>, Refusal> {
    let bytes: usize = messages.iter().map(|message| message.message.len()).sum();
    if messages.len() > MAX_BATCH || bytes > MAX_BATCH_BYTES {
        let large = Refusal::new(Stage::Door, Reason::MessageTooLarge);
        return Err(large.because(format!("at most {MAX_BATCH} messages and {MAX_BATCH_BYTES} bytes in a batch")));
    }
    let rising = messages.windows(2).all(|pair| pair[0].number < pair[1].number);
    let last = messages.last().map_or(0, |message| message.number);
    if !rising || messages.first().is_none_or(|message| message.number == 0) || i64::try_from(last).is_err() {
        return Err(Refusal::field("messages.number", "expected rising numbers from 1"));
    }
    Ok(messages.iter().map(|message| (message.number, Hash::sha256(&message.message))).collect())
}

/// A batch that holds.
struct Parcel<'a> {
    parties: &'a Parties,
    messages: &'a [pb::NumberedMessage],
    numbered: Vec<Numbered>,
    signed: SignedList,
}

impl Parcel<'_> {
    fn delivery(&self, index: usize) -> Delivery {
        use prost::Message as _;
        let pb::NumberedMessage { number, message, traceparent } = &self.messages[index];
        let proof = self.signed.message_proof(index, self.numbered[index]).encode_to_vec();
        Delivery { number: *number, message: self.read(message), bytes: message.clone(), proof, trace: context::said(traceparent) }
    }

    /// The message, when it is of this sender, for us, and of no later incarnation than its sender's.
    fn read(&self, bytes: &[u8]) -> Result<schakel_domain::message::Message, Refusal> {
        let message = decode(bytes)?;
        let mismatch = |why: &str| Refusal::new(Stage::Door, Reason::IdentityMismatch).because(why);
        if message.sender != self.parties.sender || message.receiver != self.parties.receiver {
            return Err(mismatch("sender or receiver of the message is not that of the batch"));
        }
        if message.incarnation > self.parties.incarnation {
            return Err(Refusal::field("incarnation", "expected at most that of the Hello"));
        }
        Ok(message)
    }
}

/// The desk's receipts. When it fails on a batch, message by message, so that one message never holds back the others.
async fn judge(door: &FederationDoor, guest: &Guest, parcel: &Parcel<'_>) -> Vec<Receipt> {
    let all: Vec<_> = (0..parcel.messages.len()).map(|index| parcel.delivery(index)).collect();
    if let Some(receipts) = receive(door, guest, all).await {
        return receipts;
    }
    let mut receipts = Vec::with_capacity(parcel.messages.len());
    for index in 0..parcel.messages.len() {
        let alone = receive(door, guest, vec![parcel.delivery(index)]).await.and_then(|mut receipts| receipts.pop());
        receipts.push(match alone {
            Some(receipt) => receipt,
            None => poison(door, guest, parcel.delivery(index)).await,
        });
    }
    receipts
}

/// One call of the desk in a task of its own, so that a panic ends here and nothing is dropped half way; `None` when it failed.
async fn receive(door: &FederationDoor, guest: &Guest, deliveries: Vec<Delivery>) -> Option<Vec<Receipt>> {
    let (desk, caller, expected) = (Arc::clone(&door.ports.desk), guest.caller.clone(), deliveries.len());
    let task = tokio::spawn(async move { desk.receive(&caller, deliveries).await });
    task.await.ok().filter(|receipts| receipts.len() == expected)
}

/// The desk failed on this message alone: it is refused for good, and not sent again and again.
async fn poison(door: &FederationDoor, guest: &Guest, delivery: Delivery) -> Receipt {
    let (desk, caller) = (Arc::clone(&door.ports.desk), guest.caller.clone());
    let task = tokio::spawn(async move { desk.poison(&caller, delivery).await });
    let failed = |_| Receipt { verdict: Verdict::Later(Refusal::new(Stage::Store, Reason::Internal)), leaf: None };
    task.await.unwrap_or_else(failed)
}

fn answer((number, hash): Numbered, receipt: &Receipt) -> Answer {
    let (outcome, refusal) = match &receipt.verdict {
        Verdict::Accepted => (Outcome::Accepted, None),
        Verdict::Refused(refusal) => (Outcome::Refused, Some(refusal)),
        Verdict::Later(refusal) => (Outcome::Later, Some(refusal)),
    };
    let reason = refusal.map(|refusal| refusal.reason.code().to_owned()).unwrap_or_default();
    let detail = refusal.map(Answer::detail_of).unwrap_or_default();
    Answer { number, hash, outcome, reason, detail, leaf: receipt.leaf }
}
