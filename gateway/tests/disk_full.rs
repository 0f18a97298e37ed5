//! What the stores do when the disk is full or fails. Needs root, to mount small file systems, and strace, to make an fsync fail.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schakel::store::contract::{entry, put};
use schakel::store::postgres::PostgresOptions;
use schakel::store::sqlite::SqliteOptions;
use schakel::store::{ClientKey, Commit, Kind, Store, StoreError, postgres, sqlite};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

#[path = "kit/small_disk.rs"]
mod small_disk;

use small_disk::SmallDisk;

const MIB: u64 = 1024 * 1024;

fn logged(id: &str, kib: usize) -> Commit {
    let mut commit = Commit { entries: vec![entry(id, Some(id))], ..put(id, 1) };
    commit.put[0].sealed = Some(vec![7; kib * 1024]);
    commit
}

fn client_key() -> ClientKey {
    ClientKey { id: "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".parse().unwrap(), wrapped: vec![1] }
}

fn urgent(id: &str) -> Commit {
    Commit { from_reserve: true, ..logged(id, 4) }
}

/// Commits under load, 16 at a time, until the disk is full; returns the ids of those that were answered.
async fn commit_until_full(store: &Arc<dyn Store>, kib: usize) -> Vec<String> {
    let mut answered = Vec::new();
    for round in 0..2_000 {
        let ids: Vec<_> = (0..16).map(|n| format!("load-{round:04}-{n:02}")).collect();
        let answers = futures_util::future::join_all(ids.iter().map(|id| store.commit(logged(id, kib)))).await;
        let full = answers.iter().any(Result::is_err);
        for (id, answer) in ids.into_iter().zip(answers) {
            match answer {
                Ok(_) => answered.push(id),
                Err(error) => assert_eq!(error, StoreError::Full),
            }
        }
        if full {
            return answered;
        }
    }
    panic!("the disk did not fill up");
}

/// Every answered commit is there, with its entry, and nothing else is.
async fn assert_kept(store: &dyn Store, answered: &[String]) {
    for id in answered {
        assert!(store.record(Kind::Case, id).await.unwrap().is_some(), "{id} is gone");
        assert_eq!(store.entries_of(id, 0, 2).await.unwrap().len(), 1, "{id}");
    }
    assert_eq!(store.log_size().await.unwrap(), answered.len() as u64);
}

async fn integrity(path: &Path) -> String {
    let mut conn = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut conn).await.unwrap()
}

