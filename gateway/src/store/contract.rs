//! CONTRACT: what every store must do, rule by rule. Each rule starts on a fresh store; [`store_contract`](crate::store_contract) makes a
//! test of each.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    ClientKey, Commit, Erase, Expect, FORGOTTEN, InboxRow, Kind, MAX_ENTRY_BYTES, MAX_ITEMS, MAX_NAME_BYTES, MAX_ROWS, NewEntry, NewEvent,
    OutboxChange, OutboxState, Outgoing, Page, Record, Replay, Store, StoreError, Timer, TimerChange,
};

/// Where the suite gets its stores.
pub trait Stores: Send + Sync {
    /// A fresh, empty store.
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn Store>>;
    /// Closes a store and opens it again, as a restart would.
    fn reopen(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// Makes a test of every rule, for the [`Stores`] that an expression makes.
#[macro_export]
macro_rules! store_contract {
    ($stores:expr) => {
        $crate::store_contract! { @each $stores;
            a_commit_keeps_every_part_of_it
            a_commit_that_conflicts_writes_nothing
            a_changed_version_is_a_conflict
            a_version_that_was_only_read_counts_too
            a_second_replay_key_is_a_conflict
            a_message_received_twice_is_a_conflict
            a_message_id_or_client_key_used_twice_is_a_conflict
            a_commit_that_breaks_the_rules_is_refused
            a_bad_commit_in_a_group_leaves_its_neighbours_alone
            messages_are_numbered_without_gaps_per_peer
            entries_and_events_are_contiguous_under_concurrency
            only_waiting_messages_change_state
            a_message_the_peer_lost_waits_again_and_a_skipped_number_is_never_given_out
            the_outbox_tells_what_waits_for_whom
            received_messages_come_back_in_order_of_arrival
            timers_fire_in_order_and_move_and_clear
            records_are_paged_by_id_in_byte_order
            children_and_aliases_are_found
            events_entries_and_leaves_are_read_in_ranges
            exactly_one_commit_wins_per_version
            a_commit_of_nothing_checks_what_was_read
            a_reopened_store_has_kept_everything
            an_erased_thread_leaves_its_places_and_nothing_in_them
            cancelled_commits_are_whole_or_absent_and_answered_ones_stay
        }
    };
    (@each $stores:expr; $($rule:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let stores = $stores;
            $crate::store::contract::$rule(&stores).await;
        })*
    };
}

/// A moment `seconds` after an arbitrary start, with nanoseconds, so that a store that cuts them is found out.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_790_000_000, 123_456_789).unwrap() + SignedDuration::from_secs(seconds)
}

/// An invented organisation.
#[must_use]
pub fn peer(n: u32) -> OrgId {
    format!("ura:{:08}", 90_000_000 + n).parse().unwrap()
}

/// A message id.
#[must_use]
pub fn message_id(n: u128) -> MessageId {
    MessageId::new(Uuid::from_u128(n))
}

