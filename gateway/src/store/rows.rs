//! ROWS: the reads of both databases, text and decoding side by side. Only portable SQL stands here; each database adds its connection.
//!
//! A value that does not decode is [`StoreError::Damaged`], naming table and key: nothing is guessed and nothing is skipped.

use jiff::Timestamp;
use schakel_domain::id::Hash;
use schakel_domain::traceparent::TraceParent;

use super::group::{PeerHead, Seen};
use super::{
    ClientKey, EntryRow, EventRow, InboxRow, Kind, NewEntry, NewEvent, OutboxRow, OutboxState, Outgoing, PeerQueue, Record, Replay,
};
use super::{MAX_ROWS, StoreError, Timer};

/// An unsigned number as the databases keep it. Larger ones never get in (`group`), and as a bound of a read mean "all".
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A moment as the databases keep it: nanoseconds since 1970. Moments beyond never get in (`group`), and as a bound of a read are cut.
pub(super) fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// At most [`MAX_ROWS`], as a bound of a read.
pub(super) fn rows(limit: u32) -> i64 {
    i64::from(limit.min(MAX_ROWS))
}

pub(super) type RecordCols = (i64, String, i64, Option<String>, i64, Option<String>, String, Option<Vec<u8>>);

pub(super) fn record(row: RecordCols) -> Result<Record, StoreError> {
    let (kind, id, version, parent, open, alias, clear, sealed) = row;
    let damaged = || StoreError::Damaged(format!("record {kind} {id}"));
    let kind = Kind::from_code(kind).ok_or_else(damaged)?;
    let version = u64::try_from(version).map_err(|_| damaged())?;
    Ok(Record { kind, id, version, parent, open: open == 1, alias, clear, sealed })
}

pub(super) type ReplayCols = (String, String, Vec<u8>, String, i64);

pub(super) fn replay(row: ReplayCols) -> Result<Replay, StoreError> {
    let (scope, request_id, body, outcome, at) = row;
    let body = hash(&body).ok_or_else(|| StoreError::Damaged(format!("replay {scope} {request_id}")))?;
    Ok(Replay { scope, request_id, body, outcome, at: moment(at) })
}

pub(super) type InboxCols = (String, String, i64, String, i64, String, Vec<u8>, Vec<u8>, Vec<u8>, String, Option<Vec<u8>>, i64);

pub(super) fn inbox(row: InboxCols) -> Result<InboxRow, StoreError> {
    let (peer, message, number, thread, seq, kind, digest, sealed, proof, outcome, leaf, at) = row;
    let damaged = || StoreError::Damaged(format!("inbox {peer} {message}"));
    Ok(InboxRow {
        peer: peer.parse().map_err(|_| damaged())?,
        message: message.parse().map_err(|_| damaged())?,
        number: u64::try_from(number).map_err(|_| damaged())?,
        seq: u64::try_from(seq).map_err(|_| damaged())?,
        hash: hash(&digest).ok_or_else(damaged)?,
        thread,
        kind,
        sealed,
        proof,
        outcome,
        leaf: leaf.map(|leaf| hash(&leaf).ok_or_else(damaged)).transpose()?,
        at: moment(at),
    })
}

pub(super) type OutboxCols = (
    String,
    i64,
    String,
    String,
    i64,
    String,
    Vec<u8>,
    Vec<u8>,
    i64,
    String,
    i64,
    Option<String>,
    Option<Vec<u8>>,
    i64,
    i64,
    Option<String>,
);

pub(super) fn outbox(row: OutboxCols) -> Result<OutboxRow, StoreError> {
    let (peer, number, message, thread, seq, kind, digest, sealed, of_kind, of_id, state, reason, proof, queued, changed, trace) = row;
    let damaged = || StoreError::Damaged(format!("outbox {peer} {number}"));
    let message = Outgoing {
        peer: peer.parse().map_err(|_| damaged())?,
        message: message.parse().map_err(|_| damaged())?,
        seq: u64::try_from(seq).map_err(|_| damaged())?,
        hash: hash(&digest).ok_or_else(damaged)?,
        subject: (Kind::from_code(of_kind).ok_or_else(damaged)?, of_id),
        thread,
        kind,
        sealed,
    };
    let number = u64::try_from(number).map_err(|_| damaged())?;
    let state = OutboxState::from_code(state).ok_or_else(damaged)?;
    let (queued, changed, trace) = (moment(queued), moment(changed), traced(trace));
    Ok(OutboxRow { number, message, state, reason, proof, queued, changed, trace })
}