fn options(reserve_mib: u64) -> SqliteOptions {
    SqliteOptions { readers: 2, reserve_bytes: reserve_mib * MIB }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_new_work_is_refused_reading_and_the_reserve_go_on_and_space_brings_it_back() {
    let disk = SmallDisk::new(16);
    let path = disk.path().join("store.db");
    let store = sqlite::open(&path, options(4)).await.unwrap();
    let mut answered: Vec<_> = (0..20).map(|n| format!("before-{n}")).collect();
    for id in &answered {
        store.commit(logged(id, 4)).await.unwrap();
    }

    disk.fill();
    answered.extend(commit_until_full(&store, 16).await);

    // New work is refused, whatever else comes with it; reading goes on.
    assert_eq!(store.ready().await, Err(StoreError::Full));
    assert_eq!(store.commit(logged("new", 4)).await, Err(StoreError::Full));
    assert_kept(&*store, &answered).await;
    // Work from the reserve is done, also side by side with what is refused.
    for n in 0..40 {
        let id = format!("urgent-{n}");
        let (urgent, ordinary) = tokio::join!(store.commit(urgent(&id)), store.commit(logged("new", 4)));
        urgent.unwrap();
        answered.push(id);
        assert_eq!(ordinary, Err(StoreError::Full), "beside urgent-{n}");
    }
    assert_kept(&*store, &answered).await;
    assert_eq!(integrity(&path).await, "ok");

    let freed = Instant::now();
    disk.free();
    assert_eq!(store.ready().await, Ok(()));
    store.commit(logged("after", 4)).await.unwrap();
    assert!(freed.elapsed() < Duration::from_secs(5));
    answered.push("after".to_owned());
    assert_eq!(std::fs::metadata(disk.path().join("store.db.reserve")).unwrap().len(), 4 * MIB);
    // One that clashes is told so, and not that the disk is still full.
    let clash = Commit { keys: vec![client_key()], ..Commit::default() };
    store.commit(clash.clone()).await.unwrap();
    assert!(matches!(store.commit(clash).await, Err(StoreError::Conflict(_))));

    store.close().await;
    assert_eq!(integrity(&path).await, "ok");
    assert_kept(&*sqlite::open(&path, options(4)).await.unwrap(), &answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_up_reserve_refuses_without_harm_and_a_restart_on_a_full_disk_reads() {
    let disk = SmallDisk::new(12);
    let path = disk.path().join("store.db");
    let store = sqlite::open(&path, options(2)).await.unwrap();
    disk.fill();
    let mut answered = commit_until_full(&store, 16).await;

    let mut urgent_done = 0;
    while store.commit(urgent(&format!("urgent-{urgent_done}"))).await.is_ok() {
        answered.push(format!("urgent-{urgent_done}"));
        urgent_done += 1;
        assert!(urgent_done < 10_000, "2 MiB cannot hold that much");
    }

    assert!(urgent_done > 100, "the reserve held only {urgent_done} commits");
    assert_eq!(store.commit(urgent("late")).await, Err(StoreError::Full));
    store.close().await;
    let store = sqlite::open(&path, options(2)).await.unwrap();
    assert_kept(&*store, &answered).await;
    assert_eq!(store.commit(logged("new", 4)).await, Err(StoreError::Full));
    disk.free();
    store.commit(logged("after", 4)).await.unwrap();
    answered.push("after".to_owned());
    assert_kept(&*store, &answered).await;
    assert_eq!(integrity(&path).await, "ok");
    println!("{urgent_done} commits of about 5 kB from a reserve of 2 MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_postgres_everything_is_refused_nothing_is_lost_and_space_brings_it_back() {
    let disk = SmallDisk::new(192);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres.sh");
    let started = Command::new(&script).arg("start").env("SCHAKEL_TEST_POSTGRES_PARENT", disk.path()).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let printed = String::from_utf8(started.stdout).unwrap();
    let variable = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.unwrap().to_owned()
    };
    let store = postgres::open(&variable("SCHAKEL_TEST_POSTGRES"), PostgresOptions::default()).await.unwrap();
    let mut answered: Vec<_> = (0..20).map(|n| format!("before-{n}")).collect();
    for id in &answered {
        store.commit(logged(id, 4)).await.unwrap();
    }

    disk.fill();
    // Noise, because PostgreSQL compresses; what is refused with the connection was not written.
    let mut refused = 0;
    for n in 0..2_000 {
        let mut commit = logged(&format!("load-{n}"), 0);
        commit.put[0].sealed = Some(noise(n, 64 * 1024));
        match store.commit(commit).await {
            Ok(_) => answered.push(format!("load-{n}")),
            Err(StoreError::Full | StoreError::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "the disk did not fill up");

    disk.free();
    let freed = Instant::now();
    let mut after = store.commit(logged("after", 4)).await;
    while after.is_err() && freed.elapsed() < Duration::from_secs(20) {
        // The server may be starting anew; its answer, not the clock, says when it is there.
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = store.commit(logged("after", 4)).await;
    }
    after.unwrap();
    answered.push("after".to_owned());
    assert_kept(&*store, &answered).await;
    store.close().await;
    let stopped = Command::new(&script).arg("stop").env("SCHAKEL_TEST_POSTGRES_DIR", variable("SCHAKEL_TEST_POSTGRES_DIR")).status();
    assert!(stopped.unwrap().success());
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15 ^ (seed + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

/// The child of the next test: commits until the store breaks, printing what was answered and what the store says then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_commits_until_its_store_breaks() {
    let Ok(path) = std::env::var("SCHAKEL_TEST_BREAKING_STORE") else { return };
    let store = sqlite::open(Path::new(&path), options(0)).await.unwrap();
    for n in 0..100 {
        match store.commit(logged(&format!("c-{n}"), 4)).await {
            Ok(_) => println!("answered c-{n}"),
            Err(error) => {
                println!("broke with {error}");
                break;
            }
        }
    }
    let why = tokio::time::timeout(Duration::from_secs(10), store.fatal()).await;
    println!("fatal {}", why.expect("the store does not say that it broke"));
    assert!(matches!(store.commit(logged("later", 4)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.record(Kind::Case, "c-0").await, Err(StoreError::Unavailable(_))));
    println!("unavailable for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_fsync_breaks_the_store_for_ever_and_loses_no_answered_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = sqlite::open(&path, options(0)).await.unwrap();
    store.close().await;

    let child = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=12+"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_commits_until_its_store_breaks", "--nocapture"])
        .env("SCHAKEL_TEST_BREAKING_STORE", &path)
        .output()
        .expect("this test needs strace");
    let printed = String::from_utf8_lossy(&child.stdout);

    assert!(child.status.success(), "{printed}{}", String::from_utf8_lossy(&child.stderr));
    assert!(printed.contains("fatal the store failed") && printed.contains("unavailable for ever"), "{printed}");
    let answered: Vec<_> = printed.lines().filter_map(|line| line.strip_prefix("answered ")).collect();
    assert!((1..50).contains(&answered.len()), "{printed}");
    let store = sqlite::open(&path, options(0)).await.unwrap();
    for id in answered {
        assert!(store.record(Kind::Case, id).await.unwrap().is_some(), "{id} is gone");
    }
}