/// A new record and what it expects.
#[must_use]
pub fn record(id: &str, version: u64) -> (Expect, Record) {
    let kind = Kind::Case;
    let expect = Expect { kind, id: id.to_owned(), version: version - 1 };
    let clear = format!(r#"{{"version":{version}}}"#);
    (expect, Record { kind, id: id.to_owned(), version, parent: None, open: true, alias: None, clear, sealed: None })
}

/// A commit that writes one version of one record.
#[must_use]
pub fn put(id: &str, version: u64) -> Commit {
    let (expect, record) = record(id, version);
    Commit { at: at(0), expect: vec![expect], put: vec![record], ..Commit::default() }
}

/// A message to a peer.
#[must_use]
pub fn outgoing(to: &OrgId, n: u128) -> Outgoing {
    Outgoing {
        peer: to.clone(),
        message: message_id(n),
        thread: format!("case-{}", n % 3),
        seq: 1,
        kind: "propose-handover".to_owned(),
        hash: Hash::sha256(&n.to_be_bytes()),
        sealed: vec![0, 1, 2, 255],
        subject: (Kind::Handover, format!("handover-{n}")),
    }
}

/// A message from a peer.
#[must_use]
pub fn incoming(from: &OrgId, n: u128, number: u64) -> InboxRow {
    InboxRow {
        peer: from.clone(),
        message: message_id(n),
        number,
        thread: "case-1".to_owned(),
        seq: number,
        kind: "accept".to_owned(),
        hash: Hash::sha256(&n.to_be_bytes()),
        sealed: vec![9, 8, 0],
        proof: vec![7],
        outcome: "accepted".to_owned(),
        leaf: n.is_multiple_of(2).then(|| Hash::sha256(&[3])),
        at: at(1),
    }
}

/// A log entry about a case.
#[must_use]
pub fn entry(text: &str, case: Option<&str>) -> NewEntry {
    let leaf = Hash::sha256(text.as_bytes());
    NewEntry { bytes: text.as_bytes().to_vec(), leaf, salts: Some(vec![5; 32]), case: case.map(str::to_owned) }
}

/// An event.
#[must_use]
pub fn event(resource: &str) -> NewEvent {
    NewEvent { kind: "handover.offered".to_owned(), resource: resource.to_owned(), state: "offered".to_owned() }
}

fn replay(request_id: &str) -> Replay {
    let (scope, outcome) = ("ura:90000001 CreateCase".to_owned(), "cases/1".to_owned());
    Replay { scope, request_id: request_id.to_owned(), body: Hash::sha256(b"body"), outcome, at: at(2) }
}

fn timer(id: &str, due: i64) -> Timer {
    Timer { id: id.to_owned(), due: at(due), action: format!(r#"{{"remind":"{id}"}}"#) }
}

fn client_key(n: u128) -> ClientKey {
    ClientKey { id: ClientKeyId::new(Uuid::from_u128(n)), wrapped: vec![3; 60] }
}

fn page(after: &str, limit: u32) -> Page {
    Page { open_only: false, after: after.to_owned(), limit }
}

/// A commit with everything in it.
fn full_commit() -> Commit {
    let (expect, mut whole) = record("whole", 1);
    whole.parent = Some("mother".to_owned());
    whole.alias = Some("ZK-7F3KD".to_owned());
    whole.sealed = Some(vec![0, 255, 1]);
    Commit {
        at: at(0),
        expect: vec![expect],
        put: vec![whole],
        replay: Some(replay("r-1")),
        received: vec![incoming(&peer(2), 20, 4)],
        send: vec![outgoing(&peer(1), 10)],
        outbox: Vec::new(),
        skip: Vec::new(),
        entries: vec![entry("first", Some("whole")), entry("second", None)],
        events: vec![event("cases/whole")],
        timers: vec![TimerChange::Set(timer("t-1", 60))],
        keys: vec![client_key(1)],
        erase: Vec::new(),
        from_reserve: true,
        trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
    }
}

/// Everything [`full_commit`] wrote is read back the same.
async fn assert_kept(store: &dyn Store) {
    let commit = full_commit();
    assert_eq!(store.record(Kind::Case, "whole").await.unwrap().as_ref(), commit.put.first());
    assert_eq!(store.replay("ura:90000001 CreateCase", "r-1").await.unwrap(), commit.replay);
    assert_eq!(store.received(&peer(2), message_id(20)).await.unwrap().as_ref(), commit.received.first());
    let sent = store.sent(message_id(10)).await.unwrap().unwrap();
    assert_eq!((sent.number, sent.state, sent.reason, sent.proof), (1, OutboxState::Waiting, None, None));
    assert_eq!((sent.queued, sent.changed), (at(0), at(0)));
    assert_eq!(Some(&sent.message), commit.send.first());
    assert!(sent.trace.is_some() && sent.trace == commit.trace, "where it stands in a trace is kept beside it");
    let entries: Vec<_> = store.entries(0, 10).await.unwrap().into_iter().map(|row| row.entry).collect();
    assert_eq!(entries, commit.entries);
    let events = store.events(0, 10).await.unwrap();
    assert_eq!((events.len(), events[0].seq, events[0].at, Some(&events[0].event)), (1, 1, at(0), commit.events.first()));
    assert_eq!(events[0].trace, commit.trace);
    assert_eq!(store.due(at(60), 10).await.unwrap(), vec![timer("t-1", 60)]);
    assert_eq!(store.client_key(client_key(1).id).await.unwrap().as_ref(), commit.keys.first());
    assert_eq!(store.log_size().await.unwrap(), 2);
    assert_eq!(store.event_range().await.unwrap(), (1, 1));
}

fn is_conflict<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}");
}

fn is_refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
}

/// Nothing was ever written.
async fn assert_empty(store: &dyn Store) {
    assert_eq!(store.records(Kind::Case, page("", 10)).await.unwrap(), Vec::new());
    assert_eq!((store.log_size().await.unwrap(), store.event_range().await.unwrap()), (0, (1, 0)));
    assert_eq!((store.outbox_peers().await.unwrap().len(), store.received_numbers().await.unwrap().len()), (0, 0));
    assert_eq!((store.next_due().await.unwrap(), store.client_key(client_key(1).id).await.unwrap()), (None, None));
    assert_eq!(store.replay("ura:90000001 CreateCase", "r-1").await.unwrap(), None);
}

