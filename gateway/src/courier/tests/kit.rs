//! Two or more gateways in one process: real courier, real door, real HTTP/2; a desk and a network made for tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use schakel_domain::caller::Caller;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::id::{Hash, MessageId, OrgId};
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use uuid::Uuid;

use crate::batch::tests::TestSigner;
use crate::courier::{Courier, Delivered, Dial, Dialled, Outcome, Parked, Ports, Unseal};
use crate::desk::{Delivery, Receipt, Verdict};
use crate::doors::federation::{FederationDoor, Highest, Ports as DoorPorts, Receive};
use crate::peers::Peer;
use crate::peers::agreements::{Agreements, Document, Held, HeldCovenant, HeldRecord};
use crate::peers::memory::MemoryDirectory;
use crate::store::memory::{self, MemoryStore};
use crate::store::{Commit, Kind, OutboxChange, OutboxRow, OutboxState, Outgoing, Store};
use crate::tls::PeerInfo;
use crate::wire::federation::{decode, encode, void_of};

pub(crate) fn org(number: u8) -> OrgId {
    format!("ura:900000{number:02}").parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T02:10:00Z".parse().unwrap()
}

fn spki(number: u8) -> Hash {
    Hash([number; 32])
}

pub(crate) fn refusal(reason: Reason) -> Refusal {
    Refusal::new(Stage::State, reason)
}

/// A message of `from` to `to`: position `seq` in a thread.
pub(crate) fn message(from: u8, to: u8, thread: u8, seq: u64) -> Message {
    Message {
        id: MessageId::new(Uuid::from_u128(u128::from(from) << 64 | u128::from(thread) << 32 | u128::from(seq))),
        sender: org(from),
        receiver: org(to),
        thread: Uuid::from_u128(thread.into()).to_string(),
        seq,
        incarnation: 1,
        covenant: CovenantRef { id: "gelderland".parse().unwrap(), version: 1, hash: Hash([7; 32]) },
        clause: "3.2".to_owned(),
        sent: now(),
        leaf: Some(Hash([5; 32])),
        body: Body::Seen { subject: Uuid::from_u128(1).to_string(), at: now() },
    }
}

/// Leaf hash of the receiver's entry about its message of this number, as the receipt must state it.
pub(crate) fn entry_of(number: u64) -> Hash {
    Hash::sha256(&number.to_be_bytes())
}

/// A message as the desk puts it in the outbox; in these tests sealed means plain.
pub(crate) fn outgoing(message: &Message) -> Outgoing {
    let bytes = encode(message);
    Outgoing {
        peer: message.receiver.clone(),
        message: message.id,
        thread: message.thread.clone(),
        seq: message.seq,
        kind: message.body.kind().to_owned(),
        hash: Hash::sha256(&bytes),
        sealed: bytes,
        subject: (Kind::Case, message.thread.clone()),
    }
}

/// What a desk knows and how it misbehaves.
#[derive(Default)]
pub(crate) struct Memory {
    /// Every message that took effect, in order: thread and position.
    pub(crate) effects: Vec<(String, u64)>,
    /// Every delivery, repeated ones too.
    pub(crate) deliveries: Vec<u64>,
    /// Encoded proofs by number.
    pub(crate) proofs: BTreeMap<u64, Vec<u8>>,
    /// Refusals at the door.
    pub(crate) refused: Vec<Reason>,
    /// Positions that are refused, by thread.
    pub(crate) refuse: BTreeSet<(String, u64)>,
    /// How often a thread is still answered with LATER.
    pub(crate) later: HashMap<String, u32>,
    /// A thread whose messages make the desk panic.
    pub(crate) panics: Option<String>,
    /// Positions of threads at which the desk panics.
    pub(crate) panics_at: BTreeSet<(String, u64)>,
    seen: HashMap<(OrgId, MessageId), Verdict>,
    next: HashMap<(OrgId, String), u64>,
    /// Highest number by peer; a test may claim another.
    pub(crate) highest: HashMap<OrgId, u64>,
    /// An encoded proof to show instead of the right one.
    pub(crate) claims: Option<Vec<u8>>,
}

