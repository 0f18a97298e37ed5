//! POSTGRES: for several replicas of one gateway. Each replica has one writer task, and the head row, locked by every group, puts the groups
//! of all replicas in one order; reads come from a pool.
//!
//! - The connection is lost: what was in flight is answered [`StoreError::Unavailable`] and the next group connects anew. When it was lost
//!   at COMMIT the outcome is unknown and the text says so; the caller's idempotency record makes trying again safe.
//! - The writer's task ended by a fault of ours: nothing can be committed any more, and [`Store::fatal`] tells the process to stop.
//! - The server's disk is full: every commit is [`StoreError::Full`]. Its volume is not ours, so there is no reserve.

mod throw_away;
mod write;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};

use super::queue::Queue;
use super::rows::{self, inbox_columns, outbox_columns, record_columns, store_lookups, store_reads};
use super::{
    ClientKey, Commit, Committed, EntryRow, EventRow, InboxRow, Kind, MAX_LEAVES, MAX_ROWS, OutboxRow, OutboxState, Page, PeerQueue,
    Record, Replay, Store, StoreError, Timer,
};
pub use throw_away::ThrowAway;
use write::PostgresWriter;

/// The oldest server whose behaviour we know.
const OLDEST: &str = "130000";
const CONNECT: Duration = Duration::from_secs(2);
/// How long a start waits for another replica that migrates.
const MIGRATE: Duration = Duration::from_secs(60);

/// How a PostgreSQL store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Reading connections, at least 1; one more writes.
    pub readers: u32,
}

impl Default for PostgresOptions {
    /// 8 readers.
    fn default() -> Self {
        Self { readers: 8 }
    }
}

/// Opens the store in an existing database, whose tables it makes; several processes may do so at once. Must be called within a tokio
/// runtime. The URL is `postgres://user:password@host:port/database`; it is never part of an error.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached within 2 s, is too old, or does not keep what it answered.
pub async fn open(url: &str, options: PostgresOptions) -> Result<Arc<dyn Store>, StoreError> {
    let connect = connect_options(url)?;
    migrate(&connect).await?;
    let readers = reader_pool(connect.clone(), options.readers).await?;
    let queue = Queue::start(PostgresWriter::new(connect));
    Ok(Arc::new(PostgresStore { readers, queue: Some(queue) }))
}

/// Opens the store for reading alone: nothing is made or brought up to date, there is no writer, and the server itself refuses to write on
/// these connections. For whoever looks at the log of a gateway, running or not.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached within 2 s.
pub async fn open_read_only(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let connect = connect_options(url)?.options([("default_transaction_read_only", "on")]);
    Ok(Arc::new(PostgresStore { readers: reader_pool(connect, 1).await?, queue: None }))
}

async fn reader_pool(connect: PgConnectOptions, readers: u32) -> Result<PgPool, StoreError> {
    PgPoolOptions::new()
        .max_connections(readers.max(1))
        .acquire_timeout(CONNECT)
        // A future dropped at the wrong moment could return a connection with its transaction open (sqlx 0.9), and later writes on it
        // would be lost. We begin none on this pool; should one ever be, it ends here. The BEGIN keeps the server from warning.
        .after_release(|conn, _| {
            Box::pin(async move {
                conn.execute("BEGIN; ROLLBACK").await?;
                Ok(true)
            })
        })
        .connect_with(connect)
        .await
        .map_err(failed)
}

fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions =
        url.parse().map_err(|_| StoreError::Unavailable("the database URL cannot be read: postgres://user@host/database".to_owned()))?;
    Ok(options.application_name("schakel").options([
        ("statement_timeout", "5000"),
        ("idle_in_transaction_session_timeout", "10000"),
        ("synchronous_commit", "on"),
    ]))
}

