//! T37 on real processes: their clock is wrong by minutes, hours and a year, forwards and backwards, and jumps while they work (libfaketime).
//!
//! What is under way goes its way, the history holds, deadlines are told by the clock there is, once, and a login that is out of time by
//! that clock is refused until the clock is right. Monotonic time, by which connections and back-off are timed, is left alone: no
//! administrator can set it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use tonic::Code;

use crate::node::{Database, Node, region_since};
use crate::work::{Ledger, Worker, judged_by_cause};

/// Handovers under way at the same time.
const WORKERS: usize = 3;
/// Documents and certificates are older than any jump but that of a year.
const AGE: SignedDuration = SignedDuration::from_hours(48);
/// Longest until a gateway stops; catches a hang only.
const LIMIT: Duration = Duration::from_secs(30);
/// How wrong a clock is while work is under way, in seconds.
const JUMPS_S: [i64; 8] = [600, -600, 3_600, -3_600, 0, -7, 3_600, -3_600];
const YEAR_S: i64 = 365 * 24 * 3_600;
/// Longer than an urgent offer may wait for its answer.
const TOO_LATE_S: i64 = 9 * 3_600;

/// The library that stands between a process and its clock.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("this test needs libfaketime")
}

/// The clock of one gateway's process.
struct Clock(PathBuf);

impl Clock {
    /// Of a gateway that is started anew under it.
    fn of(node: &mut Node) -> Self {
        let clock = Self(node.home.dir.join("clock"));
        clock.off_by(0);
        node.environment = vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", clock.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        node.stop(LIMIT);
        node.start();
        clock
    }

    /// So many seconds ahead of the true time from now on.
    fn off_by(&self, seconds: i64) {
        let half = self.0.with_extension("half");
        std::fs::write(&half, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(&half, &self.0).unwrap();
    }
}

async fn overdue(node: &Node, offer: &str) -> usize {
    node.events().await.iter().filter(|(kind, resource)| kind == "handover.overdue" && resource == offer).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handovers_go_on_and_the_history_holds_while_the_clocks_of_both_gateways_jump() {
    let rounds = if std::env::var_os("FAULTS_LONG").is_some() { 10 } else { 2 };
    let dir = tempfile::tempdir().unwrap();
    let made = jiff::Timestamp::now() - AGE;
    let (mut sender, mut receiver) = region_since(dir.path(), &Database::Sqlite, made, |_| {}).await;
    let clocks = [Clock::of(&mut sender), Clock::of(&mut receiver)];
    let (mut nodes, stop, ledger) = ([sender, receiver], Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
    let workers: Vec<_> =
        (0..WORKERS).map(|_| tokio::spawn(Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger)).run(Arc::clone(&stop)))).collect();

    let mut jumps = 0;
    for round in 0..rounds {
        for seconds in JUMPS_S {
            ledger.progress(jumps).await;
            clocks[jumps % 2].off_by(if round % 2 == 0 { seconds } else { -seconds });
            jumps += 1;
        }
    }
    for strobe in 0..50 {
        clocks[strobe % 2].off_by(JUMPS_S[strobe % JUMPS_S.len()]);
        // Waits for nothing: the clock is wrong for this long.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    clocks.iter().for_each(|clock| clock.off_by(0));
    stop.store(true, Ordering::Release);
    for worker in workers {
        worker.await.unwrap();
    }

    // A year off, no login holds, and nothing is done; a right clock is all it takes.
    let alone = Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger));
    let case = alone.open().await;
    for seconds in [YEAR_S, -YEAR_S] {
        clocks[0].off_by(seconds);
        let refused = alone.try_open().await.unwrap_err();
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::Unavailable), "{refused:?}");
        clocks[0].off_by(0);
        alone.look(&case).await.expect("the clock is right again");
    }
    let offer = alone.offer(&case).await;
    alone.accept(&offer).await;
    alone.completed(&offer).await;
    let handovers = ledger.finished().len() + 1;
    println!("{handovers} handovers, {jumps} jumps and 50 strobes");
    for node in &mut nodes {
        node.stop(LIMIT);
    }
    judged_by_cause(&nodes, handovers, ledger.told()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_starts_after_a_deadline_has_told_of_it_when_its_doors_open_and_a_clock_put_back_tells_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let made = jiff::Timestamp::now() - AGE;
    let (mut sender, mut receiver) = region_since(dir.path(), &Database::Sqlite, made, |_| {}).await;
    let clocks = [Clock::of(&mut sender), Clock::of(&mut receiver)];
    let mut nodes = [sender, receiver];
    let worker = Worker::new(&nodes[0], &nodes[1], Arc::new(Ledger::default()));
    let case = worker.open().await;
    let offer = worker.offer(&case).await;
    worker.arrived(&offer).await;
    for node in &nodes {
        assert_eq!(overdue(node, &offer).await, 0);
    }

    for (node, clock) in nodes.iter_mut().zip(&clocks) {
        node.kill();
        clock.off_by(TOO_LATE_S);
        node.start();
        assert_eq!(overdue(node, &offer).await, 1, "{}: told before its doors opened", node.home.id);
        node.kill();
        clock.off_by(-3_600);
        node.start();
        clock.off_by(0);
        assert_eq!(overdue(node, &offer).await, 1, "{}: not twice", node.home.id);
    }

    worker.accept(&offer).await;
    worker.completed(&offer).await;
    for node in &mut nodes {
        node.stop(LIMIT);
    }
    judged_by_cause(&nodes, 1, Vec::new()).await;
}