/// A desk that keeps order, recognises repetition, and does as told.
#[derive(Default)]
pub(crate) struct FakeDesk {
    pub(crate) memory: Mutex<Memory>,
    /// Runs once, after the next batch was stored and before it is answered.
    pub(crate) after_storing: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl FakeDesk {
    pub(crate) fn know<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn judge(&self, peer: &OrgId, delivery: &Delivery) -> Verdict {
        self.know(|memory| {
            memory.deliveries.push(delivery.number);
            let highest = memory.highest.entry(peer.clone()).or_default();
            *highest = delivery.number.max(*highest);
            let message = match &delivery.message {
                Ok(message) => message,
                Err(refusal) => return Verdict::Refused(refusal.clone()),
            };
            let is_void = matches!(message.body, Body::Void { .. });
            let at = (message.thread.clone(), message.seq);
            let panics = memory.panics.as_ref() == Some(&message.thread) || memory.panics_at.contains(&at);
            if panics && !is_void {
                // A panic without its message: a thousand of them would only fill the screen.
                std::panic::resume_unwind(Box::new("as asked"));
            }
            if let Some(verdict) = memory.seen.get(&(peer.clone(), message.id)) {
                return verdict.clone();
            }
            let next = *memory.next.entry((peer.clone(), message.thread.clone())).or_insert(1);
            if message.seq != next {
                return Verdict::Later(refusal(Reason::OutOfOrder));
            }
            if let Some(left) = memory.later.get_mut(&message.thread).filter(|left| **left > 0) {
                *left -= 1;
                return Verdict::Later(refusal(Reason::StoreUnavailable));
            }
            if memory.refuse.contains(&at) && !is_void {
                return Verdict::Refused(refusal(Reason::ProtocolViolation));
            }
            memory.next.insert((peer.clone(), message.thread.clone()), next + 1);
            memory.seen.insert((peer.clone(), message.id), Verdict::Accepted);
            memory.proofs.insert(delivery.number, delivery.proof.clone());
            memory.effects.push(at);
            Verdict::Accepted
        })
    }
}

impl Receive for FakeDesk {
    fn receive<'a>(&'a self, caller: &'a Caller, deliveries: Vec<Delivery>) -> BoxFuture<'a, Vec<Receipt>> {
        let receipt = |delivery: &Delivery| {
            let verdict = self.judge(&caller.organization, delivery);
            let kept = !matches!(verdict, Verdict::Later(_));
            Receipt { verdict, leaf: kept.then(|| entry_of(delivery.number)) }
        };
        let receipts = deliveries.iter().map(receipt).collect();
        if let Some(after) = self.after_storing.lock().unwrap().take() {
            after();
        }
        Box::pin(std::future::ready(receipts))
    }

    fn poison<'a>(&'a self, _caller: &'a Caller, delivery: Delivery) -> BoxFuture<'a, Receipt> {
        let verdict = Verdict::Refused(refusal(Reason::Internal));
        Box::pin(std::future::ready(Receipt { verdict, leaf: Some(entry_of(delivery.number)) }))
    }

    fn highest<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<Highest>, Refusal>> {
        let highest = self.know(|memory| {
            let number = memory.highest.get(peer).copied()?;
            let proof = memory.claims.clone().or_else(|| memory.proofs.get(&number).cloned()).unwrap_or_default();
            Some(Highest { number, proof })
        });
        Box::pin(std::future::ready(Ok(highest)))
    }

    fn refused<'a>(&'a self, _caller: &'a Caller, refusal: &'a Refusal) -> BoxFuture<'a, ()> {
        self.know(|memory| memory.refused.push(refusal.reason));
        Box::pin(std::future::ready(()))
    }
}

