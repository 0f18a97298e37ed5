//! The link as both sides see it: what arrives, once and in order, whatever happens on the way.

pub(crate) mod kit;
mod poison;
mod tls;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kit::{Network, Options, gateway, in_thread, in_time, message, org, pair, peer};
use prost::Message as _;
use schakel_domain::message::Message;
use schakel_domain::refusal::Reason;
use tokio::time::Instant;
use uuid::Uuid;

use super::{State, sync_with};
use crate::batch::tests::TestSigner;
use crate::batch::{Outcome as Answered, read_proof, verify_answer, verify_proof};
use crate::store::{OutboxState, Store};

fn thread(n: u8) -> String {
    Uuid::from_u128(n.into()).to_string()
}

/// `count` messages of gateway 1 to gateway 2, spread over threads 1 to `threads`.
fn messages(count: u64, threads: u8) -> Vec<Message> {
    (0..count).map(|n| message(1, 2, u8::try_from(n % u64::from(threads)).unwrap() + 1, n / u64::from(threads) + 1)).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_once_in_the_order_of_its_thread_and_is_proven_to_both() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);

    a.send(&messages(600, 3)).await;
    let told = a.told(|told| told.delivered.len() == 600).await;

    for n in 1..=3 {
        assert_eq!(in_thread(&b.desk, n), (1..=200).collect::<Vec<_>>());
    }
    assert_eq!(b.desk.know(|memory| memory.deliveries.len()), 600);
    assert_eq!(told.commits, 5, "one commit for each batch of at most 128");
    let rows = a.outbox(2, OutboxState::Delivered).await;
    assert_eq!(rows.len(), 600);
    for row in rows {
        let proof = read_proof(&row.proof.unwrap()).unwrap();
        let proven = verify_proof(&proof, &TestSigner::new(1).public()).unwrap();
        assert_eq!((proven.number, proven.hash), (row.number, row.message.hash));
        assert_eq!(verify_answer(&proof, &proven, &TestSigner::new(2).public()).unwrap().outcome, Answered::Accepted);
        let theirs = b.desk.know(|memory| memory.proofs[&row.number].clone());
        assert_eq!(verify_proof(&read_proof(&theirs).unwrap(), &TestSigner::new(1).public()).unwrap(), proven);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_parked_with_its_signed_refusal_and_never_sent_again_while_others_flow() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    b.desk.know(|memory| memory.refuse.extend([(thread(1), 2)]));

    a.send(&messages(8, 2)).await;
    // Seven messages and the void in the place of the refused one.
    let told = a.told(|told| told.delivered.len() == 8).await;

    assert_eq!(told.parked.len(), 1);
    assert_eq!((told.parked[0].number, told.parked[0].reason.as_str()), (3, Reason::ProtocolViolation.code()));
    let proof = read_proof(told.parked[0].proof.as_ref().unwrap()).unwrap();
    let proven = verify_proof(&proof, &TestSigner::new(1).public()).unwrap();
    assert_eq!(verify_answer(&proof, &proven, &TestSigner::new(2).public()).unwrap().outcome, Answered::Refused);
    assert_eq!((in_thread(&b.desk, 1), in_thread(&b.desk, 2)), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
    assert_eq!(b.desk.know(|memory| memory.deliveries.iter().filter(|number| **number == 3).count()), 1);
    assert!(a.outbox(2, OutboxState::Waiting).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_must_come_later_holds_no_other_and_arrives_in_order_in_the_end() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    b.desk.know(|memory| memory.later.extend([(thread(1), 3)]));

    a.send(&messages(9, 3)).await;
    a.told(|told| told.delivered.len() == 6).await;
    let status = a.courier.status(&org(2)).await.unwrap();
    a.told(|told| told.delivered.len() == 9).await;

    assert_eq!((status.state, status.waiting, status.held_threads), (State::Connected, 3, 1));
    assert!(status.last_error.unwrap().contains(Reason::StoreUnavailable.code()));
    assert_eq!(in_thread(&b.desk, 1), [1, 2, 3]);
    let status = a.courier.status(&org(2)).await.unwrap();
    assert_eq!((status.waiting, status.held_threads, status.last_error), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_after_the_commit_means_delivered_again_and_effective_once() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    let wires = Arc::clone(&network);
    *b.desk.after_storing.lock().unwrap() = Some(Box::new(move || wires.cut()));

    a.send(&messages(300, 3)).await;
    a.told(|told| told.delivered.len() == 300).await;

    assert!(b.desk.know(|memory| memory.deliveries.len()) > 300);
    assert_eq!(b.desk.know(|memory| memory.effects.len()), 300);
    for n in 1..=3 {
        assert_eq!(in_thread(&b.desk, n), (1..=100).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_here_means_sent_again_and_effective_once() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);

    a.send(&messages(3, 1)).await;
    a.store.fail_next(crate::store::memory::Fault::Lost);
    a.told(|told| told.delivered.len() == 3).await;

    assert_eq!(b.desk.know(|memory| memory.deliveries.clone()), [1, 2, 3, 1, 2, 3]);
    assert_eq!(in_thread(&b.desk, 1), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn waits_double_to_a_minute_and_an_inbound_call_of_the_peer_ends_them() {
    let network = Arc::new(Network::default());
    network.down.store(true, Ordering::SeqCst);
    let (a, b) = pair(&network);
    let mut dials = network.dials.subscribe();

    a.send(&messages(1, 1)).await;
    let tries = in_time(dials.wait_for(|dials| dials.len() == 9)).await.unwrap().clone();
    let status = a.courier.status(&org(2)).await.unwrap();

    let waits: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(status.waiting, 1);

    network.down.store(false, Ordering::SeqCst);
    let called = Instant::now();
    b.send(&[message(2, 1, 9, 1)]).await;
    a.told(|told| told.delivered.len() == 1).await;
    assert!(called.elapsed() <= Duration::from_secs(1), "{:?}", called.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_have_it_tried_now_and_is_told_why_it_waits() {
    let network = Arc::new(Network::default());
    network.down.store(true, Ordering::SeqCst);
    let (a, _b) = pair(&network);
    let mut dials = network.dials.subscribe();
    a.send(&messages(1, 1)).await;
    in_time(dials.wait_for(|dials| dials.len() == 6)).await.unwrap();
    tokio::task::yield_now().await;

    let status = settled(&a, State::Waiting).await;
    assert_eq!((status.attempts, status.waiting), (6, 1));
    assert!(status.last_error.unwrap().starts_with("no connection"));
    assert!(status.next_attempt.unwrap() > Duration::from_secs(30));

    network.down.store(false, Ordering::SeqCst);
    let asked = Instant::now();
    a.courier.retry(&org(2));
    a.told(|told| told.delivered.len() == 1).await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

/// The status once it shows a state. Without a timer, so that paused time stands still.
async fn settled(gateway: &kit::Gateway, state: State) -> super::PeerStatus {
    for _ in 0..1_000_000 {
        let status = gateway.courier.status(&org(3 - gateway.number)).await.unwrap();
        if status.state == state {
            return status;
        }
        tokio::task::yield_now().await;
    }
    panic!("the link never was {state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_down_costs_no_memory_whatever_waits_for_it() {
    let network = Arc::new(Network::default());
    network.down.store(true, Ordering::SeqCst);
    let (a, _b) = pair(&network);

    a.send(&messages(3_000, 3)).await;
    in_time(network.dials.subscribe().wait_for(|dials| dials.len() == 5)).await.unwrap();

    assert_eq!(a.unseal.opened.load(Ordering::SeqCst), 0);
    network.down.store(false, Ordering::SeqCst);
    a.told(|told| told.delivered.len() == 3_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_message_parks_it_at_once_and_holds_back_nobody() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    b.desk.know(|memory| memory.panics = Some(thread(1)));

    a.send(&messages(6, 3)).await;
    // Two messages of the thread are parked, and a void of each takes its place.
    let told = a.told(|told| told.delivered.len() == 6).await;

    assert_eq!((in_thread(&b.desk, 2), in_thread(&b.desk, 3)), (vec![1, 2], vec![1, 2]));
    assert_eq!(told.parked.iter().map(|parked| parked.reason.as_str()).collect::<Vec<_>>(), [Reason::Internal.code(); 2]);
    assert_eq!(in_thread(&b.desk, 1), [1, 2], "the voids");
    assert!(b.desk.know(|memory| memory.deliveries.iter().filter(|number| **number == 1).count()) <= 2, "in its batch, and alone");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_seen_more_than_we_hold_is_reported_and_sent_nothing() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.send(&messages(5, 1)).await;
    a.told(|told| told.delivered.len() == 5).await;

    let restored = gateway(&network, 1, Options::default());
    restored.directory.put(org(2), peer(2));
    restored.send(&messages(2, 1)).await;
    let told = restored.told(|told| told.knows_more.is_some()).await;
    let status = settled(&restored, State::PeerKnowsMore).await;

    assert_eq!(told.knows_more, Some((5, 2)));
    assert_eq!(b.desk.know(|memory| memory.deliveries.len()), 5);
    assert!(status.last_error.unwrap().contains("data was lost here"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_lost_what_it_acknowledged_gets_it_again_in_order_and_not_at_every_connection() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.send(&messages(5, 1)).await;
    a.told(|told| told.delivered.len() == 5).await;
    drop(b);

    let restored = gateway(&network, 2, Options::default());
    restored.directory.put(org(1), peer(1));
    network.cut();
    a.send(&[message(1, 2, 1, 6)]).await;
    a.told(|told| told.delivered.len() == 11).await;

    assert_eq!(in_thread(&restored.desk, 1), [1, 2, 3, 4, 5, 6]);
    restored.desk.know(|memory| memory.highest.clear());
    network.cut();
    a.send(&[message(1, 2, 2, 1)]).await;
    assert_eq!(a.told(|told| told.delivered.len() == 12).await.knows_less, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_higher_number_without_our_own_signature_is_not_believed_and_stops_that_peer_alone() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    let other = gateway(&network, 3, Options::default());
    a.directory.put(org(3), peer(3));
    other.directory.put(org(1), peer(1));
    a.send(&messages(5, 1)).await;
    a.told(|told| told.delivered.len() == 5).await;
    let genuine = b.desk.know(|memory| memory.proofs[&5].clone());
    let mut of_another_number = read_proof(&genuine).unwrap();
    of_another_number.number = 1_000_000_000;
    let mut signed_by_the_peer = read_proof(&genuine).unwrap();
    signed_by_the_peer.key_id = "key-2".to_owned();

    for claim in [Vec::new(), genuine.clone(), of_another_number.encode_to_vec(), signed_by_the_peer.encode_to_vec()] {
        let again = gateway(&network, 1, Options::default());
        again.directory.put(org(2), peer(2));
        again.directory.put(org(3), peer(3));
        b.desk.know(|memory| {
            memory.claims = Some(claim);
            memory.highest.insert(org(1), 1_000_000_000);
        });
        again.send(&messages(2, 1)).await;
        again.send(&[message(1, 3, 9, 1)]).await;

        let told = again.told(|told| told.disbelieved.is_some() && !told.delivered.is_empty()).await;

        assert_eq!((told.disbelieved, told.knows_more), (Some((1_000_000_000, 2)), None));
        assert_eq!(again.outbox(2, OutboxState::Waiting).await.len(), 2, "nothing is sent to it");
        assert_eq!(again.outbox(3, OutboxState::Delivered).await.len(), 1, "everybody else is served");
        let why = settled(&again, State::Waiting).await.last_error.unwrap();
        assert!(why.contains("without proof"), "{why}");
        other.desk.know(|memory| *memory = kit::Memory::default());
    }
    assert_eq!(b.desk.know(|memory| memory.deliveries.len()), 5);
}

#[tokio::test(start_paused = true)]
async fn a_start_asks_every_peer_what_it_has_seen_even_when_nothing_waits() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.send(&messages(5, 1)).await;
    a.told(|told| told.delivered.len() == 5).await;

    let restored = gateway(&network, 1, Options::default());
    restored.directory.put(org(2), peer(2));
    restored.courier.start().await.unwrap();

    assert_eq!(restored.told(|told| told.knows_more.is_some()).await.knows_more, Some((5, 0)));
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_signed_with_another_key_delivers_nothing() {
    let network = Arc::new(Network::default());
    let (a, b) = (gateway(&network, 1, Options::default()), gateway(&network, 2, Options { signing_seed: Some(9), ..Options::default() }));
    a.directory.put(org(2), peer(2));
    b.directory.put(org(1), peer(1));

    a.send(&messages(1, 1)).await;
    let status = settled(&a, State::Waiting).await;

    assert!(status.last_error.unwrap().contains("a wrong signature"));
    assert_eq!(status.waiting, 1);
    assert!(a.outcome.told.borrow().delivered.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_peer_is_left_alone_until_it_is_resumed() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.directory.stop(&org(2), Some("sleutel gelekt"));

    a.send(&messages(1, 1)).await;
    let status = settled(&a, State::Stopped).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!((network.dials.borrow().len(), status.next_attempt), (0, None));
    assert!(status.last_error.unwrap().contains("sleutel gelekt"));

    a.directory.stop(&org(2), None);
    a.courier.wake(&[org(2)]);
    a.told(|told| told.delivered.len() == 1).await;
    assert_eq!(in_thread(&b.desk, 1), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_courier_that_was_ended_sends_nothing_more() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.send(&messages(1, 1)).await;
    a.told(|told| told.delivered.len() == 1).await;

    a.courier.stop();
    a.send(&[message(1, 2, 1, 2)]).await;
    a.courier.retry(&org(2));
    tokio::time::sleep(Duration::from_secs(600)).await;

    assert_eq!(in_thread(&b.desk, 1), [1]);
    assert_eq!(a.outbox(2, OutboxState::Waiting).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_session_ends_it() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.send(&messages(1, 1)).await;
    a.told(|told| told.delivered.len() == 1).await;

    a.directory.stop(&org(2), Some("onderhoud"));
    a.send(&[message(1, 2, 1, 2)]).await;
    settled(&a, State::Stopped).await;

    assert_eq!(in_thread(&b.desk, 1), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_refuses_at_its_door_is_the_reason_it_waits() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    b.directory.remove(&org(1));

    a.send(&messages(1, 1)).await;
    let status = settled(&a, State::Waiting).await;

    assert!(status.last_error.unwrap().contains(Reason::UnknownPeer.code()));
    assert_eq!(b.desk.know(|memory| memory.refused.clone()), [Reason::UnknownPeer]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_opened_holds_its_thread_alone() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.unseal.broken.lock().unwrap().insert(thread(1));

    a.send(&messages(4, 2)).await;
    a.told(|told| told.delivered.len() == 2).await;
    assert!(a.courier.status(&org(2)).await.unwrap().last_error.unwrap().contains("cannot be opened"));

    a.unseal.broken.lock().unwrap().clear();
    a.told(|told| told.delivered.len() == 4).await;
    assert_eq!((in_thread(&b.desk, 1), in_thread(&b.desk, 2)), (vec![1, 2], vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn in_a_quiet_federation_nothing_is_sent_and_nothing_is_committed() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.courier.start().await.unwrap();
    b.courier.start().await.unwrap();
    a.send(&messages(4, 2)).await;
    a.told(|told| told.delivered.len() == 4).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = (network.dials.borrow().len(), a.store.log_size().await.unwrap(), a.outcome.told.borrow().commits);

    tokio::time::sleep(Duration::from_secs(3_600)).await;

    assert_eq!((network.dials.borrow().len(), a.store.log_size().await.unwrap(), a.outcome.told.borrow().commits), before);
    assert_eq!(a.courier.status(&org(2)).await.unwrap().state, State::Idle);
}

#[tokio::test(start_paused = true)]
async fn both_sides_hold_the_same_documents_after_comparing() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    for (papers, signature, covenant, number) in [(&a.papers, 1, "alleen-a", 7), (&b.papers, 2, "alleen-b", 3)] {
        let mut covenants = papers.covenants.lock().unwrap();
        covenants.insert(("gelderland".to_owned(), 1), [signature].into());
        covenants.insert((covenant.to_owned(), 1), [signature].into());
        papers.records.lock().unwrap().extend([(org(1), number), (org(signature + 4), 1)]);
    }

    let synced = sync_with(network.channel(1, 2), &org(2), a.papers.as_ref()).await.unwrap();
    let again = sync_with(network.channel(1, 2), &org(2), a.papers.as_ref()).await.unwrap();

    assert_eq!((synced.fetched, synced.offered, synced.refused), (3, 4, 0));
    assert_eq!((again.fetched, again.offered), (0, 0));
    assert_eq!(*a.papers.covenants.lock().unwrap(), *b.papers.covenants.lock().unwrap());
    assert_eq!(*a.papers.records.lock().unwrap(), *b.papers.records.lock().unwrap());
    assert_eq!(b.papers.records.lock().unwrap()[&org(1)], 7);
}

#[tokio::test(start_paused = true)]
async fn documents_are_compared_at_connecting_before_any_message() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    a.papers.covenants.lock().unwrap().insert(("gelderland".to_owned(), 2), [1, 2].into());

    a.send(&messages(1, 1)).await;
    a.told(|told| told.delivered.len() == 1).await;

    assert!(b.papers.covenants.lock().unwrap().contains_key(&("gelderland".to_owned(), 2)));
}
