//! SQLITE: the embedded default. One task owns the one writing connection and commits in groups; a few connections read.
//!
//! What it stands on is asserted at start, and without it the store does not open: SQLite >= 3.51.3 (older ones can corrupt a WAL when it
//! is reset), WAL, `synchronous=FULL`, no checkpoints behind our back. One process at a time: a lock file beside the database says so.
//! - The disk is full: the whole group is answered [`StoreError::Full`], nothing is applied, reading goes on. `reserve` keeps room for
//!   [`Commit::from_reserve`](super::Commit::from_reserve).
//! - Reading or writing fails (an fsync above all): what the kernel still holds is unknown, so nothing is retried on this handle. The store
//!   is unavailable for ever and [`Store::fatal`] tells the process to stop; a restart reads what the disk really has.

mod lookup;
mod reserve;
mod write;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row, SqlSafeStr, SqliteConnection};
use tokio::sync::watch;

use super::queue::Queue;
use super::rows::{self, inbox_columns, outbox_columns, record_columns, store_reads};
use super::{
    ClientKey, Commit, Committed, EntryRow, EventRow, InboxRow, Kind, MAX_LEAVES, MAX_ROWS, OutboxRow, OutboxState, Page, PeerQueue,
    Record, Replay, Store, StoreError, Timer,
};
use lookup::Lookup;
use reserve::Reserve;
use write::SqliteWriter;

/// The oldest SQLite without the bug that corrupts a WAL at its reset.
const OLDEST: (u32, u32, u32) = (3, 51, 3);
/// How long a connection waits for a lock another one holds.
const BUSY: Duration = Duration::from_secs(5);

/// How a SQLite store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Reading connections, at least 1.
    pub readers: u32,
    /// Bytes set aside for commits from the reserve when the disk is full; 0: none.
    pub reserve_bytes: u64,
}

impl Default for SqliteOptions {
    /// 4 readers, 8 MiB.
    fn default() -> Self {
        Self { readers: 4, reserve_bytes: 8 * 1024 * 1024 }
    }
}

/// Opens the store for reading and writing; makes the file when there is none. Must be called within a tokio runtime.
///
/// # Errors
/// [`StoreError::Unavailable`] when another process has it open, or what is asserted does not hold; [`StoreError::Full`] when there is no
/// room to make it; [`StoreError::Damaged`] when it is not a database of ours.
pub async fn open(path: &Path, options: SqliteOptions) -> Result<Arc<dyn Store>, StoreError> {
    let files = open_files(path.to_owned(), options.reserve_bytes);
    let files = tokio::task::spawn_blocking(files).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let (lock, reserve) = files.map_err(|error| io_failed(path, &error))?;

    let mut conn = SqliteConnection::connect_with(&connect_options(path)).await.map_err(failed)?;
    check_settings(&read_settings(&mut conn).await?)?;
    migrate(&mut conn).await?;
    let readers = reader_pool(path, options.readers).await?;
    let lookup = Lookup::start(reader(path).await?);

    let (broken, watch) = watch::channel(None);
    let queue = Queue::start(SqliteWriter::new(conn, reserve, lock, broken));
    Ok(Arc::new(SqliteStore { readers, lookup, queue: Some(queue), broken: Some(watch), closing: AtomicBool::new(false) }))
}

/// Opens an existing store for reading alone, also while a gateway has it open; commits are answered [`StoreError::Unavailable`].
///
/// # Errors
/// When there is no such store or it cannot be read.
pub async fn open_read_only(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let readers = reader_pool(path, 1).await?;
    let lookup = Lookup::start(reader(path).await?);
    Ok(Arc::new(SqliteStore { readers, lookup, queue: None, broken: None, closing: AtomicBool::new(false) }))
}

/// Locks the database against other processes, makes its file private to its owner, and sets the reserve aside.
fn open_files(path: PathBuf, reserve_bytes: u64) -> impl FnOnce() -> io::Result<(File, Reserve)> {
    move || {
        let private = |path: &Path| OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
        let lock = private(&beside(&path, "lock"))?;
        lock.try_lock().map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "another process has this store open"))?;
        drop(private(&path)?);
        Ok((lock, Reserve::open(beside(&path, "reserve"), reserve_bytes)))
    }
}