/// What was told of sent messages, as the desk of the sender commits it.
pub(crate) struct FakeOutcome {
    store: Arc<MemoryStore>,
    courier: Mutex<Option<std::sync::Weak<Courier>>>,
    /// Numbers delivered, parked messages, and (theirs, ours) of a peer that knows more.
    pub(crate) told: watch::Sender<Told>,
    unseal: Arc<Plain>,
    /// Parking fails.
    pub(crate) cannot_park: AtomicBool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) delivered: Vec<u64>,
    pub(crate) commits: usize,
    pub(crate) parked: Vec<Parked>,
    /// How many messages had been opened when each was parked.
    pub(crate) parked_after: Vec<usize>,
    pub(crate) knows_more: Option<(u64, u64)>,
    pub(crate) knows_less: Vec<u64>,
    pub(crate) disbelieved: Option<(u64, u64)>,
}

impl FakeOutcome {
    async fn park(&self, peer: &OrgId, message: Parked) {
        let row = self.store.sent(message.message).await.unwrap().unwrap();
        let id = MessageId::new(Uuid::from_u128(message.message.uuid().as_u128() | 1 << 96));
        let bytes = void_of(&row.message.sealed, id, message.message, 1, now(), Hash([5; 32])).unwrap();
        let void = decode(&bytes).unwrap();
        let change = OutboxChange {
            peer: peer.clone(),
            number: message.number,
            state: OutboxState::Parked,
            reason: Some(message.reason.clone()),
            proof: message.proof.clone(),
        };
        self.store.commit(Commit { at: now(), outbox: vec![change], send: vec![outgoing(&void)], ..Commit::default() }).await.unwrap();
        let opened = self.unseal.opened.load(Ordering::SeqCst);
        self.told.send_modify(|told| {
            told.parked_after.push(opened);
            told.parked.push(message);
        });
        let courier = self.courier.lock().unwrap().as_ref().and_then(std::sync::Weak::upgrade);
        courier.unwrap().wake(std::slice::from_ref(peer));
    }
}

impl Outcome for FakeOutcome {
    fn delivered<'a>(&'a self, peer: &'a OrgId, messages: Vec<Delivered>) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let change = |message: &Delivered| OutboxChange {
                peer: peer.clone(),
                number: message.number,
                state: OutboxState::Delivered,
                reason: None,
                proof: Some(message.proof.clone()),
            };
            let commit = Commit { at: now(), outbox: messages.iter().map(change).collect(), ..Commit::default() };
            self.store.commit(commit).await.map_err(|_| refusal(Reason::StoreUnavailable))?;
            self.told.send_modify(|told| {
                told.commits += 1;
                told.delivered.extend(messages.iter().map(|message| message.number));
            });
            Ok(())
        })
    }

    fn parked<'a>(&'a self, peer: &'a OrgId, message: Parked) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            if self.cannot_park.load(Ordering::SeqCst) {
                return Err(refusal(Reason::Internal));
            }
            self.park(peer, message).await;
            Ok(())
        })
    }

    fn peer_knows_more<'a>(&'a self, _peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()> {
        self.told.send_modify(|told| told.knows_more = Some((theirs, ours)));
        Box::pin(std::future::ready(()))
    }

    fn peer_knows_less<'a>(&'a self, peer: &'a OrgId, theirs: u64) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let rows = self.store.outbox(peer, OutboxState::Delivered, theirs, 1_000).await.unwrap();
            let again = |row: OutboxRow| OutboxChange {
                peer: peer.clone(),
                number: row.number,
                state: OutboxState::Waiting,
                reason: None,
                proof: row.proof,
            };
            let commit = Commit { at: now(), outbox: rows.into_iter().map(again).collect(), ..Commit::default() };
            self.store.commit(commit).await.unwrap();
            self.told.send_modify(|told| told.knows_less.push(theirs));
            Ok(())
        })
    }

    fn peer_disbelieved<'a>(&'a self, _peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()> {
        self.told.send_modify(|told| told.disbelieved = Some((theirs, ours)));
        Box::pin(std::future::ready(()))
    }
}

