//! FLOOR: the least that a durable link does. Payloads in batches on one stream, stored in a plain file on both sides, one fdatasync for
//! whatever waits. No database, no covenant, no log, no signature.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_request::Request as Wire;
use schakel_proto::federation::v1::exchange_response::Response as Reply;
use schakel_proto::federation::v1::exchange_service_client::ExchangeServiceClient;
use schakel_proto::federation::v1::exchange_service_server::ExchangeService;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Setup;
use super::measure::Work;
use super::raw::bare_channel;

/// Size of the file, filled beforehand so that no write makes it longer; it is written round and round.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Writes waiting to be grouped.
const QUEUE: usize = 1_024;
/// Payloads in one batch.
const BATCH: usize = 64;
/// Batches that the receiver stores at once.
const AT_ONCE: usize = 16;
/// What is stored of an acknowledgement.
const NOTE: usize = 64;

/// A file with one writer, which writes and syncs everything that waits at once.
#[derive(Clone)]
pub(super) struct GroupFile {
    jobs: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
}

impl GroupFile {
    /// Makes the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn open(path: &Path) -> Result<Self, anyhow::Error> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if file.metadata()?.len() < FILE_BYTES {
            let zeros = vec![0; 1 << 20];
            (0..FILE_BYTES).step_by(zeros.len()).try_for_each(|at| file.write_all_at(&zeros, at))?;
            file.sync_all()?;
        }
        let (jobs, incoming) = mpsc::channel(QUEUE);
        std::thread::Builder::new().name("floor".to_owned()).spawn(move || write_groups(&file, incoming))?;
        Ok(Self { jobs })
    }

    /// Returns when the bytes are on the disk.
    async fn commit(&self, bytes: Vec<u8>) -> Result<(), anyhow::Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((bytes, answer)).await.map_err(|_| anyhow::anyhow!("the floor's writer stopped"))?;
        Ok(answered.await?)
    }
}

/// Ends at an error: whoever waits then hears that the writer is gone.
fn write_groups(file: &File, mut jobs: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>) {
    let mut at = 0;
    while let Some((mut bytes, answer)) = jobs.blocking_recv() {
        let mut answers = vec![answer];
        while let Ok((more, answer)) = jobs.try_recv() {
            bytes.extend(more);
            answers.push(answer);
        }
        if at + bytes.len() as u64 > FILE_BYTES {
            at = 0;
        }
        if file.write_all_at(&bytes, at).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        at += bytes.len() as u64;
        for answer in answers {
            let _gone = answer.send(());
        }
    }
}

/// The receiver's end: a batch is stored as one write, and answered after it.
pub(super) struct FloorDoor {
    pub(super) file: GroupFile,
}

#[tonic::async_trait]
impl ExchangeService for FloorDoor {
    type ExchangeStream = BoxStream<'static, Result<pb::ExchangeResponse, Status>>;

    async fn exchange(&self, request: Request<Streaming<pb::ExchangeRequest>>) -> Result<Response<Self::ExchangeStream>, Status> {
        let file = self.file.clone();
        let answers = request.into_inner().map(move |request| take(file.clone(), request)).buffered(AT_ONCE);
        Ok(Response::new(answers.boxed()))
    }
}

async fn take(file: GroupFile, request: Result<pb::ExchangeRequest, Status>) -> Result<pb::ExchangeResponse, Status> {
    let Some(Wire::Batch(batch)) = request?.request else { return Err(Status::invalid_argument("expected a batch")) };
    let results = batch.messages.iter().map(|message| pb::MessageResult { number: message.number, ..Default::default() }).collect();
    let bytes: Vec<u8> = batch.messages.into_iter().flat_map(|message| message.message).collect();
    file.commit(bytes).await.map_err(|error| Status::internal(error.to_string()))?;
    let acknowledgement = pb::Acknowledgement { results, ..Default::default() };
    Ok(pb::ExchangeResponse { response: Some(Reply::Acknowledgement(acknowledgement)) })
}

