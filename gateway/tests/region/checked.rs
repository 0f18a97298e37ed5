//! A check of the whole log at the audit door, on a log that takes a while: whoever asked hears how far it is, and nobody asks twice at once.

use std::collections::VecDeque;

use jiff::Timestamp;
use schakel::store::{Commit, NewEntry};
use schakel::wire::status::to_refusal;
use schakel_domain::refusal::Reason;
use schakel_proto::audit::v1::{VerifyLogRequest, VerifyLogResponse};
use tonic::{Request, Status, Streaming};

use super::kit::{Gateway, Region};

/// How many entries there are at least: five times what is checked between two answers.
const ENTRIES: usize = 5 * 16 * 256;
/// Entries in one commit.
const AT_ONCE: usize = 512;
/// A check that is over before the second is asked proves nothing: so often it is tried.
const TRIES: usize = 20;

/// Makes the log long: its first entry again and again.
async fn lengthen(gateway: &Gateway) {
    let store = gateway.running.desk.store();
    let first = store.entries(0, 1).await.unwrap().remove(0).entry;
    let entry = || NewEntry { bytes: first.bytes.clone(), leaf: first.leaf, salts: None, case: None };
    for _ in 0..ENTRIES / AT_ONCE {
        let entries = (0..AT_ONCE).map(|_| entry()).collect();
        store.commit(Commit { at: Timestamp::now(), entries, ..Commit::default() }).await.unwrap();
    }
    // The gateway hears of its own commits alone.
    gateway.open_case().await;
    gateway.signed().await;
}

async fn check(gateway: &Gateway) -> Result<Streaming<VerifyLogResponse>, Status> {
    let token = std::fs::read_to_string(gateway.token("auditor")).unwrap();
    let mut request = Request::new(VerifyLogRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {}", token.trim()).parse().unwrap());
    gateway.client.verification().verify_log(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_long_log_tells_how_far_it_is_and_there_is_one_at_a_time() {
    let region = Region::of(&["sez"]).await;
    let sez = region.gateway("sez");
    lengthen(sez).await;
    let size = i64::try_from(sez.running.ledger.checkpoint().unwrap().checkpoint.size).unwrap();

    let mut answers = check(sez).await.unwrap();
    let mut told = VecDeque::new();
    while let Some(answer) = answers.message().await.unwrap() {
        told.push_back(answer);
    }

    let verdict = told.pop_back().unwrap();
    assert!(verdict.done && verdict.ok && verdict.entries >= size, "{verdict:?}");
    assert!(told.iter().all(|answer| !answer.done && !answer.ok && answer.text_en.is_empty()), "{told:?}");
    let counts: Vec<i64> = told.iter().map(|answer| answer.entries).collect();
    assert!(counts.len() >= 4 && counts[0] == 0 && counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    assert!(*counts.last().unwrap() <= verdict.entries);

    let mut refused = None;
    for _ in 0..TRIES {
        let mut first = check(sez).await.unwrap();
        let second = check(sez).await;
        while first.message().await.unwrap().is_some() {}
        refused = second.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = to_refusal(&refused.expect("two checks at once")).unwrap();
    assert_eq!(refused.reason, Reason::QuotaExceeded);
    assert!(check(sez).await.is_ok(), "its place is free again");
    region.stop().await;
}