/// Opens what was never sealed, and counts.
#[derive(Default)]
pub(crate) struct Plain {
    pub(crate) opened: AtomicUsize,
    /// The number of each, in order: a message is opened once for each time that it is sent.
    pub(crate) numbers: Mutex<Vec<u64>>,
    /// Threads that cannot be opened.
    pub(crate) broken: Mutex<BTreeSet<String>>,
}

impl Unseal for Plain {
    fn open<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.numbers.lock().unwrap().push(row.number);
        let broken = self.broken.lock().unwrap().contains(&row.message.thread);
        let opened = if broken { Err("no key".to_owned()) } else { Ok(row.message.sealed.clone()) };
        Box::pin(std::future::ready(opened))
    }
}

/// Documents in memory; a newer party record replaces an older one, signatures of a covenant are joined.
#[derive(Default)]
pub(crate) struct Papers {
    pub(crate) covenants: Mutex<BTreeMap<(String, u32), BTreeSet<u8>>>,
    pub(crate) records: Mutex<BTreeMap<OrgId, u64>>,
}

impl Papers {
    fn bundle(signatures: &BTreeSet<u8>) -> Vec<u8> {
        signatures.iter().copied().collect()
    }
}

impl Agreements for Papers {
    fn held<'a>(&'a self, _peer: &'a OrgId) -> BoxFuture<'a, Result<Held, Refusal>> {
        let covenants = self.covenants.lock().unwrap();
        let covenants = covenants.iter().map(|((id, version), signatures)| HeldCovenant {
            id: id.clone(),
            version: *version,
            hash: Hash::sha256(id.as_bytes()),
            bundle: Hash::sha256(&Self::bundle(signatures)),
        });
        let records = self.records.lock().unwrap();
        let records = records.iter().map(|(org, number)| HeldRecord { org: org.clone(), number: *number });
        Box::pin(std::future::ready(Ok(Held { covenants: covenants.collect(), records: records.collect() })))
    }

    fn covenant<'a>(&'a self, _peer: &'a OrgId, id: &'a str, version: u32) -> BoxFuture<'a, Result<Vec<u8>, Refusal>> {
        let bundle = self.covenants.lock().unwrap().get(&(id.to_owned(), version)).map(Self::bundle);
        let named = bundle.map(|bundle| [format!("{id}/{version}/").into_bytes(), bundle].concat());
        Box::pin(std::future::ready(named.ok_or_else(|| refusal(Reason::NotFound))))
    }

    fn party_record<'a>(&'a self, _peer: &'a OrgId, org: &'a OrgId) -> BoxFuture<'a, Result<Vec<u8>, Refusal>> {
        let number = self.records.lock().unwrap().get(org).copied();
        let record = number.map(|number| format!("{org}/{number}").into_bytes());
        Box::pin(std::future::ready(record.ok_or_else(|| refusal(Reason::NotFound))))
    }

    fn offered<'a>(&'a self, _caller: &'a Caller, document: Document) -> BoxFuture<'a, Result<bool, Refusal>> {
        let is_new = match document {
            Document::Covenant(bytes) => {
                let mut parts = bytes.splitn(3, |byte| *byte == b'/');
                let mut text = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
                let (id, version) = (text(), text().parse().unwrap());
                let signatures = parts.next().unwrap().iter().copied();
                let mut covenants = self.covenants.lock().unwrap();
                let held = covenants.entry((id, version)).or_default();
                let before = held.len();
                held.extend(signatures);
                held.len() > before
            }
            Document::PartyRecord(bytes) => {
                let text = String::from_utf8(bytes).unwrap();
                let (org, number) = text.split_once('/').unwrap();
                let (org, number): (OrgId, u64) = (org.parse().unwrap(), number.parse().unwrap());
                let mut records = self.records.lock().unwrap();
                let newer = records.get(&org).is_none_or(|held| *held < number);
                if newer {
                    records.insert(org, number);
                }
                newer
            }
        };
        Box::pin(std::future::ready(Ok(is_new)))
    }
}