/// `store.db` and `lock` make `store.db.lock`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        // We checkpoint ourselves: SQLite's own checkpoint hides a failed fsync behind a commit that succeeded.
        .pragma("wal_autocheckpoint", "0")
        // What is erased or overwritten leaves zeros behind, not its bytes.
        .pragma("secure_delete", "ON")
        // A full disk must not fail a query for want of a temporary file.
        .pragma("temp_store", "MEMORY")
}

/// A connection that cannot write.
fn reading(path: &Path) -> SqliteConnectOptions {
    connect_options(path).create_if_missing(false).pragma("query_only", "ON")
}

async fn reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnection::connect_with(&reading(path)).await.map_err(failed)
}

async fn reader_pool(path: &Path, readers: u32) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(readers.max(1))
        .min_connections(1)
        .acquire_timeout(BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(reading(path))
        .await
        .map_err(failed)
}

async fn migrate(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let store = include_str!("../../migrations/sqlite/0001_store.sql").into_sql_str();
    let leaf = include_str!("../../migrations/sqlite/0002_inbox_leaf.sql").into_sql_str();
    let number = include_str!("../../migrations/sqlite/0003_inbox_number.sql").into_sql_str();
    let outcome = include_str!("../../migrations/sqlite/0004_replay_outcome.sql").into_sql_str();
    let trace = include_str!("../../migrations/sqlite/0005_trace.sql").into_sql_str();
    let migrations = vec![
        Migration::new(1, "store".into(), MigrationType::Simple, store, false),
        Migration::new(2, "inbox leaf".into(), MigrationType::Simple, leaf, false),
        Migration::new(3, "inbox number".into(), MigrationType::Simple, number, false),
        Migration::new(4, "replay outcome".into(), MigrationType::Simple, outcome, false),
        Migration::new(5, "trace".into(), MigrationType::Simple, trace, false),
    ];
    match Migrator::with_migrations(migrations).run_direct(None, conn, false).await {
        Ok(()) => Ok(()),
        Err(sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _)) => Err(failed(error)),
        Err(error) => Err(StoreError::Damaged(format!("migrations: {error}"))),
    }
}

/// What is asserted at start, as SQLite reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    version: String,
    journal_mode: String,
    synchronous: i64,
    autocheckpoint: i64,
    secure_delete: i64,
}

async fn read_settings(conn: &mut SqliteConnection) -> Result<Settings, StoreError> {
    let version = sqlx::query("SELECT sqlite_version()").fetch_one(&mut *conn).await.map_err(failed)?;
    let journal_mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *conn).await.map_err(failed)?;
    let synchronous = sqlx::query("PRAGMA synchronous").fetch_one(&mut *conn).await.map_err(failed)?;
    let autocheckpoint = sqlx::query("PRAGMA wal_autocheckpoint").fetch_one(&mut *conn).await.map_err(failed)?;
    let secure_delete = sqlx::query("PRAGMA secure_delete").fetch_one(&mut *conn).await.map_err(failed)?;
    Ok(Settings {
        version: version.try_get(0).map_err(failed)?,
        journal_mode: journal_mode.try_get(0).map_err(failed)?,
        synchronous: synchronous.try_get(0).map_err(failed)?,
        autocheckpoint: autocheckpoint.try_get(0).map_err(failed)?,
        secure_delete: secure_delete.try_get(0).map_err(failed)?,
    })
}

fn check_settings(found: &Settings) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::Unavailable(format!("refusing to start: {what}")));
    let mut parts = found.version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    if (part(), part(), part()) < OLDEST {
        return refuse(format!("SQLite {} is older than 3.51.3 and can corrupt its log", found.version));
    }
    if found.journal_mode != "wal" {
        return refuse(format!("journal_mode is {}, not wal; does the file system support shared memory?", found.journal_mode));
    }
    if found.synchronous != 2 {
        return refuse(format!("synchronous is {}, not 2 (FULL)", found.synchronous));
    }
    if found.autocheckpoint != 0 {
        return refuse(format!("wal_autocheckpoint is {}, not 0", found.autocheckpoint));
    }
    if found.secure_delete != 1 {
        return refuse(format!("secure_delete is {}, not 1: what is erased would stay in the file", found.secure_delete));
    }
    Ok(())
}

