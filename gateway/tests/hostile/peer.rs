//! The hostile peer: a valid certificate, a valid signing key, a party record, a covenant in force, and no intention to keep to it. It
//! signs whatever a script says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message as _;
use prost::bytes::{Buf, BufMut};
use schakel::batch::{Numbered, Parties, sign_batch};
use schakel::config::Config;
use schakel::config::keys::read_private;
use schakel::courier::{Dial, TlsDial};
use schakel::demo::world::Home;
use schakel::peers::memory::MemoryDirectory;
use schakel::peers::{Peer as Known, Signer};
use schakel::tls::{ClientTls, Files, Material, system_clock};
use schakel::wire::federation;
use schakel::wire::status::to_refusal;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::id::{Hash, MessageId, OrgId};
use schakel_domain::message::{AskAbout, Body, Message};
use schakel_domain::signature::SecretKey;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_request::Request as Say;
use schakel_proto::federation::v1::exchange_response::Response as Reply;
use schakel_proto::federation::v1::exchange_service_client::ExchangeServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use uuid::Uuid;

/// A name nobody uses twice.
pub(crate) fn fresh() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let now = jiff::Timestamp::now().as_millisecond().try_into().unwrap();
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(now, &bytes).into_uuid()
}

pub(crate) struct Peer {
    pub(crate) us: OrgId,
    pub(crate) them: OrgId,
    pub(crate) covenant: CovenantRef,
    pub(crate) files: Files,
    signing: SecretKey,
    channel: Channel,
    number: AtomicU64,
}

impl Signer for Peer {
    fn key_id(&self) -> String {
        self.signing.public().key_id()
    }

    fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.signing.sign(statement)
    }

    fn own_key(&self, _key_id: &str) -> Option<[u8; 32]> {
        Some(self.signing.public().0)
    }
}

/// A stream to the victim.
pub(crate) struct Line {
    requests: mpsc::Sender<pb::ExchangeRequest>,
    answers: Streaming<pb::ExchangeResponse>,
}

impl Line {
    /// Says something and hears the answer; `None` when the stream ended without a word.
    pub(crate) async fn say(&mut self, request: Option<Say>) -> Result<Option<Reply>, Status> {
        // A stream that was refused takes nothing more; its answer is still to be read.
        drop(self.requests.send(pb::ExchangeRequest { request }).await);
        Ok(self.answers.message().await?.and_then(|answer| answer.response))
    }
}

impl Peer {
    /// The organisation of this home, which calls the gateway of another.
    pub(crate) fn of(home: &Home, victim: &Home, covenant: CovenantRef) -> Self {
        let config = Config::read(&home.config).unwrap();
        let (us, them): (OrgId, OrgId) = (home.id.parse().unwrap(), victim.id.parse().unwrap());
        let identity = schakel_certs::profile::identity(&std::fs::read(&victim.gateway_certificate).unwrap()).unwrap();
        let directory = Arc::new(MemoryDirectory::new());
        let known =
            Known { endpoint: victim.ports.federation.to_string(), spki: vec![identity.spki], keys: Default::default(), stopped: None };
        directory.put(them.clone(), known.clone());
        let files = config.federation_files();
        let tls = ClientTls::new(Material::from_files(&files).unwrap(), system_clock()).unwrap();
        let channel = TlsDial { tls, directory }.dial(&them, &known).unwrap().channel;
        let signing = read_private(&config.keys.signing).unwrap();
        Self { us, them, covenant, files, signing, channel, number: AtomicU64::new(0) }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn hello(&self) -> pb::Hello {
        pb::Hello { sender: self.us.to_string(), receiver: self.them.to_string(), incarnation: 1, reads_leaf_hashes: true }
    }

    pub(crate) fn parties(&self) -> Parties {
        Parties { sender: self.us.clone(), receiver: self.them.clone(), incarnation: 1 }
    }

    /// Opens a stream; nothing is said yet.
    pub(crate) async fn open(&self) -> Result<Line, Status> {
        let (requests, stream) = mpsc::channel(8);
        let answers = ExchangeServiceClient::new(self.channel()).exchange(ReceiverStream::new(stream)).await?.into_inner();
        Ok(Line { requests, answers })
    }

    /// A stream on which Hello and Welcome were said.
    pub(crate) async fn greeted(&self) -> Line {
        let mut line = self.open().await.unwrap();
        let welcome = line.say(Some(Say::Hello(self.hello()))).await.unwrap();
        assert!(matches!(welcome, Some(Reply::Welcome(_))), "{welcome:?}");
        line
    }

    /// Sends bytes that are no request on a new stream.
    pub(crate) async fn mumble(&self, bytes: Vec<u8>) -> Result<(), Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel());
        grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/schakel.federation.v1.ExchangeService/Exchange");
        let hello = pb::ExchangeRequest { request: Some(Say::Hello(self.hello())) }.encode_to_vec();
        let said = tokio_stream::iter(vec![hello, bytes]);
        let mut answers = grpc.streaming(tonic::Request::new(said), path, Bytes).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A batch of these bytes under the next numbers, signed as it should be.
    pub(crate) fn batch(&self, messages: &[Vec<u8>]) -> pb::Batch {
        let numbered: Vec<_> = messages.iter().map(|bytes| (self.next_number(), bytes.clone())).collect();
        self.signed(&self.parties(), &numbered)
    }

