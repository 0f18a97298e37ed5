//! WRITE: a group of commits as one SQLite transaction, and what happens when the disk is full or fails.
//!
//! Statements are few and multi-row, in fixed numbers of rows, so that their texts stay in the statement cache: each statement is a hop to
//! the connection's thread, and hops are what a commit costs.

use std::fs::File;
use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Connection, Sqlite, SqliteConnection};
use tokio::sync::watch;

use super::super::group::{self, Plan, Seen, Wanted};
use super::super::queue::{Answer, Writer};
use super::super::rows::{self, SeenCols, int, nanos};
use super::super::{Commit, OutboxState, StoreError};
use super::reserve::Reserve;
use super::{code, extended_code};

// Primary result codes of SQLite.
pub(super) const IO_ERROR: i32 = 10;
pub(super) const CORRUPT: i32 = 11;
pub(super) const FULL: i32 = 13;
pub(super) const CONSTRAINT: i32 = 19;
pub(super) const NOT_A_DATABASE: i32 = 26;
/// The WAL index could not grow: nothing was written yet, the disk is full.
const IO_ERROR_SHMSIZE: i32 = 4874;

/// Pages in the WAL after which it is written back: at once, or when nobody waits. Estimated: a row touches a few pages.
const CHECKPOINT_PAGES: usize = 4_000;
const CHECKPOINT_PAGES_IDLE: usize = 1_000;

/// Owns the writing connection.
pub(super) struct SqliteWriter {
    conn: SqliteConnection,
    reserve: Reserve,
    /// Pages written since the last checkpoint, estimated.
    pages: usize,
    /// Whether the last ordinary commit found the disk full.
    full: bool,
    broken: watch::Sender<Option<String>>,
    /// Held for as long as the connection is open.
    _lock: File,
}

/// Why a transaction did not commit. Nothing of it is written.
enum Failure {
    Full,
    Constraint,
    Other(StoreError),
}

impl Writer for SqliteWriter {
    fn group<'a>(&'a mut self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<Answer>> {
        Box::pin(self.write(commits))
    }

    fn ready(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if let Some(why) = self.broken.borrow().clone() {
                return Err(StoreError::Unavailable(why));
            }
            // The disk may have room again without anybody having tried.
            if self.full || !self.reserve.is_whole() {
                self.full = !self.on_reserve(Reserve::has_room).await;
            }
            if self.full { Err(StoreError::Full) } else { Ok(()) }
        })
    }

    fn tidy(&mut self, idle: bool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.pages >= if idle { CHECKPOINT_PAGES_IDLE } else { CHECKPOINT_PAGES } {
                self.checkpoint().await;
            }
        })
    }

    fn close(mut self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.checkpoint().await;
            if let Err(error) = self.conn.close().await {
                tracing::warn!(%error, "store closed with an error");
            }
        })
    }
}

impl SqliteWriter {
    pub(super) fn new(conn: SqliteConnection, reserve: Reserve, lock: File, broken: watch::Sender<Option<String>>) -> Self {
        Self { conn, reserve, pages: 0, full: false, broken, _lock: lock }
    }

    async fn write(&mut self, commits: &[Commit]) -> Vec<Answer> {
        let ordinary = commits.iter().any(|commit| !commit.from_reserve);
        // The reserve comes before ordinary work: what is left of the disk is not theirs.
        let whole = self.reserve.is_whole() || (ordinary && self.restore().await);
        if !whole {
            return self.one_by_one(commits, false).await;
        }
        match self.attempt(commits).await {
            Ok(answers) => {
                self.full &= !ordinary;
                answers
            }
            Err(Failure::Other(error)) => vec![Err(error); commits.len()],
            Err(Failure::Full) => self.one_by_one(commits, false).await,
            Err(Failure::Constraint) => self.one_by_one(commits, true).await,
        }
    }