/// Connects within the time allowed.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Makes or brings up to date the tables, one process at a time (the migrator holds an advisory lock).
async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut conn = connect(options).await.map_err(failed)?;
    check_server(&mut conn).await?;
    // Waiting for another replica's migration is a statement too.
    conn.execute("SET statement_timeout = 0").await.map_err(failed)?;
    let store = include_str!("../../migrations/postgres/0001_store.sql").into_sql_str();
    let leaf = include_str!("../../migrations/postgres/0002_inbox_leaf.sql").into_sql_str();
    let number = include_str!("../../migrations/postgres/0003_inbox_number.sql").into_sql_str();
    let outcome = include_str!("../../migrations/postgres/0004_replay_outcome.sql").into_sql_str();
    let trace = include_str!("../../migrations/postgres/0005_trace.sql").into_sql_str();
    let migrator = Migrator::with_migrations(vec![
        Migration::new(1, "store".into(), MigrationType::Simple, store, false),
        Migration::new(2, "inbox leaf".into(), MigrationType::Simple, leaf, false),
        Migration::new(3, "inbox number".into(), MigrationType::Simple, number, false),
        Migration::new(4, "replay outcome".into(), MigrationType::Simple, outcome, false),
        Migration::new(5, "trace".into(), MigrationType::Simple, trace, false),
    ]);
    match tokio::time::timeout(MIGRATE, migrator.run_direct(None, &mut conn, false)).await {
        Ok(Ok(())) => {}
        Ok(Err(sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _))) => {
            return Err(failed(error));
        }
        Ok(Err(error)) => return Err(StoreError::Damaged(format!("migrations: {error}"))),
        Err(_) => return Err(StoreError::Unavailable("another process has been migrating for a minute".to_owned())),
    }
    conn.close().await.map_err(failed)
}

/// Asserts what we stand on: the server's age, that it keeps what it answered, and one encoding.
async fn check_server(conn: &mut PgConnection) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::int >= $1::int, current_setting('fsync'), current_setting('full_page_writes'), \
               current_setting('synchronous_commit'), current_setting('server_encoding')";
    let found: (bool, String, String, String, String) = sqlx::query_as(sql).bind(OLDEST).fetch_one(conn).await.map_err(failed)?;
    let (recent, fsync, pages, commit, encoding) = (found.0, found.1.as_str(), found.2.as_str(), found.3.as_str(), found.4.as_str());
    if (recent, fsync, pages, commit, encoding) == (true, "on", "on", "on", "UTF8") {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "refusing to start: needs PostgreSQL 13 or newer, fsync on, full_page_writes on, synchronous_commit on and encoding UTF8; \
         found: new enough {recent}, fsync {fsync}, full_page_writes {pages}, synchronous_commit {commit}, encoding {encoding}"
    )))
}

/// SQLSTATE of an error the server gave.
fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged(error.to_string()),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("no connection within 2 s".to_owned()),
        _ if sqlstate(&error).as_deref() == Some(write::DISK_FULL) => StoreError::Full,
        _ => StoreError::Unavailable(error.to_string()),
    }
}

struct PostgresStore {
    readers: PgPool,
    /// None when opened for reading alone.
    queue: Option<Queue>,
}

impl PostgresStore {
    fn queue(&self) -> Result<&Queue, StoreError> {
        self.queue.as_ref().ok_or_else(|| StoreError::Unavailable("opened for reading alone".to_owned()))
    }

    // Cannot fail here; the other database's can, and the reads are shared.
    fn readers(&self) -> Result<&PgPool, StoreError> {
        Ok(&self.readers)
    }
}

impl Store for PostgresStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move { self.queue()?.commit(commit).await })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.queue()?.ready().await })
    }

    fn fatal(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            match &self.queue {
                Some(queue) => queue.ended().await,
                // Who only reads has no writer that could end.
                None => std::future::pending().await,
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(queue) = &self.queue {
                queue.close().await;
            }
            self.readers.close().await;
        })
    }

    store_lookups!();
    store_reads!();
}
