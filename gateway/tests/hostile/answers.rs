//! The peer as receiver: a server with a valid certificate that greets and acknowledges as it pleases. What our courier believes of it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use schakel::batch::{Answer, Numbered, Outcome, Parties, sign_answers, sign_batch};
use schakel::courier::State;
use schakel::tls::{ClientAuth, Http2Limits, Limits, Material, ServerTls, accept, http2_server, system_clock};
use schakel_domain::id::Hash;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_request::Request as Say;
use schakel_proto::federation::v1::exchange_response::Response as Reply;
use schakel_proto::federation::v1::exchange_service_server::{ExchangeService, ExchangeServiceServer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::peer::Peer;
use crate::stage::Stage;

/// How the peer greets.
type Greet = fn(&Peer) -> Reply;
/// How the peer answers a batch.
type Acknowledge = fn(&Peer, &[Numbered]) -> Reply;

/// One way to lie: its name, what the victim's operator reads, the greeting, the acknowledgement.
struct Lie {
    name: &'static str,
    shown: &'static str,
    greet: Greet,
    acknowledge: Acknowledge,
}

/// The script now played.
#[derive(Clone, Copy)]
struct Script {
    greet: Greet,
    acknowledge: Acknowledge,
}

#[derive(Clone)]
struct Liar {
    peer: Arc<Peer>,
    script: Arc<Mutex<Script>>,
}

#[tonic::async_trait]
impl ExchangeService for Liar {
    type ExchangeStream = ReceiverStream<Result<pb::ExchangeResponse, Status>>;

    async fn exchange(&self, request: Request<Streaming<pb::ExchangeRequest>>) -> Result<Response<Self::ExchangeStream>, Status> {
        let (answers, stream) = mpsc::channel(4);
        let (liar, mut requests) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                let script = *liar.script.lock().unwrap();
                let reply = match request.request {
                    Some(Say::Hello(_)) => (script.greet)(&liar.peer),
                    Some(Say::Batch(batch)) => {
                        let hash = |one: &pb::NumberedMessage| (one.number, Hash::sha256(&one.message));
                        (script.acknowledge)(&liar.peer, &batch.messages.iter().map(hash).collect::<Vec<_>>())
                    }
                    None => return,
                };
                if answers.send(Ok(pb::ExchangeResponse { response: Some(reply) })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn welcome(_peer: &Peer) -> Reply {
    Reply::Welcome(pb::Welcome { highest_number: 0, incarnation: 1, highest: None })
}

/// As in our acknowledgements.
fn ours(peer: &Peer) -> Parties {
    peer.parties()
}

fn accepted((number, hash): &Numbered) -> Answer {
    Answer { number: *number, hash: *hash, outcome: Outcome::Accepted, reason: String::new(), detail: String::new(), leaf: None }
}

fn signed(peer: &Peer, parties: &Parties, answers: &[Answer]) -> pb::Acknowledgement {
    let signed = sign_answers(parties, answers, peer);
    pb::Acknowledgement { results: answers.iter().map(Answer::to_wire).collect(), key_id: signed.key_id, signature: signed.signature }
}

fn well(peer: &Peer, batch: &[Numbered]) -> pb::Acknowledgement {
    signed(peer, &ours(peer), &batch.iter().map(accepted).collect::<Vec<_>>())
}

fn honest(peer: &Peer, batch: &[Numbered]) -> Reply {
    Reply::Acknowledgement(well(peer, batch))
}

/// A proof of a message that the victim never signed.
fn forged(peer: &Peer, number: u64) -> schakel_proto::r#type::v1::MessageProof {
    let message = (number, Hash([1; 32]));
    let parties = Parties { sender: peer.them.clone(), receiver: peer.us.clone(), incarnation: 1 };
    sign_batch(&parties, &[message], peer).message_proof(0, message)
}

const MANY: u64 = 1_000_000_000;

/// Everything that is no acknowledgement of what was sent, or no greeting.
fn lies() -> Vec<Lie> {
    let lie = |name, shown, acknowledge: Acknowledge| Lie { name, shown, greet: welcome, acknowledge };
    let greeting = |name, shown, greet: Greet| Lie { name, shown, greet, acknowledge: honest };
    vec![
        greeting("a welcome that has seen a thousand million messages", "without proof", |_| {
            Reply::Welcome(pb::Welcome { highest_number: MANY, incarnation: 1, highest: None })
        }),
        greeting("the same, with a proof the peer signed itself", "without proof", |peer| {
            Reply::Welcome(pb::Welcome { highest_number: MANY, incarnation: 1, highest: Some(forged(peer, MANY)) })
        }),
        greeting("an acknowledgement in place of a welcome", "expected a Welcome", |peer| honest(peer, &[])),
        lie("a welcome in place of an acknowledgement", "expected an acknowledgement", |peer, _| welcome(peer)),
        lie("an acknowledgement of nothing", "of other messages", |peer, _| honest(peer, &[])),
        lie("half an acknowledgement", "of other messages", |peer, batch| honest(peer, &batch[..batch.len() - 1])),
        lie("an acknowledgement of one message more", "of other messages", |peer, batch| {
            let more = [batch, &[(MANY, Hash([1; 32]))]].concat();
            honest(peer, &more)
        }),
        lie("an acknowledgement of other numbers", "of other messages", |peer, batch| {
            honest(peer, &batch.iter().map(|(number, hash)| (number + 1, *hash)).collect::<Vec<_>>())
        }),
        lie("an acknowledgement of other bytes", "of other messages", |peer, batch| {
            honest(peer, &batch.iter().map(|(number, _)| (*number, Hash([9; 32]))).collect::<Vec<_>>())
        }),
        lie("an acknowledgement without a signature", "wrong signature", |peer, batch| {
            Reply::Acknowledgement(pb::Acknowledgement { signature: Vec::new(), ..well(peer, batch) })
        }),
        lie("an acknowledgement under an unknown key", "unknown key", |peer, batch| {
            Reply::Acknowledgement(pb::Acknowledgement { key_id: "ed25519-0000".to_owned(), ..well(peer, batch) })
        }),
        lie("an acknowledgement signed for another", "wrong signature", |peer, batch| {
            let parties = Parties { receiver: "ura:90000103".parse().unwrap(), ..ours(peer) };
            Reply::Acknowledgement(signed(peer, &parties, &batch.iter().map(accepted).collect::<Vec<_>>()))
        }),
        lie("an acknowledgement signed as a batch", "wrong signature", |peer, batch| {
            let signature = sign_batch(&ours(peer), batch, peer).signature;
            Reply::Acknowledgement(pb::Acknowledgement { signature, ..well(peer, batch) })
        }),
        lie("an answer changed after it was signed", "wrong signature", |peer, batch| {
            let mut acknowledgement = well(peer, batch);
            acknowledgement.results[0].outcome = pb::message_result::Outcome::Refused.into();
            acknowledgement.results[0].reason = "INVALID_FIELD".to_owned();
            Reply::Acknowledgement(acknowledgement)
        }),
        lie("an outcome nobody knows", "cannot be read", |peer, batch| {
            let mut acknowledgement = well(peer, batch);
            acknowledgement.results[0].outcome = 99;
            Reply::Acknowledgement(acknowledgement)
        }),
    ]
}

/// Opens the peer's own door.
fn serve(peer: &Arc<Peer>, listener: TcpListener, script: &Arc<Mutex<Script>>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let material = Material::from_files(&peer.files).unwrap();
    let tls = ServerTls::new("federation", ClientAuth::Organization, None, material, system_clock()).unwrap();
    let liar = Liar { peer: Arc::clone(peer), script: Arc::clone(script) };
    let incoming = accept(listener, tls, Limits::default());
    tokio::spawn(http2_server(&Http2Limits::default()).add_service(ExchangeServiceServer::new(liar)).serve_with_incoming(incoming));
}

/// Plays every lie against the courier of the victim, which wants to send two messages. Returns how many there were.
pub(crate) async fn play(mut stage: Stage) -> usize {
    let us = stage.peer.us.clone();
    let scenes = [stage.ours().await, stage.ours().await];
    let lies = lies();
    let script = Arc::new(Mutex::new(Script { greet: lies[0].greet, acknowledge: lies[0].acknowledge }));
    let listener = stage.listener.take().unwrap();
    let victim = stage.victim;
    let peer = Arc::new(stage.peer);
    serve(&peer, listener, &script);
    let courier = Arc::clone(&victim.running.courier);

    for (at, lie) in lies.iter().enumerate() {
        *script.lock().unwrap() = Script { greet: lie.greet, acknowledge: lie.acknowledge };
        let (before, log) = (victim.standing().await, victim.log_size().await);
        victim.clock.pass(61);
        courier.retry(&us);
        let look = async {
            let mut again = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                again.tick().await;
                let status = courier.status(&us).await.unwrap();
                if status.state == State::Waiting && status.last_error.as_deref().is_some_and(|why| why.contains(lie.shown)) {
                    return;
                }
                // The back-off of the lie before this one must not be waited for.
                if again.period() < std::time::Duration::from_secs(1) {
                    courier.retry(&us);
                }
            }
        };
        let seen = tokio::time::timeout(std::time::Duration::from_secs(60), look).await;
        let status = courier.status(&us).await.unwrap();
        assert!(seen.is_ok(), "{}: {status:?}", lie.name);
        assert_eq!(status.waiting, 2, "{}: nothing was delivered or parked", lie.name);
        assert_eq!(victim.standing().await, before, "{}", lie.name);
        if lie.shown == "without proof" {
            let logged = victim.entries(log).await;
            let about = |entry: &&String| entry.contains("BAD_SIGNATURE") && entry.contains(us.as_str());
            assert!(logged.iter().any(|entry| about(&entry)), "{}: {logged:?}", lie.name);
        }
        println!("{:3} {:60} {}", at + 1, lie.name, lie.shown);
    }

    // An honest answer then ends it: nothing was lost by the lies.
    *script.lock().unwrap() = Script { greet: welcome, acknowledge: honest };
    let delivered = async {
        let mut again = tokio::time::interval(std::time::Duration::from_millis(20));
        while courier.status(&us).await.unwrap().waiting > 0 {
            courier.retry(&us);
            again.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), delivered).await.expect("delivered");
    for scene in &scenes {
        assert!(!victim.running.desk.recovering(), "{}", scene.case);
    }
    victim.running.stop().await;
    lies.len()
}