/// Rule: what a commit holds is read back as it was.
pub async fn a_commit_keeps_every_part_of_it(stores: &dyn Stores) {
    let store = stores.fresh().await;

    let committed = store.commit(full_commit()).await.unwrap();

    assert_eq!((committed.first_entry, committed.last_event, committed.log_size), (Some(0), 1, 2));
    assert_kept(&*store).await;
    store.ready().await.unwrap();
}

/// Rule: whole or not at all.
pub async fn a_commit_that_conflicts_writes_nothing(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let mut commit = full_commit();
    commit.expect.push(Expect { kind: Kind::Peer, id: "absent".to_owned(), version: 3 });

    is_conflict(store.commit(commit).await);

    assert_empty(&*store).await;
}

/// Rule: compare-and-set on what was put.
pub async fn a_changed_version_is_a_conflict(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(put("a", 1)).await.unwrap();
    store.commit(put("a", 2)).await.unwrap();

    is_conflict(store.commit(put("a", 2)).await);
    is_conflict(store.commit(put("a", 1)).await);

    assert_eq!(store.record(Kind::Case, "a").await.unwrap().unwrap().version, 2);
    // The same id of another kind is another record.
    assert_eq!(store.record(Kind::Handover, "a").await.unwrap(), None);
}

/// Rule: compare-and-set on what was only read, present or absent.
pub async fn a_version_that_was_only_read_counts_too(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(put("read", 1)).await.unwrap();
    let with = |id: &str, version| {
        let mut commit = put("other", 1);
        commit.expect.push(Expect { kind: Kind::Case, id: id.to_owned(), version });
        commit
    };

    is_conflict(store.commit(with("read", 0)).await);
    is_conflict(store.commit(with("absent", 1)).await);
    store.commit(with("read", 1)).await.unwrap();

    assert!(store.record(Kind::Case, "other").await.unwrap().is_some());
}

/// Rule: one idempotency key, one effect.
pub async fn a_second_replay_key_is_a_conflict(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let with = |id: &str, key: &str| Commit { replay: Some(replay(key)), ..put(id, 1) };
    store.commit(with("a", "k")).await.unwrap();

    is_conflict(store.commit(with("b", "k")).await);
    store.commit(with("c", "other")).await.unwrap();
    let mut elsewhere = with("d", "k");
    elsewhere.replay.as_mut().unwrap().scope = "ura:90000002 CreateCase".to_owned();
    store.commit(elsewhere).await.unwrap();

    assert_eq!(store.record(Kind::Case, "b").await.unwrap(), None);
}

/// Rule: (peer, message) is unique for ever.
pub async fn a_message_received_twice_is_a_conflict(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let with = |id: &str, from: u32| Commit { received: vec![incoming(&peer(from), 7, 1)], ..put(id, 1) };
    store.commit(with("a", 1)).await.unwrap();

    is_conflict(store.commit(with("b", 1)).await);
    store.commit(with("c", 2)).await.unwrap();

    assert_eq!(store.record(Kind::Case, "b").await.unwrap(), None);
}

/// Rule: an id that should be fresh and is not harms nobody.
pub async fn a_message_id_or_client_key_used_twice_is_a_conflict(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let sends = |id: &str| Commit { send: vec![outgoing(&peer(1), 10)], ..put(id, 1) };
    let keeps = |id: &str| Commit { keys: vec![client_key(1)], ..put(id, 1) };
    store.commit(sends("a")).await.unwrap();
    store.commit(keeps("b")).await.unwrap();

    let (sent, kept, fine) = tokio::join!(store.commit(sends("c")), store.commit(keeps("d")), store.commit(put("e", 1)));

    is_conflict(sent);
    is_conflict(kept);
    fine.unwrap();
    assert_eq!(store.outbox_peers().await.unwrap()[0].highest, 1);
}

