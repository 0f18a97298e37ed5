//! One stream to one peer: Hello, Welcome, then batches out and acknowledgements back, a few under way at once.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use prost::Message as _;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_service_client::ExchangeServiceClient;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::Span;

use super::documents::sync_with;
use super::line::MAX_HELD;
use super::load::{self, Item, Load};
use super::shared::State;
use super::task::{Task, until};
use super::{Delivered, Dialled, Parked, backoff};
use crate::batch::{Answer, Numbered, Outcome, Parties, Signature, SignedList, sign_batch, verify_answers, verify_proof};
use crate::peers::Peer;
use crate::store::{OutboxRow, OutboxState};
use crate::telemetry::metrics::Way;
use crate::telemetry::{context, metrics, spans};
use crate::wire::federation::incarnation_of;
use crate::wire::status::to_refusal;

/// Longest wait for connection, Welcome and each comparison of documents.
const GREETING: Duration = Duration::from_secs(10);
/// Longest wait for the acknowledgement of the oldest batch under way.
const ANSWER: Duration = Duration::from_secs(30);
/// A stream without anything to do is ended after this time.
const IDLE: Duration = Duration::from_secs(30);
/// Batches under way at once.
const WINDOW: usize = 4;
/// Documents are compared again at a connection made this long after the last time.
const SYNC_EVERY: Duration = Duration::from_secs(600);
/// What a peer lost is sent again at most once in this time.
const LOST_AGAIN: Duration = Duration::from_secs(3_600);
/// Size of an acknowledgement, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// Stopped by an operator, with the reason given.
    Stopped(String),
    /// We may not, or cannot, exchange with this peer; or something of our own is in the way.
    Own(String),
    /// No connection, or it was lost.
    Lost(Refusal),
    /// The peer said no.
    Told(String),
    /// The peer breaks the protocol.
    Broken(&'static str),
    /// The peer has seen more of ours than we hold.
    Ahead {
        /// Highest number it holds.
        theirs: u64,
        /// Highest number we gave out.
        ours: u64,
    },
    /// The peer says so, and does not prove it.
    Unproven {
        /// Highest number it claims to hold.
        theirs: u64,
        /// Highest number we gave out.
        ours: u64,
    },
    /// So much was answered with LATER that the peer must be left alone for a while.
    Crowded,
}

impl Fault {
    /// The reason of the catalogue, when there is one.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Fault::Lost(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Stopped(why) => write!(f, "stopped by an operator: {why}"),
            Fault::Own(why) => write!(f, "{why}"),
            Fault::Lost(why) => write!(f, "no connection: {}", why.advice(Lang::En)),
            Fault::Told(why) => write!(f, "refused by the peer: {why}"),
            Fault::Broken(why) => write!(f, "the peer breaks the protocol: {why}"),
            Fault::Ahead { theirs, ours } => {
                write!(f, "the peer holds our message {theirs}, and the highest we gave out is {ours}: data was lost here")
            }
            Fault::Unproven { theirs, ours } => {
                write!(f, "the peer claims to hold our message {theirs} without proof; the highest we gave out is {ours}")
            }
            Fault::Crowded => write!(f, "the peer cannot take messages now"),
        }
    }
}

/// A batch that was sent.
struct Sent {
    items: Vec<Item>,
    signed: SignedList,
    /// Ends with the answer.
    _batch: Span,
    due: Instant,
}

struct Session<'a> {
    task: &'a mut Task,
    dialled: Dialled,
    requests: mpsc::Sender<pb::ExchangeRequest>,
    answers: Streaming<pb::ExchangeResponse>,
    /// As in our batches.
    ours: Parties,
    /// As in the peer's acknowledgements.
    theirs: Parties,
    under_way: VecDeque<Sent>,
    page: VecDeque<OutboxRow>,
}

/// Holds one session; ends well when there is nothing left to do for a while.
pub(super) async fn hold(task: &mut Task) -> Result<(), Fault> {
    let peer = known(task)?;
    let dialled = task.ports.dial.dial(&task.org, &peer).map_err(Fault::Own)?;
    let mut session = open(task, dialled).await?;
    session.task.greeted = true;
    session.task.shared.show(|shown| shown.state = State::Connected);
    let asked = session.task.shared.hear(|bells| std::mem::take(&mut bells.sync));
    if asked || session.task.synced.is_none_or(|at| at.elapsed() > SYNC_EVERY) {
        // Before any message: the peer refuses one made under a covenant it does not hold.
        session.sync().await;
    }
    session.pump().await
}

/// What is known of the peer, when its traffic is not stopped.
fn known(task: &Task) -> Result<Peer, Fault> {
    let peer = task.ports.directory.peer(&task.org).map_err(|refusal| Fault::Own(refusal.to_string()))?;
    match peer.stopped {
        Some(why) => Err(Fault::Stopped(why)),
        None => Ok(peer),
    }
}

