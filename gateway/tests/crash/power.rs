//! T3: the power fails while work is being answered. T4: the same without flushing must lose something, else T3 is blind.
//!
//! Both gateways run under strace, which records every change of their files with its bytes; clients note when they heard what. Then, for many
//! moments: the folder as the disk may hold it after losing its power there ([`crate::disk`]). The store opens, is whole, has every operation
//! that clients had heard of and every message that the peer had been told is kept, and `schakel audit fsck` finds nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use schakel::assembly::{self, Listeners};
use schakel::config::Config;
use schakel::demo::checker::{History, Operation, Outcome, Subject};
use schakel::source::SystemSource;
use schakel::store::sqlite::{self, SqliteOptions};
use schakel::store::{OutboxRow, OutboxState, Store};
use schakel_domain::id::OrgId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::disk::{Dice, Disk, Image, Step, steps};
use crate::faults::copy;
use crate::node::{Database, Node, region};
use crate::strace::recording;
use crate::work::{Ledger, Worker, check};
use crate::{AGAIN, LIMIT, fsck, settled};

/// Clients at the same time, and handovers of each: enough for the store to write its log back into the database several times.
const WORKERS: usize = 3;
const HANDOVERS: usize = 8;
/// Images by default, of both gateways together.
const IMAGES: usize = 50;
/// Which flush of the store's writing thread fails, in the test that is about that: one of the first handover.
const FAILING: usize = 7;
/// Configuration of the gateway that the test without flushing runs in a process of its own.
const CARELESS: &str = "CRASH_CARELESS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_power_fails_everything_that_was_answered_is_there_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = Recorded::make(dir.path(), false).await;

    let findings = recorded.images(images()).await;

    assert!(findings.iter().all(Vec::is_empty), "{:#?}", findings.iter().filter(|found| !found.is_empty()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_flushing_something_that_was_answered_is_lost_or_this_test_is_blind() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = Recorded::make(dir.path(), true).await;

    let findings = recorded.images(images()).await;

    let with = |what: &str| findings.iter().filter(|found| found.iter().any(|one| one.starts_with(what))).count();
    let (operations, messages, broken) = (with(LOST), with(FORGOTTEN), with(BROKEN));
    println!("{} images without flushing: {operations} lost an operation, {messages} a message, {broken} are broken", findings.len());
    assert!(operations > 0 && messages > 0, "nothing is lost without flushing: this test sees nothing");
    // Less careful is not careless of everything: what is there is whole.
    assert_eq!(broken, 0, "{findings:#?}");
}

/// After a failed flush the kernel shows what the disk does not have, and no later flush writes it. Whatever the next process adds behind that
/// would be flushed, answered, and out of reach when the power fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_after_a_failed_flush_does_not_stand_on_what_never_reached_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = Recorded::with_a_failed_flush(dir.path()).await;

    let findings = recorded.images(images() / 2).await;

    assert!(findings.iter().all(Vec::is_empty), "{:#?}", findings.iter().filter(|found| !found.is_empty()).collect::<Vec<_>>());
}

/// The child of the test that does not flush: a gateway whose store does not wait for the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_serves_without_flushing() {
    let Ok(config) = std::env::var(CARELESS) else { return };
    let config = Config::read(Path::new(&config)).unwrap();
    let store = sqlite::open_careless(&config.sqlite_path(), config.store.sqlite()).await.unwrap();
    let _running = assembly::start_on(store, config, Listeners::default(), Arc::<SystemSource>::default()).await.unwrap();
    println!("open:");
    std::future::pending::<()>().await;
}