/// Rule: a fault of the caller is told apart from a conflict, and nothing of it is written.
pub async fn a_commit_that_breaks_the_rules_is_refused(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let empty = Commit { at: at(0), ..Commit::default() };
    let unexpected = Commit { expect: Vec::new(), ..put("a", 1) };
    let (_, skipped) = record("a", 2);
    let skips = Commit { put: vec![skipped], ..put("a", 1) };
    let twice = Commit { put: vec![record("a", 1).1, record("a", 1).1], ..put("a", 1) };
    let expected_twice = Commit { expect: vec![record("a", 1).0, record("a", 2).0], ..put("a", 1) };
    let long_name = put(&"x".repeat(MAX_NAME_BYTES + 1), 1);
    let nul = put("a\0b", 1);
    let long_entry = Commit { entries: vec![NewEntry { bytes: vec![0; MAX_ENTRY_BYTES + 1], ..entry("", None) }], ..empty.clone() };
    let many = Commit { events: vec![event("x"); MAX_ITEMS + 1], ..empty.clone() };
    let large = Commit { keys: (1..9).map(|n| ClientKey { wrapped: vec![0; 600_000], ..client_key(n) }).collect(), ..empty.clone() };
    let unsigned = Commit { received: vec![incoming(&peer(1), 1, u64::MAX)], ..empty.clone() };
    let late = Commit { timers: vec![TimerChange::Set(Timer { due: Timestamp::MAX, ..timer("t", 0) })], ..empty.clone() };
    let same_message = Commit { send: vec![outgoing(&peer(1), 1), outgoing(&peer(2), 1)], ..empty.clone() };
    let change = OutboxChange { peer: peer(1), number: 1, state: OutboxState::Delivered, reason: None, proof: None };
    let unknown = Commit { outbox: vec![change], ..empty };

    for bad in [unexpected, skips, twice, expected_twice, long_name, nul, long_entry, many, large, unsigned, late, same_message, unknown] {
        is_refused(store.commit(bad).await);
    }

    assert_empty(&*store).await;
}

/// Rule: commits written together succeed and fail apart.
pub async fn a_bad_commit_in_a_group_leaves_its_neighbours_alone(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(put("taken", 1)).await.unwrap();
    let commits = (0..120).map(|n| match n % 4 {
        0 => put("taken", 1),
        1 => Commit { expect: Vec::new(), ..put(&format!("bad-{n}"), 1) },
        _ => Commit { entries: vec![entry(&format!("e-{n}"), None)], ..put(&format!("good-{n}"), 1) },
    });

    let answers = join_all(commits.map(|commit| store.commit(commit))).await;

    for (n, answer) in answers.into_iter().enumerate() {
        match n % 4 {
            0 => is_conflict(answer),
            1 => is_refused(answer),
            _ => assert!(answer.unwrap().first_entry.is_some()),
        }
    }
    assert_eq!(store.records(Kind::Case, page("", 1_000)).await.unwrap().len(), 61);
    assert_eq!(store.log_size().await.unwrap(), 60);
}

/// Rule: the number a message gets is one higher than the last towards that peer, whatever fails in between.
pub async fn messages_are_numbered_without_gaps_per_peer(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let commits = (0..90_u128).map(|n| {
        let to = |who| outgoing(&peer(who), 1_000 * u128::from(who) + n);
        let commit = Commit { send: vec![to(1), to(2), to(1 + u32::from(n % 2 == 0))], ..put(&format!("c-{n}"), 1) };
        // Every third conflicts, and the third message of each has an id of its own.
        let mut commit =
            Commit { expect: commit.expect.into_iter().map(|e| Expect { version: u64::from(n % 3 == 2), ..e }).collect(), ..commit };
        commit.send[2].message = message_id(9_000 + n);
        if n % 3 == 2 {
            commit.put.clear();
        }
        commit
    });

    join_all(commits.map(|commit| store.commit(commit))).await;

    let mut total = 0;
    for who in [1, 2] {
        let rows = store.outbox(&peer(who), OutboxState::Waiting, 0, 1_000).await.unwrap();
        let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>());
        total += rows.len();
    }
    assert_eq!(total, 180);
}

