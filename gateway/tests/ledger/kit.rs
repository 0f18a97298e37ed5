//! An invented log in any store, seeded randomness, raw hands on a database, and a store that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel::store::*;
use schakel_domain::audit::checkpoint::origin;
use schakel_domain::audit::commitment::{Commitment, Salt};
use schakel_domain::audit::entry::{CovenantRef, Decision, Entry, Event, Object, Source, User};
use schakel_domain::audit::event::{EventCode, Outcome};
use schakel_domain::audit::note::{KeyType, Signer};
use schakel_domain::audit::tree::leaf_hash;
use schakel_domain::id::{ClientKeyId, Hash, MessageId, OrgId};
use sqlx::{PgConnection, SqliteConnection};

/// The log's key; invented, so its seed may stand here.
pub(crate) fn signer() -> Signer {
    Signer::from_seed(&origin(&"ura:90000382".parse().unwrap()), KeyType::Ed25519, &[42; 32]).unwrap()
}

pub(crate) const CASE: &str = "0198f2c0-11aa-7cc0-8e55-2f6f0c3de901";

/// Entry number `number`; no two are alike.
pub(crate) fn entry(number: u64) -> Entry {
    let now = Timestamp::from_millisecond(1_795_300_000_000 + i64::try_from(number).unwrap()).unwrap();
    let covenant = CovenantRef { id: "gelderland".to_owned(), version: 3, clause: "4.2".to_owned() };
    let object = Object::new("case", "uuid", CASE, covenant.protocol()).about_client("handover-accepted", "jeugdwet-7.3.11");
    let decision = match number % 2 {
        0 => Decision::allowed("4.2", "De ontvanger van een aanbod mag het lezen."),
        _ => Decision::denied("COVENANT_DENIED", "Het convenant staat dit niet toe."),
    };
    let outcome = if number.is_multiple_of(2) { Outcome::Done } else { Outcome::Refused };
    Entry::new(
        Event::new(EventCode::CaseViewed, outcome, now),
        User::person(format!("p-{number:04}"), "crisisverpleegkundige"),
        object,
        Source { org: "ura:90000382".parse().unwrap(), gateway: "gw-1".to_owned() },
        decision.under(covenant, "crisis"),
    )
    .with_client(Commitment::new(&salt(number), "client 1"))
}

pub(crate) fn salt(number: u64) -> Salt {
    Salt::new(Hash::sha256(&number.to_be_bytes()).0)
}

pub(crate) fn bytes(number: u64) -> Vec<u8> {
    entry(number).bytes().unwrap()
}

/// Commits the entries of these numbers, a hundred at a time.
pub(crate) async fn write(store: &dyn Store, numbers: std::ops::Range<u64>) {
    let numbers: Vec<u64> = numbers.collect();
    for part in numbers.chunks(100) {
        let entries = part.iter().map(|number| {
            let bytes = bytes(*number);
            NewEntry { leaf: leaf_hash(&bytes), bytes, salts: Some(number.to_be_bytes().to_vec()), case: Some(CASE.to_owned()) }
        });
        store.commit(Commit { entries: entries.collect(), ..Commit::default() }).await.unwrap();
    }
}

/// Seeded randomness (splitmix64): the same run every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn place(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

/// A database behind the gateway's back.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A value in a statement.
#[derive(Clone)]
pub(crate) enum Value {
    Int(u64),
    Bytes(Vec<u8>),
    Text(String),
}

impl Raw {
    pub(crate) async fn run(&mut self, sql: &'static str, values: &[Value]) {
        macro_rules! run {
            ($conn:expr) => {{
                let mut query = sqlx::query(sql);
                for value in values.iter().cloned() {
                    query = match value {
                        Value::Int(number) => query.bind(i64::try_from(number).unwrap()),
                        Value::Bytes(bytes) => query.bind(bytes),
                        Value::Text(text) => query.bind(text),
                    };
                }
                query.execute($conn).await.unwrap();
            }};
        }
        match self {
            Raw::Sqlite(conn) => run!(conn),
            Raw::Postgres(conn) => run!(conn),
        }
    }
}

/// A store that counts what is asked of it.
pub(crate) struct Counting {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) commits: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) leaves: AtomicU64,
}

impl Counting {
    pub(crate) fn of(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, commits: AtomicU64::new(0), reads: AtomicU64::new(0), leaves: AtomicU64::new(0) })
    }

    pub(crate) fn asked(&self) -> (u64, u64) {
        (self.commits.load(Ordering::SeqCst), self.reads.load(Ordering::SeqCst))
    }
}

/// Passes a read on, counted.
macro_rules! counted {
    ($($name:ident ($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self, $($arg: $kind),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.inner.$name($($arg),*)
        })*
    };
}

impl Store for Counting {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(commit)
    }

    fn leaves(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.leaves.fetch_add(u64::from(limit), Ordering::SeqCst);
        self.inner.leaves(from, limit)
    }

    counted! {
        record(kind: Kind, id: &'a str) -> Option<Record>;
        records(kind: Kind, page: Page) -> Vec<Record>;
        children(kind: Kind, parent: &'a str) -> Vec<Record>;
        aliased(kind: Kind, alias: &'a str) -> Vec<Record>;
        replay(scope: &'a str, request_id: &'a str) -> Option<Replay>;
        received(peer: &'a OrgId, message: MessageId) -> Option<InboxRow>;
        received_in(thread: &'a str) -> Vec<InboxRow>;
        received_numbers() -> Vec<(OrgId, u64)>;
        newest_received(peer: &'a OrgId) -> Option<InboxRow>;
        outbox(peer: &'a OrgId, state: OutboxState, after: u64, limit: u32) -> Vec<OutboxRow>;
        sent_in(thread: &'a str) -> Vec<OutboxRow>;
        sent(message: MessageId) -> Option<OutboxRow>;
        outbox_peers() -> Vec<PeerQueue>;
        events(after: u64, limit: u32) -> Vec<EventRow>;
        event_range() -> (u64, u64);
        entries(from: u64, limit: u32) -> Vec<EntryRow>;
        entries_of(case: &'a str, from: u64, limit: u32) -> Vec<EntryRow>;
        log_size() -> u64;
        due(now: Timestamp, limit: u32) -> Vec<Timer>;
        next_due() -> Option<Timestamp>;
        client_key(id: ClientKeyId) -> Option<ClientKey>;
        ready() -> ();
    }
}