fn images() -> usize {
    std::env::var("CRASH_IMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(IMAGES)
}

/// What was written, and what was heard, while two gateways worked.
struct Recorded {
    dir: PathBuf,
    nodes: [Node; 2],
    /// Of each of them, one for each of its lives; none of one that was not recorded.
    logs: [Vec<PathBuf>; 2],
    ledger: Arc<Ledger>,
    /// What each of them sent, as it knew in the end.
    sent: [Vec<OutboxRow>; 2],
}

impl Recorded {
    async fn make(dir: &Path, careless: bool) -> Self {
        let mut nodes = begun(dir).await;
        for (side, node) in nodes.iter_mut().enumerate() {
            let program = if careless { careless_words(node) } else { node.words() };
            assert!(node.start_as(&recording(&log(dir, side), None, program)), "does strace work here?");
        }
        let ledger = Arc::new(Ledger::default());
        let mut working = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            let worker = Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger));
            working.spawn(hand_over(worker, HANDOVERS));
        }
        let cases = tokio::time::timeout(LIMIT, working.join_all()).await.expect("handovers end").concat();
        let logs = [vec![log(dir, 0)], vec![log(dir, 1)]];
        Self::ended(dir, nodes, logs, ledger, cases).await
    }

    /// The sender's flush fails in the first handover; it ends, is started again, and goes on.
    async fn with_a_failed_flush(dir: &Path) -> Self {
        let mut nodes = begun(dir).await;
        let words = nodes[0].words();
        nodes[1].start();
        assert!(nodes[0].start_as(&recording(&log(dir, 0), Some(FAILING), words.clone())), "the flush that fails is one of the start");
        let ledger = Arc::new(Ledger::default());
        let working = tokio::spawn(hand_over(Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger)), HANDOVERS));
        let since = Instant::now();
        while nodes[0].ended().is_none() {
            assert!(since.elapsed() < LIMIT, "the gateway goes on after a failed flush");
            tokio::time::sleep(AGAIN).await;
        }
        let again = dir.join("strace-again.log");
        assert!(nodes[0].start_as(&recording(&again, None, words)), "does strace work here?");
        let cases = tokio::time::timeout(LIMIT, working).await.expect("handovers end").unwrap();
        let logs = [vec![log(dir, 0), again], Vec::new()];
        Self::ended(dir, nodes, logs, ledger, cases).await
    }

    async fn ended(dir: &Path, mut nodes: [Node; 2], logs: [Vec<PathBuf>; 2], ledger: Arc<Ledger>, cases: Vec<String>) -> Self {
        settled(&nodes).await;
        nodes.iter_mut().for_each(Node::kill);
        // A process that is killed loses nothing, flushed or not: the kernel has it.
        check(&nodes, &cases, ledger.told()).await;
        let sent = [sent(&nodes[0]).await, sent(&nodes[1]).await];
        Self { dir: dir.to_owned(), nodes, logs, ledger, sent }
    }

    /// Judges so many images, of every side that was recorded; what was found wrong with each.
    async fn images(&self, count: usize) -> Vec<Vec<String>> {
        let mut findings = Vec::new();
        let sides: Vec<usize> = (0..2).filter(|&side| !self.logs[side].is_empty()).collect();
        let share = count.div_ceil(sides.len());
        for side in sides {
            let data = &self.nodes[side].home.data;
            let steps: Vec<Step> = self.logs[side].iter().flat_map(|log| steps(&fs::read_to_string(log).unwrap(), data)).collect();
            let mut disk = Disk::read(&before(&self.dir, side));
            let mut dice = Dice::new(side as u64);
            let mut taken = 0;
            for moment in moments(&steps, share, &mut dice) {
                steps[taken..moment].iter().for_each(|step| disk.take(step));
                taken = moment;
                let at = Timestamp::from_microsecond(steps[moment].at).unwrap();
                let found = self.judge(side, &disk.fail(&mut dice), at).await;
                findings.push(found.into_iter().map(|what| format!("{what}, side {side}, before step {moment}")).collect());
            }
            println!("side {side}: {} steps, {share} images", steps.len());
        }
        findings
    }

    /// What is wrong with this image, of a disk that lost its power at this moment.
    async fn judge(&self, side: usize, image: &Image, at: Timestamp) -> Vec<String> {
        let folder = self.dir.join("image");
        let _none = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (name, bytes) in image {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let database = folder.join("schakel.db");
        let store = match sqlite::open(&database, SqliteOptions { readers: 1, reserve_bytes: 0 }).await {
            Ok(store) => store,
            Err(error) => return vec![format!("{BROKEN}: {error}")],
        };
        let node = &self.nodes[side];
        let org: OrgId = node.home.id.parse().unwrap();
        let mut found = lost(&*store, &org, self.ledger.told_by(at)).await;
        found.extend(forgotten(&*store, &org, &self.nodes[1 - side], &self.sent[1 - side], at).await);
        store.close().await;
        found.extend(damaged(&database).await);
        let config = self.dir.join("image.toml");
        let mut settings: toml::Table = fs::read_to_string(&node.home.config).unwrap().parse().unwrap();
        settings.insert("data".to_owned(), folder.display().to_string().into());
        fs::write(&config, settings.to_string()).unwrap();
        found.extend(fsck(&config).err().map(|why| format!("fsck: {why}")));
        found
    }
}

