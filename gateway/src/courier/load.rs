//! Fills batches: which rows go now, opened, checked, and within the bounds of a batch.

use std::collections::VecDeque;

use schakel_domain::id::{Hash, MessageId};
use schakel_domain::message::{MAX_BATCH, MAX_BATCH_BYTES, MAX_MESSAGE_BYTES};
use schakel_proto::federation::v1::NumberedMessage;
use tokio::time::Instant;
use tracing::Span;

use super::line::Place;
use super::session::Fault;
use super::task::Task;
use super::{Parked, TOO_LARGE, backoff};
use crate::store::{OutboxRow, OutboxState};
use crate::telemetry::{context, spans};

/// Rows read from the store at once; a long queue is never in memory whole.
const PAGE: u32 = 128;

/// One message on its way.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) message: MessageId,
    pub(super) hash: Hash,
    /// From now until the peer's answer.
    pub(super) span: Span,
}

/// The content of one batch.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) items: Vec<Item>,
    pub(super) messages: Vec<NumberedMessage>,
    bytes: usize,
}

impl Load {
    fn is_full(&self) -> bool {
        self.items.len() >= MAX_BATCH
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        self.bytes + bytes.len() <= MAX_BATCH_BYTES
    }

    fn push(&mut self, row: &OutboxRow, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        let span = spans::send(&row.message.peer, &row.message.kind, row.number, row.trace);
        let traceparent = context::of(&span).map(|here| here.to_string()).unwrap_or_default();
        self.messages.push(NumberedMessage { number: row.number, message: bytes, traceparent });
        self.items.push(Item { place: place(row), message: row.message.message, hash: row.message.hash, span });
    }
}

fn place(row: &OutboxRow) -> Place {
    Place { number: row.number, thread: row.message.thread.clone(), seq: row.message.seq }
}

/// The next batch; empty when nothing is to be sent now. `page` holds rows that were read and did not fit yet.
pub(super) async fn next(task: &mut Task, page: &mut VecDeque<OutboxRow>) -> Result<Load, Fault> {
    let mut load = Load::default();
    task.line.release(Instant::now());
    // Numbers rise within a batch: what goes again was read before anything that is new.
    add_again(task, &mut load).await?;
    add_new(task, page, &mut load).await?;
    Ok(load)
}

async fn add_again(task: &mut Task, load: &mut Load) -> Result<(), Fault> {
    while let Some(number) = task.line.next_again().filter(|_| !load.is_full()) {
        let found = rows(task, number.saturating_sub(1), 1).await?.pop().filter(|row| row.number == number);
        let Some(row) = found else {
            task.line.gone(number, Instant::now());
            continue;
        };
        match open(task, &row).await? {
            Some(bytes) if !load.fits(&bytes) => return Ok(()),
            Some(bytes) => load.push(&row, bytes),
            None => {}
        }
        task.line.sent_again(number);
    }
    Ok(())
}

async fn add_new(task: &mut Task, page: &mut VecDeque<OutboxRow>, load: &mut Load) -> Result<(), Fault> {
    while !load.is_full() {
        let Some(row) = page.pop_front() else {
            // Silenced before reading: a commit after the read rings again.
            if !task.shared.hear(|bells| std::mem::take(&mut bells.work)) {
                return Ok(());
            }
            page.extend(rows(task, task.line.cursor(), PAGE).await?);
            if !page.is_empty() {
                task.shared.hear(|bells| bells.work = true);
            }
            continue;
        };
        if !task.line.read(&place(&row), Instant::now()) {
            continue;
        }
        match open(task, &row).await? {
            Some(bytes) if !load.fits(&bytes) => {
                page.push_front(row);
                return Ok(());
            }
            Some(bytes) => load.push(&row, bytes),
            None => {}
        }
    }
    Ok(())
}

async fn rows(task: &Task, after: u64, limit: u32) -> Result<Vec<OutboxRow>, Fault> {
    let rows = task.ports.store.outbox(&task.org, OutboxState::Waiting, after, limit).await;
    rows.map_err(|error| Fault::Own(error.to_string()))
}

/// The bytes of a message; `None` when it cannot go: it then waits, or is parked when it can never go.
async fn open(task: &mut Task, row: &OutboxRow) -> Result<Option<Vec<u8>>, Fault> {
    let opened = match task.ports.unseal.open(row).await {
        Ok(bytes) if Hash::sha256(&bytes) != row.message.hash => Err("it is not the message that was stored".to_owned()),
        opened => opened,
    };
    match opened {
        Ok(bytes) if bytes.len() > MAX_MESSAGE_BYTES => {
            let (number, message, reason) = (row.number, row.message.message, TOO_LARGE.code().to_owned());
            let parked = Parked { number, message, reason, detail: String::new(), proof: None };
            match task.ports.outcome.parked(&task.org, parked).await {
                Ok(()) => task.line.refused(&place(row), Instant::now(), backoff::FIRST),
                // What was collected before it still goes.
                Err(refusal) => wait(task, row, &format!("it is too large and cannot be parked: {refusal}")),
            }
            Ok(None)
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) => {
            wait(task, row, &format!("it cannot be opened: {why}"));
            Ok(None)
        }
    }
}

/// Holds one message back, with its thread; all others go on.
fn wait(task: &mut Task, row: &OutboxRow, why: &str) {
    tracing::error!(peer = %task.org, number = row.number, why, "a message waits");
    task.shared.show(|shown| shown.error = Some(format!("message {}: {why}", row.number).into()));
    let random = task.ports.random.clone();
    task.line.later(&place(row), Instant::now(), |attempts| backoff::delay(attempts, &random));
}