/// A connection as a door sees it: a pipe, and who its certificate would say is at the other end.
pub(crate) struct TestStream {
    pipe: DuplexStream,
    info: PeerInfo,
}

impl Connected for TestStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for TestStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TestStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// Wires between gateways: they can be cut, and be down.
#[derive(Default)]
pub(crate) struct Network {
    doors: Mutex<HashMap<OrgId, mpsc::Sender<io::Result<TestStream>>>>,
    wires: Mutex<Vec<AbortHandle>>,
    pub(crate) down: AtomicBool,
    /// When somebody tried to connect.
    pub(crate) dials: watch::Sender<Vec<tokio::time::Instant>>,
}

impl Network {
    pub(crate) fn cut(&self) {
        self.wires.lock().unwrap().drain(..).for_each(|wire| wire.abort());
    }

    fn connect(&self, to: &OrgId, info: PeerInfo) -> io::Result<DuplexStream> {
        self.dials.send_modify(|dials| dials.push(tokio::time::Instant::now()));
        if self.down.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the network is down"));
        }
        let (client, mut near) = duplex(1 << 20);
        let (mut far, pipe) = duplex(1 << 20);
        let wire = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        self.wires.lock().unwrap().push(wire.abort_handle());
        let door = self.doors.lock().unwrap().get(to).cloned().ok_or(io::ErrorKind::NotFound)?;
        door.try_send(Ok(TestStream { pipe, info })).map_err(io::Error::other)?;
        Ok(client)
    }

    /// A channel to `to`, with the certificate of `from`.
    pub(crate) fn channel(self: &Arc<Self>, from: u8, to: u8) -> Channel {
        let (network, to) = (Arc::clone(self), org(to));
        let connector = tower::service_fn(move |_: Uri| {
            let stream = network.connect(&to, info(from)).map(TokioIo::new);
            std::future::ready(stream)
        });
        Endpoint::from_static("http://in-process").connect_with_connector_lazy(connector)
    }
}

pub(crate) fn info(number: u8) -> PeerInfo {
    PeerInfo {
        door: "federation",
        remote: None,
        org: Some(org(number)),
        client: None,
        san: None,
        spki: Some(spki(number)),
        thumbprint: None,
        not_after: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        uid: None,
        life: crate::tls::Life::default(),
    }
}

struct TestDial {
    from: u8,
    network: Arc<Network>,
}

impl Dial for TestDial {
    fn dial(&self, org: &OrgId, _peer: &Peer) -> Result<Dialled, String> {
        let to = org.number()[6..].parse().unwrap();
        Ok(Dialled { channel: self.network.channel(self.from, to), why: Arc::new(|| None) })
    }
}

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) number: u8,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) desk: Arc<FakeDesk>,
    pub(crate) outcome: Arc<FakeOutcome>,
    pub(crate) directory: Arc<MemoryDirectory>,
    pub(crate) unseal: Arc<Plain>,
    pub(crate) papers: Arc<Papers>,
    pub(crate) courier: Arc<Courier>,
}

/// What makes a gateway unlike the others.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// The seed of its signing key; others believe it is its number.
    pub(crate) signing_seed: Option<u8>,
    /// Jitter.
    pub(crate) random: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { signing_seed: None, random: 1.0 }
    }
}

/// A gateway whose door is open on the test network, and whose courier was not started.
pub(crate) fn gateway(network: &Arc<Network>, number: u8, options: Options) -> Gateway {
    let directory = Arc::new(MemoryDirectory::new());
    let dial = Arc::new(TestDial { from: number, network: network.clone() });
    let (gateway, door) = gateway_with(number, options, directory, dial);
    let (sender, streams) = mpsc::channel(16);
    network.doors.lock().unwrap().insert(org(number), sender);
    tokio::spawn(Server::builder().add_service(door.exchange()).add_service(door.sync()).serve_with_incoming(ReceiverStream::new(streams)));
    gateway
}