async fn open(task: &mut Task, dialled: Dialled) -> Result<Session<'_>, Fault> {
    let (us, org) = (task.ports.us.clone(), task.org.clone());
    let ours = Parties { sender: us.clone(), receiver: org.clone(), incarnation: (task.ports.incarnation)() };
    let hello = pb::Hello { sender: us.to_string(), receiver: org.to_string(), incarnation: ours.incarnation, reads_leaf_hashes: true };
    // One place more than can be under way: sending never waits.
    let (requests, stream) = mpsc::channel(WINDOW + 1);
    send(&requests, pb::exchange_request::Request::Hello(hello)).await?;
    let mut client = ExchangeServiceClient::new(dialled.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    let greeting = async {
        let mut answers = client.exchange(ReceiverStream::new(stream)).await?.into_inner();
        let first = answers.message().await?;
        Ok((answers, first))
    };
    let greeted = timeout(GREETING, greeting).await;
    let lost = |status: &tonic::Status| explain(status, &dialled);
    let (answers, first) = greeted.map_err(|_| Fault::Lost(why(&dialled, "no answer in time")))?.map_err(|status| lost(&status))?;
    let Some(pb::ExchangeResponse { response: Some(pb::exchange_response::Response::Welcome(welcome)) }) = first else {
        return Err(Fault::Broken("expected a Welcome"));
    };
    compare(task, &org, &welcome).await?;
    send_lost_again(task, &org, welcome.highest_number).await?;
    let theirs = Parties { sender: org, receiver: us, incarnation: welcome.incarnation };
    Ok(Session { task, dialled, requests, answers, ours, theirs, under_way: VecDeque::new(), page: VecDeque::new() })
}

/// Whether the peer has seen more of ours than we hold. Our own number is read after theirs, so it can only be too high. A number alone is
/// the word of one peer: believed is only our own signature.
async fn compare(task: &Task, org: &OrgId, welcome: &pb::Welcome) -> Result<(), Fault> {
    let theirs = welcome.highest_number;
    let queues = task.ports.store.outbox_peers().await.map_err(|error| Fault::Own(error.to_string()))?;
    let ours = queues.iter().find(|queue| queue.peer == *org).map_or(0, |queue| queue.highest);
    if theirs <= ours {
        return Ok(());
    }
    if !proven(task, org, welcome) {
        task.ports.outcome.peer_disbelieved(org, theirs, ours).await;
        return Err(Fault::Unproven { theirs, ours });
    }
    task.ports.outcome.peer_knows_more(org, theirs, ours).await;
    Err(Fault::Ahead { theirs, ours })
}

/// Whether the peer lacks what it acknowledged, as after the restore of an old backup: it would wait for ever for what comes before the
/// next message of a thread. Not time and again: a peer that says so at every connection is mistaken, or lies.
async fn send_lost_again(task: &mut Task, org: &OrgId, theirs: u64) -> Result<(), Fault> {
    let lost = task.ports.store.outbox(org, OutboxState::Delivered, theirs, 1).await.map_err(|error| Fault::Own(error.to_string()))?;
    if lost.is_empty() || task.sent_lost.is_some_and(|at| at.elapsed() < LOST_AGAIN) {
        return Ok(());
    }
    task.ports.outcome.peer_knows_less(org, theirs).await.map_err(|refusal| Fault::Own(refusal.to_string()))?;
    task.sent_lost = Some(Instant::now());
    task.line.restart();
    task.shared.hear(|bells| bells.work = true);
    Ok(())
}

/// Whether we ourselves once signed a message with the number of the Welcome for this peer.
fn proven(task: &Task, org: &OrgId, welcome: &pb::Welcome) -> bool {
    let Some(proof) = &welcome.highest else { return false };
    let Some(key) = task.ports.signer.own_key(&proof.key_id) else { return false };
    verify_proof(proof, &key).is_ok_and(|proven| {
        proven.parties.sender == task.ports.us && proven.parties.receiver == *org && proven.number == welcome.highest_number
    })
}

async fn send(requests: &mpsc::Sender<pb::ExchangeRequest>, request: pb::exchange_request::Request) -> Result<(), Fault> {
    let request = pb::ExchangeRequest { request: Some(request) };
    requests.send(request).await.map_err(|_| Fault::Lost(gone("the stream was closed")))
}

/// The true reason of a lost connection, when somebody knows it.
fn why(dialled: &Dialled, otherwise: &str) -> Refusal {
    (dialled.why)().unwrap_or_else(|| gone(otherwise))
}

fn gone(what: &str) -> Refusal {
    Refusal::new(Stage::Peer, Reason::PeerUnreachable).because(shorten(what))
}