    /// After the group failed: which of them can be written nevertheless. Ordinary ones have no part in what the reserve holds.
    async fn one_by_one(&mut self, commits: &[Commit], ordinary: bool) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let may = commit.from_reserve || (ordinary && self.reserve.is_whole());
            answers.push(if may { self.alone(commit).await } else { Err(StoreError::Full) });
        }
        answers
    }

    async fn alone(&mut self, commit: &Commit) -> Answer {
        let mut checkpointed = false;
        loop {
            match self.attempt(std::slice::from_ref(commit)).await {
                Ok(mut answers) => return answers.pop().unwrap_or(Err(StoreError::Unavailable("no answer".to_owned()))),
                Err(Failure::Other(error)) => return Err(error),
                Err(Failure::Constraint) => return Err(StoreError::Conflict("a unique key exists".to_owned())),
                Err(Failure::Full) if !commit.from_reserve => return Err(StoreError::Full),
                Err(Failure::Full) if checkpointed && !self.on_reserve(Reserve::give_up).await => return Err(StoreError::Full),
                // A log that is written back is used again from its start and need not grow. What the reserve gave goes to that first:
                // spent on the log it would hold a fraction of the commits.
                Err(Failure::Full) => {
                    checkpointed = true;
                    self.checkpoint().await;
                }
            }
        }
    }

    /// Works on the reserve's file, away from the threads that serve everybody else.
    async fn on_reserve(&mut self, work: fn(&mut Reserve) -> bool) -> bool {
        let mut reserve = std::mem::take(&mut self.reserve);
        let worked = tokio::task::spawn_blocking(move || (work(&mut reserve), reserve)).await;
        // It fails only while the runtime ends, and this task with it.
        let (done, reserve) = worked.unwrap_or_default();
        self.reserve = reserve;
        done
    }

    async fn restore(&mut self) -> bool {
        let whole = self.on_reserve(Reserve::restore).await;
        if whole {
            tracing::info!("the disk has room again, the reserve is whole");
        }
        whole
    }

    /// One transaction. An error leaves none open and nothing written.
    async fn attempt(&mut self, commits: &[Commit]) -> Result<Vec<Answer>, Failure> {
        if let Some(why) = self.broken.borrow().clone() {
            return Err(Failure::Other(StoreError::Unavailable(why)));
        }
        match self.transaction(commits).await {
            Ok(answers) => Ok(answers),
            Err(error) => {
                // An error may have ended the transaction already; then this one fails, which does no harm.
                let _ended = sqlx::query("ROLLBACK").execute(&mut self.conn).await;
                Err(self.classify(error))
            }
        }
    }

    async fn transaction(&mut self, commits: &[Commit]) -> Result<Vec<Answer>, sqlx::Error> {
        let seen = begin_and_read(&mut self.conn, &Wanted::of(commits)).await?;
        let (log_size, last_event) = (seen.log_size, seen.last_event);
        let plan = group::decide(commits, seen);
        if plan.rows() == 0 {
            sqlx::query("ROLLBACK").execute(&mut self.conn).await?;
            return Ok(plan.answers);
        }
        write_plan(&mut self.conn, &plan).await?;
        if (log_size, last_event) == (plan.log_size, plan.last_event) {
            sqlx::query("COMMIT").execute(&mut self.conn).await?;
        } else {
            let query = sqlx::query("UPDATE head SET log_size = $1, last_event = $2; COMMIT");
            query.bind(int(plan.log_size)).bind(int(plan.last_event)).execute(&mut self.conn).await?;
        }
        self.pages += 4 * plan.rows() + commits.iter().map(group::size).sum::<usize>() / 4_096;
        Ok(plan.answers)
    }

    fn classify(&mut self, error: sqlx::Error) -> Failure {
        match code(&error) {
            Some(FULL) => self.filled(),
            Some(IO_ERROR) if extended_code(&error) == Some(IO_ERROR_SHMSIZE) => self.filled(),
            Some(CONSTRAINT) => Failure::Constraint,
            Some(IO_ERROR | CORRUPT | NOT_A_DATABASE) => Failure::Other(self.break_off(&error)),
            // An error without a code is not SQLite's: the connection's thread is gone.
            None => Failure::Other(self.break_off(&error)),
            Some(_) => Failure::Other(StoreError::Unavailable(error.to_string())),
        }
    }

    fn filled(&mut self) -> Failure {
        if !self.full {
            tracing::error!("the disk is full: only reading and commits from the reserve go on");
        }
        self.full = true;
        Failure::Full
    }

    /// Never again: what the disk holds is unknown until the process starts anew.
    fn break_off(&mut self, error: &sqlx::Error) -> StoreError {
        let why = format!("the store failed and must be opened anew: {error}");
        tracing::error!(%error, "the store failed, stop this process");
        self.broken.send_replace(Some(why.clone()));
        StoreError::Unavailable(why)
    }

    /// Writes the WAL back into the database as far as readers allow.
    async fn checkpoint(&mut self) {
        if self.broken.borrow().is_some() {
            return;
        }
        self.pages = 0;
        let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut self.conn).await;
        // A full disk only postpones it.
        if let Err(error) = done
            && let Failure::Other(error) = self.classify(error)
        {
            tracing::warn!(%error, "checkpoint failed");
        }
    }
}

