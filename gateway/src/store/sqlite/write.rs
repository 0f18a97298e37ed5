//! WRITE: a group of commits as one SQLite transaction, and what happens when the disk is full or fails.
//!
//! Each statement is a hop to the connection's thread, and hops are what a commit costs. Statements are therefore few and multi-row, in fixed
//! numbers of rows, so that their texts stay in the statement cache; and all of a small group's go to the thread as one text.

use std::fs::File;
use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Connection, Encode, Sqlite, SqliteConnection, Type};
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
    /// Whether something was erased that the log of changes may still hold.
    scrub: bool,
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
            if self.scrub {
                self.scrub = !self.truncate().await;
            }
            if self.pages >= if idle { CHECKPOINT_PAGES_IDLE } else { CHECKPOINT_PAGES } {
                self.checkpoint().await;
            }
        })
    }

    fn close(mut self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.checkpoint().await;
            // The last connection to close removes the log of changes; one that is scrubbed first holds nothing if that fails.
            if self.scrub {
                self.truncate().await;
            }
            if let Err(error) = self.conn.close().await {
                tracing::warn!(%error, "store closed with an error");
            }
        })
    }
}

impl SqliteWriter {
    pub(super) fn new(conn: SqliteConnection, reserve: Reserve, lock: File, broken: watch::Sender<Option<String>>) -> Self {
        // Nobody knows whether the process before this one ended between an erasure and its scrubbing.
        Self { conn, reserve, pages: 0, full: false, scrub: true, broken, _lock: lock }
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
        let mut script = Script::new(&mut self.conn, plan.rows() <= TOGETHER);
        write_plan(&mut script, &plan).await?;
        if (log_size, last_event) == (plan.log_size, plan.last_event) {
            script.add("COMMIT", |_| {}).await?;
        } else {
            let head = "UPDATE head SET log_size = ?, last_event = ?; COMMIT";
            script
                .add(head, |values| {
                    values.put(int(plan.log_size)).put(int(plan.last_event));
                })
                .await?;
        }
        script.run().await?;
        self.scrub |= !plan.erased.is_empty();
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

    /// Writes the whole WAL back and cuts its file to nothing: a checkpoint alone leaves the old pages in it. Whether it was done; a reader
    /// can be in the way, and it is then tried after the next group.
    async fn truncate(&mut self) -> bool {
        if self.broken.borrow().is_some() {
            return true;
        }
        match sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.conn).await {
            Ok((busy, _, _)) => {
                self.pages = if busy == 0 { 0 } else { self.pages };
                busy == 0
            }
            Err(error) => {
                if let Failure::Other(error) = self.classify(error) {
                    tracing::warn!(%error, "what was erased is still in the log of changes; it is tried again");
                }
                false
            }
        }
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

/// Rows of a group whose statements go as one text. Small groups have few shapes, so these texts are found in the statement cache too.
const TOGETHER: usize = 24;

/// The statements of one group: run together or one by one.
struct Script<'c> {
    conn: &'c mut SqliteConnection,
    together: bool,
    text: String,
    values: Values,
}

/// Values in the order of their question marks. Numbered parameters have names, and SQLite looks for a name from the first one on: with
/// hundreds of parameters that takes longer than writing the rows.
#[derive(Default)]
struct Values {
    arguments: SqliteArguments,
    failed: Option<sqlx::error::BoxDynError>,
}

impl Values {
    fn put<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }
}

impl<'c> Script<'c> {
    fn new(conn: &'c mut SqliteConnection, together: bool) -> Self {
        Self { conn, together, text: String::new(), values: Values::default() }
    }

    /// Adds statements and their values. Unless all go together they are run now.
    async fn add(&mut self, sql: &str, put: impl FnOnce(&mut Values)) -> Result<(), sqlx::Error> {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(sql);
        put(&mut self.values);
        if self.together { Ok(()) } else { self.run().await }
    }

    /// Runs what was added and not yet run.
    async fn run(&mut self) -> Result<(), sqlx::Error> {
        if self.text.is_empty() {
            return Ok(());
        }
        let Values { arguments, failed } = std::mem::take(&mut self.values);
        if let Some(error) = failed {
            return Err(sqlx::Error::Encode(error));
        }
        // Only texts of this file, joined: the values are bound.
        let text = AssertSqlSafe(std::mem::take(&mut self.text));
        sqlx::query_with(text, arguments).execute(&mut *self.conn).await.map(drop)
    }
}

/// A multi-row statement in fixed numbers of rows.
struct Rows([(usize, String); 4]);

impl Rows {
    fn new(head: &str, columns: usize, tail: &str) -> Self {
        Self([32, 8, 2, 1].map(|count| {
            let row = format!("({})", vec!["?"; columns].join(","));
            (count, format!("{head} (VALUES {}) {tail}", vec![row; count].join(",")))
        }))
    }

    async fn run<T>(&self, script: &mut Script<'_>, items: &[T], put: impl Fn(&mut Values, &T)) -> Result<(), sqlx::Error> {
        let mut rest = items;
        for (count, sql) in &self.0 {
            while rest.len() >= *count {
                let (now, later) = rest.split_at(*count);
                script.add(sql, |values| now.iter().for_each(|item| put(values, item))).await?;
                rest = later;
            }
        }
        Ok(())
    }
}

async fn write_plan(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    write_erased(script, plan).await?;
    write_records(script, plan).await?;
    write_messages(script, plan).await?;
    write_log(script, plan).await?;
    write_timers_and_keys(script, plan).await
}