/// A trace that cannot be read is none: nothing hangs on it.
fn traced(text: Option<String>) -> Option<TraceParent> {
    text.and_then(|text| text.parse().ok())
}

pub(super) type EventCols = (i64, String, String, String, i64, Option<String>);

pub(super) fn event(row: EventCols) -> Result<EventRow, StoreError> {
    let (seq, kind, resource, state, at, trace) = row;
    let number = u64::try_from(seq).map_err(|_| StoreError::Damaged(format!("event {seq}")))?;
    Ok(EventRow { seq: number, event: NewEvent { kind, resource, state }, at: moment(at), trace: traced(trace) })
}

pub(super) type EntryCols = (i64, Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<String>);

pub(super) fn entry(row: EntryCols) -> Result<EntryRow, StoreError> {
    let (idx, bytes, leaf, salts, case) = row;
    let damaged = || StoreError::Damaged(format!("entry {idx}"));
    let leaf = hash(&leaf).ok_or_else(damaged)?;
    Ok(EntryRow { index: u64::try_from(idx).map_err(|_| damaged())?, entry: NewEntry { bytes, leaf, salts, case } })
}

pub(super) fn leaf(row: (i64, Vec<u8>)) -> Result<Hash, StoreError> {
    hash(&row.1).ok_or_else(|| StoreError::Damaged(format!("entry {}", row.0)))
}

pub(super) fn timer((id, due, action): (String, i64, String)) -> Timer {
    Timer { id, due: moment(due), action }
}

pub(super) fn client_key((id, wrapped): (String, Vec<u8>)) -> Result<ClientKey, StoreError> {
    Ok(ClientKey { id: id.parse().map_err(|_| StoreError::Damaged(format!("client_key {id}")))?, wrapped })
}

pub(super) fn queue((peer, waiting, oldest, highest): (String, i64, Option<i64>, i64)) -> Result<PeerQueue, StoreError> {
    let damaged = || StoreError::Damaged(format!("peer_head {peer}"));
    Ok(PeerQueue {
        waiting: u64::try_from(waiting).map_err(|_| damaged())?,
        highest: u64::try_from(highest).map_err(|_| damaged())?,
        oldest: oldest.map(moment),
        peer: peer.parse().map_err(|_| damaged())?,
    })
}

pub(super) fn count(table: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged(table.to_owned()))
}

pub(super) fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).expect("every i64 of nanoseconds lies within jiff's years -9999 to 9999")
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

/// One row of the statement that reads what a group needs: which part, two numbers, two texts.
pub(super) type SeenCols = (i64, i64, i64, String, String);

/// What the rows of that statement say; a missing record, key or message has none.
pub(super) fn seen(rows: Vec<SeenCols>) -> Result<Seen, sqlx::Error> {
    let damaged = |what: &str| sqlx::Error::Decode(format!("damaged {what}").into());
    let unsigned = |number: i64| u64::try_from(number).map_err(|_| damaged("number"));
    let mut seen = Seen::default();
    for (part, first, second, text, more) in rows {
        let peer = || text.parse().map_err(|_| damaged("peer"));
        match part {
            0 => (seen.log_size, seen.last_event) = (unsigned(first)?, unsigned(second)?),
            1 => {
                let kind = Kind::from_code(first).ok_or_else(|| damaged("kind"))?;
                seen.versions.insert((kind, text), unsigned(second)?);
            }
            2 => {
                seen.replays.insert((text, more));
            }
            3 => {
                seen.received.insert((peer()?, more.parse().map_err(|_| damaged("message"))?));
            }
            4 => {
                let state = OutboxState::from_code(second).ok_or_else(|| damaged("state"))?;
                seen.outbox.insert((peer()?, unsigned(first)?), state);
            }
            _ => {
                seen.peers.insert(peer()?, PeerHead { sent: unsigned(first)?, received: unsigned(second)? });
            }
        }
    }
    Ok(seen)
}

/// The columns of an outbox row, in the order of [`OutboxCols`].
macro_rules! outbox_columns {
    ($rest:literal) => {
        concat!(
            "SELECT peer, number, message, thread, seq, kind, hash, sealed, subject_kind, subject_id, state, reason, proof, queued, changed, ",
            "trace FROM outbox ",
            $rest
        )
    };
}