/// Rule: index and sequence have no gaps, and a commit's own entries lie together in its order.
pub async fn entries_and_events_are_contiguous_under_concurrency(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let commits = (0..100).map(|n| Commit {
        at: at(n),
        entries: (0..3).map(|part| entry(&format!("{n}/{part}"), None)).collect(),
        events: vec![event(&format!("cases/{n}"))],
        ..Commit::default()
    });

    let answers = join_all(commits.map(|commit| store.commit(commit))).await;

    let entries = store.entries(0, 1_000).await.unwrap();
    assert_eq!(entries.iter().map(|row| row.index).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
    for (n, answer) in answers.into_iter().enumerate() {
        let committed = answer.unwrap();
        let first = usize::try_from(committed.first_entry.unwrap()).unwrap();
        assert!(committed.log_size >= first as u64 + 3);
        for part in 0..3 {
            assert_eq!(entries[first + part].entry.bytes, format!("{n}/{part}").into_bytes());
        }
        let of_event = store.events(committed.last_event - 1, 1).await.unwrap();
        assert_eq!(of_event[0].event.resource, format!("cases/{n}"));
    }
    assert_eq!(store.event_range().await.unwrap(), (1, 100));
}

/// Rule: a message leaves the state of waiting once.
pub async fn only_waiting_messages_change_state(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(Commit { at: at(0), send: (1..=3).map(|n| outgoing(&peer(1), n)).collect(), ..Commit::default() }).await.unwrap();
    let change = |number, state| Commit {
        at: at(5),
        outbox: vec![OutboxChange { peer: peer(1), number, state, reason: Some("WHY".to_owned()), proof: Some(vec![4]) }],
        ..Commit::default()
    };

    store.commit(change(1, OutboxState::Delivered)).await.unwrap();
    store.commit(Commit { at: at(9), ..change(1, OutboxState::Delivered) }).await.unwrap();
    store.commit(change(2, OutboxState::Parked)).await.unwrap();
    is_conflict(store.commit(change(1, OutboxState::Parked)).await);
    is_conflict(store.commit(change(2, OutboxState::Delivered)).await);
    is_conflict(store.commit(change(2, OutboxState::Waiting)).await);

    let delivered = store.sent(message_id(1)).await.unwrap().unwrap();
    assert_eq!((delivered.state, delivered.changed, delivered.queued), (OutboxState::Delivered, at(5), at(0)));
    assert_eq!((delivered.reason.as_deref(), delivered.proof), (Some("WHY"), Some(vec![4])));
    let numbers = |rows: Vec<super::OutboxRow>| rows.into_iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.outbox(&peer(1), OutboxState::Waiting, 0, 10).await.unwrap()), [3]);
    assert_eq!(numbers(store.outbox(&peer(1), OutboxState::Parked, 0, 10).await.unwrap()), [2]);
}

/// Rule: what was delivered can wait again, for a peer that lost it; numbers that a peer holds of ours and we do not are passed over.
pub async fn a_message_the_peer_lost_waits_again_and_a_skipped_number_is_never_given_out(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let send = |id| Commit { at: at(0), send: vec![outgoing(&peer(1), id)], ..Commit::default() };
    let change = |state, proof| {
        let change = OutboxChange { peer: peer(1), number: 1, state, reason: None, proof };
        Commit { at: at(5), outbox: vec![change], ..Commit::default() }
    };
    let skip = |number| Commit { at: at(6), skip: vec![(peer(1), number), (peer(2), 4)], ..Commit::default() };
    store.commit(send(1)).await.unwrap();
    store.commit(change(OutboxState::Delivered, Some(vec![4]))).await.unwrap();

    store.commit(change(OutboxState::Waiting, Some(vec![4]))).await.unwrap();
    store.commit(skip(7)).await.unwrap();
    store.commit(skip(3)).await.unwrap();
    store.commit(send(2)).await.unwrap();

    let row = store.sent(message_id(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.proof), (OutboxState::Waiting, Some(vec![4])), "the proof that they had it is kept");
    assert_eq!(store.sent(message_id(2)).await.unwrap().unwrap().number, 8);
    let seen: Vec<_> = store.outbox_peers().await.unwrap().iter().map(|q| (q.peer.clone(), q.waiting, q.highest)).collect();
    assert_eq!(seen, [(peer(1), 2, 8), (peer(2), 0, 4)]);
}

/// Rule: an overview per peer, and each thread in order.
pub async fn the_outbox_tells_what_waits_for_whom(stores: &dyn Stores) {
    let store = stores.fresh().await;
    for n in 1..=6_u32 {
        let to = peer(1 + n % 2);
        store.commit(Commit { at: at(i64::from(n)), send: vec![outgoing(&to, n.into())], ..Commit::default() }).await.unwrap();
    }
    let delivered = |number| OutboxChange { peer: peer(2), number, state: OutboxState::Delivered, reason: None, proof: None };
    store.commit(Commit { at: at(9), outbox: vec![delivered(1), delivered(2), delivered(3)], ..Commit::default() }).await.unwrap();

    let queues = store.outbox_peers().await.unwrap();

    let seen: Vec<_> = queues.iter().map(|q| (q.peer.clone(), q.waiting, q.oldest, q.highest)).collect();
    assert_eq!(seen, [(peer(1), 3, Some(at(2)), 3), (peer(2), 0, None, 3)]);
    let thread: Vec<_> = store.sent_in("case-0").await.unwrap().iter().map(|row| row.message.message).collect();
    assert_eq!(thread, [message_id(3), message_id(6)]);
    assert_eq!(store.outbox(&peer(1), OutboxState::Waiting, 1, 1).await.unwrap()[0].number, 2);
}

