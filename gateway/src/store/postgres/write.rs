//! WRITE: a group of commits as one PostgreSQL transaction, a few statements whatever the number of commits.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, Row};

use super::super::group::{self, Plan, Seen, Wanted};
use super::super::queue::{Answer, Writer};
use super::super::rows::{self, SeenCols, int, nanos};
use super::super::{Commit, FORGOTTEN, OutboxState, StoreError};
use super::{connect, failed, sqlstate};

// SQLSTATEs.
pub(super) const DISK_FULL: &str = "53100";
const UNIQUE_VIOLATION: &str = "23505";

/// A whole group takes no longer: the server ends statements after 5 s, but a server that is gone answers nothing.
const GROUP: Duration = Duration::from_secs(15);
/// Removing what was erased from the files takes no longer, or is tried again.
const VACUUM: Duration = Duration::from_secs(60);

/// Owns the writing connection, while there is one.
pub(super) struct PostgresWriter {
    options: PgConnectOptions,
    conn: Option<PgConnection>,
    /// Whether the last commit found the server's disk full.
    full: bool,
    /// Whether something was erased that the tables' files may still hold.
    scrub: bool,
}

/// Why a transaction did not commit.
enum Failure {
    /// The connection was lost before anything was begun on it.
    NotBegun(StoreError),
    Full,
    Constraint,
    Other(StoreError),
}

impl Writer for PostgresWriter {
    fn group<'a>(&'a mut self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<Answer>> {
        Box::pin(self.write(commits))
    }

    fn ready(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.bounded(Task::Probe).await {
                Ok(_) => {
                    self.full = false;
                    Ok(())
                }
                Err(Failure::Full) => Err(StoreError::Full),
                Err(Failure::Constraint) => Err(StoreError::Unavailable("the probe met a constraint".to_owned())),
                Err(Failure::NotBegun(error) | Failure::Other(error)) => Err(error),
            }
        })
    }

    fn tidy(&mut self, idle: bool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.scrub && idle {
                self.scrub = !self.vacuum().await;
            }
        })
    }

    fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut this = self;
            if this.scrub {
                this.vacuum().await;
            }
            if let Some(conn) = this.conn
                && let Err(error) = conn.close().await
            {
                tracing::warn!(%error, "store closed with an error");
            }
        })
    }
}

/// What is done within one bounded stretch of time.
#[derive(Clone, Copy)]
enum Task<'a> {
    Commits(&'a [Commit]),
    Probe,
}