fn io_failed(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}

/// What kind of failure SQLite reports, by its primary result code.
fn failed(error: sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
        return StoreError::Damaged(error.to_string());
    }
    match code(&error) {
        Some(write::CORRUPT | write::NOT_A_DATABASE) => StoreError::Damaged(error.to_string()),
        Some(write::FULL) => StoreError::Full,
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// The primary result code of an error SQLite gave.
fn code(error: &sqlx::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xff)
}

fn extended_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

struct SqliteStore {
    readers: SqlitePool,
    lookup: Lookup,
    /// Absent when opened for reading alone.
    queue: Option<Queue>,
    broken: Option<watch::Receiver<Option<String>>>,
    closing: AtomicBool,
}

impl SqliteStore {
    fn readers(&self) -> Result<&SqlitePool, StoreError> {
        self.whole().map(|()| &self.readers)
    }

    fn lookup(&self) -> Result<&Lookup, StoreError> {
        self.whole().map(|()| &self.lookup)
    }

    /// What a broken store holds is unknown: nothing is read from it either.
    fn whole(&self) -> Result<(), StoreError> {
        match self.broken.as_ref().and_then(|broken| broken.borrow().clone()) {
            Some(why) => Err(StoreError::Unavailable(why)),
            None => Ok(()),
        }
    }

    fn queue(&self) -> Result<&Queue, StoreError> {
        self.queue.as_ref().ok_or_else(|| StoreError::Unavailable("opened for reading alone".to_owned()))
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move { self.queue()?.commit(commit).await })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.queue()?.ready().await })
    }

    fn fatal(&self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let Some(mut broken) = self.broken.clone() else { return std::future::pending().await };
            let why = broken.wait_for(Option::is_some).await.map(|why| why.clone().unwrap_or_default());
            match why {
                Ok(why) => why,
                Err(_) if self.closing.load(Ordering::Acquire) => std::future::pending().await,
                Err(_) => "the store's writer stopped".to_owned(),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closing.store(true, Ordering::Release);
            // Readers first, so that the writer is the last to close: SQLite then writes the log back into the database.
            self.lookup.close().await;
            self.readers.close().await;
            if let Some(queue) = &self.queue {
                queue.close().await;
            }
        })
    }

    fn record<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move { self.lookup()?.record(kind, id).await })
    }

    fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> BoxFuture<'a, Result<Option<Replay>, StoreError>> {
        Box::pin(async move { self.lookup()?.replay(scope, request_id).await })
    }

    fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
        Box::pin(async move { self.lookup()?.received(peer, message).await })
    }

    store_reads!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings { version: "3.51.3".to_owned(), journal_mode: "wal".to_owned(), synchronous: 2, autocheckpoint: 0, secure_delete: 1 }
    }

    #[test]
    fn the_settings_we_stand_on_are_accepted() {
        check_settings(&good()).unwrap();
        check_settings(&Settings { version: "3.53.0".to_owned(), ..good() }).unwrap();
    }

    #[test]
    fn each_setting_we_stand_on_is_refused_when_it_is_otherwise() {
        for bad in [
            Settings { version: "3.51.2".to_owned(), ..good() },
            Settings { version: "3.46.0".to_owned(), ..good() },
            Settings { version: "nonsense".to_owned(), ..good() },
            Settings { journal_mode: "delete".to_owned(), ..good() },
            Settings { synchronous: 1, ..good() },
            Settings { autocheckpoint: 1000, ..good() },
            Settings { secure_delete: 0, ..good() },
        ] {
            assert!(matches!(check_settings(&bad), Err(StoreError::Unavailable(why)) if why.starts_with("refusing to start")), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_with_our_options_has_these_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        File::create(&path).unwrap();

        let mut conn = SqliteConnection::connect_with(&connect_options(&path)).await.unwrap();

        check_settings(&read_settings(&mut conn).await.unwrap()).unwrap();
    }
}
