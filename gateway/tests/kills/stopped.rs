//! T34: the processor is taken away from a gateway in the middle of whatever it does (SIGSTOP), for long or again and again, and given back.
//!
//! Whoever stands still neither loses the lead nor keeps one it gave away; an alarm that was due meanwhile is raised once. `FAULTS_LONG`
//! makes it thirty seconds and fifty times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schakel_domain::covenant::Document;

use crate::node::{Database, Node, region_since};
use crate::work::{self, Ledger, Worker};

/// Handovers under way at the same time.
const WORKERS: usize = 4;
/// Answers to an acute offer are wanted within this time here, so that it passes while a gateway stands still.
const RESPOND_S: u64 = 3;
/// Longest until an alarm is raised after a gateway goes on; catches a hang only.
const LIMIT: Duration = Duration::from_secs(60);

fn long() -> bool {
    std::env::var_os("FAULTS_LONG").is_some()
}

/// Acute offers are answered within seconds, not hours.
fn hurried(covenant: &mut Document) {
    let text = covenant.to_toml().unwrap();
    let hurried = text.replace("acuut = \"2h\"", &format!("acuut = \"{RESPOND_S}s\""));
    assert_ne!(hurried, text, "the covenant has a time for acute offers");
    *covenant = Document::from_toml(&hurried).unwrap();
}

/// Stands still for this long.
async fn stands_still(node: &Node, time: Duration) {
    node.signal("STOP");
    // Waits for nothing: this is how long it stands still.
    tokio::time::sleep(time).await;
    node.signal("CONT");
}

/// How often each gateway raised an alarm about this offer.
async fn alarms(nodes: &[Node; 2], offer: &str) -> [usize; 2] {
    let mut counts = [0; 2];
    for (count, node) in counts.iter_mut().zip(nodes) {
        let of_this = |(kind, resource): &(String, String)| kind == "handover.overdue" && resource == offer;
        *count = node.events().await.iter().filter(|event| of_this(event)).count();
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stands_still_leads_nothing_falsely_and_raises_what_was_due_once() {
    let (stand_still_s, strobes) = if long() { (30, 50) } else { (RESPOND_S + 1, 12) };
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = region_since(dir.path(), &Database::Sqlite, jiff::Timestamp::now(), hurried).await;
    let (mut nodes, stop, ledger) = ([sender, receiver], Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
    let workers: Vec<_> =
        (0..WORKERS).map(|_| tokio::spawn(Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger)).run(Arc::clone(&stop)))).collect();
    let idle = Worker::new(&nodes[0], &nodes[1], Arc::clone(&ledger));
    let (mut cases, mut unanswered) = (Vec::new(), Vec::new());

    for still in [0, 1] {
        let case = idle.open().await;
        let offer = idle.offer_within(&case, "acuut").await;
        idle.arrived(&offer).await;
        stands_still(&nodes[still], Duration::from_secs(stand_still_s)).await;
        let since = Instant::now();
        while alarms(&nodes, &offer).await.contains(&0) {
            assert!(since.elapsed() < LIMIT, "nobody was told of {offer}");
            tokio::task::yield_now().await;
        }
        cases.push(case);
        unanswered.push(offer);
    }
    for strobe in 0..strobes {
        ledger.progress(strobe).await;
        let time = Duration::from_millis(20 + strobe as u64 * 37 % 180);
        stands_still(&nodes[strobe % 2], time).await;
    }
    stop.store(true, Ordering::Release);
    for worker in workers {
        worker.await.unwrap();
    }

    for offer in &unanswered {
        assert_eq!(alarms(&nodes, offer).await, [1, 1], "{offer}: told at both, once");
    }
    for node in &nodes {
        let events = node.events().await;
        let alarmed: Vec<_> = events.iter().filter(|(kind, _)| kind == "handover.unconfirmed").collect();
        let mut once = alarmed.clone();
        once.sort();
        once.dedup();
        assert_eq!(alarmed.len(), once.len(), "{}: an alarm twice: {alarmed:?}", node.home.id);
    }
    // Late is not over: both are answered now.
    for offer in &unanswered {
        idle.accept(offer).await;
        idle.completed(offer).await;
    }
    for node in &mut nodes {
        node.stop(Duration::from_secs(30));
    }
    let handovers: Vec<String> = ledger.finished().into_iter().chain(cases).collect();
    println!("{} handovers, {strobes} times stopped for a moment and twice for {stand_still_s} s", handovers.len());
    work::check(&nodes, &handovers, ledger.told()).await;
}