/// A gateway with its own way to connect; its door is still to be opened.
pub(crate) fn gateway_with(
    number: u8,
    options: Options,
    directory: Arc<MemoryDirectory>,
    dial: Arc<dyn Dial>,
) -> (Gateway, FederationDoor) {
    let (store, desk) = (memory::new(), Arc::new(FakeDesk::default()));
    let (unseal, papers) = (Arc::new(Plain::default()), Arc::new(Papers::default()));
    let signer = Arc::new(TestSigner::new(options.signing_seed.unwrap_or(number)).named(number));
    let outcome = Arc::new(FakeOutcome {
        store: store.clone(),
        courier: Mutex::default(),
        told: watch::Sender::default(),
        unseal: unseal.clone(),
        cannot_park: AtomicBool::new(false),
    });
    let courier = Courier::new(Ports {
        us: org(number),
        incarnation: Arc::new(|| 1),
        store: store.clone(),
        unseal: unseal.clone(),
        directory: directory.clone(),
        signer: signer.clone(),
        dial,
        outcome: outcome.clone(),
        agreements: papers.clone(),
        random: Arc::new(move || options.random),
    });
    *outcome.courier.lock().unwrap() = Some(Arc::downgrade(&courier));
    let nudged = Arc::downgrade(&courier);
    let door = FederationDoor::new(DoorPorts {
        us: org(number),
        incarnation: Arc::new(|| 1),
        directory: directory.clone(),
        signer,
        desk: desk.clone(),
        agreements: papers.clone(),
        heard: Arc::new(move |peer| {
            if let Some(courier) = nudged.upgrade() {
                courier.nudge(peer);
            }
        }),
        now: Arc::new(now),
    });
    (Gateway { number, store, desk, outcome, directory, unseal, papers, courier }, door)
}

/// Fails a test that would wait for ever; in paused time that is at once.
pub(crate) async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(900), wait).await.expect("it should have happened by now")
}

/// What others know of a gateway.
pub(crate) fn peer(number: u8) -> Peer {
    let keys = BTreeMap::from([(format!("key-{number}"), TestSigner::new(number).public())]);
    Peer { endpoint: format!("gateway-{number}:443"), spki: vec![spki(number)], keys, stopped: None }
}

/// Two gateways that know each other.
pub(crate) fn pair(network: &Arc<Network>) -> (Gateway, Gateway) {
    let (a, b) = (gateway(network, 1, Options::default()), gateway(network, 2, Options::default()));
    a.directory.put(org(2), peer(2));
    b.directory.put(org(1), peer(1));
    (a, b)
}

impl Gateway {
    /// Puts messages in the outbox, as a commit of the desk does, and wakes the courier.
    pub(crate) async fn send(&self, messages: &[Message]) {
        for messages in messages.chunks(500) {
            let send = messages.iter().map(outgoing).collect();
            self.store.commit(Commit { at: now(), send, ..Commit::default() }).await.unwrap();
        }
        self.courier.wake(&messages.iter().map(|message| message.receiver.clone()).collect::<Vec<_>>());
    }

    /// Waits until what was told satisfies the question.
    pub(crate) async fn told(&self, question: impl FnMut(&Told) -> bool) -> Told {
        in_time(self.outcome.told.subscribe().wait_for(question)).await.unwrap().clone()
    }

    /// States of everything sent to a peer, by number.
    pub(crate) async fn outbox(&self, to: u8, state: OutboxState) -> Vec<OutboxRow> {
        self.store.outbox(&org(to), state, 0, 1_000).await.unwrap()
    }
}

/// The positions of one thread in the order in which they took effect.
pub(crate) fn in_thread(desk: &FakeDesk, thread: u8) -> Vec<u64> {
    let name = Uuid::from_u128(thread.into()).to_string();
    desk.know(|memory| memory.effects.iter().filter(|(thread, _)| *thread == name).map(|(_, seq)| *seq).collect())
}