    /// A batch under any numbers, signed for any parties.
    pub(crate) fn signed(&self, parties: &Parties, messages: &[(u64, Vec<u8>)]) -> pb::Batch {
        let numbered: Vec<Numbered> = messages.iter().map(|(number, bytes)| (*number, Hash::sha256(bytes))).collect();
        let signed = sign_batch(parties, &numbered, self);
        let messages = messages.iter().map(|(number, message)| pb::NumberedMessage {
            number: *number,
            message: message.clone(),
            traceparent: String::new(),
        });
        pb::Batch { messages: messages.collect(), key_id: signed.key_id, signature: signed.signature }
    }

    /// Sends messages as they should be sent; what became of each.
    pub(crate) async fn send(&self, messages: &[Vec<u8>]) -> Vec<pb::MessageResult> {
        match self.greeted().await.say(Some(Say::Batch(self.batch(messages)))).await {
            Ok(Some(Reply::Acknowledgement(acknowledgement))) => acknowledgement.results,
            other => panic!("expected an acknowledgement, not {other:?}"),
        }
    }

    /// Sends what must be taken, to set a scene.
    pub(crate) async fn send_well(&self, messages: &[Message]) {
        let bytes: Vec<_> = messages.iter().map(federation::encode).collect();
        for (result, message) in self.send(&bytes).await.into_iter().zip(messages) {
            assert_eq!(result.outcome(), pb::message_result::Outcome::Accepted, "{}: {result:?}", message.body.kind());
        }
    }

    /// A message as it should be: what it says may still be anything.
    pub(crate) fn message(&self, thread: impl ToString, seq: u64, body: Body) -> Message {
        Message {
            id: MessageId::new(fresh()),
            sender: self.us.clone(),
            receiver: self.them.clone(),
            thread: thread.to_string(),
            seq,
            incarnation: 1,
            covenant: self.covenant.clone(),
            clause: clause(&body).to_owned(),
            sent: jiff::Timestamp::now(),
            leaf: Some(Hash([5; 32])),
            body,
        }
    }
}

/// The clause by which youth protection may ask this of a crisis service.
fn clause(body: &Body) -> &'static str {
    match body {
        Body::Ask(ask) if matches!(ask.about, AskAbout::Nobody { .. }) => "2.1",
        Body::Ask(_) => "3.1",
        _ => "4.5",
    }
}

/// The reason in a status; the code in words when it has none.
pub(crate) fn reason(status: &Status) -> String {
    to_refusal(status).map_or_else(|| format!("{:?}: {}", status.code(), status.message()), |refusal| refusal.reason.code().to_owned())
}

/// Passes bytes through as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
