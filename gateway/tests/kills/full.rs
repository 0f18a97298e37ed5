//! T32 on whole gateways: both on one small disk that is filled while a handover is on offer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schakel::wire::status::to_refusal;
use schakel_domain::refusal::Reason;

use crate::node::{Database, region};
use crate::small_disk::SmallDisk;
use crate::work::{Ledger, Worker, judged};

/// Cases that may still fit into space that was set aside before.
const MOST_CASES: usize = 5_000;
/// Longest until work goes on after there is room again; catches a hang only.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_a_case_is_read_and_an_offer_accepted_but_nothing_new_begins_until_there_is_room() {
    let disk = SmallDisk::new(64);
    let (mut sender, mut receiver) = region(disk.path(), &Database::Sqlite).await;
    let worker = Worker::new(&sender, &receiver, Arc::new(Ledger::default()));
    let case = worker.open().await;
    let offer = worker.offer(&case).await;
    let etag = worker.arrived(&offer).await;

    disk.fill();
    let mut refused = None;
    for _ in 0..MOST_CASES {
        refused = worker.try_open().await.err();
        if refused.is_some() {
            break;
        }
    }

    let refusal = to_refusal(&refused.expect("a full disk refuses a new case"));
    assert_eq!(refusal.map(|refusal| refusal.reason), Some(Reason::StorageFull));
    worker.look(&case).await.expect("a case is read from the reserve");
    worker.try_accept(&offer, etag).await.expect("an offer is accepted from the reserve");

    disk.free();
    let since = Instant::now();
    while worker.try_open().await.is_err() {
        assert!(since.elapsed() < LIMIT, "work does not go on after there is room again");
        tokio::task::yield_now().await;
    }
    worker.completed(&offer).await;
    sender.stop(LIMIT);
    receiver.stop(LIMIT);
    judged(&[sender, receiver], 1, Vec::new()).await;
}