async fn write_erased(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    for erase in &plan.erased {
        let one = |text: &str| {
            let text = text.to_owned();
            move |values: &mut Values| {
                values.put(text);
            }
        };
        script.add("DELETE FROM client_key WHERE id = ?", one(&erase.key.to_string())).await?;
        for (kind, id) in &erase.records {
            let record = |values: &mut Values| {
                values.put(kind.code()).put(id.clone());
            };
            script.add("DELETE FROM record WHERE kind = ? AND id = ?", record).await?;
        }
        for outcome in &erase.outcomes {
            script.add("UPDATE replay SET body = zeroblob(32) WHERE outcome = ?", one(outcome)).await?;
        }
        for sql in [
            "UPDATE inbox SET sealed = x'' WHERE thread = ?",
            "UPDATE outbox SET sealed = x'' WHERE thread = ?",
            "UPDATE entry SET salts = NULL WHERE case_id = ? AND salts IS NOT NULL",
        ] {
            script.add(sql, one(&erase.thread)).await?;
        }
    }
    Ok(())
}

async fn write_records(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
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
        .run(script, &records, |values, r| {
            values.put(r.kind.code()).put(r.id.clone()).put(int(r.version)).put(r.parent.clone());
            values.put(i64::from(r.open)).put(r.alias.clone()).put(r.clear.clone()).put(r.sealed.clone());
        })
        .await?;
    REPLAY
        .run(script, &plan.replays, |values, r| {
            values.put(r.scope.clone()).put(r.request_id.clone()).put(r.body.0.to_vec()).put(r.outcome.clone()).put(nanos(r.at));
        })
        .await
}

async fn write_messages(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static INBOX: LazyLock<Rows> = LazyLock::new(|| {
        let head = "INSERT INTO inbox (peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at) SELECT * FROM";
        Rows::new(head, 12, "")
    });
    static OUTBOX: LazyLock<Rows> = LazyLock::new(|| {
        let head = "INSERT INTO outbox (peer, number, message, thread, seq, kind, hash, sealed, subject_kind, subject_id, state, queued, \
                    changed, trace) SELECT * FROM";
        Rows::new(head, 14, "")
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
        .run(script, &plan.received, |values, m| {
            values.put(m.peer.to_string()).put(m.message.to_string()).put(int(m.number)).put(m.thread.clone());
            values.put(int(m.seq)).put(m.kind.clone()).put(m.hash.0.to_vec()).put(m.sealed.clone());
            values.put(m.proof.clone()).put(m.outcome.clone()).put(m.leaf.map(|leaf| leaf.0.to_vec())).put(nanos(m.at));
        })
        .await?;
    OUTBOX
        .run(script, &plan.sent, |values, s| {
            let m = s.message;
            values.put(m.peer.to_string()).put(int(s.number)).put(m.message.to_string()).put(m.thread.clone());
            values.put(int(m.seq)).put(m.kind.clone()).put(m.hash.0.to_vec()).put(m.sealed.clone());
            values.put(m.subject.0.code()).put(m.subject.1.clone()).put(OutboxState::Waiting.code());
            values.put(nanos(s.queued)).put(nanos(s.queued)).put(s.trace.map(|trace| trace.to_string()));
        })
        .await?;
    CHANGED
        .run(script, &plan.changed, |values, (c, at)| {
            values.put(c.peer.to_string()).put(int(c.number)).put(c.state.code());
            values.put(c.reason.clone()).put(c.proof.clone()).put(nanos(*at));
        })
        .await?;
    let peers: Vec<_> = plan.peers.iter().collect();
    PEER.run(script, &peers, |values, (peer, head)| {
        values.put(peer.to_string()).put(int(head.sent)).put(int(head.received));
    })
    .await
}

async fn write_log(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static ENTRY: LazyLock<Rows> = LazyLock::new(|| Rows::new("INSERT INTO entry (idx, bytes, leaf, salts, case_id) SELECT * FROM", 5, ""));
    static EVENT: LazyLock<Rows> =
        LazyLock::new(|| Rows::new("INSERT INTO event (seq, kind, resource, state, at, trace) SELECT * FROM", 6, ""));

    ENTRY
        .run(script, &plan.entries, |values, (index, e)| {
            values.put(int(*index)).put(e.bytes.clone()).put(e.leaf.0.to_vec()).put(e.salts.clone()).put(e.case.clone());
        })
        .await?;
    EVENT
        .run(script, &plan.events, |values, told| {
            let e = told.event;
            values.put(int(told.seq)).put(e.kind.clone()).put(e.resource.clone()).put(e.state.clone()).put(nanos(told.at));
            values.put(told.trace.map(|trace| trace.to_string()));
        })
        .await
}

async fn write_timers_and_keys(script: &mut Script<'_>, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    static SET: LazyLock<Rows> = LazyLock::new(|| {
        let tail = "WHERE true ON CONFLICT (id) DO UPDATE SET due = excluded.due, action = excluded.action";
        Rows::new("INSERT INTO timer (id, due, action) SELECT * FROM", 3, tail)
    });
    static CLEAR: LazyLock<Rows> = LazyLock::new(|| Rows::new("DELETE FROM timer WHERE id IN", 1, ""));
    static KEY: LazyLock<Rows> = LazyLock::new(|| Rows::new("INSERT INTO client_key (id, wrapped) SELECT * FROM", 2, ""));

    let set: Vec<_> = plan.timers.values().flatten().collect();
    SET.run(script, &set, |values, t| {
        values.put(t.id.clone()).put(nanos(t.due)).put(t.action.clone());
    })
    .await?;
    let cleared: Vec<_> = plan.timers.iter().filter(|(_, timer)| timer.is_none()).map(|(id, _)| *id).collect();
    CLEAR
        .run(script, &cleared, |values, id| {
            values.put((*id).to_owned());
        })
        .await?;
    KEY.run(script, &plan.keys, |values, k| {
        values.put(k.id.to_string()).put(k.wrapped.clone());
    })
    .await
}