/// What the group needs to know, in one statement. JSON carries the keys, so that one text serves any number of them.
const BEGIN_AND_READ: &str = "BEGIN IMMEDIATE; \
     SELECT 0, log_size, last_event, '', '' FROM head \
     UNION ALL SELECT 1, r.kind, r.version, r.id, '' FROM json_each($1) AS k \
         CROSS JOIN record AS r ON r.kind = k.value ->> 0 AND r.id = k.value ->> 1 \
     UNION ALL SELECT 2, 0, 0, r.scope, r.request_id FROM json_each($2) AS k \
         CROSS JOIN replay AS r ON r.scope = k.value ->> 0 AND r.request_id = k.value ->> 1 \
     UNION ALL SELECT 3, 0, 0, i.peer, i.message FROM json_each($3) AS k \
         CROSS JOIN inbox AS i ON i.peer = k.value ->> 0 AND i.message = k.value ->> 1 \
     UNION ALL SELECT 4, o.number, o.state, o.peer, '' FROM json_each($4) AS k \
         CROSS JOIN outbox AS o ON o.peer = k.value ->> 0 AND o.number = k.value ->> 1 \
     UNION ALL SELECT 5, p.sent, p.received, p.peer, '' FROM json_each($5) AS k CROSS JOIN peer_head AS p ON p.peer = k.value";

async fn begin_and_read(conn: &mut SqliteConnection, wanted: &Wanted<'_>) -> Result<Seen, sqlx::Error> {
    let records: Vec<_> = wanted.records.iter().map(|(kind, id)| (kind.code(), *id)).collect();
    let received: Vec<_> = wanted.received.iter().map(|(peer, message)| (peer.as_str(), message.to_string())).collect();
    let outbox: Vec<_> = wanted.outbox.iter().map(|(peer, number)| (peer.as_str(), int(*number))).collect();
    let query = sqlx::query_as::<_, SeenCols>(BEGIN_AND_READ)
        .bind(json(&records)?)
        .bind(json(&wanted.replays)?)
        .bind(json(&received)?)
        .bind(json(&outbox)?)
        .bind(json(&wanted.peers)?);
    rows::seen(query.fetch_all(conn).await?)
}

fn json(keys: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(keys).map_err(sqlx::Error::decode)
}

type Bound = Query<'static, Sqlite, SqliteArguments>;

/// A multi-row statement in fixed numbers of rows.
struct Rows([(usize, String); 4]);

impl Rows {
    fn new(head: &str, columns: usize, tail: &str) -> Self {
        Self([32, 8, 2, 1].map(|count| {
            let row = |n: usize| format!("({})", (1..=columns).map(|c| format!("${}", n * columns + c)).collect::<Vec<_>>().join(","));
            let values = (0..count).map(row).collect::<Vec<_>>().join(",");
            (count, format!("{head} (VALUES {values}) {tail}"))
        }))
    }

    async fn run<T>(&'static self, conn: &mut SqliteConnection, items: &[T], bind: impl Fn(Bound, &T) -> Bound) -> Result<(), sqlx::Error> {
        let mut rest = items;
        for (count, sql) in &self.0 {
            while rest.len() >= *count {
                let (now, later) = rest.split_at(*count);
                now.iter().fold(sqlx::query(sql.as_str()), &bind).execute(&mut *conn).await?;
                rest = later;
            }
        }
        Ok(())
    }
}

async fn write_plan(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    write_records(conn, plan).await?;
    write_messages(conn, plan).await?;
    write_log(conn, plan).await?;
    write_timers_and_keys(conn, plan).await
}

async fn write_records(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static RECORD: LazyLock<Rows> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO record (kind, id, version, parent, open, alias, clear, sealed) SELECT * FROM",
            8,
            "WHERE true ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, parent = excluded.parent, open = excluded.open, \
             alias = excluded.alias, clear = excluded.clear, sealed = excluded.sealed",
        )
    });
    static REPLAY: LazyLock<Rows> =
        LazyLock::new(|| Rows::new("INSERT INTO replay (scope, request_id, body, outcome, at) SELECT * FROM", 5, ""));

    let records: Vec<_> = plan.records.values().collect();
    RECORD
        .run(conn, &records, |query, r| {
            let query = query.bind(r.kind.code()).bind(r.id.clone()).bind(int(r.version)).bind(r.parent.clone());
            query.bind(i64::from(r.open)).bind(r.alias.clone()).bind(r.clear.clone()).bind(r.sealed.clone())
        })
        .await?;
    REPLAY
        .run(conn, &plan.replays, |query, r| {
            let query = query.bind(r.scope.clone()).bind(r.request_id.clone()).bind(r.body.0.to_vec());
            query.bind(r.outcome.clone()).bind(nanos(r.at))
        })
        .await
}

