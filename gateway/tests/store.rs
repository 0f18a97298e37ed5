//! Runs the store's contract suite on every store there is, and what only one of them promises.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use schakel::store::contract::{self, Stores};
use schakel::store::postgres::PostgresOptions;
use schakel::store::sqlite::SqliteOptions;
use schakel::store::{Store, StoreError, memory, postgres, sqlite};

mod in_memory {
    use super::*;

    #[derive(Default)]
    struct InMemory(std::sync::Mutex<Option<Arc<memory::MemoryStore>>>);

    impl Stores for InMemory {
        fn fresh(&self) -> BoxFuture<'_, Arc<dyn Store>> {
            let store = memory::new();
            *self.0.lock().unwrap() = Some(Arc::clone(&store));
            Box::pin(std::future::ready(store as Arc<dyn Store>))
        }

        fn reopen(&self, _store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>> {
            let restarted = self.0.lock().unwrap().as_ref().unwrap().restarted();
            Box::pin(std::future::ready(restarted as Arc<dyn Store>))
        }
    }

    schakel::store_contract!(InMemory::default());

    #[tokio::test]
    async fn a_fault_loses_the_commit_or_only_its_answer() {
        let store = memory::new();

        store.fail_next(memory::Fault::Lost);
        assert!(matches!(store.commit(contract::put("lost", 1)).await, Err(StoreError::Unavailable(_))));
        store.fail_next(memory::Fault::Unanswered);
        assert!(matches!(store.commit(contract::put("made", 1)).await, Err(StoreError::Unavailable(_))));

        assert_eq!(store.record(schakel::store::Kind::Case, "lost").await.unwrap(), None);
        assert!(store.record(schakel::store::Kind::Case, "made").await.unwrap().is_some());
        store.commit(contract::put("fine", 1)).await.unwrap();
    }
}

mod on_sqlite {
    use super::*;

    struct OnSqlite {
        folder: tempfile::TempDir,
        made: AtomicU32,
    }