/// Rule: arrival, not the numbers a peer chose, orders a thread; the highest number counts.
pub async fn received_messages_come_back_in_order_of_arrival(stores: &dyn Stores) {
    let store = stores.fresh().await;
    for (from, id, number) in [(1, 30, 7), (2, 10, 1), (1, 20, 3)] {
        store.commit(Commit { at: at(0), received: vec![incoming(&peer(from), id, number)], ..Commit::default() }).await.unwrap();
    }
    let both = vec![incoming(&peer(1), 5, 8), incoming(&peer(1), 4, 6)];
    store.commit(Commit { at: at(0), received: both, ..Commit::default() }).await.unwrap();

    let ids: Vec<_> = store.received_in("case-1").await.unwrap().iter().map(|row| row.message).collect();

    assert_eq!(ids, [30, 10, 20, 5, 4].map(message_id));
    assert_eq!(store.received_numbers().await.unwrap(), [(peer(1), 8), (peer(2), 1)]);
    let newest = store.newest_received(&peer(1)).await.unwrap().unwrap();
    assert_eq!((newest.number, newest.message), (8, message_id(5)));
    assert_eq!(store.newest_received(&peer(9)).await.unwrap(), None);
}

/// Rule: timers are rows; the last word counts.
pub async fn timers_fire_in_order_and_move_and_clear(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let set = |id, due| TimerChange::Set(timer(id, due));
    let timers = |timers| Commit { at: at(0), timers, ..Commit::default() };
    store.commit(timers(vec![set("b", 20), set("a", 20), set("c", 10), set("d", 30)])).await.unwrap();
    store.commit(timers(vec![set("c", 25), TimerChange::Clear("d".to_owned()), TimerChange::Clear("none".to_owned())])).await.unwrap();

    let ids = |due: Vec<Timer>| due.into_iter().map(|timer| timer.id).collect::<Vec<_>>();

    assert_eq!(store.next_due().await.unwrap(), Some(at(20)));
    assert_eq!(store.due(at(19), 10).await.unwrap(), Vec::new());
    assert_eq!(ids(store.due(at(20), 10).await.unwrap()), ["a", "b"]);
    assert_eq!(ids(store.due(at(99), 10).await.unwrap()), ["a", "b", "c"]);
    assert_eq!(ids(store.due(at(99), 1).await.unwrap()), ["a"]);
    store
        .commit(timers(vec![set("e", 5), TimerChange::Clear("e".to_owned()), TimerChange::Clear("a".to_owned()), set("a", 40)]))
        .await
        .unwrap();
    assert_eq!(ids(store.due(Timestamp::MAX, 10).await.unwrap()), ["b", "c", "a"]);
}

/// Rule: pages follow on each other in one order everywhere.
pub async fn records_are_paged_by_id_in_byte_order(stores: &dyn Stores) {
    let store = stores.fresh().await;
    for (n, id) in ["b", "B", "a-1", "a", "é", "a.1", "Z"].into_iter().enumerate() {
        let mut commit = put(id, 1);
        commit.put[0].open = n % 2 == 0;
        store.commit(commit).await.unwrap();
    }
    let ids = |rows: Vec<Record>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();

    assert_eq!(ids(store.records(Kind::Case, page("", 3)).await.unwrap()), ["B", "Z", "a"]);
    assert_eq!(ids(store.records(Kind::Case, page("a", 10)).await.unwrap()), ["a-1", "a.1", "b", "é"]);
    assert_eq!(ids(store.records(Kind::Case, Page { open_only: true, ..page("Z", 10) }).await.unwrap()), ["a-1", "b", "é"]);
    assert_eq!(ids(store.records(Kind::Handover, page("", 10)).await.unwrap()), Vec::<String>::new());
}

/// Rule: records are found by what they belong to and by their second name, as they are now.
pub async fn children_and_aliases_are_found(stores: &dyn Stores) {
    let store = stores.fresh().await;
    for id in ["h-2", "h-1", "h-3"] {
        let mut commit = put(id, 1);
        commit.put[0].parent = Some("case".to_owned());
        commit.put[0].alias = Some("ZK-00000".to_owned());
        store.commit(commit).await.unwrap();
    }
    store.commit(put("h-3", 2)).await.unwrap();
    let ids = |rows: Vec<Record>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();

    assert_eq!(ids(store.children(Kind::Case, "case").await.unwrap()), ["h-1", "h-2"]);
    assert_eq!(ids(store.aliased(Kind::Case, "ZK-00000").await.unwrap()), ["h-1", "h-2"]);
    assert_eq!(ids(store.children(Kind::Handover, "case").await.unwrap()), Vec::<String>::new());
}

