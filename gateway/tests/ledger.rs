//! The audit log as the gateway keeps it: signed in time, never beyond what is committed, and every alteration named.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "ledger/kit.rs"]
mod kit;
#[path = "ledger/cli.rs"]
mod speaking;
#[path = "ledger/tamper.rs"]
mod tamper;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kit::{Counting, signer, write};
use schakel::ledger::export::{Folder, export, nothing};
use schakel::ledger::{Ledger, LedgerError, LedgerFault, PACE};
use schakel::store::postgres::PostgresOptions;
use schakel::store::sqlite::SqliteOptions;
use schakel::store::{Kind, Page, Store, StoreError, memory, postgres, sqlite};
use schakel_domain::audit::tree::{leaf_hash, verify_consistency, verify_inclusion};
use schakel_domain::audit::verify::{Report, Trust};
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::{mpsc, watch};

async fn ledger(store: &Arc<dyn Store>) -> Ledger {
    Ledger::open(Arc::clone(store), signer(), None).await.unwrap()
}

async fn on_sqlite(path: &Path) -> Arc<dyn Store> {
    sqlite::open(path, SqliteOptions { reserve_bytes: 0, ..SqliteOptions::default() }).await.unwrap()
}

/// A store in a database of its own, and the database's URL.
async fn on_postgres(name: &str) -> (Arc<dyn Store>, String) {
    let server = std::env::var("SCHAKEL_TEST_POSTGRES")
        .expect("SCHAKEL_TEST_POSTGRES must name a PostgreSQL server: run this through `tests/postgres.sh run`");
    let database = format!("schakel_ledger_{}_{name}", std::process::id());
    let sql = format!("CREATE DATABASE {database} TEMPLATE template0");
    PgConnection::connect(&server).await.unwrap().execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    (postgres::open(&url, PostgresOptions { readers: 2 }).await.unwrap(), url)
}