impl PostgresWriter {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, conn: None, full: false, scrub: false }
    }

    async fn write(&mut self, commits: &[Commit]) -> Vec<Answer> {
        match self.bounded(Task::Commits(commits)).await {
            Ok(answers) => {
                self.full = false;
                answers
            }
            Err(Failure::Full) => vec![Err(StoreError::Full); commits.len()],
            Err(Failure::NotBegun(error) | Failure::Other(error)) => vec![Err(error); commits.len()],
            Err(Failure::Constraint) if commits.len() == 1 => vec![Err(StoreError::Conflict("a unique key exists".to_owned()))],
            Err(Failure::Constraint) => {
                let mut answers = Vec::with_capacity(commits.len());
                for commit in commits {
                    answers.append(&mut Box::pin(self.write(std::slice::from_ref(commit))).await);
                }
                answers
            }
        }
    }

    /// Runs a task on the connection, or on a new one when there is none or the old one turns out to be gone. A connection whose state is
    /// not known to be clean is dropped, never used again.
    async fn bounded(&mut self, task: Task<'_>) -> Result<Vec<Answer>, Failure> {
        for _ in 0..2 {
            let old = self.conn.take();
            let reused = old.is_some();
            let mut conn = match old {
                Some(conn) => conn,
                None => connect(&self.options).await.map_err(|error| Failure::NotBegun(failed(error)))?,
            };
            let result = match tokio::time::timeout(GROUP, self.run(&mut conn, task)).await {
                Ok((result, clean)) => {
                    self.conn = clean.then_some(conn);
                    result
                }
                Err(_) => Err(Failure::Other(StoreError::Unavailable("the database did not answer; the outcome is unknown".to_owned()))),
            };
            match result {
                Err(Failure::NotBegun(_)) if reused => {}
                result => return result,
            }
        }
        Err(Failure::NotBegun(StoreError::Unavailable("the database ends its connections".to_owned())))
    }

    /// Removes the old versions of what was erased from the tables' files. The keys' table is written anew as a whole: an ordinary vacuum
    /// frees its pages but leaves bytes in them, and without its key everything else is unreadable. Whether it was done; if not it is tried
    /// after the next group. The server's own log and its archives keep what they hold until they are recycled.
    async fn vacuum(&mut self) -> bool {
        let work = async {
            let mut conn = connect(&self.options).await?;
            conn.execute("SET statement_timeout = 0").await?;
            for sql in ["VACUUM (FULL) client_key", "VACUUM record, inbox, outbox, entry, replay"] {
                conn.execute(sql).await?;
            }
            conn.close().await
        };
        match tokio::time::timeout(VACUUM, work).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what was erased is still in the tables' files; it is tried again");
                false
            }
            Err(_) => {
                tracing::warn!("removing what was erased from the tables' files takes long; it is tried again");
                false
            }
        }
    }

    /// The result, and whether the connection is clean afterwards.
    async fn run(&mut self, conn: &mut PgConnection, task: Task<'_>) -> (Result<Vec<Answer>, Failure>, bool) {
        let mut stage = Stage::Begin;
        let done = match task {
            Task::Commits(commits) => {
                self.scrub |= commits.iter().any(|commit| !commit.erase.is_empty());
                transaction(conn, commits, &mut stage).await
            }
            Task::Probe => probe(conn, self.full, &mut stage).await,
        };
        match done {
            Ok(answers) => (Ok(answers), true),
            Err(error) => {
                let failure = self.classify(error, stage);
                let clean = !matches!(failure, Failure::NotBegun(_)) && conn.execute("ROLLBACK").await.is_ok();
                (Err(failure), clean)
            }
        }
    }

    fn classify(&mut self, error: sqlx::Error, stage: Stage) -> Failure {
        match (sqlstate(&error).as_deref(), stage) {
            (Some(DISK_FULL), _) => {
                if !self.full {
                    tracing::error!("the database's disk is full: every commit is refused");
                }
                self.full = true;
                Failure::Full
            }
            (Some(UNIQUE_VIOLATION), _) => Failure::Constraint,
            (_, Stage::Begin) => Failure::NotBegun(failed(error)),
            (None, Stage::Commit) => {
                Failure::Other(StoreError::Unavailable(format!("connection lost during commit, the outcome is unknown: {error}")))
            }
            _ => Failure::Other(failed(error)),
        }
    }
}

/// How far a transaction came.
#[derive(Clone, Copy)]
enum Stage {
    Begin,
    Within,
    Commit,
}

async fn transaction(conn: &mut PgConnection, commits: &[Commit], stage: &mut Stage) -> Result<Vec<Answer>, sqlx::Error> {
    let wanted = Wanted::of(commits);
    let (log_size, last_event) = begin(conn).await?;
    *stage = Stage::Within;
    let mut seen = read(conn, &wanted).await?;
    (seen.log_size, seen.last_event) = (log_size, last_event);
    let plan = group::decide(commits, seen);
    if plan.rows() == 0 {
        conn.execute("ROLLBACK").await?;
        return Ok(plan.answers);
    }
    write_plan(conn, &plan).await?;
    *stage = Stage::Commit;
    conn.execute("COMMIT").await?;
    Ok(plan.answers)
}

/// Whether a commit would be possible; after a full disk only a real one tells.
async fn probe(conn: &mut PgConnection, full: bool, stage: &mut Stage) -> Result<Vec<Answer>, sqlx::Error> {
    begin(conn).await?;
    *stage = Stage::Within;
    if full {
        sqlx::query("UPDATE head SET log_size = log_size").execute(&mut *conn).await?;
        conn.execute("COMMIT").await?;
    } else {
        conn.execute("ROLLBACK").await?;
    }
    Ok(Vec::new())
}