/// Both have started once, know their covenant, and are dead; what they hold now is taken to be safe.
async fn begun(dir: &Path) -> [Node; 2] {
    let (sender, receiver) = region(dir, &Database::Sqlite).await;
    let mut nodes = [sender, receiver];
    settled(&nodes).await;
    nodes.iter_mut().for_each(Node::kill);
    for (side, node) in nodes.iter().enumerate() {
        copy(&node.home.data, &before(dir, side));
    }
    nodes
}

/// So many cases, one after another.
async fn hand_over(worker: Worker, times: usize) -> Vec<String> {
    let mut cases = Vec::new();
    for _ in 0..times {
        cases.push(worker.hand_over().await);
    }
    cases
}

const LOST: &str = "lost";
const FORGOTTEN: &str = "forgotten";
const BROKEN: &str = "broken";

/// Operations of which a client had heard, and which are not there.
async fn lost(store: &dyn Store, org: &OrgId, told: Vec<Operation>) -> Vec<String> {
    let mut lost = Vec::new();
    for Operation { act, request, outcome, .. } in told.into_iter().filter(|told| told.org == *org) {
        let Outcome::Done { resource } = outcome else { continue };
        let kept = store.replay(&act, &request).await.unwrap().map(|replay| replay.outcome);
        if !kept.as_deref().is_some_and(|kept| kept.ends_with(&resource)) {
            lost.push(format!("{LOST}: {act} of {resource}, kept is {kept:?}"));
        }
    }
    lost
}

/// Messages that the peer had been told were received, and which are not there.
async fn forgotten(store: &dyn Store, org: &OrgId, peer: &Node, sent: &[OutboxRow], at: Timestamp) -> Vec<String> {
    let peer: OrgId = peer.home.id.parse().unwrap();
    let mut forgotten = Vec::new();
    for row in sent.iter().filter(|row| row.message.peer == *org && row.state == OutboxState::Delivered && row.changed <= at) {
        if store.received(&peer, row.message.message).await.unwrap().is_none() {
            forgotten.push(format!("{FORGOTTEN}: {} number {}", row.message.kind, row.number));
        }
    }
    forgotten
}

/// What SQLite's own check finds.
async fn damaged(database: &Path) -> Option<String> {
    let mut conn: SqliteConnection = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    (found != "ok").then(|| format!("{BROKEN}: {found}"))
}

/// Before which steps the power fails, in order: any, and every second time the end of a flush.
fn moments(steps: &[Step], count: usize, dice: &mut Dice) -> Vec<usize> {
    let ends: Vec<usize> = (0..steps.len()).filter(|&n| steps[n].saves()).collect();
    assert!(!ends.is_empty(), "nothing was flushed");
    let one = |n: usize| if n.is_multiple_of(2) { ends[dice.below(ends.len())] } else { dice.below(steps.len()) };
    let mut moments: Vec<usize> = (0..count).map(one).collect();
    moments.sort_unstable();
    moments
}

/// Everything a gateway sent.
async fn sent(node: &Node) -> Vec<OutboxRow> {
    let subject = Subject { org: node.home.id.parse().unwrap(), store: node.open_store().await, checkpoint: None };
    History::read(vec![subject]).await.unwrap().sides.remove(0).sent
}

fn before(dir: &Path, side: usize) -> PathBuf {
    dir.join(format!("before-{side}"))
}

fn log(dir: &Path, side: usize) -> PathBuf {
    dir.join(format!("strace-{side}.log"))
}

/// This very program, as the gateway that does not wait for the disk.
fn careless_words(node: &Node) -> Vec<String> {
    let this = std::env::current_exe().unwrap().display().to_string();
    let config = format!("{CARELESS}={}", node.home.config.display());
    ["env", &config, &this, "--exact", "power::child_that_serves_without_flushing", "--nocapture"].map(str::to_owned).to_vec()
}