/// What `schakel-verify` says of an exported folder.
fn verify_folder(folder: &Path) -> Report {
    let mut read = |path: &str, at_most: usize| match std::fs::read(folder.join(path)) {
        Ok(mut bytes) => {
            bytes.truncate(at_most);
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let trust = Trust { log: Some(signer().vkey().clone()), ..Trust::default() };
    schakel_domain::audit::verify::verify(&mut read, &trust).unwrap()
}

async fn assert_signed_exported_and_whole(store: Arc<dyn Store>) {
    write(&*store, 0..1_000).await;
    let ledger = ledger(&store).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("export");

    let signed = ledger.publish().await.unwrap().signed.unwrap();
    let exported = export(&*store, ledger.vkey(), &mut Folder::new(&out).unwrap(), &nothing, jiff::Timestamp::UNIX_EPOCH).await.unwrap();

    assert_eq!((signed.checkpoint.size, exported), (1_000, 1_000));
    let stored = ledger.verify().await.unwrap();
    let outside = verify_folder(&out);
    assert_eq!((stored.finding.clone(), stored.entries, stored.extends), (None, 1_000, Some(1_000)));
    assert_eq!((outside.finding.clone(), outside.entries, outside.root), (None, 1_000, stored.root));
}

#[tokio::test]
async fn a_thousand_entries_in_memory_are_signed_exported_and_found_whole() {
    assert_signed_exported_and_whole(memory::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_entries_on_sqlite_are_signed_exported_and_found_whole() {
    let folder = tempfile::tempdir().unwrap();
    assert_signed_exported_and_whole(on_sqlite(&folder.path().join("store.db")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_entries_on_postgresql_are_signed_exported_and_found_whole() {
    assert_signed_exported_and_whole(on_postgres("whole").await.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_log_on_postgresql_makes_no_table_and_cannot_write() {
    let (store, url) = on_postgres("read_only").await;
    write(&*store, 0..5).await;
    let server = url.rsplit_once('/').unwrap().0;
    let empty = format!("schakel_ledger_{}_empty", std::process::id());
    let sql = format!("CREATE DATABASE {empty} TEMPLATE template0");
    PgConnection::connect(&url).await.unwrap().execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let empty = format!("{server}/{empty}");

    let reader = postgres::open_read_only(&url).await.unwrap();
    let refused = reader.commit(schakel::store::Commit::default()).await;
    let nothing = postgres::open_read_only(&empty).await.unwrap().log_size().await;

    assert_eq!(reader.log_size().await.unwrap(), 5);
    assert!(matches!(refused, Err(StoreError::Unavailable(_))) && reader.ready().await.is_err());
    assert!(nothing.is_err());
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        .fetch_one(&mut PgConnection::connect(&empty).await.unwrap())
        .await
        .unwrap();
    assert_eq!(tables, 0);
    reader.close().await;
    store.close().await;
}

#[tokio::test]
async fn publishing_a_checkpoint_leaves_no_entry_and_no_event_and_keeps_nothing_open() {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..300).await;

    ledger(&store).await.publish().await.unwrap();

    assert_eq!(store.log_size().await.unwrap(), 300);
    assert_eq!(store.event_range().await.unwrap(), (1, 0));
    let open = Page { open_only: true, after: String::new(), limit: 10 };
    assert!(store.records(Kind::Gateway, open).await.unwrap().is_empty());
}

/// A ledger that runs on a counted store, and whose time passes when the test says so.
struct Running {
    store: Arc<Counting>,
    ledger: Arc<Ledger>,
    sizes: watch::Sender<u64>,
    /// It waits, and for how long.
    pausing: mpsc::Receiver<Duration>,
    /// Lets it go on.
    go: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn on(inner: Arc<dyn Store>) -> Self {
        let store = Counting::of(inner);
        let ledger = Arc::new(Ledger::open(Arc::clone(&store) as Arc<dyn Store>, signer(), None).await.unwrap());
        let (sizes, follow) = watch::channel(0);
        let (paused, pausing) = mpsc::channel(1);
        let (go, going) = mpsc::channel(1);
        let task = tokio::spawn({
            let ledger = Arc::clone(&ledger);
            let going = Arc::new(tokio::sync::Mutex::new(going));
            async move {
                let pause = |wait| {
                    let (paused, going) = (paused.clone(), Arc::clone(&going));
                    async move {
                        let _ = paused.send(wait).await;
                        going.lock().await.recv().await;
                    }
                };
                ledger.run_paced(follow, pause).await;
            }
        });
        Self { store, ledger, sizes, pausing, go, task }
    }

    /// Waits until it waits; a ledger that never does is a failed test, not a hanging one.
    async fn paused(&mut self) -> Duration {
        tokio::time::timeout(Duration::from_secs(20), self.pausing.recv()).await.expect("the ledger pauses").unwrap()
    }

    fn signed(&self) -> u64 {
        self.ledger.checkpoint().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Ends it; it must end by itself.
    async fn end(self) -> (Arc<Counting>, Arc<Ledger>) {
        drop(self.sizes);
        drop(self.go);
        drop(self.pausing);
        self.task.await.unwrap();
        (self.store, self.ledger)
    }
}

#[tokio::test]
async fn a_running_ledger_signs_at_most_once_a_pause_and_then_all_that_came() {
    let mut running = Running::on(memory::new()).await;

    write(&*running.store.inner, 0..1).await;
    running.sizes.send_replace(1);
    assert_eq!(running.paused().await, PACE);
    for number in 1..50 {
        write(&*running.store.inner, number..number + 1).await;
        running.sizes.send_replace(number + 1);
    }
    assert_eq!((running.signed(), running.store.asked().0), (1, 1));
    running.go.send(()).await.unwrap();
    running.paused().await;

    assert_eq!((running.signed(), running.store.asked().0), (50, 2));
}

#[tokio::test]
async fn a_quiet_ledger_reads_nothing_and_commits_nothing() {
    let mut running = Running::on(memory::new()).await;
    write(&*running.store.inner, 0..10).await;
    running.sizes.send_replace(10);
    running.paused().await;
    let asked = running.store.asked();

    // Time passes, and everything that could run does.
    running.go.send(()).await.unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }

    assert_eq!(running.store.asked(), asked);
    assert!(running.pausing.try_recv().is_err());
    assert_eq!(running.end().await.0.asked().0, asked.0);
}

#[tokio::test]
async fn what_was_committed_before_the_end_is_signed_at_the_end() {
    let running = Running::on(memory::new()).await;

    write(&*running.store.inner, 0..7).await;
    let (_, ledger) = running.end().await;

    assert_eq!(ledger.checkpoint().unwrap().checkpoint.size, 7);
}

#[tokio::test]
async fn a_checkpoint_never_covers_an_uncommitted_entry() {
    let inner = memory::new();
    let mut running = Running::on(Arc::clone(&inner) as Arc<dyn Store>).await;
    write(&*inner, 0..10).await;
    inner.fail_next(memory::Fault::Lost);
    let lost = schakel::store::NewEntry { bytes: kit::bytes(10), leaf: leaf_hash(&kit::bytes(10)), salts: None, case: None };
    inner.commit(schakel::store::Commit { entries: vec![lost], ..Default::default() }).await.unwrap_err();

    running.sizes.send_replace(1_000);
    running.paused().await;

    assert_eq!(running.signed(), 10);
    assert!(running.ledger.verify().await.unwrap().ok());
}

#[tokio::test]
async fn a_checkpoint_that_could_not_be_kept_is_not_published_and_is_tried_again_later_and_later() {
    let inner = memory::new();
    write(&*inner, 0..10).await;
    inner.fail_next(memory::Fault::Full);

    let mut running = Running::on(Arc::clone(&inner) as Arc<dyn Store>).await;
    let first = running.paused().await;
    assert_eq!(running.signed(), 0);
    inner.fail_next(memory::Fault::Lost);
    running.go.send(()).await.unwrap();
    let second = running.paused().await;
    running.go.send(()).await.unwrap();
    let third = running.paused().await;

    assert_eq!((first, second, third), (PACE * 2, PACE * 4, PACE));
    assert_eq!(running.signed(), 10);
}

#[tokio::test]
async fn a_checkpoint_that_was_kept_without_an_answer_is_followed_and_not_signed_twice() {
    let inner = memory::new();
    let store: Arc<dyn Store> = Arc::clone(&inner) as Arc<dyn Store>;
    write(&*store, 0..10).await;
    let ledger = ledger(&store).await;
    inner.fail_next(memory::Fault::Unanswered);

    let unknown = ledger.publish().await;
    let again = ledger.publish().await.unwrap();

    assert!(matches!(unknown, Err(LedgerError::Store(StoreError::Unavailable(_)))));
    assert_eq!(again.signed, None);
    assert_eq!(ledger.checkpoint().unwrap().checkpoint.size, 10);
}

#[tokio::test]
async fn two_replicas_sign_one_line_of_checkpoints() {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..10).await;
    let (one, two) = (ledger(&store).await, ledger(&store).await);

    for size in [300, 301, 600, 700_u64] {
        one.publish().await.unwrap();
        write(&*store, store.log_size().await.unwrap()..size).await;
        two.publish().await.unwrap();
        assert_eq!(two.checkpoint().unwrap().checkpoint.size, size);
    }
    one.publish().await.unwrap();

    assert_eq!((one.fault(), two.fault()), (None, None));
    assert_eq!(one.checkpoint(), two.checkpoint());
    assert!(one.verify().await.unwrap().ok());
}

#[tokio::test]
async fn a_database_put_back_as_a_whole_is_refused_by_the_checkpoint_kept_outside_it() {
    let folder = tempfile::tempdir().unwrap();
    let anchor = folder.path().join("checkpoint");
    let inner = memory::new();
    let store: Arc<dyn Store> = Arc::clone(&inner) as Arc<dyn Store>;
    write(&*store, 0..10).await;
    let ledger = Ledger::open(Arc::clone(&store), signer(), Some(anchor.clone())).await.unwrap();
    ledger.publish().await.unwrap();
    let backup = inner.restarted();
    write(&*store, 10..20).await;
    ledger.publish().await.unwrap();

    let restored = Ledger::open(Arc::clone(&backup) as Arc<dyn Store>, signer(), Some(anchor.clone())).await.unwrap();
    // Also when it grows past what was signed, with other entries.
    write(&*backup, 100..200).await;
    let grown = restored.publish().await;

    let fault = LedgerFault::RolledBack { signed: 20, stored: 10 };
    assert_eq!(restored.fault(), Some(fault.clone()));
    assert_eq!(grown, Err(LedgerError::Fault(fault)));
    let untouched = Ledger::open(store, signer(), Some(anchor)).await.unwrap();
    assert_eq!(untouched.fault(), None);
}

#[tokio::test]
async fn a_database_put_back_under_a_running_gateway_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = on_sqlite(&path).await;
    write(&*store, 0..10).await;
    let ledger = ledger(&store).await;
    ledger.publish().await.unwrap();

    let mut raw = tamper::sqlite(&path).await;
    raw.run("DELETE FROM entry WHERE idx >= 5", &[]).await;
    raw.run("UPDATE head SET log_size = 5", &[]).await;
    let refused = ledger.publish().await;

    let fault = LedgerFault::RolledBack { signed: 10, stored: 5 };
    assert_eq!(refused, Err(LedgerError::Fault(fault.clone())));
    write(&*store, 5..50).await;
    assert_eq!(ledger.publish().await, Err(LedgerError::Fault(fault)));
}

#[tokio::test]
async fn a_start_on_altered_entries_signs_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = on_sqlite(&path).await;
    write(&*store, 0..10).await;
    ledger(&store).await.publish().await.unwrap();
    let forged = kit::bytes(99);
    let leaf = leaf_hash(&forged).0.to_vec();
    let mut raw = tamper::sqlite(&path).await;
    raw.run("UPDATE entry SET bytes = $1, leaf = $2 WHERE idx = 4", &[kit::Value::Bytes(forged), kit::Value::Bytes(leaf)]).await;

    let restarted = ledger(&store).await;
    write(&*store, 10..20).await;

    assert_eq!(restarted.fault(), Some(LedgerFault::Altered { size: 10 }));
    assert!(matches!(restarted.publish().await, Err(LedgerError::Fault(_))));
    assert_eq!(restarted.checkpoint(), None);
    assert_eq!(restarted.verify().await.unwrap().finding.unwrap().index, Some(4));
}

#[tokio::test]
async fn a_stored_checkpoint_of_another_key_stops_the_signing() {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..10).await;
    ledger(&store).await.publish().await.unwrap();
    let name = signer().vkey().name().to_owned();
    let other = schakel_domain::audit::note::Signer::from_seed(&name, schakel_domain::audit::note::KeyType::Ed25519, &[1; 32]).unwrap();

    let other = Ledger::open(store, other, None).await.unwrap();

    assert!(matches!(other.fault(), Some(LedgerFault::Checkpoint(_))));
}

#[tokio::test]
async fn every_proof_holds_and_reads_a_few_tiles_at_most() {
    let store = Counting::of(memory::new());
    let ledger = Ledger::open(Arc::clone(&store) as Arc<dyn Store>, signer(), None).await.unwrap();
    let mut heads = vec![];
    for size in [1, 255, 256, 257, 700, 1_024, 1_500_u64] {
        write(&*store.inner, store.inner.log_size().await.unwrap()..size).await;
        heads.push(ledger.publish().await.unwrap().signed.unwrap().checkpoint.clone());
    }

    for head in &heads {
        for index in (0..head.size).step_by(37).chain([head.size - 1]) {
            store.leaves.store(0, Ordering::SeqCst);
            let proof = ledger.inclusion_proof(index, head.size).await.unwrap().unwrap();
            verify_inclusion(leaf_hash(&kit::bytes(index)), index, head.size, &proof, head.root).unwrap();
            assert!(store.leaves.load(Ordering::SeqCst) <= 512);
        }
        store.leaves.store(0, Ordering::SeqCst);
        assert_eq!(ledger.root(head.size).await, Ok(Some(head.root)), "of an older head too");
        assert!(store.leaves.load(Ordering::SeqCst) <= 256, "from one tile at most");
        for old in heads.iter().filter(|old| old.size <= head.size) {
            let proof = ledger.consistency_proof(old.size, head.size).await.unwrap().unwrap();
            verify_consistency((old.size, old.root), (head.size, head.root), &proof).unwrap();
        }
    }
    assert_eq!(ledger.root(1_501).await, Ok(None));
    assert_eq!(ledger.inclusion_proof(1_500, 1_500).await, Ok(None));
    assert_eq!(ledger.inclusion_proof(0, 1_501).await, Ok(None));
    assert_eq!(ledger.consistency_proof(1, 1_501).await, Ok(None));
    assert_eq!(ledger.consistency_proof(2, 1).await, Ok(None));
}

#[tokio::test]
async fn a_check_of_the_log_says_how_far_it_is_before_it_says_how_it_ended() {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..9_000).await;
    let ledger = ledger(&store).await;
    ledger.publish().await.unwrap();
    let told = std::sync::Mutex::new(Vec::new());

    let report = ledger.verify_telling(&|entries| told.lock().unwrap().push(entries)).await.unwrap();

    assert!(report.ok() && report.entries == 9_000);
    assert_eq!(*told.lock().unwrap(), [4_096, 8_192]);
}

#[tokio::test]
async fn no_proof_is_made_from_altered_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = on_sqlite(&path).await;
    write(&*store, 0..600).await;
    let ledger = ledger(&store).await;
    ledger.publish().await.unwrap();
    let mut raw = tamper::sqlite(&path).await;
    raw.run("UPDATE entry SET leaf = $1 WHERE idx = 300", &[kit::Value::Bytes(vec![7; 32])]).await;

    assert!(ledger.inclusion_proof(0, 600).await.unwrap().is_some());
    assert_eq!(ledger.inclusion_proof(301, 600).await, Err(LedgerError::Fault(LedgerFault::Altered { size: 600 })));
    assert!(ledger.fault().is_some());
}

#[tokio::test]
async fn a_restarted_ledger_goes_on_where_it_was() {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..700).await;
    let before = ledger(&store).await;
    before.publish().await.unwrap();

    let after = ledger(&store).await;
    assert_eq!(after.checkpoint(), before.checkpoint());
    assert_eq!(after.publish().await.unwrap().signed, None);
    write(&*store, 700..800).await;
    after.publish().await.unwrap();

    assert!(after.verify().await.unwrap().ok());
    assert_eq!(after.entry(799).await.unwrap().unwrap().entry.bytes, kit::bytes(799));
    assert_eq!(after.entry(800).await.unwrap(), None);
    assert_eq!(after.entries(790, 100).await.unwrap().len(), 10);
}