/// A status is either what the peer said, or a lost connection.
fn explain(status: &tonic::Status, dialled: &Dialled) -> Fault {
    match to_refusal(status) {
        Some(refusal) => Fault::Told(shorten(&refusal.to_string())),
        None => Fault::Lost(why(dialled, status.message())),
    }
}

/// What a peer may put on our operator's screen.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// What became of a message, for operators. A reason is the peer's word: only one of the catalogue is repeated.
fn told(peer: &OrgId, item: &Item, answer: &Answer) {
    let outcome = match answer.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Refused => "refused",
        Outcome::Later => "later",
    };
    let reason = Reason::ALL.iter().map(|reason| reason.code()).find(|code| *code == answer.reason);
    spans::outcome(&item.span, outcome, reason.or((answer.outcome != Outcome::Accepted).then_some("unknown")));
    metrics::message(Way::Sent, peer, outcome);
}

impl Session<'_> {
    async fn pump(&mut self) -> Result<(), Fault> {
        let mut idle = Instant::now() + IDLE;
        loop {
            known(self.task)?;
            self.hear();
            self.fill().await?;
            let due = self.under_way.front().map(|sent| sent.due);
            if due.is_some() {
                idle = Instant::now() + IDLE;
            } else if self.task.shared.hear(|bells| std::mem::take(&mut bells.sync)) {
                self.sync().await;
                continue;
            }
            tokio::select! {
                answer = self.answers.message() => match answer {
                    Ok(Some(answer)) => self.acknowledged(answer).await?,
                    Ok(None) if due.is_none() && self.task.attempts == 0 => return Ok(()),
                    Ok(None) => return Err(Fault::Lost(why(&self.dialled, "the peer ended the stream"))),
                    Err(status) if due.is_none() && self.task.attempts == 0 => {
                        tracing::debug!(peer = %self.task.org, %status, "an idle stream ended");
                        return Ok(());
                    }
                    Err(status) => return Err(explain(&status, &self.dialled)),
                },
                () = self.task.shared.woken() => {}
                () = until(self.task.line.next_release()) => {}
                () = until(due) => return Err(Fault::Lost(gone("no acknowledgement in time"))),
                () = until(due.is_none().then_some(idle)) => {
                    self.task.line.settle(Instant::now());
                    return Ok(());
                }
            }
        }
    }

    /// A call of the peer, or of an operator, ends the waits of threads that were asked to come later.
    fn hear(&mut self) {
        let hurry = self.task.shared.hear(|bells| std::mem::take(&mut bells.nudge) | std::mem::take(&mut bells.retry));
        if hurry {
            self.task.line.hurry(Instant::now());
        }
    }

    /// Sends batches until the window is full or nothing is left.
    async fn fill(&mut self) -> Result<(), Fault> {
        while self.under_way.len() < WINDOW {
            let load = load::next(self.task, &mut self.page).await?;
            if load.items.is_empty() {
                break;
            }
            self.send(load).await?;
        }
        let held = self.task.line.held();
        self.task.shared.show(|shown| shown.held = held);
        if held > MAX_HELD {
            self.task.line = super::line::Line::default();
            return Err(Fault::Crowded);
        }
        Ok(())
    }

    async fn send(&mut self, Load { items, messages, .. }: Load) -> Result<(), Fault> {
        if messages.iter().any(|message| incarnation_of(&message.message) > self.ours.incarnation) {
            // Recovery ended meanwhile, here or on a replica: the peer would refuse what is younger than our Hello.
            return Err(Fault::Own("this gateway began a new life: greeting the peer again".to_owned()));
        }
        let traces: Vec<_> = items.iter().filter_map(|item| context::of(&item.span)).collect();
        let span = spans::batch(&self.task.org, &traces, items.len());
        let numbered: Vec<Numbered> = items.iter().map(|item| (item.place.number, item.hash)).collect();
        let signed = sign_batch(&self.ours, &numbered, self.task.ports.signer.as_ref());
        let batch = pb::Batch { messages, key_id: signed.key_id.clone(), signature: signed.signature.clone() };
        self.under_way.push_back(Sent { items, signed, _batch: span, due: Instant::now() + ANSWER });
        send(&self.requests, pb::exchange_request::Request::Batch(batch)).await
    }

    async fn acknowledged(&mut self, response: pb::ExchangeResponse) -> Result<(), Fault> {
        let Some(pb::exchange_response::Response::Acknowledgement(acknowledgement)) = response.response else {
            return Err(Fault::Broken("expected an acknowledgement"));
        };
        let sent = self.under_way.pop_front().ok_or(Fault::Broken("an acknowledgement of nothing"))?;
        if let Some(next) = self.under_way.front_mut() {
            next.due = Instant::now() + ANSWER;
        }
        let (answers, signed) = self.check(&sent, acknowledgement)?;
        self.settle(&sent, &answers, &signed).await?;
        self.task.attempts = 0;
        Ok(())
    }

    /// The answers, when they are to this batch and signed by the peer.
    fn check(&self, sent: &Sent, acknowledgement: pb::Acknowledgement) -> Result<(Vec<Answer>, SignedList), Fault> {
        let pb::Acknowledgement { results, key_id, signature } = acknowledgement;
        let answers: Result<Vec<_>, _> = results.into_iter().map(Answer::from_wire).collect();
        let answers = answers.map_err(|_| Fault::Broken("an acknowledgement that cannot be read"))?;
        let same = |(answer, item): (&Answer, &Item)| answer.number == item.place.number && answer.hash == item.hash;
        if answers.len() != sent.items.len() || !answers.iter().zip(&sent.items).all(same) {
            return Err(Fault::Broken("an acknowledgement of other messages"));
        }
        let peer = known(self.task)?;
        let key = peer.keys.get(&key_id).ok_or(Fault::Broken("an acknowledgement signed with an unknown key"))?;
        let signature = Signature { key_id: &key_id, key, bytes: &signature };
        let signed = verify_answers(&self.theirs, &answers, signature).map_err(|_| Fault::Broken("a wrong signature"))?;
        Ok((answers, signed))
    }

    /// Tells the desk, one commit for everything accepted, and only then forgets.
    async fn settle(&mut self, sent: &Sent, answers: &[Answer], signed: &SignedList) -> Result<(), Fault> {
        let proof = |index: usize| {
            let item = &sent.items[index];
            let mut proof = sent.signed.message_proof(index, (item.place.number, item.hash));
            proof.answer = Some(signed.answer_proof(index, &answers[index]));
            proof.encode_to_vec()
        };
        let with = |outcome: Outcome| (0..answers.len()).filter(move |index| answers[*index].outcome == outcome);
        let delivered: Vec<_> = with(Outcome::Accepted)
            .map(|index| Delivered { number: answers[index].number, message: sent.items[index].message, proof: proof(index) })
            .collect();
        let own = |refusal: schakel_domain::refusal::Refusal| Fault::Own(refusal.to_string());
        let (outcome, org) = (self.task.ports.outcome.clone(), self.task.org.clone());
        if !delivered.is_empty() {
            outcome.delivered(&org, delivered).await.map_err(own)?;
        }
        let mut judged = answers.to_vec();
        for index in with(Outcome::Refused) {
            let Answer { number, reason, detail, .. } = answers[index].clone();
            tracing::warn!(peer = %org, number, reason, "a message was refused and is parked");
            let message = sent.items[index].message;
            if let Err(refusal) = outcome.parked(&org, Parked { number, message, reason, detail, proof: Some(proof(index)) }).await {
                // It is sent and refused again later; one message that cannot be parked holds up its own thread only.
                tracing::error!(peer = %org, number, %refusal, "a refused message cannot be parked");
                judged[index].outcome = Outcome::Later;
            }
        }
        self.note(sent, &judged);
        Ok(())
    }

    /// Whose turn it is now.
    fn note(&mut self, sent: &Sent, answers: &[Answer]) {
        let (now, random) = (Instant::now(), self.task.ports.random.clone());
        let org = &self.task.org;
        let line = &mut self.task.line;
        for (item, answer) in sent.items.iter().zip(answers) {
            told(org, item, answer);
            match answer.outcome {
                Outcome::Accepted => line.accepted(&item.place),
                Outcome::Refused => line.refused(&item.place, now, backoff::FIRST),
                Outcome::Later => line.later(&item.place, now, |attempts| backoff::delay(attempts, &random)),
            }
        }
        let held = line.held();
        let out_of_order = Reason::OutOfOrder.code();
        let reason = answers.iter().filter(|answer| answer.outcome == Outcome::Later).map(|answer| answer.reason.as_str());
        let reason = reason.min_by_key(|reason| *reason == out_of_order).map(|reason| format!("asked to send again later: {reason}"));
        self.task.shared.show(|shown| {
            (shown.held, shown.attempts) = (held, 0);
            if reason.is_some() || held == 0 {
                shown.error = reason.map(Into::into);
            }
        });
    }

    /// Compares documents; a failure never holds up messages.
    async fn sync(&mut self) {
        let (org, agreements) = (self.task.org.clone(), self.task.ports.agreements.clone());
        let synced = timeout(GREETING, sync_with(self.dialled.channel.clone(), &org, agreements.as_ref())).await;
        match synced {
            Ok(Ok(_)) => self.task.synced = Some(Instant::now()),
            Ok(Err(error)) => tracing::warn!(peer = %org, %error, "covenants and party records could not be compared"),
            Err(_) => tracing::warn!(peer = %org, "no time to compare covenants and party records"),
        }
    }
}