/// The columns of an inbox row, in the order of [`InboxCols`].
macro_rules! inbox_columns {
    ($rest:literal) => {
        concat!("SELECT peer, message, number, thread, seq, kind, hash, sealed, proof, outcome, leaf, at FROM inbox ", $rest)
    };
}

/// The columns of a record, in the order of [`RecordCols`].
macro_rules! record_columns {
    ($rest:literal) => {
        concat!("SELECT kind, id, version, parent, open, alias, clear, sealed FROM record ", $rest)
    };
}

/// The reads of single rows by their keys, for the same type as [`store_reads`].
macro_rules! store_lookups {
    () => {
        fn record<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as(record_columns!("WHERE kind = $1 AND id = $2")).bind(kind.code()).bind(id);
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::record).transpose()
            })
        }

        fn replay<'a>(&'a self, scope: &'a str, request_id: &'a str) -> BoxFuture<'a, Result<Option<Replay>, StoreError>> {
            Box::pin(async move {
                let sql = "SELECT scope, request_id, body, outcome, at FROM replay WHERE scope = $1 AND request_id = $2";
                let query = sqlx::query_as(sql).bind(scope).bind(request_id);
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::replay).transpose()
            })
        }

        fn received<'a>(&'a self, peer: &'a OrgId, message: MessageId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
            Box::pin(async move {
                let query =
                    sqlx::query_as(inbox_columns!("WHERE peer = $1 AND message = $2")).bind(peer.as_str()).bind(message.to_string());
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::inbox).transpose()
            })
        }
    };
}