/// A payload on its way, and who waits for its acknowledgement; whether that is stored too before anybody hears.
struct Going {
    payload: Vec<u8>,
    noted: bool,
    done: oneshot::Sender<()>,
}

/// The sender's end.
#[derive(Clone)]
pub(super) struct Pipe {
    file: GroupFile,
    queue: mpsc::Sender<Going>,
    payload: Arc<[u8]>,
}

impl Pipe {
    /// Opens the stream.
    ///
    /// # Errors
    /// When the receiver cannot be reached.
    pub(super) async fn open(setup: &Setup, file: GroupFile, payload: Vec<u8>) -> Result<Self, anyhow::Error> {
        let mut client = ExchangeServiceClient::new(bare_channel(setup, setup.bare)?);
        let (requests, stream) = mpsc::channel(AT_ONCE);
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (sent, under_way) = mpsc::channel(AT_ONCE);
        tokio::spawn(send_batches(waiting, requests, sent));
        let answers = client.exchange(ReceiverStream::new(stream)).await?.into_inner();
        tokio::spawn(hear_answers(answers, under_way, file.clone()));
        Ok(Self { file, queue, payload: payload.into() })
    }

    /// There and back; the receiver has stored it.
    async fn round_trip(&self, noted: bool) -> Result<(), anyhow::Error> {
        let (done, heard) = oneshot::channel();
        let going = Going { payload: self.payload.to_vec(), noted, done };
        self.queue.send(going).await.map_err(|_| anyhow::anyhow!("the floor's stream ended"))?;
        Ok(heard.await?)
    }
}

async fn send_batches(
    mut waiting: mpsc::Receiver<Going>,
    requests: mpsc::Sender<pb::ExchangeRequest>,
    sent: mpsc::Sender<Vec<(bool, oneshot::Sender<()>)>>,
) {
    let mut number = 0;
    let mut group = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut group, BATCH).await > 0 {
        let (mut messages, mut who) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for going in group.drain(..) {
            number += 1;
            messages.push(pb::NumberedMessage { number, message: going.payload, traceparent: String::new() });
            who.push((going.noted, going.done));
        }
        let batch = pb::Batch { messages, ..Default::default() };
        let request = pb::ExchangeRequest { request: Some(Wire::Batch(batch)) };
        if sent.send(who).await.is_err() || requests.send(request).await.is_err() {
            return;
        }
    }
}

/// Answers come in the order of the batches. Storing that they came never holds up the next.
async fn hear_answers(
    mut answers: Streaming<pb::ExchangeResponse>,
    mut under_way: mpsc::Receiver<Vec<(bool, oneshot::Sender<()>)>>,
    file: GroupFile,
) {
    while let Ok(Some(_)) = answers.message().await {
        let Some(who) = under_way.recv().await else { return };
        let file = file.clone();
        tokio::spawn(async move {
            let noted = who.iter().filter(|(noted, _)| *noted).count();
            if noted > 0 && file.commit(vec![0; noted * NOTE]).await.is_err() {
                return;
            }
            for (_, done) in who {
                let _gone = done.send(());
            }
        });
    }
}

/// One payload: stored, sent, stored there, acknowledged, and that stored too.
pub(super) struct Floor(pub(super) Pipe);

impl Work for Floor {
    fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        Box::pin(async move {
            self.0.file.commit(self.0.payload.to_vec()).await?;
            self.0.round_trip(true).await
        })
    }
}

/// Offer and acceptance, transfer and receipt: five writes one after the other, in two round trips. What arrives and what goes out next is
/// one write.
pub(super) struct HandoverFloor(pub(super) Pipe);

impl Work for HandoverFloor {
    fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        Box::pin(async move {
            for _ in 0..2 {
                self.0.file.commit(self.0.payload.to_vec()).await?;
                self.0.round_trip(false).await?;
            }
            self.0.file.commit(self.0.payload.to_vec()).await
        })
    }
}