/// Rule: ranges start where asked, and are cut at their bound.
pub async fn events_entries_and_leaves_are_read_in_ranges(stores: &dyn Stores) {
    let store = stores.fresh().await;
    for batch in 0..3_usize {
        let of = |n: usize| if n.is_multiple_of(2) { Some("even") } else { None };
        let entries = (0..500).map(|n| entry(&format!("{}", batch * 500 + n), of(n))).collect();
        let events = (0..490).map(|_| event("x")).collect();
        store.commit(Commit { at: at(0), entries, events, ..Commit::default() }).await.unwrap();
    }

    assert_eq!(store.entries(0, u32::MAX).await.unwrap().len(), MAX_ROWS as usize);
    assert_eq!(store.events(0, u32::MAX).await.unwrap().len(), MAX_ROWS as usize);
    assert_eq!(store.leaves(0, u32::MAX).await.unwrap().len(), 1_500);
    assert_eq!(store.leaves(1_498, 10).await.unwrap(), [Hash::sha256(b"1498"), Hash::sha256(b"1499")]);
    assert_eq!(store.entries(1_499, 10).await.unwrap()[0].index, 1_499);
    assert_eq!(store.entries_of("even", 1_400, 1_000).await.unwrap().len(), 50);
    assert_eq!(store.entries_of("even", 3, 1).await.unwrap()[0].index, 4);
    assert_eq!(store.events(1_469, 10).await.unwrap()[0].seq, 1_470);
    assert_eq!((store.entries(1_500, 10).await.unwrap().len(), store.events(u64::MAX, 10).await.unwrap().len()), (0, 0));
}

/// Rule: 200 deciders who read the same version, one winner.
pub async fn exactly_one_commit_wins_per_version(stores: &dyn Stores) {
    let store = stores.fresh().await;

    for version in 1..=3 {
        let rivals = (0..200).map(|n| {
            let store = Arc::clone(&store);
            let commit = Commit { entries: vec![entry(&format!("{version}/{n}"), None)], ..put("one", version) };
            tokio::spawn(async move { store.commit(commit).await })
        });
        let answers = join_all(rivals).await.into_iter().map(Result::unwrap);
        let (won, lost): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);

        assert_eq!((won.len(), lost.len()), (1, 199));
        lost.into_iter().for_each(is_conflict);
        assert_eq!(store.record(Kind::Case, "one").await.unwrap().unwrap().version, version);
        assert_eq!(store.log_size().await.unwrap(), version);
    }
}

/// Rule: a commit without effect still answers whether what was read stands, and where log and events are.
pub async fn a_commit_of_nothing_checks_what_was_read(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(full_commit()).await.unwrap();
    let reads =
        |version| Commit { at: at(0), expect: vec![Expect { kind: Kind::Case, id: "whole".to_owned(), version }], ..Commit::default() };

    let committed = store.commit(reads(1)).await.unwrap();

    assert_eq!((committed.first_entry, committed.last_event, committed.log_size), (None, 1, 2));
    is_conflict(store.commit(reads(2)).await);
}

/// Rule: what was answered outlives the process, and numbering goes on where it was.
pub async fn a_reopened_store_has_kept_everything(stores: &dyn Stores) {
    let store = stores.fresh().await;
    store.commit(full_commit()).await.unwrap();

    let store = stores.reopen(store).await;

    assert_kept(&*store).await;
    let more = Commit { at: at(1), send: vec![outgoing(&peer(1), 11)], entries: vec![entry("third", None)], ..Commit::default() };
    assert_eq!(store.commit(more).await.unwrap().first_entry, Some(2));
    assert_eq!(store.sent(message_id(11)).await.unwrap().unwrap().number, 2);
    assert_eq!(store.received_numbers().await.unwrap(), [(peer(2), 4)]);
}