async fn write_messages(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static INBOX: LazyLock<Rows> = LazyLock::new(|| {
        let head = "INSERT INTO inbox (peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at) SELECT * FROM";
        Rows::new(head, 12, "")
    });
    static OUTBOX: LazyLock<Rows> = LazyLock::new(|| {
        let head = "INSERT INTO outbox (peer, number, message, thread, seq, kind, hash, sealed, subject_kind, subject_id, state, queued, \
                    changed) SELECT * FROM";
        Rows::new(head, 13, "")
    });
    static CHANGED: LazyLock<Rows> = LazyLock::new(|| {
        let head = "UPDATE outbox SET state = v.column3, reason = v.column4, proof = v.column5, changed = v.column6 FROM";
        Rows::new(head, 6, "AS v WHERE outbox.peer = v.column1 AND outbox.number = v.column2")
    });
    static PEER: LazyLock<Rows> = LazyLock::new(|| {
        let tail = "WHERE true ON CONFLICT (peer) DO UPDATE SET sent = excluded.sent, received = excluded.received";
        Rows::new("INSERT INTO peer_head (peer, sent, received) SELECT * FROM", 3, tail)
    });

    INBOX
        .run(conn, &plan.received, |query, m| {
            let query = query.bind(m.peer.to_string()).bind(m.message.to_string()).bind(int(m.number)).bind(m.thread.clone());
            let query = query.bind(int(m.seq)).bind(m.kind.clone()).bind(m.hash.0.to_vec()).bind(m.sealed.clone());
            query.bind(m.proof.clone()).bind(m.outcome.clone()).bind(m.leaf.map(|leaf| leaf.0.to_vec())).bind(nanos(m.at))
        })
        .await?;
    OUTBOX
        .run(conn, &plan.sent, |query, s| {
            let m = s.message;
            let query = query.bind(m.peer.to_string()).bind(int(s.number)).bind(m.message.to_string()).bind(m.thread.clone());
            let query = query.bind(int(m.seq)).bind(m.kind.clone()).bind(m.hash.0.to_vec()).bind(m.sealed.clone());
            let query = query.bind(m.subject.0.code()).bind(m.subject.1.clone()).bind(OutboxState::Waiting.code());
            query.bind(nanos(s.queued)).bind(nanos(s.queued))
        })
        .await?;
    CHANGED
        .run(conn, &plan.changed, |query, (c, at)| {
            let query = query.bind(c.peer.to_string()).bind(int(c.number)).bind(c.state.code());
            query.bind(c.reason.clone()).bind(c.proof.clone()).bind(nanos(*at))
        })
        .await?;
    let peers: Vec<_> = plan.peers.iter().collect();
    PEER.run(conn, &peers, |query, (peer, head)| query.bind(peer.to_string()).bind(int(head.sent)).bind(int(head.received))).await
}

async fn write_log(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static ENTRY: LazyLock<Rows> = LazyLock::new(|| Rows::new("INSERT INTO entry (idx, bytes, leaf, salts, case_id) SELECT * FROM", 5, ""));
    static EVENT: LazyLock<Rows> = LazyLock::new(|| Rows::new("INSERT INTO event (seq, kind, resource, state, at) SELECT * FROM", 5, ""));

    ENTRY
        .run(conn, &plan.entries, |query, (index, e)| {
            let query = query.bind(int(*index)).bind(e.bytes.clone()).bind(e.leaf.0.to_vec());
            query.bind(e.salts.clone()).bind(e.case.clone())
        })
        .await?;
    EVENT
        .run(conn, &plan.events, |query, (seq, e, at)| {
            query.bind(int(*seq)).bind(e.kind.clone()).bind(e.resource.clone()).bind(e.state.clone()).bind(nanos(*at))
        })
        .await
}

async fn write_timers_and_keys(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static SET: LazyLock<Rows> = LazyLock::new(|| {
        let tail = "WHERE true ON CONFLICT (id) DO UPDATE SET due = excluded.due, action = excluded.action";
        Rows::new("INSERT INTO timer (id, due, action) SELECT * FROM", 3, tail)
    });
    static CLEAR: LazyLock<Rows> = LazyLock::new(|| Rows::new("DELETE FROM timer WHERE id IN", 1, ""));
    static KEY: LazyLock<Rows> = LazyLock::new(|| Rows::new("INSERT INTO client_key (id, wrapped) SELECT * FROM", 2, ""));

    let set: Vec<_> = plan.timers.values().flatten().collect();
    SET.run(conn, &set, |query, t| query.bind(t.id.clone()).bind(nanos(t.due)).bind(t.action.clone())).await?;
    let cleared: Vec<_> = plan.timers.iter().filter(|(_, timer)| timer.is_none()).map(|(id, _)| *id).collect();
    CLEAR.run(conn, &cleared, |query, id| query.bind((*id).to_owned())).await?;
    KEY.run(conn, &plan.keys, |query, k| query.bind(k.id.to_string()).bind(k.wrapped.clone())).await
}
