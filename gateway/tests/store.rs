//! Runs the store's contract suite on every store there is, and what only one of them promises.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use schakel::store::contract::{self, Stores};
use schakel::store::sqlite::SqliteOptions;
use schakel::store::{Store, StoreError, memory, sqlite};

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
