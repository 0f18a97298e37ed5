//! T45: what a long log costs. The outcome is asserted always, the times only in the long programme: `PROOF_ENTRIES` sets the size, a
//! million there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schakel::ledger::Ledger;
use schakel::store::sqlite::{self, SqliteOptions};
use schakel::store::{Commit, Expect, Kind, NewEntry, Record, Store};
use schakel_domain::audit::tree::{leaf_hash, verify_inclusion};
use tokio::sync::watch;

use super::kit::{Random, entry, log_key, org};

/// Entries of one commit while the log grows: as many as a batch of messages has at most.
const AT_ONCE: u64 = 100;
/// Commits with and without an entry that are compared, and proofs that are made.
const SAMPLES: usize = 1_000;
/// Entries committed one after the other while the log is signed.
const SIGNED_ALONG: u64 = 300;

/// At most this much is added to a commit by its entry.
const APPEND: Duration = Duration::from_millis(1);
/// An inclusion proof takes at most this long.
const PROOF: Duration = Duration::from_millis(1);
/// A million entries are verified within this time.
const VERIFY: Duration = Duration::from_secs(60);
/// A checkpoint covers an entry at the latest this long after its commit.
const LAG: Duration = Duration::from_secs(1);

fn size() -> (u64, bool) {
    let set = std::env::var("PROOF_ENTRIES").ok().map(|text| text.parse().unwrap());
    (set.unwrap_or(3_000), set.is_some())
}

fn new_entry(number: u64) -> NewEntry {
    let bytes = entry(&org(1), number).bytes().unwrap();
    NewEntry { leaf: leaf_hash(&bytes), bytes, salts: None, case: None }
}

fn record(number: usize) -> Record {
    let id = format!("scale-{number}");
    Record { kind: Kind::Gateway, id, version: 1, parent: None, open: false, alias: None, clear: "{}".to_owned(), sealed: None }
}

/// The 99th of a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

async fn grown(store: &Arc<dyn Store>, ledger: &Ledger, size: u64) {
    for from in (0..size).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let entries = (from..size.min(from + AT_ONCE)).map(new_entry).collect();
        store.commit(Commit { entries, ..Commit::default() }).await.unwrap();
        if from % 50_000 == 0 {
            ledger.publish().await.unwrap();
        }
    }
    while ledger.publish().await.unwrap().signed.is_some() {}
}

/// How much longer a commit takes with an entry than without.
async fn append_adds(store: &dyn Store, size: u64) -> Duration {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for sample in 0..SAMPLES {
        for (times, entries) in [(&mut with, vec![new_entry(size + sample as u64)]), (&mut without, Vec::new())] {
            let put = vec![record(2 * sample + entries.len())];
            let expect = vec![Expect { kind: Kind::Gateway, id: put[0].id.clone(), version: 0 }];
            let since = Instant::now();
            store.commit(Commit { expect, put, entries, ..Commit::default() }).await.unwrap();
            times.push(since.elapsed());
        }
    }
    p99(with).saturating_sub(p99(without))
}

async fn proof_takes(ledger: &Ledger) -> Duration {
    let signed = ledger.checkpoint().unwrap().checkpoint.clone();
    let (mut random, mut times) = (Random(45), Vec::new());
    for _ in 0..SAMPLES {
        let index = random.below(signed.size);
        let leaf = ledger.entry(index).await.unwrap().unwrap().entry.leaf;
        let since = Instant::now();
        let proof = ledger.inclusion_proof(index, signed.size).await.unwrap().unwrap();
        times.push(since.elapsed());
        verify_inclusion(leaf, index, signed.size, &proof, signed.root).unwrap();
    }
    p99(times)
}

/// The longest from a commit until a checkpoint covers it, while the gateway's own signer runs.
async fn checkpoint_lags(store: &Arc<dyn Store>, ledger: &Arc<Ledger>) -> Duration {
    let from = store.log_size().await.unwrap();
    let (sizes, follow) = watch::channel(from);
    let (signer, mut heads) = (Arc::clone(ledger), ledger.checkpoints());
    let signing = tokio::spawn(async move { signer.run(follow).await });
    let (committed, mut to_cover) = tokio::sync::mpsc::unbounded_channel();
    let covering = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        while let Some((size, since)) = to_cover.recv().await {
            let covers = heads.wait_for(|head| head.as_ref().is_some_and(|head| head.checkpoint.size >= size));
            drop(tokio::time::timeout(Duration::from_secs(60), covers).await.expect("a checkpoint in time").unwrap());
            let since: Instant = since;
            longest = longest.max(since.elapsed());
        }
        longest
    });
    for number in 0..SIGNED_ALONG {
        let entries = vec![new_entry(10_000_000 + number)];
        store.commit(Commit { entries, ..Commit::default() }).await.unwrap();
        committed.send((from + number + 1, Instant::now())).unwrap();
        sizes.send_replace(from + number + 1);
        // Waits for nothing: entries come all the while that the signer works.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(committed);
    let longest = covering.await.unwrap();
    drop(sizes);
    signing.await.unwrap();
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_appended_to_proven_from_signed_and_verified_in_time() {
    let (size, judged) = size();
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::default() };
    let store: Arc<dyn Store> = sqlite::open(&folder.path().join("store.db"), options).await.unwrap();
    let ledger = Arc::new(Ledger::open(Arc::clone(&store), log_key(&org(1)), Some(folder.path().join("checkpoint"))).await.unwrap());

    grown(&store, &ledger, size).await;
    let adds = append_adds(&*store, size).await;
    while ledger.publish().await.unwrap().signed.is_some() {}
    let proof = proof_takes(&ledger).await;
    let lag = checkpoint_lags(&store, &ledger).await;
    let since = Instant::now();
    let report = ledger.verify().await.unwrap();
    let verify = since.elapsed();

    let all = size + SAMPLES as u64 + SIGNED_ALONG;
    assert_eq!((report.finding, report.entries, report.size), (None, all, all));
    println!(
        "{all} entries: an entry adds {adds:?} (p99), a proof {proof:?} (p99), verified in {verify:?}, a checkpoint lags {lag:?} at most"
    );
    if judged {
        assert!(adds <= APPEND && proof <= PROOF && verify <= VERIFY && lag <= LAG, "{adds:?} {proof:?} {verify:?} {lag:?}");
    }
    store.close().await;
}
