//! T2: killed, or told EIO, at every call by which one handover is written or sent.
//!
//! First one handover is run under strace, and its calls are counted from the start of the gateway on. Then, for each of them: both gateways
//! from the same stores, one under strace that strikes at that call; whoever ends is started again, as a service manager would; the handover
//! goes on until it is done. Afterwards nothing is lost, doubled or led twice, and `schakel audit fsck` finds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use crate::node::{Database, Node, region};
use crate::strace::{CALLS, Fault, Line, WRITE, counting, striking};
use crate::work::{Ledger, Worker, check};
use crate::{AGAIN, LIMIT, fsck, nothing_waits, settled};

/// Points of one kind and fault that are tried by default.
const SAMPLE: usize = 2;
/// Handovers until the point is reached; the second begins with calls that the first ended with.
const HANDOVERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_struck_at_any_call_loses_nothing_doubles_nothing_and_shares_no_lead() {
    strike_everywhere(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_struck_at_any_call_loses_nothing_doubles_nothing_and_shares_no_lead() {
    strike_everywhere(1).await;
}

async fn strike_everywhere(side: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(dir.path(), side).await;
    let counts = stage.count().await;
    let sample = match std::env::var("CRASH_POINTS") {
        Ok(points) if points == "all" => usize::MAX,
        Ok(points) => points.parse().expect("CRASH_POINTS is a number of points of each kind, or all"),
        Err(_) => SAMPLE,
    };
    let (mut struck, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for fault in [Fault::Kill, Fault::Fail] {
        for (&call, &count) in &counts {
            for number in chosen(count, sample) {
                let hit = stage.strike(fault, (call, number)).await;
                let (tried, reached) = struck.entry((call, fault == Fault::Kill)).or_insert((0, 0));
                (*tried, *reached) = (*tried + 1, *reached + usize::from(hit.is_some()));
                if let (Fault::Fail, Some(Hit { files, ended })) = (fault, hit) {
                    *ends.entry((call, files, ended)).or_insert(0) += 1;
                }
            }
        }
    }
    println!("calls of one handover, start included: {counts:?}");
    println!("struck (call, killed): (tried, reached) {struck:?}");
    for ((call, files, ended), times) in ends {
        println!("EIO at {call} {files:?}: {} ({times})", if ended { "ended" } else { "went on" });
    }
    let (tried, reached) = struck.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(reached * 10 >= tried * 9, "of {tried} points only {reached} were reached");
    for call in ["pwrite64", "fsync", "rename", "writev", WRITE] {
        assert!(counts.contains_key(call), "no {call} was seen: the gateway writes or sends in another way now, and this test must follow");
    }
}

/// So many numbers from 1 to `count`, evenly spread.
fn chosen(count: usize, most: usize) -> BTreeSet<usize> {
    let most = most.min(count);
    (0..most).map(|n| (2 * n + 1) * count / (2 * most) + 1).collect()
}

/// Two gateways, and how they began.
struct Stage {
    nodes: [Node; 2],
    side: usize,
    before: [PathBuf; 2],
    log: PathBuf,
}

/// What became of a gateway that was struck.
struct Hit {
    /// Files of the calls that failed, as [`Stage::short`] names them: threads are counted apart, so it may be more than one.
    files: BTreeSet<String>,
    /// Whether the process ended.
    ended: bool,
}

impl Stage {
    /// Both have started once, know their covenant, and are dead.
    async fn set(dir: &Path, side: usize) -> Self {
        let (sender, receiver) = region(dir, &Database::Sqlite).await;
        let mut nodes = [sender, receiver];
        settled(&nodes).await;
        nodes.iter_mut().for_each(Node::kill);
        let before = [dir.join("before-0"), dir.join("before-1")];
        for (node, before) in nodes.iter().zip(&before) {
            copy(&node.home.data, &before.join("data"));
            copy(&node.home.drop, &before.join("drop"));
        }
        Self { nodes, side, before, log: dir.join("strace.log") }
    }

    /// Both are as they were.
    fn reset(&mut self) {
        for (node, before) in self.nodes.iter_mut().zip(&self.before) {
            node.kill();
            for (folder, kept) in [(&node.home.data, "data"), (&node.home.drop, "drop")] {
                fs::remove_dir_all(folder).unwrap();
                copy(&before.join(kept), folder);
            }
        }
        // The strace that was killed with its gateway may still write: it keeps its own file.
        let _none = fs::remove_file(&self.log);
    }

    /// How often one thread makes each call, in one handover and the start before it.
    async fn count(&mut self) -> BTreeMap<&'static str, usize> {
        self.reset();
        self.nodes[1 - self.side].start();
        let words = counting(&self.log, self.nodes[self.side].words());
        assert!(self.nodes[self.side].start_as(&words), "does strace work here?");
        let ledger = Arc::new(Ledger::default());
        Worker::new(&self.nodes[0], &self.nodes[1], Arc::clone(&ledger)).hand_over().await;
        settled(&self.nodes).await;
        let log = fs::read_to_string(&self.log).unwrap();
        let mut counts: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
        for line in log.lines().filter_map(Line::parse).filter(|line| line.arguments.is_some()) {
            let known = CALLS.iter().find(|call| **call == line.call);
            let anchor = || line.call == WRITE && line.file().is_some_and(|file| Path::new(&file) == self.anchor());
            if let Some(call) = known.copied().or_else(|| anchor().then_some(WRITE)) {
                *counts.entry((line.thread.to_owned(), call)).or_default() += 1;
            }
        }
        let mut most = BTreeMap::new();
        for ((_, call), count) in counts {
            let found = most.entry(call).or_insert(0);
            *found = count.max(*found);
        }
        most
    }

    /// Where the head outside the database is written before it takes its name.
    fn anchor(&self) -> PathBuf {
        self.nodes[self.side].home.data.join("checkpoint.new")
    }

    /// One point: handed over in spite of it, and judged. None when it was not reached.
    async fn strike(&mut self, fault: Fault, point: (&'static str, usize)) -> Option<Hit> {
        println!("{fault:?} at {point:?}");
        self.reset();
        self.nodes[1 - self.side].start();
        let (only, words) = (self.anchor(), self.nodes[self.side].words());
        let words = striking(&self.log, fault, point, (point.0 == WRITE).then_some(&*only), words);
        let _opened = self.nodes[self.side].start_as(&words);
        let ledger = Arc::new(Ledger::default());
        let worker = Arc::new(Worker::new(&self.nodes[0], &self.nodes[1], Arc::clone(&ledger)));
        let (mut cases, mut endings) = (Vec::new(), Vec::new());
        while cases.len() < HANDOVERS && endings.is_empty() && self.failed().is_empty() {
            let doing = Arc::clone(&worker);
            let handover = tokio::spawn(async move { doing.hand_over().await });
            self.keep_up(&mut endings, || handover.is_finished()).await;
            cases.push(handover.await.unwrap());
        }
        let files = self.rest(&mut endings, point.0).await;
        self.judge(fault, &endings, must_end(point.0, &files));
        self.nodes.iter_mut().for_each(Node::kill);
        for node in &self.nodes {
            assert_eq!(fsck(&node.home.config), Ok(()), "{}", node.home.id);
        }
        check(&self.nodes, &cases, ledger.told()).await;
        let ended = !endings.is_empty();
        (ended || !files.is_empty()).then_some(Hit { files, ended })
    }

    /// Starts whoever ended again, until this is so.
    async fn keep_up(&mut self, endings: &mut Vec<ExitStatus>, done: impl Fn() -> bool) {
        let since = Instant::now();
        while !done() {
            assert!(since.elapsed() < LIMIT, "the handover does not end");
            self.start_again(endings);
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn start_again(&mut self, endings: &mut Vec<ExitStatus>) {
        for node in &mut self.nodes {
            if let Some(status) = node.ended() {
                endings.push(status);
                node.start();
            }
        }
    }

    /// Waits until nothing waits at either side and, when the struck gateway must end, until it has. Gives the files of the calls that failed.
    async fn rest(&mut self, endings: &mut Vec<ExitStatus>, call: &str) -> BTreeSet<String> {
        let since = Instant::now();
        loop {
            assert!(since.elapsed() < LIMIT, "something still waits, or the gateway goes on after a failed write");
            self.start_again(endings);
            let quiet = nothing_waits(&self.nodes[0]).await && nothing_waits(&self.nodes[1]).await;
            let failed = self.failed();
            let ends = endings.is_empty() && must_end(call, &failed) == Some(true);
            if quiet && !ends {
                return failed;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The files of the calls that were made to fail.
    fn failed(&self) -> BTreeSet<String> {
        let mut failed = BTreeSet::new();
        let log = fs::read_to_string(&self.log).unwrap();
        let mut begun: BTreeMap<&str, Line<'_>> = BTreeMap::new();
        for line in log.lines().filter_map(Line::parse) {
            if line.arguments.is_some() {
                begun.insert(line.thread, line.clone());
            }
            if line.returned.is_some_and(|returned| returned.ends_with("(INJECTED)")) {
                let call = &begun[line.thread];
                let file = call.file().or_else(|| call.quoted().last().map(|&name| name.to_owned())).unwrap_or_default();
                failed.insert(self.short(&file));
            }
        }
        failed
    }

    /// A file below the gateway's own folder; `socket` for whatever has no name in a folder.
    fn short(&self, file: &str) -> String {
        let home = &self.nodes[self.side].home.dir;
        let Ok(inside) = Path::new(file).strip_prefix(home) else { return "socket".to_owned() };
        // Notices have names of their own.
        if inside.starts_with("drop") { "drop".to_owned() } else { inside.display().to_string() }
    }

    fn judge(&self, fault: Fault, endings: &[ExitStatus], must_end: Option<bool>) {
        match fault {
            Fault::Kill => assert!(endings.iter().all(|status| status.signal() == Some(9)), "it ended by itself: {endings:?}"),
            Fault::Fail => {
                assert!(endings.iter().all(|status| status.code() == Some(1)), "ended with an error, or not at all: {endings:?}");
                if let Some(false) = must_end {
                    assert!(endings.is_empty(), "it need not end, and another process gets no further: {endings:?}");
                }
            }
        }
        assert!(endings.len() <= 1, "one fault, one end: {endings:?}");
    }
}

/// Whether the process must end when this call fails on these files: what it wrote to its store, or flushed, may then be anything. The folder
/// itself is left open: SQLite passes over a failure to flush it, the head outside the database does not.
fn must_end(call: &str, files: &BTreeSet<String>) -> Option<bool> {
    let (written, flushed) = (call == "pwrite64", call == "fsync" || call == "fdatasync");
    let ends = |file: &String| (flushed && file == "data/checkpoint.new") || ((written || flushed) && file.starts_with("data/schakel.db"));
    if files.iter().any(ends) {
        return Some(true);
    }
    (!files.is_empty() && !files.contains("data")).then_some(false)
}

/// A folder with its files and their permissions, without what SQLite makes anew.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy(&entry, &target);
        } else if !entry.to_string_lossy().ends_with("-shm") {
            fs::copy(&entry, &target).unwrap();
        }
    }
}
