//! LOOKUP: reads of single rows by their keys, in groups as the writer writes: one task with a connection of its own reads at once whatever was
//! asked for while it was busy. Each statement is a hop to the connection's thread, and for a row that lies in memory the hop is what costs.
//!
//! A read starts after it was asked for, so it sees every commit that was answered before.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::id::{MessageId, OrgId};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::super::rows::{self, InboxCols, RecordCols, ReplayCols};
use super::super::{InboxRow, Kind, Record, Replay, StoreError};
use super::failed;

/// Rows read at once: as many as one batch of a peer asks for.
const GROUP: usize = 128;
/// Reads waiting; callers wait for room beyond it.
const QUEUE: usize = 1_024;

type Found<T> = Result<Option<T>, StoreError>;

/// Keys as they stand in the database, and who wants to know.
type Asked<K, T> = (K, oneshot::Sender<Found<T>>);

enum Job {
    Record(Asked<(i64, String), Record>),
    Replay(Asked<(String, String), Replay>),
    Received(Asked<(String, String), InboxRow>),
    Close(oneshot::Sender<()>),
}

/// The callers' end.
#[derive(Debug)]
pub(super) struct Lookup {
    jobs: mpsc::Sender<Job>,
}

impl Lookup {
    /// Starts the task. It ends after [`Lookup::close`] or when this is dropped.
    pub(super) fn start(conn: SqliteConnection) -> Self {
        let (jobs, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(run(conn, incoming));
        Self { jobs }
    }

    pub(super) async fn record(&self, kind: Kind, id: &str) -> Found<Record> {
        self.ask(|answer| Job::Record(((kind.code(), id.to_owned()), answer))).await?
    }

    pub(super) async fn replay(&self, scope: &str, request_id: &str) -> Found<Replay> {
        self.ask(|answer| Job::Replay(((scope.to_owned(), request_id.to_owned()), answer))).await?
    }

    pub(super) async fn received(&self, peer: &OrgId, message: MessageId) -> Found<InboxRow> {
        self.ask(|answer| Job::Received(((peer.to_string(), message.to_string()), answer))).await?
    }

    /// Lets go of the connection.
    pub(super) async fn close(&self) {
        // An error means that it was closed before.
        let _closed = self.ask(Job::Close).await;
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }
}

async fn run(mut conn: SqliteConnection, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.recv_many(&mut group, GROUP).await > 0 {
        let (mut records, mut replays, mut received, mut closers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for job in group.drain(..) {
            match job {
                Job::Record(asked) => records.push(asked),
                Job::Replay(asked) => replays.push(asked),
                Job::Received(asked) => received.push(asked),
                Job::Close(closer) => closers.push(closer),
            }
        }
        answer(&mut conn, records, RECORDS, |row: &RecordCols| (row.0, row.1.clone()), rows::record).await;
        answer(&mut conn, replays, REPLAYS, |row: &ReplayCols| (row.0.clone(), row.1.clone()), rows::replay).await;
        answer(&mut conn, received, RECEIVED, |row: &InboxCols| (row.0.clone(), row.1.clone()), rows::inbox).await;
        if !closers.is_empty() {
            if let Err(error) = conn.close().await {
                tracing::warn!(%error, "a reading connection closed with an error");
            }
            for closer in closers {
                let _gone = closer.send(());
            }
            return;
        }
    }
}

// The rows with these keys; JSON carries them, so that one text serves any number. CROSS JOIN keeps SQLite to this order: key by key through
// the index, never all rows of a kind.
const RECORDS: &str = "SELECT r.kind, r.id, r.version, r.parent, r.open, r.alias, r.clear, r.sealed FROM json_each($1) AS k \
     CROSS JOIN record AS r ON r.kind = k.value ->> 0 AND r.id = k.value ->> 1";
const REPLAYS: &str = "SELECT r.scope, r.request_id, r.body, r.outcome, r.at FROM json_each($1) AS k \
     CROSS JOIN replay AS r ON r.scope = k.value ->> 0 AND r.request_id = k.value ->> 1";
const RECEIVED: &str = "SELECT i.peer, i.message, i.number, i.thread, i.seq, i.kind, i.hash, i.sealed, i.proof, i.outcome, i.leaf, i.at \
     FROM json_each($1) AS k CROSS JOIN inbox AS i ON i.peer = k.value ->> 0 AND i.message = k.value ->> 1";

/// Reads what was asked for, each row once, and tells everybody who asked.
async fn answer<K, C, T>(
    conn: &mut SqliteConnection,
    asked: Vec<Asked<K, T>>,
    sql: &'static str,
    key_of: impl Fn(&C) -> K,
    decode: impl Fn(C) -> Result<T, StoreError>,
) where
    K: Ord + serde::Serialize,
    C: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    T: Clone,
{
    if asked.is_empty() {
        return;
    }
    let keys: BTreeSet<&K> = asked.iter().map(|(key, _)| key).collect();
    let rows = match serde_json::to_string(&keys) {
        Ok(keys) => sqlx::query_as::<_, C>(sql).bind(keys).fetch_all(conn).await.map_err(failed),
        Err(error) => Err(StoreError::Refused(error.to_string())),
    };
    let found: Result<BTreeMap<K, Result<T, StoreError>>, StoreError> =
        rows.map(|rows| rows.into_iter().map(|row| (key_of(&row), decode(row))).collect());
    for (key, to) in asked {
        let told = match &found {
            Ok(found) => found.get(&key).cloned().transpose(),
            Err(error) => Err(error.clone()),
        };
        // The caller may have stopped waiting.
        let _gone = to.send(told);
    }
}