/// Begins, and waits for the head row: from here on this group is alone among all replicas. The reads that follow are statements of their
/// own, because a statement that waits for a lock still sees what was there before it waited.
async fn begin(conn: &mut PgConnection) -> Result<(u64, u64), sqlx::Error> {
    let row = sqlx::raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT log_size, last_event FROM head WHERE one = 1 FOR UPDATE")
        .fetch_one(conn)
        .await?;
    let unsigned = |n: i64| u64::try_from(n).map_err(|_| sqlx::Error::Decode("damaged head".into()));
    Ok((unsigned(row.try_get(0)?)?, unsigned(row.try_get(1)?)?))
}

/// What the group needs to know, in one statement.
const READ: &str = "SELECT 1::bigint, r.kind, r.version, r.id, ''::text FROM UNNEST($1::bigint[], $2::text[]) AS k (kind, id) \
         JOIN record AS r ON r.kind = k.kind AND r.id = k.id \
     UNION ALL SELECT 2, 0, 0, r.scope, r.request_id FROM UNNEST($3::text[], $4::text[]) AS k (scope, id) \
         JOIN replay AS r ON r.scope = k.scope AND r.request_id = k.id \
     UNION ALL SELECT 3, 0, 0, i.peer, i.message FROM UNNEST($5::text[], $6::text[]) AS k (peer, message) \
         JOIN inbox AS i ON i.peer = k.peer AND i.message = k.message \
     UNION ALL SELECT 4, o.number, o.state, o.peer, '' FROM UNNEST($7::text[], $8::bigint[]) AS k (peer, number) \
         JOIN outbox AS o ON o.peer = k.peer AND o.number = k.number \
     UNION ALL SELECT 5, p.sent, p.received, p.peer, '' FROM peer_head AS p WHERE p.peer = ANY ($9::text[])";

async fn read(conn: &mut PgConnection, wanted: &Wanted<'_>) -> Result<Seen, sqlx::Error> {
    let query = sqlx::query_as::<_, SeenCols>(READ)
        .bind(list(&wanted.records, |(kind, _)| kind.code()))
        .bind(list(&wanted.records, |(_, id)| *id))
        .bind(list(&wanted.replays, |(scope, _)| *scope))
        .bind(list(&wanted.replays, |(_, id)| *id))
        .bind(list(&wanted.received, |(peer, _)| peer.as_str()))
        .bind(list(&wanted.received, |(_, message)| message.to_string()))
        .bind(list(&wanted.outbox, |(peer, _)| peer.as_str()))
        .bind(list(&wanted.outbox, |(_, number)| int(*number)))
        .bind(list(&wanted.peers, |peer| peer.as_str()));
    rows::seen(query.fetch_all(conn).await?)
}

/// One column of many rows.
fn list<'a, T: 'a, V>(items: impl IntoIterator<Item = &'a T>, column: impl Fn(&'a T) -> V) -> Vec<V> {
    items.into_iter().map(column).collect()
}

async fn write_plan(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    write_erased(conn, plan).await?;
    write_records(conn, plan).await?;
    write_replays(conn, plan).await?;
    write_received(conn, plan).await?;
    write_sent(conn, plan).await?;
    write_changed(conn, plan).await?;
    write_peers(conn, plan).await?;
    write_log(conn, plan).await?;
    write_timers(conn, plan).await?;
    write_keys(conn, plan).await
}