    impl OnSqlite {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), made: AtomicU32::new(0) }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join(format!("store-{}.db", self.made.load(Ordering::Relaxed)))
        }
    }

    fn options() -> SqliteOptions {
        SqliteOptions { reserve_bytes: 0, ..SqliteOptions::default() }
    }

    impl Stores for OnSqlite {
        fn fresh(&self) -> BoxFuture<'_, Arc<dyn Store>> {
            self.made.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { sqlite::open(&self.path(), options()).await.unwrap() })
        }

        fn reopen(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>> {
            Box::pin(async move {
                store.close().await;
                sqlite::open(&self.path(), options()).await.unwrap()
            })
        }
    }

    schakel::store_contract!(OnSqlite::new());

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ten_thousand_cancellations_lose_nothing_that_was_answered() {
        let stores = OnSqlite::new();
        let store = stores.fresh().await;

        let answered = contract::cancel_at_random_points(&store, 10_000).await;
        let store = stores.reopen(store).await;

        contract::assert_whole_or_absent(&*store, &answered).await;
        println!("{} of 10000 answered, {} written", answered.len(), store.log_size().await.unwrap());
    }

    #[tokio::test]
    async fn a_second_process_is_refused_and_a_reader_is_not() {
        let stores = OnSqlite::new();
        let store = stores.fresh().await;
        store.commit(contract::put("a", 1)).await.unwrap();

        let second = sqlite::open(&stores.path(), options()).await;
        let reader = sqlite::open_read_only(&stores.path()).await.unwrap();

        assert!(matches!(second.err(), Some(StoreError::Unavailable(why)) if why.contains("another process")));
        assert!(reader.record(schakel::store::Kind::Case, "a").await.unwrap().is_some());
        assert!(matches!(reader.commit(contract::put("b", 1)).await, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_damaged_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        std::fs::write(&path, "an invented letter, not a database; long enough to be read as a header".repeat(20)).unwrap();
        let before = std::fs::read(&path).unwrap();

        let opened = sqlite::open(&path, options()).await;

        assert!(matches!(opened.err(), Some(StoreError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn after_closing_commits_are_refused() {
        let stores = OnSqlite::new();
        let store = stores.fresh().await;

        store.close().await;

        assert!(matches!(store.commit(contract::put("a", 1)).await, Err(StoreError::Unavailable(_))));
    }
}

mod on_postgres {
    use sqlx::{Connection, Executor, PgConnection};

    use super::*;

    /// A database of its own per store, on the server the environment names.
    struct OnPostgres {
        server: String,
        /// Numbers of this and of the store made last.
        number: u32,
        made: AtomicU32,
    }

    static NUMBER: AtomicU32 = AtomicU32::new(0);

    impl OnPostgres {
        fn new() -> Self {
            let server = std::env::var("SCHAKEL_TEST_POSTGRES")
                .expect("SCHAKEL_TEST_POSTGRES must name a PostgreSQL server: run this through `tests/postgres.sh run`");
            Self { server, number: NUMBER.fetch_add(1, Ordering::Relaxed), made: AtomicU32::new(0) }
        }

        async fn admin(&self) -> PgConnection {
            PgConnection::connect(&self.server).await.unwrap()
        }

        /// The URL of the store made last.
        fn url(&self) -> String {
            let (server, _) = self.server.rsplit_once('/').unwrap();
            format!("{server}/{}", self.database())
        }

        fn database(&self) -> String {
            format!("schakel_{}_{}_{}", std::process::id(), self.number, self.made.load(Ordering::Relaxed))
        }

        async fn open(&self) -> Arc<dyn Store> {
            postgres::open(&self.url(), PostgresOptions { readers: 3 }).await.unwrap()
        }

        async fn create(&self) {
            self.made.fetch_add(1, Ordering::Relaxed);
            let sql = format!("CREATE DATABASE {} TEMPLATE template0", self.database());
            self.admin().await.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        }

        /// How many sessions on the store's database are in a state.
        async fn sessions(&self, state: &str) -> i64 {
            let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1 AND state LIKE $2 || '%'";
            sqlx::query_scalar(sql).bind(self.database()).bind(state).fetch_one(&mut self.admin().await).await.unwrap()
        }

        /// Ends every session on the store's database, as a restart of the server would.
        async fn end_sessions(&self) {
            let sql = "SELECT COUNT(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
            sqlx::query(sql).bind(self.database()).execute(&mut self.admin().await).await.unwrap();
        }
    }

    impl Stores for OnPostgres {
        fn fresh(&self) -> BoxFuture<'_, Arc<dyn Store>> {
            Box::pin(async {
                self.create().await;
                self.open().await
            })
        }

        fn reopen(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>> {
            Box::pin(async move {
                store.close().await;
                self.open().await
            })
        }
    }

    schakel::store_contract!(OnPostgres::new());

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ten_thousand_cancellations_lose_nothing_and_leave_no_transaction_open() {
        let stores = OnPostgres::new();
        let store = stores.fresh().await;

        let answered = contract::cancel_at_random_points(&store, 10_000).await;
        // Everything before it is done when this is answered.
        store.commit(contract::put("last", 1)).await.unwrap();
        let open = stores.sessions("idle in transaction").await;

        assert_eq!(open, 0);
        let written = store.log_size().await.unwrap();
        store.commit(schakel::store::Commit { entries: vec![contract::entry("last", Some("last"))], ..Default::default() }).await.unwrap();
        let store = stores.reopen(store).await;
        contract::assert_whole_or_absent(&*store, &answered).await;
        println!("{} of 10000 answered, {written} written, {open} idle in transaction", answered.len());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lost_connection_is_replaced_without_losing_a_commit() {
        let stores = OnPostgres::new();
        let store = stores.fresh().await;
        store.commit(contract::put("a", 1)).await.unwrap();

        stores.end_sessions().await;

        store.commit(contract::put("b", 1)).await.unwrap();
        store.ready().await.unwrap();
        assert!(store.record(schakel::store::Kind::Case, "a").await.unwrap().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connections_lost_under_load_lose_no_answered_commit() {
        let stores = OnPostgres::new();
        let store = stores.fresh().await;
        let load = |from: u32| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for n in 0..200 {
                    let id = format!("{from}-{n}");
                    let commit = schakel::store::Commit { entries: vec![contract::entry(&id, Some(&id))], ..contract::put(&id, 1) };
                    match store.commit(commit).await {
                        Ok(_) => answered.push(id),
                        Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
                    }
                }
                answered
            })
        };

        let loads: Vec<_> = (0..8).map(load).collect();
        for _ in 0..20 {
            stores.end_sessions().await;
        }
        let mut answered = Vec::new();
        for load in loads {
            answered.extend(load.await.unwrap());
        }

        contract::assert_whole_or_absent(&*stores.open().await, &answered).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn replicas_start_at_once_and_share_one_order() {
        let stores = OnPostgres::new();
        stores.create().await;
        let replicas = futures_util::future::join_all((0..4).map(|_| stores.open())).await;
        let each = |n: u32, commit| {
            let replica = Arc::clone(&replicas[n as usize % 4]);
            tokio::spawn(async move { replica.commit(commit).await })
        };
        let log = (0..200_u32).map(|n| {
            let commit = schakel::store::Commit {
                entries: vec![contract::entry(&n.to_string(), None)],
                send: vec![contract::outgoing(&contract::peer(1), n.into())],
                ..Default::default()
            };
            each(n, commit)
        });
        for done in futures_util::future::join_all(log).await {
            done.unwrap().unwrap();
        }
        // Nothing but the version of one record: no unique index would notice two winners.
        let rivals = (0..200_u32).map(|n| each(n, contract::put(&format!("contended-{}", n / 8), 1)));
        let won = futures_util::future::join_all(rivals).await.into_iter().filter(|answer| answer.as_ref().unwrap().is_ok()).count();

        assert_eq!(won, 25);
        assert_eq!(replicas[1].log_size().await.unwrap(), 200);
        assert_eq!(replicas[2].outbox_peers().await.unwrap()[0].highest, 200);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable_within_seconds() {
        let opened = postgres::open("postgres://schakel@127.0.0.1:1/none", PostgresOptions::default()).await;

        assert!(matches!(opened.err(), Some(StoreError::Unavailable(_))));
    }
}