/// Rule: an erased thread keeps its counters, hashes and entries, and loses records, bytes, salts, the hashes of requests and its key; what
/// the same commit writes is written after it, and whoever read before it is in conflict.
pub async fn an_erased_thread_leaves_its_places_and_nothing_in_them(stores: &dyn Stores) {
    let store = stores.fresh().await;
    let other = Commit { received: vec![InboxRow { thread: "case-2".to_owned(), ..incoming(&peer(3), 21, 1) }], ..Commit::default() };
    store.commit(full_commit()).await.unwrap();
    store.commit(Commit { at: at(1), keys: vec![client_key(2)], entries: vec![entry("third", Some("case-1"))], ..other }).await.unwrap();
    let erase = Erase {
        key: client_key(1).id,
        records: vec![(Kind::Case, "whole".to_owned()), (Kind::Handover, "never was".to_owned())],
        thread: "case-1".to_owned(),
        outcomes: vec!["cases/1".to_owned()],
    };
    let after = Commit {
        at: at(3),
        expect: vec![Expect { kind: Kind::Case, id: "whole".to_owned(), version: 1 }],
        send: vec![outgoing(&peer(1), 13)],
        entries: vec![entry("erased", Some("case-1"))],
        erase: vec![erase],
        ..Commit::default()
    };

    let behind = Commit { expect: vec![Expect { kind: Kind::Case, id: "whole".to_owned(), version: 9 }], ..after.clone() };
    assert!(matches!(store.commit(behind).await, Err(StoreError::Conflict(_))));
    store.commit(after.clone()).await.unwrap();
    let store = stores.reopen(store).await;

    assert_eq!((store.client_key(client_key(1).id).await.unwrap(), store.record(Kind::Case, "whole").await.unwrap()), (None, None));
    assert_eq!(store.client_key(client_key(2).id).await.unwrap(), Some(client_key(2)));
    let sent = store.sent_in("case-1").await.unwrap();
    assert_eq!(sent.iter().map(|row| row.message.sealed.len()).collect::<Vec<_>>(), [0, 4], "the commit's own message is whole");
    assert_eq!(sent[0].message.hash, outgoing(&peer(1), 10).hash);
    let (mine, theirs) = (store.received_in("case-1").await.unwrap(), store.received_in("case-2").await.unwrap());
    assert_eq!((mine[0].sealed.len(), mine[0].proof.len(), theirs[0].sealed.len()), (0, 1, 3));
    let salts: Vec<bool> = store.entries(0, 10).await.unwrap().iter().map(|row| row.entry.salts.is_some()).collect();
    assert_eq!(salts, [true, true, false, true], "of the case's entries before it");
    assert_eq!(store.replay("ura:90000001 CreateCase", "r-1").await.unwrap().unwrap().body, FORGOTTEN);
    assert!(matches!(store.commit(after).await, Err(StoreError::Conflict(_))), "whoever read before it is in conflict");
}

/// Rule: who stops waiting loses only the answer.
pub async fn cancelled_commits_are_whole_or_absent_and_answered_ones_stay(stores: &dyn Stores) {
    let store = stores.fresh().await;

    let answered = cancel_at_random_points(&store, 400).await;
    let store = stores.reopen(store).await;

    assert_whole_or_absent(&*store, &answered).await;
}

/// Sends commits and drops their futures after a varying number of polls; returns the ids of those that were answered before.
pub async fn cancel_at_random_points(store: &Arc<dyn Store>, commits: u64) -> Vec<String> {
    let mut running = JoinSet::new();
    let mut answered = Vec::new();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for n in 0..commits {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (store, id, patience) = (Arc::clone(store), format!("c-{n:05}"), state % 12);
        running.spawn(async move {
            let commit = Commit { entries: vec![entry(&id, Some(&id))], ..put(&id, 1) };
            let yields = async {
                for _ in 0..1_u32 << patience {
                    tokio::task::yield_now().await;
                }
                // Some wait as long as it takes, so that something is answered on the slowest machine too.
                if n % 16 == 0 {
                    std::future::pending::<()>().await;
                }
            };
            let committed = first(store.commit(commit), yields).await;
            committed.map(|answer| answer.map(|_| id).unwrap())
        });
        while running.len() > 64 {
            answered.extend(running.join_next().await.and_then(Result::unwrap));
        }
    }
    while let Some(done) = running.join_next().await {
        answered.extend(done.unwrap());
    }
    answered
}

/// The commit's answer, unless the limit ends first.
async fn first<T>(commit: impl Future<Output = T>, limit: impl Future<Output = ()>) -> Option<T> {
    tokio::select! { biased; answer = commit => Some(answer), () = limit => None }
}

/// Of commits that each wrote one record and one entry: every answered one is there, and every one is whole.
pub async fn assert_whole_or_absent(store: &dyn Store, answered: &[String]) {
    let mut records = Vec::new();
    while let Some(page) = Some(store.records(Kind::Case, page(records.last().map_or("", String::as_str), 1_000)).await.unwrap()) {
        if page.is_empty() {
            break;
        }
        records.extend(page.into_iter().map(|record| record.id));
    }
    assert!(!answered.is_empty(), "every commit was cancelled: nothing is shown");
    let lost: Vec<_> = answered.iter().filter(|id| records.binary_search(id).is_err()).collect();
    assert!(lost.is_empty(), "answered and gone: {lost:?}");
    assert_eq!(store.log_size().await.unwrap(), records.len() as u64, "records and entries differ");
    for id in &records {
        assert_eq!(store.entries_of(id, 0, 2).await.unwrap().len(), 1, "{id}");
    }
}