async fn write_erased(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    for erase in &plan.erased {
        sqlx::query("DELETE FROM client_key WHERE id = $1").bind(erase.key.to_string()).execute(&mut *conn).await?;
        sqlx::query(
            "DELETE FROM record USING UNNEST($1::bigint[], $2::text[]) AS k (kind, id) WHERE record.kind = k.kind AND record.id = k.id",
        )
        .bind(list(&erase.records, |(kind, _)| kind.code()))
        .bind(list(&erase.records, |(_, id)| id.as_str()))
        .execute(&mut *conn)
        .await?;
        let forget = sqlx::query("UPDATE replay SET body = $1 WHERE outcome = ANY ($2::text[])").bind(FORGOTTEN.0.as_slice());
        forget.bind(list(&erase.outcomes, String::as_str)).execute(&mut *conn).await?;
        for sql in [
            "UPDATE inbox SET sealed = '' WHERE thread = $1",
            "UPDATE outbox SET sealed = '' WHERE thread = $1",
            "UPDATE entry SET salts = NULL WHERE case_id = $1 AND salts IS NOT NULL",
        ] {
            sqlx::query(sql).bind(erase.thread.as_str()).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

async fn write_records(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = plan.records.values().copied().collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO record (kind, id, version, parent, open, alias, clear, sealed) \
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bytea[]) \
         ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, parent = excluded.parent, open = excluded.open, \
         alias = excluded.alias, clear = excluded.clear, sealed = excluded.sealed",
    )
    .bind(list(&rows, |r| r.kind.code()))
    .bind(list(&rows, |r| r.id.as_str()))
    .bind(list(&rows, |r| int(r.version)))
    .bind(list(&rows, |r| r.parent.as_deref()))
    .bind(list(&rows, |r| i64::from(r.open)))
    .bind(list(&rows, |r| r.alias.as_deref()))
    .bind(list(&rows, |r| r.clear.as_str()))
    .bind(list(&rows, |r| r.sealed.as_deref()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_replays(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows = &plan.replays;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO replay (scope, request_id, body, outcome, at) \
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bigint[])",
    )
    .bind(list(rows, |r| r.scope.as_str()))
    .bind(list(rows, |r| r.request_id.as_str()))
    .bind(list(rows, |r| r.body.0.as_slice()))
    .bind(list(rows, |r| r.outcome.as_str()))
    .bind(list(rows, |r| nanos(r.at)))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_received(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows = &plan.received;
    if rows.is_empty() {
        return Ok(());
    }
    // WITH ORDINALITY: the arrival is numbered in the order of the plan.
    sqlx::query(
        "INSERT INTO inbox (peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at) \
         SELECT peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at \
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[], \
         $10::text[], $11::bytea[], $12::bigint[]) WITH ORDINALITY \
         AS k (peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at, place) ORDER BY place",
    )
    .bind(list(rows, |m| m.peer.as_str()))
    .bind(list(rows, |m| m.message.to_string()))
    .bind(list(rows, |m| int(m.number)))
    .bind(list(rows, |m| m.thread.as_str()))
    .bind(list(rows, |m| int(m.seq)))
    .bind(list(rows, |m| m.kind.as_str()))
    .bind(list(rows, |m| m.hash.0.as_slice()))
    .bind(list(rows, |m| m.sealed.as_slice()))
    .bind(list(rows, |m| m.proof.as_slice()))
    .bind(list(rows, |m| m.outcome.as_str()))
    .bind(list(rows, |m| m.leaf.as_ref().map(|leaf| leaf.0.as_slice())))
    .bind(list(rows, |m| nanos(m.at)))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_sent(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows = &plan.sent;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO outbox (peer, number, message, thread, seq, kind, hash, sealed, subject_kind, subject_id, queued, changed, trace, state) \
         SELECT k.*, $13 FROM (SELECT peer, number, message, thread, seq, kind, hash, sealed, of_kind, of_id, queued, queued, trace \
         FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::bytea[], $9::bigint[], \
         $10::text[], $11::bigint[], $12::text[]) AS u (peer, number, message, thread, seq, kind, hash, sealed, of_kind, of_id, queued, trace)) \
         AS k",
    )
    .bind(list(rows, |s| s.message.peer.as_str()))
    .bind(list(rows, |s| int(s.number)))
    .bind(list(rows, |s| s.message.message.to_string()))
    .bind(list(rows, |s| s.message.thread.as_str()))
    .bind(list(rows, |s| int(s.message.seq)))
    .bind(list(rows, |s| s.message.kind.as_str()))
    .bind(list(rows, |s| s.message.hash.0.as_slice()))
    .bind(list(rows, |s| s.message.sealed.as_slice()))
    .bind(list(rows, |s| s.message.subject.0.code()))
    .bind(list(rows, |s| s.message.subject.1.as_str()))
    .bind(list(rows, |s| nanos(s.queued)))
    .bind(list(rows, |s| s.trace.map(|trace| trace.to_string())))
    .bind(OutboxState::Waiting.code())
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_changed(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows = &plan.changed;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE outbox SET state = k.state, reason = k.reason, proof = k.proof, changed = k.changed \
         FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[]) \
         AS k (peer, number, state, reason, proof, changed) WHERE outbox.peer = k.peer AND outbox.number = k.number",
    )
    .bind(list(rows, |(c, _)| c.peer.as_str()))
    .bind(list(rows, |(c, _)| int(c.number)))
    .bind(list(rows, |(c, _)| c.state.code()))
    .bind(list(rows, |(c, _)| c.reason.as_deref()))
    .bind(list(rows, |(c, _)| c.proof.as_deref()))
    .bind(list(rows, |(_, at)| nanos(*at)))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_peers(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = plan.peers.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO peer_head (peer, sent, received) SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) \
         ON CONFLICT (peer) DO UPDATE SET sent = excluded.sent, received = excluded.received",
    )
    .bind(list(&rows, |(peer, _)| peer.as_str()))
    .bind(list(&rows, |(_, head)| int(head.sent)))
    .bind(list(&rows, |(_, head)| int(head.received)))
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_log(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let (entries, events) = (&plan.entries, &plan.events);
    if !entries.is_empty() {
        sqlx::query(
            "INSERT INTO entry (idx, bytes, leaf, salts, case_id) \
             SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[])",
        )
        .bind(list(entries, |(index, _)| int(*index)))
        .bind(list(entries, |(_, e)| e.bytes.as_slice()))
        .bind(list(entries, |(_, e)| e.leaf.0.as_slice()))
        .bind(list(entries, |(_, e)| e.salts.as_deref()))
        .bind(list(entries, |(_, e)| e.case.as_deref()))
        .execute(&mut *conn)
        .await?;
    }
    if !events.is_empty() {
        sqlx::query(
            "INSERT INTO event (seq, kind, resource, state, at, trace) \
             SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])",
        )
        .bind(list(events, |e| int(e.seq)))
        .bind(list(events, |e| e.event.kind.as_str()))
        .bind(list(events, |e| e.event.resource.as_str()))
        .bind(list(events, |e| e.event.state.as_str()))
        .bind(list(events, |e| nanos(e.at)))
        .bind(list(events, |e| e.trace.map(|trace| trace.to_string())))
        .execute(&mut *conn)
        .await?;
    }
    if entries.is_empty() && events.is_empty() {
        return Ok(());
    }
    let query = sqlx::query("UPDATE head SET log_size = $1, last_event = $2 WHERE one = 1");
    query.bind(int(plan.log_size)).bind(int(plan.last_event)).execute(conn).await?;
    Ok(())
}

async fn write_timers(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let set: Vec<_> = plan.timers.values().flatten().copied().collect();
    if !set.is_empty() {
        sqlx::query(
            "INSERT INTO timer (id, due, action) SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[]) \
             ON CONFLICT (id) DO UPDATE SET due = excluded.due, action = excluded.action",
        )
        .bind(list(&set, |t| t.id.as_str()))
        .bind(list(&set, |t| nanos(t.due)))
        .bind(list(&set, |t| t.action.as_str()))
        .execute(&mut *conn)
        .await?;
    }
    let cleared: Vec<_> = plan.timers.iter().filter(|(_, timer)| timer.is_none()).map(|(id, _)| *id).collect();
    if !cleared.is_empty() {
        sqlx::query("DELETE FROM timer WHERE id = ANY ($1::text[])").bind(cleared).execute(conn).await?;
    }
    Ok(())
}

async fn write_keys(conn: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let rows = &plan.keys;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO client_key (id, wrapped) SELECT * FROM UNNEST($1::text[], $2::bytea[])")
        .bind(list(rows, |k| k.id.to_string()))
        .bind(list(rows, |k| k.wrapped.as_slice()))
        .execute(conn)
        .await?;
    Ok(())
}
