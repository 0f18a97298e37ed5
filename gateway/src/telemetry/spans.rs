//! Every span there is. A span holds names of methods, organisations, kinds of messages, numbers and reason codes: nothing of a person, of
//! a case or of what was said. Outside this folder nobody makes one (`tests/architecture/main.rs`).

use schakel_domain::id::OrgId;
use schakel_domain::traceparent::TraceParent;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::context::{follow, remote};
use super::levels::SPANS;

/// One call at a door.
#[must_use]
pub fn call(door: &'static str, method: &'static str, parent: Option<TraceParent>) -> Span {
    let span = tracing::info_span!(target: SPANS, "call", otel.name = method, otel.kind = "server", otel.status_code = Empty,
        rpc.system.name = "grpc", rpc.method = method, rpc.response.status_code = Empty, error.r#type = Empty,
        schakel.door = door, trace_id = Empty);
    follow(&span, parent);
    span
}

/// One commit, from the queue of the store to the disk.
#[must_use]
pub fn commit(messages: usize, entries: usize, events: usize) -> Span {
    let span = tracing::info_span!(target: SPANS, "commit", otel.status_code = Empty, schakel.outcome = Empty,
        schakel.commit.messages = messages, schakel.commit.entries = entries, schakel.commit.events = events, trace_id = Empty);
    follow(&span, None);
    span
}

/// One message on its way to a peer, from the batch it goes in until the peer's answer; it goes on where the act stood that made it.
#[must_use]
pub fn send(peer: &OrgId, kind: &str, number: u64, made: Option<TraceParent>) -> Span {
    let span = tracing::info_span!(target: SPANS, parent: None, "send", otel.kind = "producer", otel.status_code = Empty,
        schakel.peer = %peer, schakel.message.kind = kind, schakel.message.number = number, schakel.outcome = Empty,
        error.r#type = Empty, trace_id = Empty);
    follow(&span, made);
    span
}

/// One batch to a peer: a trace of its own, with a link to each message in it.
#[must_use]
pub fn batch(peer: &OrgId, messages: &[TraceParent], count: usize) -> Span {
    let span = tracing::info_span!(target: SPANS, parent: None, "batch", otel.kind = "client",
        schakel.peer = %peer, schakel.batch.messages = count, trace_id = Empty);
    messages.iter().for_each(|message| span.add_link(remote(*message)));
    follow(&span, None);
    span
}

/// One message of a peer, until it is judged and durable; it goes on where the peer says that it stood.
#[must_use]
pub fn receive(peer: &OrgId, kind: &str, number: u64, sent: Option<TraceParent>) -> Span {
    let span = tracing::info_span!(target: SPANS, parent: None, "receive", otel.kind = "consumer", otel.status_code = Empty,
        schakel.peer = %peer, schakel.message.kind = kind, schakel.message.number = number, schakel.outcome = Empty,
        error.r#type = Empty, trace_id = Empty);
    follow(&span, sent);
    span
}

/// One notice to a system of our own; it goes on where the act stood that it tells of.
#[must_use]
pub fn notice(kind: &str, made: Option<TraceParent>) -> Span {
    let span =
        tracing::info_span!(target: SPANS, parent: None, "notice", otel.kind = "producer", schakel.event.kind = kind, trace_id = Empty);
    follow(&span, made);
    span
}

/// What became of it; a reason makes it an error.
pub fn outcome(span: &Span, outcome: &str, reason: Option<&str>) {
    span.record("schakel.outcome", outcome);
    if let Some(reason) = reason {
        span.record("error.type", reason);
        span.record("otel.status_code", "ERROR");
    }
}