/// The other reads of `Store`, for a type with `readers(&self) -> Result<&Pool, StoreError>` and `failed(sqlx::Error) -> StoreError`.
macro_rules! store_reads {
    () => {
        fn records(&self, kind: Kind, page: Page) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
            Box::pin(async move {
                let sql = if page.open_only {
                    record_columns!("WHERE kind = $1 AND id > $2 AND open = 1 ORDER BY id LIMIT $3")
                } else {
                    record_columns!("WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3")
                };
                let query = sqlx::query_as(sql).bind(kind.code()).bind(page.after).bind(rows::rows(page.limit));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::record).collect()
            })
        }

        fn children<'a>(&'a self, kind: Kind, parent: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
            Box::pin(async move {
                let sql = record_columns!("WHERE kind = $1 AND parent = $2 ORDER BY id LIMIT $3");
                let query = sqlx::query_as(sql).bind(kind.code()).bind(parent).bind(i64::from(MAX_ROWS));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::record).collect()
            })
        }

        fn aliased<'a>(&'a self, kind: Kind, alias: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
            Box::pin(async move {
                let sql = record_columns!("WHERE kind = $1 AND alias = $2 ORDER BY id LIMIT $3");
                let query = sqlx::query_as(sql).bind(kind.code()).bind(alias).bind(i64::from(MAX_ROWS));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::record).collect()
            })
        }

        fn received_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as(inbox_columns!("WHERE thread = $1 ORDER BY arrival LIMIT $2")).bind(thread);
                let query = query.bind(i64::from(MAX_ROWS));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::inbox).collect()
            })
        }

        fn received_numbers(&self) -> BoxFuture<'_, Result<Vec<(OrgId, u64)>, StoreError>> {
            Box::pin(async move {
                let heads = sqlx::query_as::<_, (String, i64)>("SELECT peer, received FROM peer_head WHERE received > 0 ORDER BY peer");
                let heads = heads.fetch_all(self.readers()?).await.map_err(failed)?;
                heads.into_iter().map(|(peer, received)| rows::queue((peer, 0, None, received)).map(|q| (q.peer, q.highest))).collect()
            })
        }

        fn newest_received<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<InboxRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as(inbox_columns!("WHERE peer = $1 ORDER BY number DESC LIMIT 1")).bind(peer.as_str());
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::inbox).transpose()
            })
        }

        fn outbox<'a>(
            &'a self,
            peer: &'a OrgId,
            state: OutboxState,
            after: u64,
            limit: u32,
        ) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
            Box::pin(async move {
                let sql = outbox_columns!("WHERE peer = $1 AND state = $2 AND number > $3 ORDER BY number LIMIT $4");
                let query = sqlx::query_as(sql).bind(peer.as_str()).bind(state.code()).bind(rows::int(after)).bind(rows::rows(limit));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::outbox).collect()
            })
        }

        fn sent_in<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<OutboxRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as(outbox_columns!("WHERE thread = $1 ORDER BY number, peer LIMIT $2")).bind(thread);
                let query = query.bind(i64::from(MAX_ROWS));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::outbox).collect()
            })
        }

        fn sent(&self, message: MessageId) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as(outbox_columns!("WHERE message = $1")).bind(message.to_string());
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::outbox).transpose()
            })
        }

        fn outbox_peers(&self) -> BoxFuture<'_, Result<Vec<PeerQueue>, StoreError>> {
            Box::pin(async move {
                let sql = "SELECT h.peer, COUNT(o.number), MIN(o.queued), h.sent FROM peer_head h \
                           LEFT JOIN outbox o ON o.peer = h.peer AND o.state = $1 WHERE h.sent > 0 GROUP BY h.peer, h.sent ORDER BY h.peer";
                let query = sqlx::query_as(sql).bind(OutboxState::Waiting.code());
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::queue).collect()
            })
        }

        fn events(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as("SELECT seq, kind, resource, state, at, trace FROM event WHERE seq > $1 ORDER BY seq LIMIT $2");
                let query = query.bind(rows::int(after)).bind(rows::rows(limit));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::event).collect()
            })
        }

        fn event_range(&self) -> BoxFuture<'_, Result<(u64, u64), StoreError>> {
            Box::pin(async move {
                let sql = "SELECT COALESCE((SELECT MIN(seq) FROM event), last_event + 1), last_event FROM head";
                let (lowest, highest) = sqlx::query_as(sql).fetch_one(self.readers()?).await.map_err(failed)?;
                Ok((rows::count("head", lowest)?, rows::count("head", highest)?))
            })
        }

        fn entries(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EntryRow>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as("SELECT idx, bytes, leaf, salts, case_id FROM entry WHERE idx >= $1 ORDER BY idx LIMIT $2");
                let query = query.bind(rows::int(from)).bind(rows::rows(limit));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::entry).collect()
            })
        }

        fn entries_of<'a>(&'a self, case: &'a str, from: u64, limit: u32) -> BoxFuture<'a, Result<Vec<EntryRow>, StoreError>> {
            Box::pin(async move {
                let sql = "SELECT idx, bytes, leaf, salts, case_id FROM entry WHERE case_id = $1 AND idx >= $2 ORDER BY idx LIMIT $3";
                let query = sqlx::query_as(sql).bind(case).bind(rows::int(from)).bind(rows::rows(limit));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::entry).collect()
            })
        }

        fn leaves(&self, from: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as("SELECT idx, leaf FROM entry WHERE idx >= $1 ORDER BY idx LIMIT $2");
                let query = query.bind(rows::int(from)).bind(i64::from(limit.min(MAX_LEAVES)));
                query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::leaf).collect()
            })
        }

        fn log_size(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
            Box::pin(async move {
                let (size,) = sqlx::query_as("SELECT log_size FROM head").fetch_one(self.readers()?).await.map_err(failed)?;
                rows::count("head", size)
            })
        }

        fn due(&self, now: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Timer>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as("SELECT id, due, action FROM timer WHERE due <= $1 ORDER BY due, id LIMIT $2");
                let query = query.bind(rows::nanos(now)).bind(rows::rows(limit));
                Ok(query.fetch_all(self.readers()?).await.map_err(failed)?.into_iter().map(rows::timer).collect())
            })
        }

        fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as::<_, (Option<i64>,)>("SELECT MIN(due) FROM timer");
                let (due,) = query.fetch_one(self.readers()?).await.map_err(failed)?;
                Ok(due.map(rows::moment))
            })
        }

        fn client_key(&self, id: ClientKeyId) -> BoxFuture<'_, Result<Option<ClientKey>, StoreError>> {
            Box::pin(async move {
                let query = sqlx::query_as("SELECT id, wrapped FROM client_key WHERE id = $1").bind(id.to_string());
                query.fetch_optional(self.readers()?).await.map_err(failed)?.map(rows::client_key).transpose()
            })
        }
    };
}

pub(super) use {inbox_columns, outbox_columns, record_columns, store_lookups, store_reads};
