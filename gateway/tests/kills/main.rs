//! What gateways in processes of their own survive: T1 here, a full disk (T32) in `full`, wrong clocks (T37) in `clocks`, and standing still
//! (T34) in `stopped`.
//!
//! T1: two gateways in processes of their own under a load of handovers, killed (SIGKILL) at random points, alternating.
//!
//! Whatever was answered is there exactly once at both sides, every case has one lead, and both logs verify. How fast a killed gateway is
//! ready again is printed; it is judged only by the long run. `KILLS` sets the number of kills, 50 by default.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clocks;
mod full;
mod node;
#[path = "../kit/small_disk.rs"]
mod small_disk;
mod stopped;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use node::{Database, region};
use work::{Ledger, Worker};

/// Handovers under way at the same time.
const WORKERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_nothing_is_lost_doubled_or_led_twice_however_often_a_gateway_is_killed() {
    kill_under_load(Database::Sqlite, 50).await;
}

/// The database server goes on; what a killed gateway had under way ends with its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_nothing_is_lost_doubled_or_led_twice_however_often_a_gateway_is_killed() {
    let server = std::env::var("SCHAKEL_TEST_POSTGRES").expect("run this through `tests/postgres.sh run`");
    kill_under_load(Database::Postgres(server), 50).await;
}

async fn kill_under_load(database: Database, kills: usize) {
    let kills: usize = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(kills);
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = region(dir.path(), &database).await;
    let (mut nodes, stop, ledger) = ([sender, receiver], Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
    let workers: Vec<_> =
        (0..WORKERS).map(|_| tokio::spawn(Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger)).run(Arc::clone(&stop)))).collect();

    let mut ready = Vec::new();
    for kill in 0..kills {
        ledger.progress(kill).await;
        nodes[kill % 2].kill();
        let since = Instant::now();
        nodes[kill % 2].start();
        ready.push(since.elapsed());
    }
    stop.store(true, Ordering::Release);
    for worker in workers {
        worker.await.unwrap();
    }
    let handovers = ledger.finished();
    ready.sort();
    println!("{kills} kills, {} handovers, ready again: median {:?}, worst {:?}", handovers.len(), ready[kills / 2], ready[kills - 1]);

    for node in &mut nodes {
        node.stop(Duration::from_secs(30));
    }
    assert!(handovers.len() >= kills / 5, "the load must go on between the kills: {}", handovers.len());
    work::check(&nodes, &handovers, ledger.told()).await;
}
